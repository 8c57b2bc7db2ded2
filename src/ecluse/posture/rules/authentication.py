"""Who may come in, with what, from where and how often; and who may change that."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from ecluse.posture.facts import HubFacts, PartnerFacts, Seen
from ecluse.posture.looks import (
    above,
    all_of,
    being,
    given,
    longer,
    places,
    shorter,
    smaller,
    weak,
)
from ecluse.posture.rule import Fix, Hit, Moment, Put, Rule, Severity
from ecluse.posture.rules.crypto import SHORT_RSA
from ecluse.posture.rules.transport import is_clear
from ecluse.trust.operators import EYES
from ecluse.trust.verification import PROVEN

__all__ = ["HUB", "PARTNER"]

WIDE: Final = {4: 16, 6: 32}
"""Bits of a network below which it is as wide as an access provider's."""
IDLE_DAYS: Final = 180
"""Days without a login after which nobody would miss an account."""
LOGINS: Final = frozenset(("account-sftp", "account-ftps"))
"""Channels on which a partner logs in at ours."""
SHOWN: Final = frozenset(("user-key", "tls-client"))
"""What a partner shows at a login."""


def ssh_rsa_bits(line: str) -> int:
    """Bits of an ``ssh-rsa`` public key's line; 0 for other kinds, and for what can't be read."""
    line = line.removeprefix("@cert-authority ")
    if not line.startswith("ssh-rsa "):
        return 0
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
    except binascii.Error:
        return 0
    fields: list[bytes] = []
    at = 0
    while at + 4 <= len(blob):
        end = at + 4 + int.from_bytes(blob[at : at + 4], "big")
        fields.append(blob[at + 4 : end])
        at = end
    return int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0


