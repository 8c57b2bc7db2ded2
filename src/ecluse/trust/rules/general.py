"""What a configuration must keep to beyond the shape of its fields: one small function for each rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from ecluse.model.basics import Instant
from ecluse.trust.addresses import is_loopback, split_url
from ecluse.trust.certificates import CertificateSet, Dated
from ecluse.trust.company import company_problems
from ecluse.trust.errors import Problem
from ecluse.trust.operators import operator_problems
from ecluse.trust.rules.flows import folder_paths
from ecluse.trust.rules.places import place_problems, used_keys
from ecluse.trust.rules.stamps import stamp_problems
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.log import log_problems
from ecluse.trust.settings.schema import (
    As2,
    BlobSettings,
    CertificateEntry,
    ExceptionEntry,
    Hub,
    KeyringSettings,
    OwnKey,
    Partner,
)
from ecluse.trust.verification import verification_problems

__all__ = [
    "active_exceptions",
    "hub_problems",
    "in_time",
    "is_loopback",
    "partner_problems",
    "split_url",
    "unique_ids",
    "used_keys",
]

HUB_FILE: Final = "ecluse.toml"

_CAPABLE: Final[dict[str, str]] = {
    "verify": "signs",
    "mdn-verify": "signs",
    "sign": "signs",
    "mdn-sign": "signs",
    "encrypt": "encrypts",
    "decrypt": "encrypts",
}


def active_exceptions(partner: Partner, now: Instant | None) -> frozenset[str]:
    """Names of the exceptions that hold at ``now``; all of them where ``now`` is ``None``."""
    return frozenset(
        entry.algorithm
        for entry in partner.exceptions
        if now is None or now < (instant_until(entry.until) or Instant(0))
    )


def _key_stores(settings: KeyringSettings) -> Iterator[Problem]:
    needed = {"pkcs11": ("module", "token"), "transit": ("url",)}
    for name, store in settings.stores.items():
        field = f"keyring.stores.{name}"
        for each in needed[store.kind]:
            if getattr(store, each) is None:
                cause = f"A key store of the kind {store.kind} needs it."
                yield Problem("config.missing-field", HUB_FILE, f"{field}.{each}", cause, "Add it.")
        place = split_url(store.url) if store.url is not None else None
        if store.url is not None and (place is None or (place[0] != "https" and not is_loopback(place[1]))):
            cause = "The token of the key store would cross the network in clear text, or this is no URL."
            yield Problem("config.clear-text", HUB_FILE, f"{field}.url", cause, "Use https.")
        if store.secret.startswith("keyring:"):
            cause = "What opens a key store can't lie in the keyring that needs it."
            yield Problem("config.bad-value", HUB_FILE, f"{field}.secret", cause, "Use env: or file:.")


def hub_problems(hub: Hub) -> Iterator[Problem]:
    """Everything wrong in ``ecluse.toml`` by itself."""
    yield from _database(hub.store.database)
    yield from _blobs(hub.blobs)
    for field, url in (
        ("blobs.endpoint", hub.blobs.endpoint),
        ("listen.as2.public_url", hub.listen.as2.public_url),
    ):
        if url is not None:
            yield from _url(HUB_FILE, field, url)
    yield from _key_stores(hub.keyring)
    port = int(hub.listen.as2.address.rpartition(":")[2])
    if port > 65535:
        yield Problem(
            "config.bad-value",
            HUB_FILE,
            "listen.as2.address",
            "There is no such port.",
            "Expected 0 to 65535.",
        )
    if hub.inbox.folder is True:
        yield Problem(
            "config.bad-value", HUB_FILE, "inbox.folder", "True is no folder.", "Expected a folder, or false."
        )
    if "inbox" in hub.folders and isinstance(hub.inbox.folder, str):
        yield Problem(
            "config.bad-value",
            HUB_FILE,
            "folders.inbox",
            "The folder inbox is the application's.",
            "Choose another name, or set [inbox] folder = false.",
        )
    yield from _folders(hub)
    yield from stamp_problems(HUB_FILE, hub.log.authorities)
    ours = hub.organisation
    yield from _own_keys(ours.keys)
    yield from company_problems(
        HUB_FILE, "organisation.", identifiers=ours.identifiers, contacts=ours.contacts, bank=ours.bank
    )
    yield from operator_problems(HUB_FILE, hub.operators, hub.changes)
    yield from log_problems(HUB_FILE, hub.log, hub.listen.log)


def _folders(hub: Hub) -> Iterator[Problem]:
    """Two names for one folder would hide circles of flows, and flows that take each other's files."""
    named = folder_paths(hub)
    for name, path in named.items():
        first = next(each for each in named if named[each] == path)
        if first != name:
            other = first if name == "inbox" else name
            yield Problem(
                "config.same-place",
                HUB_FILE,
                f"folders.{other}.path",
                f"The folders {first} and {name} are one.",
                "Leave one of them out, and let flows name folders below the other.",
            )


