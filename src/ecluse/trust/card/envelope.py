"""The file that a card comes in.

    ecluse.card/2
    Aster, AS2 id ASTER, https://as2.aster.example/as2
    ...
    -----BEGIN ECLUSE CARD-----
    {JSON}
    -----END ECLUSE CARD-----
    signature <base64>

The signature covers the format's name and the JSON exactly. The readable lines are made from the JSON, and a card
whose readable lines say something else is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ecluse.errors import EcluseError, Fault
from ecluse.trust.card.first import FirstCard, as_first, from_first
from ecluse.trust.card.shape import FIRST, SECOND, Card
from ecluse.typed import from_json

__all__ = ["MAX_CARD", "CardError", "body", "card_text", "digest", "open_card", "phrase", "signed"]

MAX_CARD: Final = 1 << 18
"""Octets of a card; one with eight ML-DSA certificates takes a third."""

PHRASE_ROUNDS: Final = 4096
"""Stretching of the phrase: 20 digits are 66 bits, and 12 more for whoever looks for a card with the same."""

_BEGIN: Final = "-----BEGIN ECLUSE CARD-----"
_END: Final = "-----END ECLUSE CARD-----"
_WHOLE: Final = re.compile(rf"{_BEGIN}\n(.*\n){_END}\nsignature ([A-Za-z0-9+/]{{86}}==)\n", re.DOTALL)


class CardError(EcluseError):
    """A card that can't be read, was changed on its way, or can't be taken."""

    code = "card.damaged"
    fault = Fault.PARTNER
    remedy = "Ask for the card again, as an attached file, and compare its phrase by voice."


class _Format(msgspec.Struct, frozen=True):
    format: str


def phrase(card: Card) -> str:
    """Four groups of five digits to compare by voice. Any other card has another phrase."""
    stretched = hashlib.pbkdf2_hmac("sha256", body(card), card.format.encode(), PHRASE_ROUNDS)
    digits = f"{int.from_bytes(stretched, 'big') % 10**20:020}"
    return " ".join(digits[at : at + 5] for at in range(0, 20, 5))


def digest(card: Card) -> str:
    """SHA-256 of what a card says, as lower-case hex: its fingerprint."""
    return hashlib.sha256(signed(card)).hexdigest()


def body(card: Card) -> bytes:
    """The one JSON form of a card."""
    plain = as_first(card) if card.format == FIRST else card
    return msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"


def signed(card: Card) -> bytes:
    """What the signature covers."""
    # The log's key also signs checkpoints, whose second line is a number (C2SP tlog-checkpoint): the first
    # lines of a card's JSON keep the two apart.
    return card.format.encode() + b"\n" + body(card)


def card_text(card: Card, signature: bytes) -> str:
    """The file."""
    lines = [card.format, *(_readable_first(card) if card.format == FIRST else _readable(card))]
    return "\n".join(
        (
            *lines,
            "",
            _BEGIN,
            f"{body(card).decode()}{_END}",
            f"signature {base64.b64encode(signature).decode('ascii')}",
            "",
        )
    )


def open_card(data: bytes) -> Card:
    """Take a file apart, and check that the card is whole. What it says is not checked beyond its shape.

    Raises:
        CardError: ``card.damaged``: it is no card, its signature does not fit, or its readable lines say something
            else; ``card.unknown-format``: it is of a later release.
    """
    if len(data) > MAX_CARD:
        raise CardError(f"The card is larger than {MAX_CARD} octets.")
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        text = "\n".join(line.rstrip() for line in text.strip().split("\n")) + "\n"
    except UnicodeDecodeError:
        raise CardError("The card is not UTF-8.") from None
    match = _WHOLE.search(text)
    if match is None:
        raise CardError("This is no card, or a part of it is missing.")
    try:
        card = _decode(match.group(1).encode())
        signature = base64.b64decode(match.group(2), validate=True)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(card.log_key, validate=True))
        key.verify(signature, signed(card))
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError, InvalidSignature):
        raise CardError("The card was changed on its way, or is not of this format.") from None
    if text != card_text(card, signature):
        raise CardError("The card does not say what it was signed for.")
    return card


def _decode(data: bytes) -> Card:
    format = from_json(data, _Format).format
    if format == FIRST:
        return from_first(from_json(data, FirstCard))
    if format == SECOND:
        return from_json(data, Card)
    known = re.fullmatch(r"ecluse\.card/([0-9]{1,4})", format)
    if known is None:
        raise CardError("This is no card.")
    raise CardError(
        f"The card is of format {known.group(1)}, which this release does not read.",
        code="card.unknown-format",
        remedy="Update this hub, or ask for a card of format 2.",
    )


def _readable_first(card: Card) -> tuple[str, ...]:
    parts = (card.name, f"AS2 id {card.as2_id}", card.endpoints.as2, card.email)
    return (
        ", ".join(part for part in parts if part),
        "Read it with: ecluse partner add FILE",
        "Then compare the phrase that is shown with the sender's, by voice, before you say yes.",
    )


def _readable(card: Card) -> tuple[str, ...]:
    as2 = f"AS2 id {card.as2_id}" if card.as2_id is not None else None
    until = f", to be taken until {card.expires}" if card.expires is not None else ""
    return (
        ", ".join(part for part in (card.name, as2, card.endpoints.as2, card.email) if part),
        f"Card {card.serial}, made {card.made}{until}",
        "Read it with: ecluse partner add FILE (for a new partner), ecluse partner update NAME FILE (for a known one)",
        "Then call them on a number that you had before, and compare the phrase that is shown, before you say yes.",
    )
