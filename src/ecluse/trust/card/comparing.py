"""What a later card changes of what is held of a partner, and what about it should make people think."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from ecluse.model.basics import iso
from ecluse.trust.addresses import split_url
from ecluse.trust.card.envelope import digest
from ecluse.trust.card.joining import chosen
from ecluse.trust.card.reading import card_chain, card_openpgp
from ecluse.trust.card.shape import Card
from ecluse.trust.certificates import CertificateSet, describe, leaves
from ecluse.trust.company import masked_iban
from ecluse.trust.keys.ssh import fingerprint, key_blob
from ecluse.trust.plain import mixed_scripts
from ecluse.trust.settings.schema import As2, Partner
from ecluse.wire.openpgp.certificate import Certificate

__all__ = ["Alarm", "CardChange", "Comparison", "as2_choices", "card_alarms", "compare", "key_print"]

Kind = Literal[
    "name", "as2-id", "endpoint", "certificate", "host-key", "ssh-key", "openpgp", "algorithm", "identifier",
    "contact", "bank",
]  # fmt: skip
KEYS = ("certificate", "host-key", "ssh-key", "openpgp")


@dataclass(frozen=True, slots=True)
class CardChange:
    """One difference between what is held and what the card says.

    Attributes:
        kind: Of what.
        action: What the card does to it; what is removed may stay in force for an overlap.
        what: Which one: a field, a use, an algorithm's place.
        before: As it is held, in words.
        after: As the card says. Of a bank account never the whole number.
    """

    kind: Kind
    action: Literal["add", "remove", "replace"]
    what: str
    before: str
    after: str

    def __str__(self) -> str:
        sign = {"add": "+", "remove": "-", "replace": "~"}[self.action]
        value = f"{self.before} -> {self.after}" if self.action == "replace" else self.after or self.before
        return f"{sign} {self.kind} {self.what}: {value}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that should make a person call before going on.

    Attributes:
        code: ``other-signer``, ``keys-and-bank``, ``bank``, ``endpoint``, ``mixed-scripts``, ``unsigned-before``.
        text: One or two sentences.
        severe: Whether saying yes is not enough: somebody has to say how it was made sure of.
    """

    code: str
    text: str
    severe: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A card beside what is held.

    Attributes:
        signer: Whether the key that signed the last card of this partner signed this one too; ``unknown`` where
            none was taken.
        serial: Its number beside that of the last card.
        changes: Every difference, by kind.
        alarms: What is odd about it.
    """

    signer: Literal["same", "other", "unknown"]
    serial: Literal["higher", "same", "lower", "unknown"]
    changes: tuple[CardChange, ...]
    alarms: tuple[Alarm, ...]

    @property
    def severe(self) -> bool:
        """Whether it takes more than a yes."""
        return any(each.severe for each in self.alarms)


def compare(
    card: Card, partner: Partner, certificates: CertificateSet, openpgp: tuple[Certificate, ...]
) -> Comparison:
    """Say what a card would change.

    Args:
        card: From :func:`~ecluse.trust.card.read_card`.
        partner: What is held.
        certificates: Its certificates.
        openpgp: Its OpenPGP certificates.

    Raises:
        CardError: A part of the card can't be read.
    """
    held = partner.card
    signer: Literal["same", "other", "unknown"] = "unknown"
    serial: Literal["higher", "same", "lower", "unknown"] = "unknown"
    if held is not None:
        signer = "same" if held.log_key == card.log_key else "other"
        if held.digest == digest(card):
            serial = "same"
        elif held.serial:
            # A card of the first format has no number: it is older than any that has one.
            serial = "higher" if card.serial > held.serial else "lower"
    changes = (
        *_names(card, partner),
        *_endpoints(card, partner),
        *_certificates(card, certificates),
        *_ssh(card, partner),
        *_openpgp(card, openpgp),
        *_algorithms(card, partner),
        *_company(card, partner),
    )
    return Comparison(signer, serial, changes, tuple(_alarms(card, signer, changes)))


def card_alarms(card: Card) -> tuple[Alarm, ...]:
    """What is odd about a card by itself."""
    return tuple(_mixed(card))


def key_print(line: str) -> str:
    """The fingerprint of a pinned host key or a login key, whichever way it is written."""
    bare = line.removeprefix("@cert-authority ")
    return bare if bare.startswith("SHA256:") else fingerprint(key_blob(bare))


def as2_choices(card: Card, as2: As2) -> dict[str, object]:
    """Settings of AS2 that the card's offers make another: what is used at present is not taken any more."""
    present = {field: getattr(as2, field) for field in ("sign", "encrypt", "key_padding")}
    wanted = chosen(card.offers, {field: value for field, value in present.items() if value is not False})
    return {
        field: value
        for field, value in wanted.items()
        if present[field] is not False and present[field] != value
    }


