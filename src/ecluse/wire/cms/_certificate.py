"""What CMS needs to know of a certificate, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ecluse.errors import EcluseError
from ecluse.wire import asn1
from ecluse.wire.cms.errors import Malformed

__all__ = ["Identity", "identity"]

CACHED_CERTIFICATES = 1024
"""A hub's own certificates and those of its partners; each entry holds about 3 KB."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate, and the name under which a CMS message speaks of it.

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
