"""What CMS needs to know of a certificate, read once and kept: asking the library again parses again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.cms.errors import Malformed

__all__ = ["Identity", "identity", "key_identifier", "public_key"]

CACHED_CERTIFICATES = 1024
"""A hub's own certificates and those of its partners; each entry holds about 3 KB."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, and the names under which a CMS message speaks of it.

    Attributes:
        der: The whole certificate.
        issuer: DER of the issuer's Name, exactly as it stands in the certificate.
        serial: Serial number.
        issuer_and_serial: DER of IssuerAndSerialNumber (RFC 5652 s10.2.4).
    """

    der: bytes
    issuer: bytes
    serial: int
    issuer_and_serial: bytes


@lru_cache(maxsize=CACHED_CERTIFICATES)
def identity(certificate: x509.Certificate) -> Identity:
    """The name of ``certificate``.

    The issuer is cut out of the certificate: encoding it again could choose other string types, and then no
    peer that compares octets would know it.

    Raises:
        Malformed: The certificate can't be taken apart.
    """
    try:
        fields = list(asn1.parse(certificate.tbs_certificate_bytes).children)
        if fields[0].tag == asn1.CONTEXT | asn1.CONSTRUCTED:  # version
            del fields[0]
        serial, issuer = fields[0], fields[2]
        return Identity(
            der=certificate.public_bytes(Encoding.DER),
            issuer=issuer.raw,
            serial=serial.as_int(),
            issuer_and_serial=asn1.sequence(issuer.raw, serial.raw),
        )
    except (EcluseError, IndexError) as error:
        raise Malformed("A certificate does not have the fields of RFC 5280.") from error


@lru_cache(maxsize=CACHED_CERTIFICATES)
def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """The certificate's key. Raises what the library raises for one that it can't read (``ValueError``...)."""
    return certificate.public_key()


@lru_cache(maxsize=CACHED_CERTIFICATES)
def key_identifier(certificate: x509.Certificate) -> bytes | None:
    """The key identifier that the certificate states, or else the usual one (RFC 5280 s4.2.1.2)."""
    try:
        try:
            return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        except x509.ExtensionNotFound:
            return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    except (ValueError, LibraryUnsupported, x509.DuplicateExtension):
        return None