def _names(card: Card, partner: Partner) -> Iterator[CardChange]:
    if card.name != partner.name:
        yield CardChange("name", "replace", "name", partner.name, card.name)
    if card.as2_id is not None and partner.as2 is not None and card.as2_id != partner.as2.id:
        yield CardChange("as2-id", "replace", "as2.id", partner.as2.id, card.as2_id)
    if card.as2_id is not None and partner.as2 is None:
        yield CardChange("as2-id", "add", "as2.id", "", card.as2_id)


def _endpoints(card: Card, partner: Partner) -> Iterator[CardChange]:
    url = partner.as2.url if partner.as2 is not None else None
    if card.endpoints.as2 is not None and card.endpoints.as2 != url:
        yield _difference("endpoint", "as2.url", url, card.endpoints.as2)
    for field, place, said in (
        ("sftp.host", partner.sftp, card.endpoints.sftp),
        ("ftps.host", partner.ftps, card.endpoints.ftps),
    ):
        if place is not None and said is not None and place.host != said:
            yield _difference("endpoint", field, place.host, said)


def _certificates(card: Card, certificates: CertificateSet) -> Iterator[CardChange]:
    held = {entry.info.fingerprint: entry for entry in certificates.entries}
    said = {}
    for entry in card.certificates:
        info = describe(leaves(card_chain(entry))[0])
        said[info.fingerprint] = entry
        if info.fingerprint not in held:
            text = f"{info.subject}, {info.key.name}, until {iso(info.not_after)[:10]}, SHA-256 {info.short}"
            yield CardChange("certificate", "add", ", ".join(entry.use), "", text)
    covered = {use for entry in card.certificates for use in entry.use}
    for print_, dated in held.items():
        if print_ not in said and dated.use & covered:
            text = f"{dated.info.subject}, {dated.info.key.name}, SHA-256 {dated.info.short}"
            yield CardChange("certificate", "remove", ", ".join(sorted(dated.use)), text, "")


def _ssh(card: Card, partner: Partner) -> Iterator[CardChange]:
    kinds: tuple[tuple[Literal["host-key", "ssh-key"], str, tuple[str, ...] | None, tuple[str, ...]], ...] = (
        ("host-key", "sftp.host_keys", partner.sftp.host_keys if partner.sftp else None, card.host_keys),
        ("ssh-key", "account.keys", partner.account.keys if partner.account else None, card.ssh_keys),
    )
    for kind, field, held, said in kinds:
        if held is None or not said:
            continue
        before = {key_print(line) for line in held}
        after = {key_print(line) for line in said}
        for each in sorted(after - before):
            yield CardChange(kind, "add", field, "", each)
        for each in sorted(before - after):
            yield CardChange(kind, "remove", field, each, "")


def _openpgp(card: Card, held: tuple[Certificate, ...]) -> Iterator[CardChange]:
    before = {certificate.fingerprint: certificate for certificate in held}
    for text in card.openpgp:
        certificate = card_openpgp(text)
        known = before.pop(certificate.fingerprint, None)
        if known is None:
            yield CardChange("openpgp", "add", "openpgp.certificates", "", certificate.fingerprint)
        elif known.encoded != certificate.encoded:
            words = f"{certificate.fingerprint} (extended, revoked, or with other names)"
            yield CardChange("openpgp", "replace", "openpgp.certificates", known.fingerprint, words)
    for fingerprint_ in before if card.openpgp else ():
        yield CardChange("openpgp", "remove", "openpgp.certificates", fingerprint_, "")


