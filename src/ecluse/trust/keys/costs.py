"""What opening a key file would cost: a file says itself how often its password is hashed, and may say too much."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from ecluse.errors import EcluseError
from ecluse.trust.errors import CertificateError
from ecluse.wire.asn1 import INTEGER, OCTET_STRING, OID, SEQUENCE, Element, ParseLimits, parse

__all__ = ["MAX_BCRYPT_ROUNDS", "MAX_ITERATIONS", "check_der_cost", "check_pem_cost"]

MAX_ITERATIONS: Final = 5_000_000
"""Rounds of PBKDF2 or of PKCS#12's own derivation: eight times what OWASP asks for, and some seconds."""

MAX_BCRYPT_ROUNDS: Final = 1024
"""Rounds of an OpenSSH key: ssh-keygen makes 24."""

_DERIVATIONS: Final = (
    "1.2.840.113549.1.5.",  # PKCS#5: PBES1, PBKDF2, PBES2, PBMAC1
    "1.2.840.113549.1.12.1.",  # PKCS#12's own
    "1.3.6.1.4.1.11591.4.11",  # scrypt (RFC 7914)
)
_LIMITS: Final = ParseLimits()
_NESTING: Final = 6
"""Octet strings in octet strings: a PKCS#12 file has three."""

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----(.*?)-----END", re.DOTALL)
_OPENSSH: Final = b"openssh-key-v1\0"


def check_der_cost(data: bytes) -> None:
    """Refuse a PKCS#12 or encrypted PKCS#8 file that would keep us busy for minutes.

    What is encrypted inside can't be looked at: it may ask for more.

    Raises:
        CertificateError: ``trust.too-costly``.
    """
    try:
        top = parse(data, _LIMITS)
        counts = [*_derivations(top, 0), *_mac(top)]
    except EcluseError:
        return  # whoever reads the file says what is wrong with it
    if any(not 0 <= count <= MAX_ITERATIONS for count in counts):
        raise _too_costly(MAX_ITERATIONS)


def check_pem_cost(data: bytes) -> None:
    """The same for the private keys in a PEM file. Raises as :func:`check_der_cost`."""
    for match in _PEM.finditer(data):
        try:
            octets = base64.b64decode(re.sub(rb"\s", b"", match.group(2)), validate=True)
        except (binascii.Error, ValueError):
            continue
        if match.group(1).startswith(b"OPENSSH"):
            if _bcrypt_rounds(octets) > MAX_BCRYPT_ROUNDS:
                raise _too_costly(MAX_BCRYPT_ROUNDS)
        else:
            check_der_cost(octets)


def _derivations(element: Element, nested: int) -> Iterator[int]:
    """The numbers beside every name of a derivation."""
    if element.tag == OCTET_STRING and nested < _NESTING:
        try:
            inner = parse(element.as_octets(), _LIMITS)
        except EcluseError:
            return  # a salt, or what is encrypted
        yield from _derivations(inner, nested + 1)
        return
    if not element.constructed:
        return
    children = element.children
    if element.tag == SEQUENCE and children and children[0].tag == OID:
        name = children[0].as_oid()
        if name.startswith(_DERIVATIONS):
            for child in children[1:]:
                yield from _numbers(child)
    for child in children:
        yield from _derivations(child, nested)


def _numbers(element: Element) -> Iterator[int]:
    if element.tag == INTEGER:
        yield element.as_int()
    elif element.constructed:
        for child in element.children:
            yield from _numbers(child)


def _mac(top: Element) -> Iterator[int]:
    """The rounds of a PKCS#12 file's integrity check (RFC 7292 s4: MacData)."""
    if top.tag == SEQUENCE and len(top.children) == 3 and top.children[2].tag == SEQUENCE:
        yield from (child.as_int() for child in top.children[2].children if child.tag == INTEGER)


def _bcrypt_rounds(blob: bytes) -> int:
    """The rounds that an OpenSSH key says (PROTOCOL.key); 0 where it says none."""
    if not blob.startswith(_OPENSSH):
        return 0
    at = len(_OPENSSH)
    fields = []
    for _ in range(3):
        size = int.from_bytes(blob[at : at + 4], "big")
        fields.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    options = fields[2]
    return int.from_bytes(options[-4:], "big") if fields[1] == b"bcrypt" and len(options) >= 4 else 0


def _too_costly(limit: int) -> CertificateError:
    return CertificateError(
        f"The file's password would be hashed more than {limit} times.",
        code="trust.too-costly",
        remedy="Export the key again with the program's usual settings.",
    )
