"""What CMS needs to know of a certificate, read once."""

from __future__ import annotations

import hashlib
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
    """The names under which a CMS message speaks of a certificate.

    Attributes:
        der: The whole certificate.
        issuer: DER of the issuer's Name, exactly as it stands in the certificate.
        serial: Serial number.
        issuer_and_serial: DER of IssuerAndSerialNumber (RFC 5652 s10.2.4).
        key_id: SubjectKeyIdentifier octets: the extension's, or the SHA-1 of the key where the certificate
            has none (RFC 5280 s4.2.1.2, method 1).
    """

    der: bytes
    issuer: bytes
    serial: int
    issuer_and_serial: bytes
    key_id: bytes


@lru_cache(maxsize=CACHED_CERTIFICATES)
def identity(certificate: x509.Certificate) -> Identity:
    """The names of ``certificate``.

    The issuer is cut out of the certificate: encoding it again could choose other string types, and then no
    peer that compares octets would know it.

    Raises:
        Malformed: The certificate can't be taken apart.
    """
    try:
        fields = list(asn1.parse(certificate.tbs_certificate_bytes).children)
        if fields[0].tag == asn1.CONTEXT | asn1.CONSTRUCTED:  # version
            del fields[0]
        serial, issuer, public_key = fields[0], fields[2], fields[5]
        key_bits = public_key.children[1].content[1:]
        return Identity(
            der=certificate.public_bytes(Encoding.DER),
            issuer=issuer.raw,
            serial=serial.as_int(),
            issuer_and_serial=asn1.sequence(issuer.raw, serial.raw),
            key_id=_declared_key_id(certificate) or hashlib.sha1(key_bits, usedforsecurity=False).digest(),
        )
    except (EcluseError, IndexError) as error:
        raise Malformed("A certificate does not have the fields of RFC 5280.") from error


def _declared_key_id(certificate: x509.Certificate) -> bytes | None:
    """The extension's octets; ``None`` where it is absent or the extensions can't be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None
    return extension.value.digest
