"""The files that add a card's organisation to a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
import tomli_w

from ecluse.model.basics import Instant, iso
from ecluse.trust.card.envelope import digest
from ecluse.trust.card.reading import card_chain, card_openpgp
from ecluse.trust.card.shape import Card, CardCertificate, Offers
from ecluse.trust.certificates import describe, leaves, to_pem
from ecluse.trust.company import Contact
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.typed import convert

__all__ = [
    "certificate_files",
    "chosen",
    "company_tables",
    "held_card",
    "openpgp_files_of",
    "partner_files",
    "slug",
]

_OFFERED: Final = ("sign", "encrypt", "key_padding")


def partner_files(
    card: Card,
    id: str | None = None,
    *,
    state: str = "active",
    now: Instant | None = None,
    verification: Mapping[str, object] | None = None,
    account: str | None = None,
    sftp: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """The files that add a card's organisation to a configuration: relative path to text.

    Args:
        card: From :func:`~ecluse.trust.card.read_card`.
        id: Name of the partner's file; by default made from the company's name.
        state: The partner's state.
        now: When the card is taken; without it the file does not remember the card.
        verification: The table ``[verification]``.
        account: User name with which they log in at our listeners, with the SSH keys of the card.
        sftp: How we log in at their SFTP server (``user``, ``key``...), where the card names one.

    Raises:
        CardError: ``card.damaged``.
    """
    name = id if id is not None else slug(card.name)
    files: dict[str, str] = {}
    table: dict[str, object] = {"name": card.name, "state": state}
    if card.as2_id is not None:
        as2: dict[str, object] = {"id": card.as2_id}
        if card.endpoints.as2 is not None:
            as2["url"] = card.endpoints.as2
        table["as2"] = as2 | chosen(card.offers, {})
    if account is not None and card.ssh_keys:
        table["account"] = {"user": account, "keys": list(card.ssh_keys)}
    if sftp is not None and card.endpoints.sftp is not None:
        table["sftp"] = {"host": card.endpoints.sftp, **sftp, "host_keys": list(card.host_keys)}
    paths = []
    for text in card.openpgp:
        path, armored = openpgp_files_of(name, text)
        files[path] = armored
        paths.append(path)
    if paths:
        table["openpgp"] = {"certificates": paths}
    entries = []
    for certificate in card.certificates:
        path, text, entry = certificate_files(name, certificate)
        files[path] = text
        entries.append(entry)
    if entries:
        table["certificates"] = entries
    table |= company_tables(card)
    if verification is not None:
        table["verification"] = dict(verification)
    if now is not None:
        table["card"] = held_card(card, now)
    files[f"partners/{name}.toml"] = tomli_w.dumps(table)
    return files


def held_card(card: Card, now: Instant) -> dict[str, object]:
    """The table ``[card]``: what the next card is compared with."""
    return {
        "digest": digest(card),
        "serial": card.serial,
        "log_key": card.log_key,
        "log_origin": card.log_origin,
        "taken": iso(now),
    }


def chosen(offers: Offers, present: Mapping[str, object]) -> dict[str, object]:
    """What we use of what they offer: what is in use already where they still take it, else their best.

    Of what an offer names, only what this release knows counts.
    """
    result: dict[str, object] = {}
    for field in _OFFERED:
        offered, known = getattr(offers, field), getattr(Offers(), field)
        now = present.get(field)
        best = next((value for value in offered if value in known), None)
        if now is not None and (now in offered or best is None):
            result[field] = now
        elif best is not None:
            result[field] = best
    return result


def certificate_files(name: str, certificate: CardCertificate) -> tuple[str, str, dict[str, object]]:
    """Path and text of a certificate's file, and its entry under ``[[certificates]]``."""
    chain = card_chain(certificate)
    path = f"certificates/{name}-{describe(leaves(chain)[0]).short}.pem"
    entry: dict[str, object] = {"file": path, "use": list(certificate.use)}
    if certificate.begins is not None:
        entry["from"] = certificate.begins
    if certificate.ends is not None:
        entry["until"] = certificate.ends
    return path, to_pem(chain), entry


def openpgp_files_of(name: str, text: str) -> tuple[str, str]:
    """Path and text of an OpenPGP certificate's file."""
    certificate = card_openpgp(text)
    path = f"openpgp/{name}-{certificate.fingerprint[:16].lower()}.asc"
    return path, armored_certificate(certificate)


def company_tables(card: Card) -> dict[str, object]:
    """The tables that say who they are: identifiers, contacts, bank; those that the card has."""
    tables: dict[str, object] = {}
    if card.identifiers is not None:
        tables["identifiers"] = msgspec.to_builtins(card.identifiers)
    contacts = [msgspec.to_builtins(each) for each in card.contacts if _fits(each)]
    if contacts:
        tables["contacts"] = contacts
    if card.bank is not None:
        tables["bank"] = msgspec.to_builtins(card.bank)
    return tables


def slug(name: str) -> str:
    """A partner's id made from a company's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "partner"


def _fits(contact: Contact) -> bool:
    """Whether a contact has the shape of one: the address on a card of the first format was free text."""
    try:
        convert(msgspec.to_builtins(contact), Contact)
    except msgspec.ValidationError:
        return False
    return True