def _algorithms(card: Card, partner: Partner) -> Iterator[CardChange]:
    if partner.as2 is not None:
        for field, value in as2_choices(card, partner.as2).items():
            before = str(getattr(partner.as2, field))
            yield CardChange("algorithm", "replace", f"as2.{field}", before, str(value))


def _company(card: Card, partner: Partner) -> Iterator[CardChange]:
    if card.identifiers is not None:
        before = msgspec.structs.asdict(partner.identifiers) if partner.identifiers is not None else {}
        for name, value in msgspec.structs.asdict(card.identifiers).items():
            if value != before.get(name):
                yield _difference("identifier", f"identifiers.{name}", before.get(name), value)
    if card.contacts and card.contacts != partner.contacts:
        words = [
            "; ".join(
                ", ".join(part for part in (each.role, each.name, each.email, each.phone) if part)
                for each in contacts
            )
            for contacts in (partner.contacts, card.contacts)
        ]
        yield _difference("contact", "contacts", words[0], words[1])
    if card.bank is None or card.bank == partner.bank:
        return
    held = partner.bank
    if held is None or held.iban != card.bank.iban:
        yield _difference(
            "bank", "bank.iban", masked_iban(held.iban) if held else None, masked_iban(card.bank.iban)
        )
    for field in ("bic", "holder"):
        was, will = (getattr(bank, field) if bank is not None else None for bank in (held, card.bank))
        if was != will:
            yield _difference("bank", f"bank.{field}", was, will)


def _difference(kind: Kind, what: str, before: str | None, after: str | None) -> CardChange:
    action: Literal["add", "remove", "replace"] = (
        "replace" if before and after else "add" if after else "remove"
    )
    return CardChange(kind, action, what, before or "", after or "")


def _alarms(
    card: Card, signer: Literal["same", "other", "unknown"], changes: tuple[CardChange, ...]
) -> Iterator[Alarm]:
    kinds = {change.kind for change in changes}
    keys = kinds & set(KEYS)
    # What was empty before is no diversion: there was nothing to divert from.
    bank = any(each.kind == "bank" and each.before for each in changes)
    if signer == "other":
        yield Alarm(
            "other-signer",
            "The card is signed by another key than the partner's last one: whoever made it does not hold that key.",
            True,
        )
    if signer == "unknown" and (keys or bank):
        yield Alarm(
            "unsigned-before",
            "No card of this partner was taken before, so nothing shows that this one comes from the same hand.",
            True,
        )
    if bank and keys:
        yield Alarm(
            "keys-and-bank",
            "Keys and bank details change together. That is how payments are diverted: "
            "call them on a number that you had before this card.",
            True,
        )
    elif bank:
        yield Alarm("bank", "Bank details change: call them on a number that you had before this card.", True)
    moved = [each for each in changes if each.kind == "endpoint" and each.before and _moved(each)]
    for each in moved:
        yield Alarm(
            "endpoint", f"Documents would go to another host: {each.what} was {each.before}.", bool(keys)
        )
    yield from _mixed(card)


def _moved(change: CardChange) -> bool:
    before, after = split_url(change.before), split_url(change.after)
    if before is None or after is None:
        return change.before.rpartition(":")[0] != change.after.rpartition(":")[0]
    return before[1] != after[1]


def _mixed(card: Card) -> Iterator[Alarm]:
    holder = card.bank.holder if card.bank is not None else None
    for text in (card.name, *card.names, holder or ""):
        word = mixed_scripts(text)
        if word is not None:
            yield Alarm(
                "mixed-scripts",
                f"The word {word!a} mixes letters of two alphabets that look alike.",
                True,
            )
