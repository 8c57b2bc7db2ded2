"""Bits of security of a key, by the name that people know it by (NIST SP 800-57 part 1 rev. 5, table 2)."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

__all__ = ["MAX_STRENGTH", "strength_of"]

MAX_STRENGTH: Final = 256
"""The highest comparable strength that the table knows."""

_FIXED: Final[dict[str, int]] = {
    "P-256": 128,
    "P-384": 192,
    "P-521": 256,
    "brainpoolP256r1": 128,
    "brainpoolP384r1": 192,
    "brainpoolP512r1": 256,
    "secp256k1": 128,
    "secp224r1": 112,
    "secp192r1": 96,
    # SP 800-186 s3.1.2: Curve25519 and Curve448.
    "Ed25519": 128,
    "X25519": 128,
    "Curve25519": 128,
    "Ed448": 224,
    "X448": 224,
    # FIPS 204 table 1 and FIPS 203 table 2: categories 2, 3 and 5 are those of SHA-256, AES-192 and AES-256.
    "ML-DSA-44": 128,
    "ML-DSA-65": 192,
    "ML-DSA-87": 256,
    "ML-KEM-768": 192,
    "ML-KEM-1024": 256,
    "AES-256": 256,
}
_FACTORS: Final = frozenset({"RSA", "DSA", "ElGamal"})
"""Kinds whose strength is that of a modulus."""
_MODULI: Final[dict[int, int]] = {1024: 80, 2048: 112, 3072: 128, 7680: 192, 15360: 256}
"""Bits of a modulus to bits of security."""


@lru_cache(maxsize=512)
def strength_of(name: str) -> int | None:
    """Bits of security of a key such as ``RSA 3072``, ``EC P-256``, ``EdDSA Ed25519`` or ``ML-DSA-65``.

    Returns:
        0 to :data:`MAX_STRENGTH`; ``None`` where the name says nothing.
    """
    kind, _, size = name.rpartition(" ")
    if size in _FIXED:
        return _FIXED[size]
    if kind in _FACTORS and re.fullmatch(r"[0-9]{1,6}", size):
        return _of_modulus(int(size))
    return None


def _of_modulus(bits: int) -> int:
    """By the table; between its rows by the number field sieve's work (SP 800-56B rev. 2 appendix D)."""
    if bits in _MODULI:
        return _MODULI[bits]
    if bits < 512:
        return 0
    natural = bits * math.log(2)
    work: float = (1.923 * natural ** (1 / 3) * math.log(natural) ** (2 / 3) - 4.69) / math.log(2)
    return min(MAX_STRENGTH, 8 * round(work / 8))
