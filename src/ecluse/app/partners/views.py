"""Partners and cards as people want to see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ecluse.app.keys.inventory import last_instant
from ecluse.app.node import Node
from ecluse.app.partners.roles import roles_of
from ecluse.channels.http import ClientLimits, Egress, client_tls, request
from ecluse.channels.http.egress import PRIVATE_NETWORKS
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import iso
from ecluse.trust.card import MAX_CARD, Card, CardError, card_alarms, digest, phrase
from ecluse.trust.card.comparing import key_print
from ecluse.trust.card.reading import card_chain, card_openpgp
from ecluse.trust.certificates import describe, leaves
from ecluse.trust.company import Bank, masked_iban
from ecluse.trust.directory import PartnerView
from ecluse.trust.keys.ssh import fingerprint, key_blob
from ecluse.trust.roles import RoleRow
from ecluse.trust.verification import PROVEN

__all__ = ["badge", "card_facts", "card_file", "partner_facts", "partner_summary", "read_small"]

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://")
_FETCH: Final = ClientLimits(connect=10.0, reply_time=20.0, total=30.0, reply_bytes=MAX_CARD)
"""A card is small: what takes longer is somebody who wants to be waited for."""

_AS2_FACTS: Final = (
    "sign",
    "encrypt",
    "key_padding",
    "compress",
    "receipt_signed",
    "receipt_timeout",
    "require_signed",
    "require_encrypted",
)
_CERTIFICATE_ROLES: Final = {
    "sign": "sign",
    "verify": "verify",
    "encrypt": "encrypt",
    "decrypt": "decrypt",
    "mdn-sign": "mdn-sign",
    "mdn-verify": "mdn-verify",
    "tls": "tls-server",
    "tls-client": "tls-client",
}


class UnreadableInput(EcluseError):
    """A file that was named can't be read, or is far too large to be what was asked for."""

    code = "app.unreadable-file"
    fault = Fault.USAGE
    remedy = "Look at the path, and at who may read it."


def read_small(path: Path, limit: int = 1 << 20) -> bytes:
    """A file of at most ``limit`` octets. Raises :class:`UnreadableInput`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UnreadableInput(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > limit:
        raise UnreadableInput(f"{path} is larger than {limit} octets.")
    return data


def card_file(place: str, *, clear: bool = False, private: bool = False) -> bytes:
    """The octets of a card, from a file or from a URL; :func:`~ecluse.trust.card.read_card` reads them.

    Args:
        place: A path, or ``https://...``.
        clear: Take ``http://`` too.
        private: Let the URL lead to loopback and private networks.

    Raises:
        UnreadableInput: There is no such file.
        CardError: ``card.unreachable``, ``card.clear-text``.
    """
    if not _URL.match(place):
        return read_small(Path(place), MAX_CARD)
    secure = place.lower().startswith("https:")
    if not secure and not clear:
        raise CardError(
            "The card would come over an unencrypted connection.",
            code="card.clear-text",
            fault=Fault.USAGE,
            remedy="Give an https URL; --allow-http takes it all the same, as its phrase is compared anyway.",
        )
    egress = Egress(hosts=None, networks=PRIVATE_NETWORKS if private else ())
    tls = client_tls(system=True) if secure else None
    try:
        with request("GET", place, egress=egress, tls=tls, limits=_FETCH) as answer:
            status, data = answer.status, answer.read() if answer.status == 200 else b""
    except EcluseError as error:
        raise CardError(
            f"The card can't be fetched: {error.cause}",
            code="card.unreachable",
            fault=error.fault,
            remedy=error.remedy,
        ) from None
    if status != 200:
        raise CardError(
            f"The card can't be fetched: the server answers with {status}.",
            code="card.unreachable",
            remedy="Look at the URL; redirects are not followed. Or ask for the card as a file.",
        )
    return data


def card_facts(card: Card) -> dict[str, Any]:
    """What a person compares before trusting a card."""
    certificates = []
    for entry in card.certificates:
        info = describe(leaves(card_chain(entry))[0])
        certificates.append(
            {
                "use": list(entry.use),
                "subject": info.subject,
                "key": info.key.name,
                "not_after": iso(info.not_after),
                "fingerprint": info.fingerprint,
            }
        )
    return {
        "format": card.format,
        "serial": card.serial,
        "name": card.name,
        "names": list(card.names),
        "as2_id": card.as2_id,
        "url": card.endpoints.as2,
        "sftp": card.endpoints.sftp,
        "ftps": card.endpoints.ftps,
        "email": card.email,
        "made": card.made,
        "expires": card.expires,
        "phrase": phrase(card),
        "fingerprint": digest(card),
        "log_origin": card.log_origin,
        "log_keys": list(card.log_keys),
        "identifiers": msgspec.to_builtins(card.identifiers) if card.identifiers is not None else {},
        "certificates": certificates,
        "host_keys": [key_print(line) for line in card.host_keys],
        "ssh_keys": [key_print(line) for line in card.ssh_keys],
        "openpgp": [card_openpgp(text).fingerprint for text in card.openpgp],
        "contacts": [msgspec.to_builtins(each) for each in card.contacts],
        "bank": _bank(card.bank),
        "invitation": card.invitation,
        "alarms": [each.text for each in card_alarms(card)],
    }


def _bank(bank: Bank | None) -> dict[str, Any] | None:
    """A bank account as it is shown: never the whole number."""
    return None if bank is None else {**msgspec.structs.asdict(bank), "iban": masked_iban(bank.iban)}


def badge(view: PartnerView) -> str:
    """How far a partner's identity is known: its level and day, or what is waited for."""
    said = view.settings.verification
    if said is not None and said.level in PROVEN:
        return f"verified ({said.level}, {said.at[:10]})"
    invitation = view.settings.invitation
    if invitation is not None:
        return f"no answer yet (until {invitation.until[:10]})"
    return said.level if said is not None and said.level != "none" else "not verified"