def _password_alone(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    account = facts.settings.account
    if account is not None and account.password is not None and not account.second_factor:
        able = account.keys or any("tls-client" in entry.use for entry in facts.certificates.entries)
        fix = Fix((Put(("account", "second_factor"), True),)) if able else None
        yield Hit("account.password", "account.password is set, account.second_factor = false", fix=fix)


def _unverified(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    said = facts.settings.verification
    if facts.active and (said is None or said.level not in PROVEN):
        level = "nothing is written down" if said is None else f"the level is {said.level}"
        command = (
            f"ecluse partner verify {facts.id} --verified-by call-back --verified-with NAME --reason TEXT"
        )
        yield Hit("verification", level, fix=Fix(commands=(command,)))


def _any_address(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    account = facts.settings.account
    if account is not None and not account.addresses:
        yield Hit("account.addresses", "any address on the Internet")


def _wide_networks(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for _, value in places(facts.settings, "account.addresses[]"):
        try:
            network = ip_network(str(value), strict=False)
        except ValueError:
            continue
        if network.prefixlen < WIDE[network.version]:
            yield Hit(f"account.addresses.{value}", f"{network.num_addresses:,} addresses in {value}")


def _short_ssh_keys(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    for path in ("account.keys[]", "account.authorities[]", "sftp.host_keys[]", "sftp.jump[].host_keys[]"):
        for at, value in places(facts.settings, path):
            bits = ssh_rsa_bits(str(value))
            if 0 < bits < SHORT_RSA:
                name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)
                yield Hit(name.removeprefix("."), f"ssh-rsa of {bits} bits")


def _idle_account(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    if facts.settings.account is None:
        return
    logins = [each.last for each in facts.seen if each.channel in LOGINS]
    if logins and moment.older(IDLE_DAYS, max(logins)):
        yield Hit("account", f"nobody logged in for {IDLE_DAYS} days")


def _new_login(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    if facts.approved is None:
        return
    for seen in facts.seen:
        if _is_login(seen) and seen.first > facts.approved.at:
            yield Hit(
                f"seen.{seen.channel}.{seen.role}.{seen.value}",
                f"{seen.value} as {seen.role} over {seen.channel}",
                since=seen.first,
            )


def _is_login(seen: Seen) -> bool:
    return seen.channel in LOGINS and seen.role in SHOWN


def _clear_password(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    settings = facts.settings
    if settings.as2 is not None and settings.as2.basic_auth is not None and is_clear(settings.as2.url or ""):
        yield Hit("as2.basic_auth", "our password goes to them over plain HTTP")
    if settings.webdav is not None and settings.webdav.password is not None and is_clear(settings.webdav.url):
        yield Hit("webdav.password", "our password goes to them over plain HTTP")


def _our_password(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    sftp = facts.settings.sftp
    if sftp is None:
        return
    if sftp.password is not None:
        yield Hit("sftp.password", "we log in with a password" + (" besides a key" if sftp.key else ""))
    for number, jump in enumerate(sftp.jump):
        if jump.password is not None:
            yield Hit(f"sftp.jump[{number}].password", f"we log in at {jump.host} with a password")


def _no_client_key(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    ftps = facts.settings.ftps
    if ftps is not None and ftps.mode != "clear" and ftps.tls.client_key is None:
        yield Hit("ftps.tls.client_key", "we log in with a password alone")
    webdav = facts.settings.webdav
    if webdav is not None and webdav.url.startswith("https:") and webdav.tls.client_key is None:
        yield Hit(
            "webdav.tls.client_key", "we log in with a password alone" if webdav.user else "we show nothing"
        )


def _anonymous(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
    webdav = facts.settings.webdav
    if webdav is not None and webdav.user is None and webdav.tls.client_key is None:
        yield Hit("webdav.user", "nobody asks who we are")


def _single_operator(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if not _four_eyes(facts):
        yield Hit("operators", f"{len(facts.operators)} with the role trust")


def _started(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for field, words in facts.started:
        yield Hit(field, words)


def _four_eyes(facts: HubFacts) -> bool:
    return len(facts.operators) >= EYES


def _shared_keys(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for each in facts.shared:
        if each.kind in ("certificate", "ssh-key"):
            yield Hit(
                f"{each.kind}.{each.name}",
                f"the same {each.kind.replace('-', ' ')} for {', '.join(each.partners[:5])}"
                + (f" and {len(each.partners) - 5} more" if len(each.partners) > 5 else ""),
                partners=each.partners,
            )


_GUARDS: Final = ("listen.sftp.guard", "listen.ftps.guard")


def _guards(field: str) -> tuple[str, ...]:
    return tuple(f"{guard}.{field}" for guard in _GUARDS)


PARTNER: Final = (
    Rule[PartnerFacts](
        "authentication.password-alone",
        Severity.MEDIUM,
        "A password alone opens their account",
        "Passwords are told, reused and guessed; whoever has this one is the partner.",
        "a key, or second_factor = true",
        "Ask for an SSH key or a client certificate, then demand it or leave the password out.",
        _password_alone,
    ),
    Rule[PartnerFacts](
        "authentication.unverified-partner",
        Severity.MEDIUM,
        "Nobody made sure that this partner is who it says",
        "A key that comes along with a name proves nothing about the name: whoever sent it is taken for the partner.",
        "verification of the level call-back, in-person or qualified-certificate",
        "Call them on a number known from before, compare the phrase of their card, and write it down.",
        _unverified,
    ),
    Rule[PartnerFacts](
        "authentication.any-address",
        Severity.LOW,
        "Their account may be used from anywhere",
        "A stolen key or password works from the thief's own machine.",
        "account.addresses with their networks",
        "Ask which addresses they come from, and name them.",
        _any_address,
    ),
    Rule[PartnerFacts](
        "authentication.wide-network",
        Severity.LOW,
        "Their account may be used from a very wide network",
        "A network of that width is an access provider's, or everybody's.",
        "a network of /16 (IPv4) or /32 (IPv6), or smaller",
        "Narrow it to the partner's own addresses.",
        _wide_networks,
    ),
    Rule[PartnerFacts](
        "authentication.short-ssh-key",
        Severity.LOW,
        "An RSA key of theirs for SSH is shorter than 3072 bits",
        "SSH keys have no end date: a short one that is taken today is taken for years.",
        "ed25519, or RSA of 3072 bits or more",
        "Ask for an ed25519 key.",
        _short_ssh_keys,
        "NIST SP 800-57 part 1 rev. 5, table 2",
    ),
    Rule[PartnerFacts](
        "authentication.ssh-authority",
        Severity.LOW,
        "An SSH authority of theirs decides who logs in",
        "Whoever gets a certificate of it for the user name is let in; nobody here sees who that is.",
        "keys, each by itself",
        "Take their keys themselves, unless they change them often.",
        weak("account.authorities", test=given),
    ),
    Rule[PartnerFacts](
        "authentication.idle-account",
        Severity.LOW,
        "Their account is not used any more",
        "Nobody would notice that somebody else begins to.",
        "accounts that are in use",
        "Ask the partner, then suspend them or take [account] out.",
        _idle_account,
    ),
    Rule[PartnerFacts](
        "authentication.login-drift",
        Severity.MEDIUM,
        "They log in with another key than when the baseline was approved",
        "It is one that the configuration allows, and nobody has said that it is in use.",
        "what the baseline approved",
        "Ask the partner; then approve it with `ecluse posture baseline approve`.",
        _new_login,
    ),
    Rule[PartnerFacts](
        "authentication.cleartext-password",
        Severity.HIGH,
        "Our password goes to their server in clear text",
        "Everybody on the way reads it, and from then on is us.",
        "an https:// URL",
        "Ask the partner for its https:// URL, then change the password.",
        _clear_password,
        "RFC 7617, section 4",
    ),
    Rule[PartnerFacts](
        "authentication.we-use-a-password",
        Severity.LOW,
        "We log in at their SFTP server with a password",
        "The server learns it each time; one that is broken into can use it elsewhere, in our name.",
        "a key of the keyring",
        "Make a key with `ecluse cert generate`, give them its public line (`ecluse cert ssh`), and set sftp.key.",
        _our_password,
        "RFC 4252, section 8",
    ),
    Rule[PartnerFacts](
        "authentication.no-client-key",
        Severity.INFO,
        "We show no certificate to their server",
        "A client certificate proves us without telling the server anything it could use elsewhere.",
        "tls.client_key",
        "Ask whether their server takes client certificates.",
        _no_client_key,
    ),
    Rule[PartnerFacts](
        "authentication.anonymous-server",
        Severity.MEDIUM,
        "Their WebDAV server does not ask who we are",
        "Whatever lies there is anybody's to read or change.",
        "webdav.user and webdav.password, or a client certificate",
        "Ask the partner for credentials.",
        _anonymous,
    ),
    Rule[PartnerFacts](
        "authentication.ssh-agent",
        Severity.LOW,
        "The SSH agent of the hub's process logs in for us",
        "Which key that is depends on what somebody put into the agent, and no event tells of it.",
        "sftp.agent = false, and sftp.key",
        "Put the key into the keyring and name it.",
        weak("sftp.agent", test=being(True), better=False),
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "authentication.single-operator",
        Severity.MEDIUM,
        "One person alone can change whom the hub trusts",
        "A mistake, a threat or a stolen laptop is enough to swap a partner's key or bank details.",
        'two operators with the role "trust"',
        "Name a second one under [[operators]] in ecluse.toml.",
        _single_operator,
    ),
    Rule[HubFacts](
        "authentication.unapproved-start",
        Severity.HIGH,
        "The hub works with another database, keyring or place of documents than is in force",
        "These are read from the folder's own ecluse.toml, which one person can change without anybody's approval.",
        "[store], [blobs] and [keyring] of ecluse.toml as they are in force",
        "Find out who changed the file; then put it back with `ecluse export`, or have it approved with "
        "`ecluse apply`, and start the nodes again.",
        _started,
    ),
    Rule[HubFacts](
        "authentication.long-proposals",
        Severity.LOW,
        "A change to trust may wait longer than a month for its second person",
        "Who approves it then no longer knows why it was proposed.",
        'changes.time_limit = "30d" or less',
        "Lower it; what is still wanted is proposed again.",
        weak("changes.time_limit", test=longer("30d"), better="7d", only=_four_eyes),
    ),
    Rule[HubFacts](
        "authentication.quick-recovery",
        Severity.INFO,
        "One operator alone can remove the other within days",
        "A weekend is enough: whoever is away does not see the notice in time.",
        'changes.recovery_wait = "3d" or more, or false',
        "Let it take longer than anybody is out of reach.",
        weak("changes.recovery_wait", test=shorter("3d"), better="7d", only=_four_eyes),
    ),
    Rule[HubFacts](
        "authentication.shared-key",
        Severity.MEDIUM,
        "Several partners have one key or certificate",
        "Each of them can act as the others; where it is one provider's, it answers for all of them.",
        "a key of its own for each partner",
        "Ask for keys of their own, or write down who the provider is.",
        _shared_keys,
    ),
    Rule[HubFacts](
        "authentication.many-attempts",
        Severity.LOW,
        "Many failed logins are let pass on one connection",
        "Guessing goes faster the more attempts a connection has.",
        "login_attempts = 6 or fewer",
        "Lower it: a client tries two or three keys and gives up.",
        weak(*_guards("login_attempts"), test=above(6), better=4),
    ),
    Rule[HubFacts](
        "authentication.late-bans",
        Severity.LOW,
        "Guessing is banned late, or for a short time",
        "What is tried a thousand times a day finds a weak password within weeks.",
        "ban_score = 20 or less, ban_window and ban_time of 5 minutes or more",
        "Lower the score, and let the window and the ban last longer.",
        all_of(
            weak(*_guards("ban_score"), test=above(20), better=10),
            weak(*_guards("ban_window"), test=shorter("5m"), better="10m"),
            weak(*_guards("ban_time"), test=shorter("5m"), better="15m"),
        ),
    ),
    Rule[HubFacts](
        "authentication.open-doors",
        Severity.LOW,
        "Strangers may hold many connections, or for long",
        "Connections that nobody has logged in on can fill the listener, so that partners find it closed.",
        "login_time of a minute, 256 connections of one address, 4096 in all, or less",
        "Lower the limit.",
        all_of(
            weak(*_guards("login_time"), test=longer("1m"), better="20s"),
            weak(*_guards("connections_per_address"), test=above(256), better=64),
            weak(*_guards("connections"), test=above(4096), better=512),
            weak("listen.as2.max_connections", test=above(4096), better=512),
            weak("listen.as2.header_timeout", test=longer("1m"), better="15s"),
        ),
    ),
    Rule[HubFacts](
        "authentication.long-sessions",
        Severity.LOW,
        "Sessions that do nothing are kept for long",
        "A connection that was taken over, or forgotten on somebody's machine, stays open.",
        "idle_time of 30 minutes or less; 128 sessions of a partner, or fewer",
        "Lower the limit.",
        all_of(
            weak(*_guards("idle_time"), test=longer("30m"), better="5m"),
            weak(*_guards("sessions_per_partner"), test=above(128), better=32),
            weak(*_guards("minimum_rate"), test=smaller("32 B"), better="64 B"),
            weak("listen.as2.idle_timeout", test=longer("10m"), better="60s"),
        ),
    ),
)
