"""Signed attributes: what the reader shows of them and what verification checks (RFC 5652 s11, RFC 6211)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from ecluse.wire import asn1
from ecluse.wire.asn1 import Element
from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import Malformed
from ecluse.wire.cms.events import AlgorithmIdentifier

__all__ = ["Attributes", "algorithm_identifier", "read_attributes", "signed_octets"]

_READ = frozenset({oids.CONTENT_TYPE, oids.MESSAGE_DIGEST, oids.SIGNING_TIME, oids.ALGORITHM_PROTECTION})

KNOWN_ALGORITHM = 24
"""Octets up to which an AlgorithmIdentifier is kept once read: longer ones hold nonces, keys or PSS parameters."""
SIGNATURE_PROTECTED = 0xA1
"""[1] IMPLICIT signatureAlgorithm of CMSAlgorithmProtection (RFC 6211 s2)."""


class Attributes(Struct, frozen=True):
    """The attributes that matter; each ``None`` where it is absent.

    Attributes:
        content_type: Dotted.
        message_digest: Octets.
        signing_time: As it stands.
        protection: CMSAlgorithmProtection: digest and signature algorithm.
    """

    content_type: str | None = None
    message_digest: bytes | None = None
    signing_time: str | None = None
    protection: tuple[AlgorithmIdentifier, AlgorithmIdentifier] | None = None


def algorithm_identifier(element: Element) -> AlgorithmIdentifier:
    """An AlgorithmIdentifier, however it is tagged."""
    raw = element.raw
    return _algorithm_identifier(raw) if len(raw) <= KNOWN_ALGORITHM else _read_algorithm(element)


@lru_cache(maxsize=256)
def _algorithm_identifier(raw: bytes) -> AlgorithmIdentifier:
    """The few that are in use come in every message."""
    return _read_algorithm(asn1.parse(raw))


def _read_algorithm(element: Element) -> AlgorithmIdentifier:
    fields = element.children
    if not 1 <= len(fields) <= 2:
        raise Malformed("An AlgorithmIdentifier has other than one or two fields.")
    return AlgorithmIdentifier(fields[0].as_oid(), fields[1].raw if len(fields) == 2 else None)


def signed_octets(attributes: Element) -> bytes:
    """The octets that were signed, from the ``[0] IMPLICIT`` attributes of a signer (RFC 5652 s5.4).

    The exact ones with the tag of a SET, where their lengths are DER's; else DER made from them.
    """
    if attributes.is_der_length():
        return bytes((asn1.SET,)) + attributes.raw[1:]
    return asn1.set_of(*(attribute.as_der() for attribute in attributes.children))


@lru_cache(maxsize=32)
def read_attributes(signed: bytes) -> Attributes:
    """What stands in a SET OF Attribute. Reader and verifier both ask, one after the other.

    Raises:
        Malformed: An attribute that matters is repeated or has other than one value (RFC 5652 s11.1-11.3).
        Asn1Error: It is not a SET OF Attribute.
    """
    values: dict[str, Element] = {}
    for attribute in asn1.parse(signed).expect(asn1.SET).children:
        fields = attribute.expect(asn1.SEQUENCE).children
        if len(fields) != 2:
            raise Malformed("An attribute has other than two fields.")
        kind = fields[0].as_oid()
        if kind not in _READ:
            continue
        content = fields[1].expect(asn1.SET).children
        if kind in values or len(content) != 1:
            raise Malformed(f"The signed attribute {kind} has other than one value.")
        values[kind] = content[0]
    content_type = values.get(oids.CONTENT_TYPE)
    digest = values.get(oids.MESSAGE_DIGEST)
    time = values.get(oids.SIGNING_TIME)
    protection = values.get(oids.ALGORITHM_PROTECTION)
    return Attributes(
        content_type.as_oid() if content_type else None,
        digest.expect(asn1.OCTET_STRING).as_octets() if digest else None,
        _time(time) if time else None,
        _protection(protection) if protection else None,
    )


def _time(element: Element) -> str:
    if element.tag not in (asn1.UTC_TIME, asn1.GENERALIZED_TIME) or not element.content.isascii():
        raise Malformed("The signing-time attribute is not a time.")
    return element.content.decode("ascii")


def _protection(element: Element) -> tuple[AlgorithmIdentifier, AlgorithmIdentifier]:
    fields = element.expect(asn1.SEQUENCE).children
    if len(fields) != 2 or fields[1].tag != SIGNATURE_PROTECTED:
        raise Malformed("The algorithm-protection attribute does not protect a signature.")
    return algorithm_identifier(fields[0].expect(asn1.SEQUENCE)), algorithm_identifier(fields[1])