def _database(database: str) -> Iterator[Problem]:
    if database.startswith("sqlite:"):
        return
    try:
        parts = urlsplit(database)
        secret = parts.password is not None or "password=" in parts.query.lower()
        valid = bool(parts.hostname or parts.query) and (parts.port or 1) > 0
    except ValueError:
        secret, valid = "@" in database, False
    if secret:
        yield Problem(
            "config.literal-secret",
            HUB_FILE,
            "store.database",
            "There is a password in the database's URL.",
            "Take it out and set store.password to env:NAME, file:path or keyring:name.",
        )
    elif not valid:
        yield Problem(
            "config.bad-value",
            HUB_FILE,
            "store.database",
            "This is no database URL.",
            'Expected "postgresql://user@host/database".',
        )


def _blobs(blobs: BlobSettings) -> Iterator[Problem]:
    remote = blobs.place.startswith("s3://")
    if "://" in blobs.place and not remote:
        yield Problem(
            "config.bad-value",
            HUB_FILE,
            "blobs.place",
            "There is no such kind of place.",
            'Expected a folder, or "s3://bucket/prefix".',
        )
    if remote and (len(blobs.place) == len("s3://") or "@" in blobs.place):
        yield Problem(
            "config.bad-value",
            HUB_FILE,
            "blobs.place",
            "This is no bucket.",
            'Expected "s3://bucket/prefix"; keys go into access_key and secret_key, as references.',
        )
    if (blobs.access_key is None) != (blobs.secret_key is None):
        yield Problem(
            "config.missing-field",
            HUB_FILE,
            "blobs.secret_key" if blobs.secret_key is None else "blobs.access_key",
            "One of access_key and secret_key stands without the other.",
            "Give both, or neither to use the machine's own role.",
        )


def _url(file: str, field: str, url: str) -> Iterator[Problem]:
    try:
        has_user = "@" in urlsplit(url).netloc
    except ValueError:
        has_user = "@" in url
    if has_user:
        yield Problem(
            "config.literal-secret",
            file,
            field,
            "There is a user or password in the URL.",
            "Take it out and use basic_auth with a reference to the password.",
        )
    elif split_url(url) is None:
        yield Problem(
            "config.bad-value", file, field, "This is no HTTP URL.", 'Expected "https://host/path".'
        )


def _window(file: str, field: str, start: str | None, end: str | None) -> Iterator[Problem]:
    moments: list[Instant | None] = []
    for name, text, read in (("from", start, instant_from), ("until", end, instant_until)):
        try:
            moments.append(read(text))
        except (ValueError, OverflowError):
            moments.append(None)
            yield Problem(
                "config.bad-value", file, f"{field}.{name}", "There is no such day.", "Write a real date."
            )
    first, last = moments
    if first is not None and last is not None and first >= last:
        yield Problem(
            "config.bad-value", file, f"{field}.until", "It ends before it begins.", "Put until after from."
        )


def _own_keys(keys: tuple[OwnKey, ...]) -> Iterator[Problem]:
    for number, key in enumerate(keys):
        field = f"organisation.keys[{number}]"
        yield from _window(HUB_FILE, field, key.from_, key.until)
        if not key.use:
            yield Problem("config.bad-value", HUB_FILE, f"{field}.use", "It is for nothing.", "Name a use.")
        former = [other for other in keys if other.ref == key.succeeds]
        if key.succeeds is not None and (
            key.succeeds == key.ref or any(each.succeeds is not None for each in former)
        ):
            yield Problem(
                "config.bad-value",
                HUB_FILE,
                f"{field}.succeeds",
                f'"{key.succeeds}" can\'t be succeeded: it is the key itself, or a successor too.',
                "Retire the one rotation before another one begins.",
            )


