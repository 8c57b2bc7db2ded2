"""A partner card: what another hub needs to know of an organisation, in one signed file.

    ecluse.card/1
    Aster, AS2 id ASTER, https://as2.aster.example/as2
    ...
    -----BEGIN ECLUSE CARD-----
    {JSON}
    -----END ECLUSE CARD-----
    signature <base64>

The signature (Ed25519, with the key of the organisation's evidence log, which the card carries) covers the
JSON with its markers' content exactly; the readable lines are made from it, and a card whose readable lines
say something else is refused. A signature by a key that comes along proves only that the card is whole: what
it is worth is decided by two people who compare its phrase by voice. Reading a card trusts nothing; its files
count once they are applied.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

import msgspec
import tomli_w
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso
from ecluse.trust.certificates import describe, leaves, load_certificates, to_pem
from ecluse.trust.errors import CertificateError
from ecluse.trust.fields import As2Id, Moment, Name, PartnerUse, Url, instant_from, instant_until
from ecluse.trust.keyring import Keyring
from ecluse.trust.rules import split_url
from ecluse.trust.schema import Hub

__all__ = [
    "MAX_CARD",
    "Card",
    "CardCertificate",
    "CardError",
    "Offers",
    "make_card",
    "partner_files",
    "read_card",
]

MAX_CARD: Final = 1 << 18
"""Octets of a card; one with eight ML-DSA certificates takes a third."""

MAX_CARD_CERTIFICATES: Final = 16

PHRASE_ROUNDS: Final = 4096
"""Stretching of the phrase: 20 digits are 66 bits, and 12 more for whoever looks for a card with the same."""

_FORMAT: Final = "ecluse.card/1"
_BEGIN: Final = "-----BEGIN ECLUSE CARD-----"
_END: Final = "-----END ECLUSE CARD-----"
_WHOLE: Final = re.compile(rf"{_BEGIN}\n(.*\n){_END}\nsignature ([A-Za-z0-9+/]{{86}}==)\n", re.DOTALL)
_USES: Final[dict[str, PartnerUse]] = {
    "sign": "verify",
    "decrypt": "encrypt",
    "mdn-sign": "mdn-verify",
    "tls": "tls",
    "tls-client": "tls-client",
}
"""What our key does is what the other side does the opposite of."""


class CardError(EcluseError):
    """A card that can't be read, or was changed on its way."""

    code = "card.damaged"
    fault = Fault.PARTNER
    remedy = "Ask for the card again, as an attached file, and compare its phrase by voice."


class CardCertificate(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A certificate on a card.

    Attributes:
        pem: The certificate and its chain.
        use: What the reader uses it for.
        begins: Not used before.
        ends: Not used after.
    """

    pem: str
    use: tuple[PartnerUse, ...]
    begins: Moment | None = None
    ends: Moment | None = None


class Offers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the organisation's hub takes, best first.

    Attributes:
        sign: Digests of signatures.
        encrypt: Content encryption.
        key_padding: RSA padding of the content key.
    """

    sign: tuple[str, ...] = ("sha-256", "sha-384", "sha-512")
    encrypt: tuple[str, ...] = ("aes-256-gcm", "aes-256-cbc", "aes-128-gcm", "aes-128-cbc")
    key_padding: tuple[str, ...] = ("oaep-sha256", "oaep-sha1", "pkcs1")


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a card says.

    Attributes:
        format: ``ecluse.card/1``.
        name: The company.
        as2_id: Its AS2 id.
        made: When, RFC 3339.
        certificates: Its certificates.
        log_key: Raw Ed25519 public key of its evidence log, base64; it signs the card.
        log_origin: Name of that log in checkpoints.
        url: Where messages to it go.
        email: Where people write.
        offers: What its hub takes.
    """

    format: str
    name: Name
    as2_id: As2Id
    made: str
    certificates: tuple[CardCertificate, ...]
    log_key: str
    log_origin: str
    url: Url | None = None
    email: Name | None = None
    offers: Offers = Offers()

    @property
    def phrase(self) -> str:
        """Four groups of five digits to compare by voice. Any other card has another phrase."""
        digest = hashlib.pbkdf2_hmac("sha256", _body(self), _FORMAT.encode(), PHRASE_ROUNDS)
        digits = f"{int.from_bytes(digest, 'big') % 10**20:020}"
        return " ".join(digits[at : at + 5] for at in range(0, 20, 5))


def make_card(hub: Hub, keyring: Keyring, now: Instant) -> str:
    """The organisation's card, signed.

    Args:
        hub: ``ecluse.toml``; its ``listen.as2.public_url`` is the URL on the card.
        keyring: Signs, and has the certificates of the organisation's keys.
        now: When it is made.

    Raises:
        KeyringError: ``keyring.no-key``.
    """
    certificates = tuple(
        CardCertificate(
            pem=to_pem(keyring.chain(key.ref)),
            use=tuple(_USES[use] for use in key.use),
            begins=key.from_,
            ends=key.until,
        )
        for key in hub.organisation.keys
    )
    card = Card(
        format=_FORMAT,
        name=hub.organisation.name,
        as2_id=hub.organisation.as2_id,
        made=iso(now),
        certificates=certificates,
        log_key=base64.b64encode(keyring.log_public_key).decode("ascii"),
        log_origin=hub.log_origin,
        url=hub.listen.as2.public_url,
        email=hub.organisation.email,
    )
    return _text(card, keyring.log_sign(_signed(_body(card))))


def read_card(data: bytes) -> Card:
    """Read a card and check that it is whole. Who made it, two people with :attr:`Card.phrase` can say.

    Raises:
        CardError: ``card.damaged``: it is no card, its signature does not fit, or its readable lines say
            something else; ``card.weak``: it carries no usable certificate.
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
    body = match.group(1).encode()
    try:
        card = msgspec.json.decode(body, type=Card)
        signature = base64.b64decode(match.group(2), validate=True)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(card.log_key, validate=True))
        key.verify(signature, _signed(body))
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError, InvalidSignature):
        raise CardError("The card was changed on its way, or is not of this format.") from None
    if card.format != _FORMAT or text != _text(card, signature):
        raise CardError("The card does not say what it was signed for.")
    _check(card)
    return card