def _identity(view: PartnerView) -> dict[str, Any]:
    """What is known of a partner besides how documents are exchanged."""
    settings = view.settings
    tables = (settings.verification, settings.card, settings.invitation, settings.identifiers)
    verification, card, invitation, identifiers = (
        msgspec.to_builtins(each) if each is not None else None for each in tables
    )
    return {
        "verification": verification,
        "card": card,
        "invitation": invitation,
        "identifiers": identifiers or {},
        "contacts": [msgspec.to_builtins(each) for each in settings.contacts],
        "bank": _bank(settings.bank),
    }


def partner_summary(node: Node, view: PartnerView) -> dict[str, Any]:
    """A partner in one line."""
    as2 = view.settings.as2
    now = node.hub.clock()
    ends = [
        entry.info.not_after
        for use in ("verify", "encrypt")
        for entry in view.certificates.entries_at(use, now)
    ]
    return {
        "id": view.id,
        "name": view.name,
        "state": view.settings.state,
        "verified": badge(view),
        "as2_id": view.their_id,
        "url": as2.url if as2 is not None else None,
        "receipt": as2.receipt if as2 is not None else "none",
        "channels": list(view.channels),
        "certificate_until": iso(min(ends)) if ends else None,
    }


def partner_facts(node: Node, view: PartnerView) -> dict[str, Any]:
    """A partner with the roles of its keys and ours: whose does what, when, and what was seen."""
    settings = view.settings.as2
    rows = roles_of(node, view)
    return {
        **partner_summary(node, view),
        **_identity(view),
        "our_id": view.our_id,
        **({name: getattr(settings, name) for name in _AS2_FACTS} if settings is not None else {}),
        "account": _account(view),
        "exceptions": [
            {"algorithm": entry.algorithm, "reason": entry.reason, "until": entry.until}
            for entry in view.settings.exceptions
        ],
        "roles": {name: _certificates(rows, role) for name, role in _CERTIFICATE_ROLES.items()},
        "role_table": [row.as_dict() for row in rows],
    }


def _certificates(rows: Sequence[RoleRow], role: str) -> list[dict[str, Any]]:
    """The certificates of a role, whichever channel has it first."""
    row = next((row for row in rows if row.role == role and row.channel != "openpgp"), None)
    if row is None:
        return []
    return [
        {
            **({"ref": value.ref} if value.ref else {}),
            "subject": value.label,
            "key": value.algorithm,
            "not_before": iso(value.not_before),
            "not_after": iso(value.not_after),
            "fingerprint": value.value,
            "from": iso(value.start) if value.start is not None else None,
            "until": last_instant(value.end),
            "current": value.current,
        }
        for value in row.values
        if value.not_before is not None and value.not_after is not None
    ]


def _account(view: PartnerView) -> dict[str, Any] | None:
    """How a partner logs in at our listeners; ``None`` where it can't."""
    account = view.settings.account
    if account is None:
        return None
    return {
        "user": account.user,
        "protocols": list(account.protocols),
        "keys": [fingerprint(key_blob(line)) for line in account.keys],
        "authorities": [fingerprint(key_blob(line)) for line in account.authorities],
        "password": account.password is not None,
        "second_factor": account.second_factor,
        "addresses": list(account.addresses),
    }
