"""Additional data that arrives after the ciphertext (RFC 5083 s2.1, NIST SP 800-38D s6.4).

AuthEnvelopedData puts its authenticated attributes behind the content, while GCM wants them before it. GHASH
is linear: what the attributes add to the tag can be computed at the end from their octets, the hash subkey
and the length of the ciphertext, and be taken off the tag, which is then the one of the content alone. The
library still decrypts and still compares the tag.
"""

from __future__ import annotations

__all__ = ["BLOCK", "MAX_OCTETS", "MIN_TAG", "without_additional"]

BLOCK = 16
MIN_TAG = 12
"""RFC 5084 s3.2: aes-ICVlen is 12 to 16."""
MAX_OCTETS = (1 << 36) - 32
"""NIST SP 800-38D s5.2.1.1: 2**39 - 256 bits under one nonce."""

_REDUCTION = 0xE1 << 120
"""x**128 = x**7 + x**2 + x + 1, in GCM's bit order (SP 800-38D s6.3)."""


def without_additional(tag: bytes, additional: bytes, subkey: bytes, ciphertext_octets: int) -> bytes:
    """The tag that the same content has without ``additional``; truncated tags stay truncated."""
    h = int.from_bytes(subkey, "big")
    hashed = 0
    for start in range(0, len(additional), BLOCK):
        block = additional[start : start + BLOCK].ljust(BLOCK, b"\0")
        hashed = _times(hashed ^ int.from_bytes(block, "big"), h)
    blocks_after = -(-ciphertext_octets // BLOCK) + 1
    share = _times(hashed, _power(h, blocks_after)) ^ _times(len(additional) * 8 << 64, h)
    return bytes(a ^ b for a, b in zip(tag, share.to_bytes(BLOCK, "big"), strict=False))


def _times(x: int, y: int) -> int:
    """Product in GCM's field."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (_REDUCTION if y & 1 else 0)
    return product


def _power(base: int, exponent: int) -> int:
    """``base`` to the power ``exponent`` (positive) in GCM's field."""
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = _times(result, base)
        base = _times(base, base)
        exponent >>= 1
    return result
