"""Ed25519 public keys that are nobody's: points of small order, with which anybody makes signatures over anything.

RFC 8032 (section 5.1.7) lets a verifier take them, and libraries do. Who is known by such a key is known by nothing.
"""

from __future__ import annotations

from typing import Final

__all__ = ["is_small_order"]

_PRIME: Final = 2**255 - 19
_EIGHT: Final = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
"""A y-coordinate of order eight: a root of d*y^4 + 2*y^2 - 1, by the doubling formula of the curve."""
_SMALL: Final = frozenset({0, 1, _PRIME - 1, _EIGHT, _PRIME - _EIGHT})
"""The y-coordinates of the eight points whose order divides the curve's cofactor."""
_SIGN: Final = 1 << 255


def is_small_order(point: bytes) -> bool:
    """Whether 32 octets are a point of small order, in whichever of its forms."""
    return (int.from_bytes(point, "little") & ~_SIGN) % _PRIME in _SMALL
