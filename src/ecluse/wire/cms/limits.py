"""What one layer of CMS may cost, whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

DEPTH = 32
"""Nesting of elements. A signed message with certificates stays under 16."""
HEADER_OCTETS = 1 * MIB
"""All that is not content. 256 recipients with RSA-4096 keys take 170 KiB, ML-KEM-1024 ones 460 KiB."""
ELEMENTS = 65_536
"""Elements opened in one header field. 256 recipients open 5,120, or 20,000 of indefinite length."""
RECIPIENTS = 256
"""A message to every subsidiary of a large company; each costs the hub one comparison with its keys."""
SIGNERS = 16
"""B2B messages have one, rarely two while a certificate is renewed."""
CERTIFICATES = 64
"""Several chains of roots and intermediates."""
CONTENT_OCTETS = 64 * GIB - 256
"""What one GCM key and nonce may encrypt (NIST SP 800-38D s5.2.1.1), rounded down."""
INFLATED_FLOOR = 64 * MIB
"""Below this, no ratio is suspicious: a file of one repeated line compresses 1000 times."""
INFLATED_RATIO = 250
"""EDI compresses 5 to 40 times, sparse XML up to 150; a bomb reaches zlib's 1032."""
HELD_OCTETS = 1 * MIB
"""Input held while a key is looked for, beyond the piece that asked for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings for one layer; passing one raises ``cms.limit``.

    Attributes:
        depth: Levels of nested elements.
        header: Octets of everything that is not content.
        elements: Elements opened in one header field.
        recipients: Recipients of an enveloped layer.
        signers: SignerInfos of a signed layer.
        certificates: Certificates that come with a signed layer.
        content: Octets of content given.
        inflated_floor: Octets that compressed content may always grow to.
        inflated_ratio: Above the floor, how many octets may come out for each that went in.
        held: Octets that ``feed`` takes while a key is awaited.
    """

    depth: int = DEPTH
    header: int = HEADER_OCTETS
    elements: int = ELEMENTS
    recipients: int = RECIPIENTS
    signers: int = SIGNERS
    certificates: int = CERTIFICATES
    content: int = CONTENT_OCTETS
    inflated_floor: int = INFLATED_FLOOR
    inflated_ratio: int = INFLATED_RATIO
    held: int = HELD_OCTETS