def partner_problems(
    file: str, partner: Partner, certificates: Mapping[str, tuple[Dated, ...]], now: Instant | None
) -> Iterator[Problem]:
    """Everything wrong in a partner's file by itself.

    Args:
        file: Its path.
        partner: What it says.
        certificates: Certificates by path, for every file that could be read.
        now: To refuse exceptions and certificates that are past; ``None`` to take them as history.
    """
    bad_moments = list(_exceptions(file, partner.exceptions, now))
    yield from bad_moments
    if any(problem.code == "config.bad-value" for problem in bad_moments):
        return
    allowed = active_exceptions(partner, now)
    if partner.as2 is not None:
        yield from _addresses(file, partner.as2, allowed)
    yield from place_problems(file, partner, allowed)
    for number, entry in enumerate(partner.certificates):
        field = f"certificates[{number}]"
        yield from _window(file, field, entry.from_, entry.until)
        if not entry.use:
            yield Problem("config.bad-value", file, f"{field}.use", "It is for nothing.", "Name a use.")
        others = {each.file for each in partner.certificates if each is not entry}
        if entry.succeeds is not None and entry.succeeds not in others:
            yield Problem(
                "config.bad-value",
                file,
                f"{field}.succeeds",
                f"{entry.succeeds} is not among the partner's certificates.",
                "Name the file of another entry, or take the line out.",
            )
        yield from _certificate(file, field, entry, certificates.get(entry.file, ()), allowed)
    yield from company_problems(
        file, "", identifiers=partner.identifiers, contacts=partner.contacts, bank=partner.bank
    )
    yield from verification_problems(file, partner.verification, partner.card, partner.invitation)
    if partner.state == "active":
        yield from _needed(file, partner)


def _exceptions(file: str, entries: tuple[ExceptionEntry, ...], now: Instant | None) -> Iterator[Problem]:
    for number, entry in enumerate(entries):
        field = f"exceptions[{number}].until"
        try:
            end = instant_until(entry.until)
        except (ValueError, OverflowError):
            yield Problem("config.bad-value", file, field, "There is no such day.", "Write a real date.")
            continue
        if now is not None and end is not None and end <= now:
            yield Problem(
                "config.expired-exception",
                file,
                field,
                f'The exception for "{entry.algorithm}" ended.',
                "Remove it, or give it a later end with the reason that still holds.",
            )


def _addresses(file: str, as2: As2, allowed: Collection[str]) -> Iterator[Problem]:
    if as2.url is not None:
        yield from _url(file, "as2.url", as2.url)
        place = split_url(as2.url)
        if place is not None and place[0] == "http" and not is_loopback(place[1]):
            if as2.encrypt is False and "clear-text" not in allowed:
                yield Problem(
                    "config.clear-text",
                    file,
                    "as2.encrypt",
                    "Documents would cross the network in clear text.",
                    'Encrypt, use https, or allow "clear-text" in [[exceptions]] with a reason and an end.',
                )
            if as2.basic_auth is not None and "clear-text" not in allowed:
                yield Problem(
                    "config.clear-text",
                    file,
                    "as2.basic_auth",
                    "The password would cross the network in clear text.",
                    'Use https, or allow "clear-text" in [[exceptions]] with a reason and an end date.',
                )
    for number, host in enumerate(as2.async_receipt_hosts):
        if split_url(f"http://{host}") is None:
            yield Problem(
                "config.bad-value",
                file,
                f"as2.async_receipt_hosts[{number}]",
                "This is no host.",
                'Expected a host, or a host and a port, such as "as2.birch.example:8443".',
            )


def _certificate(
    file: str, field: str, entry: CertificateEntry, dated: tuple[Dated, ...], allowed: Collection[str]
) -> Iterator[Problem]:
    for item in dated:
        for weakness in item.info.weaknesses:
            # A weak key can be let in by name; nothing is ever encrypted to one.
            if not weakness.allowed(allowed) or (
                "encrypt" in entry.use and weakness.code == "trust.weak-key"
            ):
                cause = f"{entry.file}: {item.info.subject or 'a certificate'}: {weakness.cause}"
                yield Problem(weakness.code, file, f"{field}.file", cause, weakness.remedy)
        for use in entry.use:
            capability = _CAPABLE.get(use)
            if capability is not None and not getattr(item.info.key, capability):
                yield Problem(
                    "trust.wrong-use",
                    file,
                    f"{field}.use",
                    f"A key of the kind {item.info.key.name} can't be used to {use}.",
                    "Name only the uses that the key can serve.",
                )
            else:
                yield from _purpose(file, field, entry.file, use, item, allowed)