def partner_files(card: Card, id: str | None = None) -> dict[str, str]:
    """The files that add a card's organisation to a configuration: relative path to text.

    Args:
        card: From :func:`read_card`.
        id: Name of the partner's file; by default made from the company's name.

    Raises:
        CardError: ``card.damaged``.
    """
    name = id if id is not None else _slug(card.name)
    files: dict[str, str] = {}
    entries: list[dict[str, object]] = []
    for certificate in card.certificates:
        chain = _chain(certificate)
        path = f"certificates/{name}-{describe(leaves(chain)[0]).short}.pem"
        files[path] = to_pem(chain)
        entry: dict[str, object] = {"file": path, "use": list(certificate.use)}
        if certificate.begins is not None:
            entry["from"] = certificate.begins
        if certificate.ends is not None:
            entry["until"] = certificate.ends
        entries.append(entry)
    as2: dict[str, object] = {"id": card.as2_id}
    if card.url is not None:
        as2["url"] = card.url
    for field, offered, known in (
        ("sign", card.offers.sign, Offers().sign),
        ("encrypt", card.offers.encrypt, Offers().encrypt),
        ("key_padding", card.offers.key_padding, Offers().key_padding),
    ):
        best = next((value for value in offered if value in known), None)
        if best is not None:
            as2[field] = best
    partner = {"name": card.name, "state": "active", "as2": as2, "certificates": entries}
    files[f"partners/{name}.toml"] = tomli_w.dumps(partner)
    return files


def _check(card: Card) -> None:
    """What the shapes of the fields leave open."""
    texts = [card.name, card.as2_id, card.made, card.log_origin, card.url or "", card.email or ""]
    moments = [(entry.begins, entry.ends) for entry in card.certificates]
    texts += [moment for pair in moments for moment in pair if moment is not None]
    if not all(text.isprintable() and len(text) <= 2000 for text in texts):
        raise CardError("A field of the card holds something else than plain text.")
    if card.url is not None and split_url(card.url) is None:
        raise CardError("The URL on the card is none.")
    try:
        for begins, ends in moments:
            instant_from(begins)
            instant_until(ends)
    except (ValueError, OverflowError):
        raise CardError("A date on the card is none.") from None
    if not 1 <= len(card.certificates) <= MAX_CARD_CERTIFICATES:
        raise CardError(
            f"A card has 1 to {MAX_CARD_CERTIFICATES} certificates; this one has {len(card.certificates)}.",
            code="card.weak",
        )
    for entry in card.certificates:
        _chain(entry)


def _chain(certificate: CardCertificate) -> tuple[x509.Certificate, ...]:
    try:
        return load_certificates(certificate.pem.encode("utf-8", "surrogatepass"))
    except CertificateError as error:
        raise CardError(f"A certificate on the card can't be used: {error.cause}") from None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "partner"


def _body(card: Card) -> bytes:
    """The one JSON form of a card."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def _signed(body: bytes) -> bytes:
    # The log's key also signs checkpoints, whose second line is a number (C2SP tlog-checkpoint): the first
    # lines of a card's JSON keep the two apart.
    return _FORMAT.encode() + b"\n" + body


def _text(card: Card, signature: bytes) -> str:
    who = ", ".join(part for part in (card.name, f"AS2 id {card.as2_id}", card.url, card.email) if part)
    return "\n".join(
        (
            _FORMAT,
            who,
            "Read it with: ecluse partner add FILE",
            "Then compare the phrase that is shown with the sender's, by voice, before you say yes.",
            "",
            _BEGIN,
            f"{_body(card).decode()}{_END}",
            f"signature {base64.b64encode(signature).decode('ascii')}",
            "",
        )
    )
