"""What one OpenPGP message may cost, whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "CERTIFICATE_OCTETS",
    "CERTIFICATE_SIGNATURES",
    "CONTENT_OCTETS",
    "INFLATED_RATIO",
    "MAX_EXPONENT_BITS",
    "MAX_MPI_BITS",
    "Limits",
]

MIB: Final = 1 << 20

MAX_MPI_BITS: Final = 16384
"""OpenSSL's own limit for RSA (OPENSSL_RSA_MAX_MODULUS_BITS); beyond it a number is a trap."""
MAX_EXPONENT_BITS: Final = 32
"""Of an RSA key. 65537 and 41 (old GnuPG) are what there is; a long exponent makes each of the signatures that a
certificate may carry cost a hundred times as much."""
CERTIFICATE_OCTETS: Final = 1 * MIB
"""Of one certificate file. One with a photograph and a hundred signatures takes 100 KiB."""
CERTIFICATE_SIGNATURES: Final = 512
"""Of a key on itself that are checked: each costs a verification of up to 0.2 ms."""
PACKET_OCTETS: Final = 256 * 1024
"""Of a packet that is read whole: a signature, a session key, a user id."""
RECIPIENTS: Final = 256
"""A message to every subsidiary of a large company; each costs one comparison with our keys."""
SIGNATURES: Final = 16
"""Real messages have one, rarely two while a key is renewed."""
COMPRESSIONS: Final = 2
"""Layers of compression. Every writer makes one at most."""
SKIPPED: Final = 1024
"""Marker and padding packets (RFC 9580 s5.8, s5.14) that are passed over."""
CONTENT_OCTETS: Final = 1 << 40
"""Of the document, unless the flow says less."""
INFLATED_FLOOR: Final = 64 * MIB
"""Below this no ratio is suspicious: a file of one repeated line compresses 1000 times."""
INFLATED_RATIO: Final = 250
"""EDI compresses 5 to 40 times, sparse XML up to 150; a bomb reaches 1032 with deflate, millions with bzip2."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings for one message; passing one raises ``openpgp.limit``.

    Attributes:
        content: Octets of the document.
        inflated_floor: Octets that compressed data may always grow to.
        inflated_ratio: Above the floor, how many octets may come out for each that went in.
        packet: Octets of a packet that is held whole.
        recipients: Recipients.
        signatures: Signatures.
    """

    content: int = CONTENT_OCTETS
    inflated_floor: int = INFLATED_FLOOR
    inflated_ratio: int = INFLATED_RATIO
    packet: int = PACKET_OCTETS
    recipients: int = RECIPIENTS
    signatures: int = SIGNATURES
