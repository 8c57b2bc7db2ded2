"""The files of a partner with a later card taken in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecluse.model.basics import Instant, iso
from ecluse.trust.card.comparing import as2_choices, key_print
from ecluse.trust.card.joining import (
    certificate_files,
    chosen,
    company_tables,
    held_card,
    openpgp_files_of,
)
from ecluse.trust.card.reading import card_chain
from ecluse.trust.card.shape import Card
from ecluse.trust.certificates import describe, leaves, load_certificates
from ecluse.trust.files.tomltext import edited
from ecluse.trust.rules.openpgp import load_openpgp
from ecluse.trust.settings.fields import instant_from, instant_until
from ecluse.trust.settings.schema import Partner

__all__ = ["Updated", "updated_files"]


@dataclass(frozen=True, slots=True)
class Updated:
    """A configuration with a card taken in.

    Attributes:
        files: All of its files.
        kept: What the card does not name and what stays in force all the same, in words.
    """

    files: dict[str, str]
    kept: tuple[str, ...]


def updated_files(
    files: Mapping[str, str],
    id: str,
    partner: Partner,
    card: Card,
    now: Instant,
    *,
    overlap: int,
    verification: Mapping[str, object] | None = None,
) -> Updated:
    """Take a card into a partner's files.

    A certificate that the card replaces stays in force for ``overlap`` besides the new one, so that what is under
    way and a partner that is late both get through; with no overlap it goes at once. SSH keys have no dates: old
    ones stay beside the new until a card is taken with no overlap.

    Args:
        files: A configuration's, with the partner's.
        id: The partner.
        partner: Its file, read.
        card: From :func:`~ecluse.trust.card.read_card`.
        now: When.
        overlap: Microseconds.
        verification: A fresh ``[verification]``; else the old one stays.
    """
    path = f"partners/{id}.toml"
    table = tomllib.loads(files[path])
    result = dict(files)
    kept: list[str] = []
    changes: dict[str, Any] = {"name": card.name, **company_tables(card), "card": held_card(card, now)}
    if card.as2_id is not None:
        changes["as2"] = _as2(card, partner, table.get("as2", {}))
    entries, added = _certificates(id, card, table.get("certificates", []), files, now, overlap, kept)
    result |= added
    changes["certificates"] = entries or None
    if partner.sftp is not None:
        sftp = dict(table["sftp"])
        if card.endpoints.sftp is not None:
            sftp["host"] = card.endpoints.sftp
        if card.host_keys:
            sftp["host_keys"] = _keys("sftp.host_keys", sftp["host_keys"], card.host_keys, overlap, kept)
        changes["sftp"] = sftp
    if partner.ftps is not None and card.endpoints.ftps is not None:
        changes["ftps"] = {**table["ftps"], "host": card.endpoints.ftps}
    if partner.account is not None and card.ssh_keys:
        account = dict(table["account"])
        account["keys"] = _keys("account.keys", account.get("keys", []), card.ssh_keys, overlap, kept)
        changes["account"] = account
    if card.openpgp:
        section, more = _openpgp(id, card, table.get("openpgp", {}), files, overlap, kept)
        changes["openpgp"] = section
        result |= more
    if verification is not None:
        changes["verification"] = dict(verification)
    if partner.invitation is not None and card.invitation == partner.invitation.id:
        changes["invitation"] = None
    result[path] = edited(files[path], changes)
    return Updated(result, tuple(kept))


def _as2(card: Card, partner: Partner, present: Mapping[str, object]) -> dict[str, object]:
    section: dict[str, object] = {**present, "id": card.as2_id}
    if card.endpoints.as2 is not None:
        section["url"] = card.endpoints.as2
    if partner.as2 is None:
        return section | chosen(card.offers, {})
    return section | as2_choices(card, partner.as2)


def _certificates(
    id: str,
    card: Card,
    present: list[dict[str, Any]],
    files: Mapping[str, str],
    now: Instant,
    overlap: int,
    kept: list[str],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    held = {_print(files[entry["file"]].encode()): entry for entry in present}
    said = {describe(leaves(card_chain(each))[0]).fingerprint: each for each in card.certificates}
    fresh = [print_ for print_ in said if print_ not in held]
    # The new ones that begin later than now are waited for; the old ones last until the overlap after that.
    begins = max((instant_from(said[print_].begins) or now for print_ in fresh), default=now)
    end = Instant(max(begins, now) + overlap)
    covered = {use for each in card.certificates for use in each.use}
    entries: list[dict[str, Any]] = []
    added: dict[str, str] = {}
    for print_, entry in held.items():
        uses = set(entry.get("use", ("verify", "encrypt")))
        if print_ in said:
            _, _, wanted = certificate_files(id, said[print_])
            since = {"from": entry["from"]} if "from" in entry else {}
            entries.append({**since, **wanted, "file": entry["file"]})
        elif not uses & covered:
            kept.append(f"{entry['file']} ({', '.join(sorted(uses))}): the card names none for that")
            entries.append(entry)
        elif overlap > 0:
            until = instant_until(str(entry["until"])) if "until" in entry else None
            ends = end if until is None else min(end, until)
            entries.append({**entry, "until": iso(ends)})
            kept.append(f"{entry['file']} ({', '.join(sorted(uses))}): until {iso(ends)[:16]}")
    for print_ in fresh:
        path, text, wanted = certificate_files(id, said[print_])
        # From now on, unless the card says otherwise: the one that began last is what we encrypt to.
        entries.append({"from": iso(now), **wanted} if overlap > 0 else wanted)
        added[path] = text
    return entries, added


def _keys(field: str, present: list[str], said: tuple[str, ...], overlap: int, kept: list[str]) -> list[str]:
    before = {key_print(line): line for line in present}
    after = {key_print(line): line for line in said}
    old = [line for print_, line in before.items() if print_ not in after]
    if not overlap:
        old = []
    kept.extend(f"{field} {key_print(line)}: until a card is taken without an overlap" for line in old)
    return [
        *(line for print_, line in before.items() if print_ in after),
        *(line for print_, line in after.items() if print_ not in before),
        *old,
    ]


def _openpgp(
    id: str,
    card: Card,
    section: Mapping[str, Any],
    files: Mapping[str, str],
    overlap: int,
    kept: list[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    held = {
        certificate.fingerprint: path
        for path in section.get("certificates", ())
        for certificate in load_openpgp(files[path])
    }
    added: dict[str, str] = {}
    paths: list[str] = []
    for text in card.openpgp:
        path, armored = openpgp_files_of(id, text)
        print_ = load_openpgp(armored)[0].fingerprint
        path = held.pop(print_, path)
        added[path] = armored
        paths.append(path)
    old = [path for path in dict.fromkeys(held.values()) if path not in paths]
    if overlap > 0:
        paths += old
        kept.extend(f"{path}: until a card is taken without an overlap" for path in old)
    return {**section, "certificates": paths}, added


def _print(data: bytes) -> str:
    return describe(leaves(load_certificates(data))[0]).fingerprint
