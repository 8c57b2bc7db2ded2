"""A seal beside a card: a signature over its file by an organisation's certificate, whose authority looked first.

The seal is a detached CMS signature (RFC 5652; CAdES and the output of ``openssl cms -sign -binary`` are such) over
the octets of the card's file. What it is worth comes from the authority: its chain has to end in an anchor that the
operator gives, and the certificate has to say that it is qualified (ETSI EN 319 412-5). Whether it was revoked is
not asked here; what it says of the organisation is compared with what the card says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import new
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.trust.card.envelope import CardError
from ecluse.trust.card.shape import Card
from ecluse.trust.certificates import CertificateInfo, describe, load_certificates, to_pem
from ecluse.trust.errors import CertificateError
from ecluse.wire import asn1
from ecluse.wire.cms.limits import Limits
from ecluse.wire.cms.reader import read_detached
from ecluse.wire.cms.sign import Signer, digests_needed, sign_detached
from ecluse.wire.cms.verify import verify

__all__ = ["MAX_SEAL", "Seal", "check_seal", "make_seal"]

MAX_SEAL: Final = 1 << 17
"""Octets of a seal: a signature, a chain, and room for the time-stamps of CAdES."""

_DIGESTS: Final = ("sha256", "sha384", "sha512")
_QC_STATEMENTS: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
_QC_COMPLIANCE: Final = "0.4.0.1862.1.1"
"""id-etsi-qcs-QcCompliance (ETSI EN 319 412-5 s4.2.1): issued as a qualified certificate."""
_ORGANISATION: Final = NameOID.ORGANIZATION_IDENTIFIER
_SCHEMES: Final = {"VAT": "vat", "NTR": "siren", "LEI": "lei"}
"""Legal person identity types of ETSI EN 319 412-1 s5.1.4, and which of our numbers each is."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal that holds.

    Attributes:
        info: The certificate that made it.
        number: What it says of the organisation (``VATFR-83404833048``); empty where it says nothing.
        matches: Whether that is a number on the card.
    """

    info: CertificateInfo
    number: str
    matches: bool

    @property
    def words(self) -> str:
        """For the evidence."""
        number = f", {self.number}{' as on the card' if self.matches else ''}" if self.number else ""
        return f"qualified seal of {self.info.subject}{number}, issued by {self.info.issuer}, SHA-256 {self.info.short}"


def make_seal(data: bytes, signer: Signer, now: Instant) -> bytes:
    """A seal over a card's file, in DER."""
    digests = {name: new(name, data).digest() for name in digests_needed([signer])}
    return sign_detached(digests, [signer], now=now // 1_000_000)


def check_seal(
    data: bytes, seal: bytes, card: Card, anchors: Sequence[x509.Certificate], now: Instant
) -> Seal:
    """Check a seal over a card's file.

    Args:
        data: The file, octet by octet.
        seal: The signature, in DER.
        card: The same, read.
        anchors: Authorities that the operator believes.
        now: When.

    Raises:
        CardError: ``card.bad-seal``: it does not fit, or its chain does not end in an anchor;
            ``card.not-qualified``: the certificate does not say that it is qualified; ``card.other-organisation``:
            it is of an organisation with another number than the card has.
    """
    if len(seal) > MAX_SEAL:
        raise _bad(f"The seal is larger than {MAX_SEAL} octets.")
    found = read_detached(seal, Limits())
    if found is None or len(found.signers) != 1:
        raise _bad("The seal is no detached CMS signature of one signer, in DER.")
    try:
        sent = load_certificates(to_pem(map(x509.load_der_x509_certificate, found.certificates)).encode())
    except (ValueError, x509.InvalidVersion, CertificateError):
        raise _bad("The certificate of the seal is missing, or can't be read.") from None
    digests = {name: new(name, data).digest() for name in _DIGESTS}
    leaf = _signer(found.signers[0], found.content_type, digests, sent, data)
    info = describe(leaf)
    if not info.can_sign or info.authority or info.weaknesses:
        raise _bad(f"The certificate of the seal ({info.subject}) is too weak, or is not for signing.")
    _check_chain(leaf, [each for each in sent if each != leaf], anchors, now)
    if not _qualified(leaf):
        raise CardError(
            f"The certificate of the seal ({info.subject}) does not say that it is a qualified one.",
            code="card.not-qualified",
            remedy="Make sure of them in another way: --verified-by call-back, or in-person.",
        )
    number = next((str(each.value) for each in leaf.subject.get_attributes_for_oid(_ORGANISATION)), "")
    ours = _own_number(card, number)
    if ours is not None and number.partition("-")[2] not in (ours, ours[2:]):
        raise CardError(
            f"The seal is of an organisation with the number {number}, and the card says {ours}.",
            code="card.other-organisation",
            remedy="Ask whose card this is, on a number that you had before.",
        )
    return Seal(info, number, ours is not None)


def _signer(
    signer: object, kind: str, digests: dict[str, bytes], sent: Sequence[x509.Certificate], data: bytes
) -> x509.Certificate:
    for certificate in sent:
        try:
            verify(signer, kind, digests, certificate, content=data)  # type: ignore[arg-type]  # as the reader gave it
        except EcluseError:
            continue
        return certificate
    raise _bad("The seal does not fit this card: one of the two was changed, or it is another card's.")


def _check_chain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: Instant,
) -> None:
    """RFC 5280 s6, with the anchors' own constraints, by the ``cryptography`` package."""
    try:
        verifier = (
            PolicyBuilder()
            .store(Store(list(anchors)))
            .time(datetime.fromtimestamp(now // 1_000_000, UTC))
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
            )
            .build_client_verifier()
        )
        verifier.verify(leaf, list(others))
    except (VerificationError, ValueError):
        raise _bad(
            "The certificate of the seal does not come from an authority that was given with --anchor, or is out of "
            "its time."
        ) from None


def _qualified(leaf: x509.Certificate) -> bool:
    for each in leaf.extensions:
        if each.oid == _QC_STATEMENTS and isinstance(each.value, x509.UnrecognizedExtension):
            try:
                statements = asn1.parse(each.value.value).expect(asn1.SEQUENCE).children
                return any(
                    entry.children[0].as_oid() == _QC_COMPLIANCE for entry in statements if entry.children
                )
            except EcluseError:
                return False
    return False


def _own_number(card: Card, number: str) -> str | None:
    """The card's number of the same kind; ``None`` where it has none."""
    kind, country = number[:3], number[3:5]
    field = _SCHEMES.get(kind)
    if field is None or card.identifiers is None or (kind == "NTR" and country != "FR"):
        return None
    value: str | None = getattr(card.identifiers, field)
    return value


def _bad(cause: str) -> CardError:
    return CardError(
        cause,
        code="card.bad-seal",
        remedy="Ask for the card and its seal again, as attached files, and look at the anchor that you gave.",
    )
