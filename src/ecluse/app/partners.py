"""Partners as people want to see them, and taking one on from a card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ecluse.app.inventory import last_instant
from ecluse.app.node import Node
from ecluse.app.roles import roles_of
from ecluse.app.settings import plan_files, settled_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import iso
from ecluse.trust.card import MAX_CARD, Card, partner_files, read_card
from ecluse.trust.certificates import describe, leaves, load_certificates
from ecluse.trust.directory import PartnerView
from ecluse.trust.plan import Plan
from ecluse.trust.roles import RoleRow
from ecluse.trust.ssh import fingerprint, key_blob

__all__ = ["card_facts", "load_card", "partner_facts", "partner_from_card", "partner_summary", "read_small"]

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
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class PartnerTaken(EcluseError):
    """There is a partner of that id, or one with the same AS2 id."""

    code = "partner.exists"
    fault = Fault.USAGE
    remedy = "Choose another id with --id, or change the partner's file and apply it."


class BadPartnerId(EcluseError):
    """An id that a partner's file can't have."""

    code = "partner.bad-id"
    fault = Fault.USAGE
    remedy = "Use 1 to 63 lower-case letters, digits and dashes."


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


def load_card(path: Path) -> Card:
    """Read a card from a file. Raises :class:`UnreadableInput`, and as :func:`read_card` does."""
    return read_card(read_small(path, MAX_CARD))


def card_facts(card: Card) -> dict[str, Any]:
    """What a person compares before trusting a card."""
    certificates = []
    for entry in card.certificates:
        info = describe(leaves(load_certificates(entry.pem.encode()))[0])
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
        "name": card.name,
        "as2_id": card.as2_id,
        "url": card.url,
        "email": card.email,
        "made": card.made,
        "phrase": card.phrase,
        "log_origin": card.log_origin,
        "certificates": certificates,
    }


def partner_from_card(node: Node, card: Card, id: str | None) -> tuple[str, dict[str, str], Plan]:
    """What adding a card's organisation would be; nothing is changed.

    Args:
        node: The hub.
        card: From :func:`load_card`.
        id: The partner's id; by default made from its name.

    Returns:
        The id, all files of the configuration with the partner's among them, and what would change.

    Raises:
        PartnerTaken, BadPartnerId, PendingChanges, ConfigurationError: It can't be added.
    """
    if id is not None and not _ID.fullmatch(id):
        raise BadPartnerId("A partner can't have that id.")
    added = partner_files(card, id)
    path = next(path for path in added if path.startswith("partners/"))
    name = path.removeprefix("partners/").removesuffix(".toml")
    files = settled_files(node)
    if path in files:
        raise PartnerTaken(f"There is a partner {name} already.")
    known = next((view for view in node.directory.partners if view.their_id == card.as2_id), None)
    if known is not None:
        raise PartnerTaken(f"{card.as2_id} is the AS2 id of {known.name} ({known.id}) already.")
    wanted = {**files, **added}
    changes, _ = plan_files(node, wanted)
    return name, wanted, changes


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