_FITS: Final[dict[str, tuple[str, str]]] = {
    "verify": ("can_sign", "its key usage does not name signatures"),
    "mdn-verify": ("can_sign", "its key usage does not name signatures"),
    "encrypt": ("can_encrypt", "its key usage does not name encryption"),
    "tls": ("can_serve", "its extended key usage does not name TLS servers"),
    "tls-client": ("can_ask", "its extended key usage does not name TLS clients"),
}


def _purpose(
    file: str, field: str, path: str, use: str, item: Dated, allowed: Collection[str]
) -> Iterator[Problem]:
    """A certificate says itself what it is for (RFC 5280 s4.2.1.3, s4.2.1.12)."""
    fits, why = _FITS[use]
    # An authority is trusted for what it issues, and not for what it shows itself.
    if getattr(item.info, fits) or (use == "tls" and item.info.authority) or "wrong-key-usage" in allowed:
        return
    yield Problem(
        "trust.wrong-use",
        file,
        f"{field}.use",
        f"{path}: {item.info.subject or 'a certificate'} can't be used to {use}: {why}.",
        'Ask for a certificate made for that, or allow "wrong-key-usage" in [[exceptions]] with a reason and an end.',
    )


def _needed(file: str, partner: Partner) -> Iterator[Problem]:
    """An active partner has a certificate for what is asked of both sides."""
    uses = {use for entry in partner.certificates for use in entry.use}
    as2 = partner.as2
    if as2 is None:
        return
    needed = {
        "encrypt": as2.url is not None and as2.encrypt is not False,
        "verify": as2.require_signed,
    }
    for use, wanted in needed.items():
        if wanted and use not in uses:
            yield Problem(
                "config.missing-certificate",
                file,
                "certificates",
                f"There is no certificate to {use} with.",
                f'Add a [[certificates]] entry whose use names "{use}".',
            )
    receipts = as2.url is not None and as2.receipt != "none" and as2.receipt_signed
    if receipts and not uses & {"verify", "mdn-verify"}:
        yield Problem(
            "config.missing-certificate",
            file,
            "certificates",
            "There is no certificate to check signed receipts with.",
            'Add a [[certificates]] entry whose use names "mdn-verify" or "verify".',
        )


def in_time(file: str, partner: Partner, certificates: CertificateSet, now: Instant) -> Iterator[Problem]:
    """For each use that an active partner's certificates name, one holds at ``now``."""
    allowed = active_exceptions(partner, now)
    uses = dict.fromkeys(use for entry in partner.certificates for use in entry.use)
    for use in uses if partner.state == "active" else ():
        if certificates.at(use, now, allowed):
            continue
        entries = [entry for entry in certificates.entries if use in entry.use]
        early = any(now < max(entry.start or 0, entry.info.not_before) for entry in entries)
        yield Problem(
            "trust.not-yet-valid" if early else "trust.expired",
            file,
            "certificates",
            f"No certificate to {use} with holds {'yet' if early else 'any more'}.",
            'Add the current one, or allow "expired-certificate" in [[exceptions]] with a reason and an end.',
        )


def unique_ids(hub: Hub, partners: Mapping[str, tuple[str, Partner]]) -> Iterator[Problem]:
    """No two partners, of those that are not retired, that a message can't tell apart.

    Args:
        hub: Gives our AS2 id where a partner names none.
        partners: (file, partner) by id.
    """
    seen: dict[tuple[str, str], str] = {}
    users: dict[str, str] = {}
    for file, partner in partners.values():
        if partner.state == "retired":
            continue  # whoever comes back is a new partner, and may have the same names
        if partner.account is not None:
            if partner.account.user in users:
                yield Problem(
                    "config.duplicate-user",
                    file,
                    "account.user",
                    f"{users[partner.account.user]} has the same user name.",
                    "Give each partner its own.",
                )
            users.setdefault(partner.account.user, file)
        if partner.as2 is None:
            continue
        ours = partner.as2.our_id or hub.organisation.as2_id
        pair = (partner.as2.id, ours)
        if partner.as2.id == ours:
            yield Problem(
                "config.duplicate-as2-id", file, "as2.id", "It is our own AS2 id.", "Give the partner's own."
            )
        if pair in seen:
            yield Problem(
                "config.duplicate-as2-id",
                file,
                "as2.id",
                f"{seen[pair]} has the same AS2 id.",
                "Give each partner its own, or tell them apart by as2.our_id.",
            )
        seen.setdefault(pair, file)
