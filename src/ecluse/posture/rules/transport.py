"""How bytes travel: TLS, SSH, clear text, and which networks are reached and let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, urlsplit

from ecluse.posture.facts import HubFacts, PartnerFacts
from ecluse.posture.looks import CHANNELS, being, each, empty, given, matching, one_of, places, weak
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.posture.rules.permitted import excepted
from ecluse.trust.addresses import is_loopback, split_host, split_url

__all__ = ["HUB", "PARTNER", "is_clear", "is_local"]

MANY_PORTS: Final = 1000
"""Ports of a passive range that a firewall should not have open: a port a transfer, and none has so many."""
VERIFYING: Final = frozenset(("verify-full", "verify-ca"))
"""Values of sslmode under which libpq checks the server's certificate."""
FRESH: Final = frozenset(("host-key", "tls-server"))
"""Roles that a server of theirs plays."""


def is_local(host: str) -> bool:
    """Whether a host is this machine, or one of its own private addresses written as such."""
    if is_loopback(host):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_clear(url: str) -> bool:
    """Whether a URL leads over the network without TLS."""
    place = split_url(url)
    return place is not None and place[0] == "http" and not is_local(place[1])


def _https(url: str) -> str:
    return "https" + url[len("http") :] if url.startswith("http:") else url


def _clear(*paths: str) -> Callable[[PartnerFacts, Moment], Iterator[Hit]]:
    def look(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for path in paths:
            for at, value in places(facts.settings, path):
                if isinstance(value, str) and is_clear(value):
                    yield Hit(path, f'{path} = "{value}"', fix=Fix((Put(at, _https(value)),)))

    return look


def _clear_exception(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    yield from excepted(facts, moment, "clear-text")


def _data_exception(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    yield from excepted(facts, moment, "unverified-data-channel")


def _unpinned(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    settings = facts.settings
    servers = [
        name
        for name, used in (
            ("as2", settings.as2 is not None and (settings.as2.url or "").startswith("https:")),
            ("ftps", settings.ftps is not None and settings.ftps.mode != "clear"),
            ("webdav", settings.webdav is not None and settings.webdav.url.startswith("https:")),
        )
        if used
    ]
    if servers and not any("tls" in entry.use for entry in facts.certificates.entries):
        yield Hit("certificates.tls", f"any of the system's authorities may vouch for {', '.join(servers)}")


def _new_server(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    if facts.approved is None:
        return
    for seen in facts.seen:
        if seen.role in FRESH and seen.first > facts.approved.at:
            yield Hit(
                f"seen.{seen.channel}.{seen.role}.{seen.value}",
                f"{seen.value} as {seen.role} over {seen.channel}",
                since=seen.first,
            )


def _wide(address: str) -> bool:
    return address.rpartition(":")[0].strip("[]") in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


def _reachable(address: str) -> bool:
    return not is_local(address.rpartition(":")[0].strip("[]"))


def _plain_listener(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    as2 = facts.settings.listen.as2
    if as2.tls is None and _reachable(as2.address):
        yield Hit(
            "listen.as2.tls",
            f"{as2.address} speaks plain HTTP",
            fix=Fix((Put(("listen", "as2", "tls", "key"), "tls"),)),
        )


def _public_url(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    url = facts.settings.listen.as2.public_url
    if url is not None and is_clear(url):
        yield Hit("listen.as2.public_url", f'partners are told "{url}"')


def _database(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    url = facts.settings.store.database
    if not url.startswith("postgresql://"):
        return
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", [""])[0]
    if not host or host.startswith("/") or is_local(host):
        return
    mode = query.get("sslmode", ["prefer"])[0]
    if mode not in VERIFYING:
        yield Hit("store.database", f"to {host} with sslmode {mode}")


def _ports(text: str) -> bool:
    first, _, last = text.partition("-")
    return int(last) - int(first) >= MANY_PORTS


def _jumps(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for table in ("sftp.host_keys[]", "sftp.jump[].host_keys[]"):
        for at, value in places(facts.settings, table):
            if isinstance(value, str) and value.startswith("@cert-authority"):
                name = "sftp.host_keys" if at[1] == "host_keys" else f"sftp.jump[{at[2]}].host_keys"
                yield Hit(f"{name}[{at[-1]}]", "every host that this authority certifies is taken for theirs")


def _many_pins(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for at, value in places(facts.settings, "sftp.host_keys"):
        if isinstance(value, tuple) and len(value) > 3:
            yield Hit(".".join(map(str, at)), f"{len(value)} host keys are taken")


def _private_host(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for channel in CHANNELS:
        for at, value in places(facts.settings, f"{channel}.allow_private_network"):
            if value is True:
                yield Hit(
                    f"{channel}.allow_private_network",
                    f"{channel} may lead to loopback and private networks{_where(facts, channel)}",
                    fix=Fix((Put(at, False),)),
                )


def _where(facts: PartnerFacts, channel: str) -> str:
    place = getattr(facts.settings, channel)
    host = getattr(place, "host", None)
    if isinstance(host, str):
        return f" ({split_host(host, 0)[0]})"
    url = getattr(place, "url", None) or getattr(place, "endpoint", None)
    parts = split_url(url) if isinstance(url, str) else None
    return f" ({parts[1]})" if parts is not None else ""


PARTNER: Final = (
    Rule[PartnerFacts](
        "transport.cleartext-ftp",
        Severity.CRITICAL,
        "Documents and our password go to their server by FTP in clear text",
        "Everybody on the way reads the password once, and from then on takes and changes documents at will.",
        'ftps.mode = "explicit" or "implicit"',
        "Agree on TLS with the partner.",
        weak("ftps.mode", test=being("clear"), better="explicit"),
        "RFC 4217",
    ),
    Rule[PartnerFacts](
        "transport.cleartext-http",
        Severity.MEDIUM,
        "AS2 messages leave over plain HTTP",
        "Who sends what to whom and when is open to everybody on the way, and anybody there can hold messages back.",
        "an https:// URL",
        "Ask the partner for its https:// URL.",
        _clear("as2.url"),
        "RFC 4130, section 5.1",
    ),
    Rule[PartnerFacts](
        "transport.cleartext-store",
        Severity.HIGH,
        "A bucket or WebDAV server of theirs is reached over plain HTTP",
        "Documents and credentials cross the network for everybody to read and to change.",
        "an https:// URL",
        "Ask the partner for its https:// URL.",
        _clear("webdav.url", "s3.endpoint", "azure.endpoint", "gcs.endpoint"),
    ),
    Rule[PartnerFacts](
        "transport.cleartext-exception",
        Severity.HIGH,
        "Clear text is allowed to this partner by an exception",
        "The one exception opens every channel of the partner's to clear text.",
        "no exception",
        "Agree on TLS with the partner, then take the exception out.",
        _clear_exception,
    ),
    Rule[PartnerFacts](
        "transport.data-channel-exception",
        Severity.MEDIUM,
        "Their FTPS data connections need not be proven theirs",
        "Somebody who is quicker at the data port gives or takes the file in the partner's place.",
        "no exception",
        "Ask the partner for a server that resumes the TLS session on data connections, then take the exception out.",
        _data_exception,
        "RFC 4217, section 10",
    ),
    Rule[PartnerFacts](
        "transport.tls-1.2",
        Severity.INFO,
        "TLS 1.2 is still spoken to their server",
        "It is sound as it is used here; 1.3 leaves nothing to choose badly, and hides the certificates.",
        'min_version = "1.3"',
        "Ask whether their server speaks TLS 1.3; `ecluse doctor` shows what it spoke.",
        weak(*each(("as2", "ftps", "webdav"), "tls.min_version"), test=being("1.2"), better="1.3"),
        "RFC 9325",
    ),
    Rule[PartnerFacts](
        "transport.unpinned-tls",
        Severity.LOW,
        "Any public authority may vouch for their server",
        "One of a hundred authorities, or whoever takes over their domain's mail, can pose as the partner.",
        'a [[certificates]] entry with use = ["tls"]',
        "Add their server's certificate, or its authority's, with the use tls.",
        _unpinned,
    ),
    Rule[PartnerFacts](
        "transport.private-network",
        Severity.LOW,
        "Their address may lead into our own network",
        "Whoever controls the name of their server can have the hub talk to machines behind our firewall.",
        "allow_private_network = false",
        "Leave it out unless their server really is inside our network.",
        _private_host,
    ),
    Rule[PartnerFacts](
        "transport.receipt-hosts",
        Severity.LOW,
        "Asynchronous receipts may go to further hosts",
        "A message can have the hub connect to each of them.",
        "async_receipt_hosts without entries",
        "Take out hosts that they do not use any more.",
        weak("as2.async_receipt_hosts", test=given, better=[]),
    ),
    Rule[PartnerFacts](
        "transport.host-authority",
        Severity.LOW,
        "An SSH authority vouches for their host",
        "Whoever gets a certificate of it is taken for their server.",
        "host keys, each by itself",
        "Pin the host keys themselves, unless the partner changes them often.",
        _jumps,
    ),
    Rule[PartnerFacts](
        "transport.many-host-keys",
        Severity.LOW,
        "Many host keys are taken for one server of theirs",
        "Every old key that is still pinned can be used by whoever has it.",
        "one key of each kind",
        "Take out those that the server does not show any more: `ecluse partner scan-host-key`.",
        _many_pins,
    ),
    Rule[PartnerFacts](
        "transport.server-drift",
        Severity.HIGH,
        "Their server shows another key or certificate than when the baseline was approved",
        "It may be a renewal, and it may be somebody in their place.",
        "what the baseline approved",
        "Compare the fingerprint with the partner by another way; then `ecluse posture baseline approve`.",
        _new_server,
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "transport.plain-listener",
        Severity.HIGH,
        "The AS2 listener speaks plain HTTP to the network",
        "Ids, subjects and receipts are open to everybody on the way, who may also change and hold back messages.",
        "[listen.as2.tls], or an address on loopback behind a proxy",
        "Give it a key with [listen.as2.tls], or listen on loopback.",
        _plain_listener,
        "RFC 9325",
    ),
    Rule[HubFacts](
        "transport.public-url",
        Severity.MEDIUM,
        "Partners are told an address without TLS",
        "They send what they send in clear, whatever stands before the hub.",
        "an https:// URL",
        "Set public_url to the https:// address, and send partners the card again.",
        _public_url,
    ),
    Rule[HubFacts](
        "transport.listener-tls-1.2",
        Severity.INFO,
        "A listener still speaks TLS 1.2",
        "It is sound as it is used here; 1.3 leaves nothing to choose badly.",
        'min_version = "1.3"',
        "Look what partners were seen to speak before you ask for more.",
        weak("listen.as2.tls.min_version", "listen.ftps.min_version", test=being("1.2"), better="1.3"),
        "RFC 9325",
    ),
    Rule[HubFacts](
        "transport.no-client-certificates",
        Severity.INFO,
        "A listener does not demand a certificate of those who connect",
        "With it, a stranger is turned away before a single octet of his is parsed.",
        'client_auth = "required"',
        "Collect partners' client certificates (use tls-client), then demand them.",
        weak(
            "listen.as2.tls.client_auth",
            "listen.ftps.client_auth",
            test=one_of("none", "optional"),
            better="required",
        ),
    ),
    Rule[HubFacts](
        "transport.authority-private-network",
        Severity.LOW,
        "An authority's address may lead into our own network",
        "The address to ask about revocation stands in the certificate: whoever makes one can have the hub talk to "
        "machines behind our firewall.",
        "allow_private_network = false",
        "Leave it out unless an authority of ours is inside our network.",
        weak(
            "revocation.allow_private_network", "acme.allow_private_network", test=being(True), better=False
        ),
    ),
    Rule[HubFacts](
        "transport.ftps-session-reuse",
        Severity.MEDIUM,
        "FTPS data connections need not resume the session of their control connection",
        "Somebody who is quicker at the data port gives or takes the file in the partner's place.",
        "require_reuse = true",
        "Demand it; give the one client that can't an account over SFTP.",
        weak("listen.ftps.require_reuse", test=being(False), better=True),
        "RFC 4217, section 10",
    ),
    Rule[HubFacts](
        "transport.ftps-any-port",
        Severity.LOW,
        "FTPS data connections come to any port",
        "The firewall has to let everything in, and so protects nothing else on the machine.",
        'passive_ports = "50000-50099"',
        "Choose a range, and open that alone.",
        weak("listen.ftps.passive_ports", test=empty, better="50000-50099"),
    ),
    Rule[HubFacts](
        "transport.ftps-many-ports",
        Severity.LOW,
        "The range of FTPS data ports is wide",
        "Every port that the firewall lets in is one that another program may come to listen at.",
        "a range of a few hundred ports",
        "Narrow it: a transfer takes one.",
        weak("listen.ftps.passive_ports", test=matching(_ports), better="50000-50099"),
    ),
    Rule[HubFacts](
        "transport.listens-everywhere",
        Severity.INFO,
        "A listener takes connections on every address of the machine",
        "A network that is added later reaches it too, such as that of the operators or of backups.",
        "the one address that partners come to",
        "Name the address, or see that a firewall does.",
        weak(
            "listen.as2.address",
            "listen.sftp.address",
            "listen.ftps.address",
            "listen.ftps.implicit",
            "acme.listen",
            test=matching(_wide),
        ),
    ),
    Rule[HubFacts](
        "transport.acme-cleartext",
        Severity.HIGH,
        "The authority of our certificates is reached over plain HTTP",
        "Whoever stands between can answer in its place, and have a certificate for our name made.",
        "an https:// directory",
        "Use the authority's https:// directory; `acme.ca` names a private authority.",
        weak("acme.directory", test=matching(is_clear)),
        "RFC 8555, section 6.1",
    ),
    Rule[HubFacts](
        "transport.blobs-cleartext",
        Severity.HIGH,
        "The object store is reached over plain HTTP",
        "The bytes are sealed, but not its credentials and answers: who changes them makes documents vanish.",
        "an https:// endpoint",
        "Use the store's https:// endpoint; `blobs.ca` names a private authority.",
        weak("blobs.endpoint", test=matching(is_clear)),
    ),
    Rule[HubFacts](
        "transport.database-unverified",
        Severity.HIGH,
        "The database's server is not verified",
        "Whoever answers in its place gets the password, and every row that is written.",
        "sslmode=verify-full in the URL",
        'Add "?sslmode=verify-full&sslrootcert=..." to store.database.',
        _database,
        "PostgreSQL documentation, section 34.19.1",
    ),
)
