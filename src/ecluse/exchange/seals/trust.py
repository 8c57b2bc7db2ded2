"""Whether whoever sealed is believed: a certificate that a partner is known by, or one under a root that we named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.exchange.seals.facts import Indication, Verdict
from ecluse.model.basics import Instant

__all__ = ["Anchors", "fingerprint", "moment", "read_certificate", "weigh"]

LONGEST_CHAIN: Final = 8
"""Certificates from a signer to a root: public authorities use three or four."""
_LEAST_RSA: Final = 2048
"""Bits (ETSI TS 119 312 section 6.2)."""
_FAR: Final = 300
"""Seconds that a clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """Whom we believe.

    Attributes:
        pinned: Certificates that are believed by themselves: a partner's, and our own.
        roots: Authorities under which a certificate is believed.
        authorities: Roots of the authorities whose time-stamps count.
        refused: Fingerprints (SHA-256, hexadecimal) of certificates that were revoked.
    """

    pinned: tuple[x509.Certificate, ...] = ()
    roots: tuple[x509.Certificate, ...] = ()
    authorities: tuple[x509.Certificate, ...] = ()
    refused: frozenset[str] = field(default_factory=frozenset)


def read_certificate(der: bytes) -> x509.Certificate | None:
    """A stranger's certificate, or ``None`` where the library reads less of it than will be asked for."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        # What is wrong with these is found only when they are asked for.
        _ = (
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            certificate.serial_number,
        )
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.extensions
        certificate.public_key()
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm):
        return None
    return certificate


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, hexadecimal."""
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def moment(instant: Instant) -> datetime:
    """An instant as certificates have it."""
    return datetime.fromtimestamp(instant / 1e6, UTC)


def weigh(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Anchors,
    *,
    now: Instant,
    made: Instant | None = None,
    stamped: Instant | None = None,
) -> Verdict:
    """Whether a seal whose signature holds is by somebody who is believed.

    Args:
        certificate: Whose key made it.
        others: Further certificates that came with it.
        anchors: Whom we believe.
        now: The time.
        made: When it was made, as it says itself.
        stamped: When an authority saw it: the only time but ``now`` that counts.
    """
    at = stamped if stamped is not None else now
    if fingerprint(certificate) in anchors.refused:
        return _open("revoked", "The certificate was revoked.")
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA:
        return _open("crypto-constraints-failure", f"The key has {key.key_size} bits only.")
    if made is not None and made > now + _FAR * 1_000_000:
        return _open("format-failure", "It says that it was made in the future.")
    if not _may_sign(certificate):
        return _open("chain-constraints-failure", "The certificate is not one for signing.")
    when = moment(at)
    if certificate.not_valid_before_utc > when:
        return _open("not-yet-valid", "The certificate was not valid yet.")
    if certificate.not_valid_after_utc < when:
        return _open(
            "out-of-bounds-no-poe",
            f"The certificate ended on {certificate.not_valid_after_utc:%Y-%m-%d}, and no time-stamp says that the "
            "seal is older.",
        )
    if any(fingerprint(known) == fingerprint(certificate) for known in anchors.pinned):
        return Verdict(Indication.PASSED, "pinned", "It is by a certificate that the signer is known by.")
    if _leads_to_root(certificate, others, anchors, when):
        return Verdict(Indication.PASSED, "chain", "It is by a certificate under an authority that we named.")
    return _open(
        "no-certificate-chain-found",
        "Its certificate is neither the partner's nor under an authority that we named.",
    )


def _open(ground: str, sentence: str) -> Verdict:
    return Verdict(Indication.INDETERMINATE, ground, sentence)


def _may_sign(certificate: x509.Certificate) -> bool:
    """RFC 5280 section 4.2.1.3: either bit serves a signature on a document; a certificate without usage serves all."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return usage.digital_signature or usage.content_commitment


def _leads_to_root(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], anchors: Anchors, when: datetime
) -> bool:
    """RFC 5280 section 6, as far as roots of our own choice need it: names, signatures, times, basic constraints."""
    present = [certificate]
    for depth in range(LONGEST_CHAIN):
        subject = present[-1]
        if any(_issued(root, subject, when, depth) for root in anchors.roots):
            return True
        above = next(
            (each for each in others if each not in present and _issued(each, subject, when, depth)), None
        )
        if above is None or fingerprint(above) in anchors.refused:
            return False
        present.append(above)
    return False


def _issued(issuer: x509.Certificate, subject: x509.Certificate, when: datetime, depth: int) -> bool:
    if not issuer.not_valid_before_utc <= when <= issuer.not_valid_after_utc:
        return False
    try:
        subject.verify_directly_issued_by(issuer)
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except Exception:  # noqa: BLE001 - whatever a stranger's certificate does to the library, it does not lead there
        return False
    return constraints.ca and (constraints.path_length is None or constraints.path_length >= depth)
