"""The numbers of RFC 9580 s9, and what is thought of the algorithms that they stand for."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, algorithms

from ecluse.wire.openpgp.errors import UnsupportedAlgorithm, WeakAlgorithm

__all__ = [
    "CIPHERS",
    "HASHES",
    "LEGACY",
    "PUBLIC_KEY_NAMES",
    "Aead",
    "CipherAlgorithm",
    "HashKind",
    "PublicKeyAlgorithm",
    "SignatureType",
    "Tag",
    "cipher_algorithm",
    "hash_kind",
    "permit",
]

LEGACY: Final = "openpgp-legacy"
"""The exception that lets old algorithms through."""


class Tag(IntEnum):
    """Packet types (s5)."""

    PKESK = 1
    SIGNATURE = 2
    SKESK = 3
    ONE_PASS = 4
    SECRET_KEY = 5
    PUBLIC_KEY = 6
    SECRET_SUBKEY = 7
    COMPRESSED = 8
    SED = 9
    MARKER = 10
    LITERAL = 11
    TRUST = 12
    USER_ID = 13
    PUBLIC_SUBKEY = 14
    USER_ATTRIBUTE = 17
    SEIPD = 18
    MDC = 19
    OCB = 20
    PADDING = 21


class PublicKeyAlgorithm(IntEnum):
    """Public-key algorithms (s9.1)."""

    RSA = 1
    RSA_ENCRYPT = 2
    RSA_SIGN = 3
    ELGAMAL = 16
    DSA = 17
    ECDH = 18
    ECDSA = 19
    EDDSA = 22
    X25519 = 25
    X448 = 26
    ED25519 = 27
    ED448 = 28


PUBLIC_KEY_NAMES: Final[dict[int, str]] = {
    1: "RSA",
    2: "RSA",
    3: "RSA",
    16: "ElGamal",
    17: "DSA",
    18: "ECDH",
    19: "ECDSA",
    22: "EdDSA",
    25: "X25519",
    26: "X448",
    27: "Ed25519",
    28: "Ed448",
}


class SignatureType(IntEnum):
    """Signature types (s5.2.1)."""

    BINARY = 0x00
    TEXT = 0x01
    GENERIC = 0x10
    PERSONA = 0x11
    CASUAL = 0x12
    POSITIVE = 0x13
    SUBKEY_BINDING = 0x18
    PRIMARY_BINDING = 0x19
    DIRECT_KEY = 0x1F
    KEY_REVOCATION = 0x20
    SUBKEY_REVOCATION = 0x28
    CERTIFICATION_REVOCATION = 0x30


class Aead(IntEnum):
    """AEAD algorithms (s9.6)."""

    EAX = 1
    OCB = 2
    GCM = 3


@dataclass(frozen=True, slots=True)
class HashKind:
    """A hash algorithm (s9.5).

    Attributes:
        id: Its number.
        name: As ``hashlib`` calls it.
        size: Octets of a digest.
        salt: Octets of the salt of a version 6 signature.
        weak: It needs an exception in signatures over documents; ``None`` for "never".
    """

    id: int
    name: str
    size: int
    salt: int
    weak: bool | None

    def new(self) -> hashlib._Hash:
        """A fresh context."""
        return hashlib.new(self.name, usedforsecurity=not self.weak)

    def algorithm(self) -> hashes.HashAlgorithm:
        """The same for the ``cryptography`` package."""
        return _ALGORITHMS[self.id]


HASHES: Final[dict[int, HashKind]] = {
    1: HashKind(1, "md5", 16, 0, None),
    2: HashKind(2, "sha1", 20, 0, weak=True),
    8: HashKind(8, "sha256", 32, 16, weak=False),
    9: HashKind(9, "sha384", 48, 24, weak=False),
    10: HashKind(10, "sha512", 64, 32, weak=False),
    11: HashKind(11, "sha224", 28, 16, weak=False),
    12: HashKind(12, "sha3_256", 32, 16, weak=False),
    14: HashKind(14, "sha3_512", 64, 32, weak=False),
}
"""RIPEMD-160 (3) is not done: nobody who still used it was found."""

_ALGORITHMS: Final[dict[int, hashes.HashAlgorithm]] = {
    1: hashes.MD5(),  # noqa: S303 - named so that a refusal can name it; never allowed
    2: hashes.SHA1(),  # noqa: S303 - let through by exception alone
    8: hashes.SHA256(),
    9: hashes.SHA384(),
    10: hashes.SHA512(),
    11: hashes.SHA224(),
    12: hashes.SHA3_256(),
    14: hashes.SHA3_512(),
}


@dataclass(frozen=True, slots=True)
class CipherAlgorithm:
    """A symmetric cipher (s9.3).

    Attributes:
        id: Its number.
        name: For people.
        key: Octets of a key.
        block: Octets of a block.
        kind: Of the ``cryptography`` package.
        weak: Blocks of 64 bits: needs an exception.
    """

    id: int
    name: str
    key: int
    block: int
    kind: type[BlockCipherAlgorithm]
    weak: bool = False

    def keyed(self, key: bytes) -> BlockCipherAlgorithm:
        """The cipher under a key of its length."""
        return self.kind(key)  # type: ignore[call-arg]  # every kind takes its key; the base does not say so


CIPHERS: Final[dict[int, CipherAlgorithm]] = {
    1: CipherAlgorithm(1, "IDEA", 16, 8, old.IDEA, weak=True),
    2: CipherAlgorithm(2, "3DES", 24, 8, old.TripleDES, weak=True),
    3: CipherAlgorithm(3, "CAST5", 16, 8, old.CAST5, weak=True),
    4: CipherAlgorithm(4, "Blowfish", 16, 8, old.Blowfish, weak=True),
    7: CipherAlgorithm(7, "AES-128", 16, 16, algorithms.AES),
    8: CipherAlgorithm(8, "AES-192", 24, 16, algorithms.AES),
    9: CipherAlgorithm(9, "AES-256", 32, 16, algorithms.AES),
    11: CipherAlgorithm(11, "Camellia-128", 16, 16, old.Camellia),
    12: CipherAlgorithm(12, "Camellia-192", 24, 16, old.Camellia),
    13: CipherAlgorithm(13, "Camellia-256", 32, 16, old.Camellia),
}
"""Twofish (10) is not in the library, and in nobody's defaults."""


def hash_kind(number: int) -> HashKind:
    """The hash of a number. Raises :class:`UnsupportedAlgorithm`."""
    kind = HASHES.get(number)
    if kind is None:
        raise UnsupportedAlgorithm(f"The hash algorithm {number} is not done here.")
    return kind


def cipher_algorithm(number: int) -> CipherAlgorithm:
    """The cipher of a number. Raises :class:`UnsupportedAlgorithm`."""
    algorithm = CIPHERS.get(number)
    if algorithm is None:
        raise UnsupportedAlgorithm(f"The cipher {number} is not done here.")
    return algorithm


def permit(name: str, weak: bool | None, allowed: Collection[str]) -> None:
    """Let ``name`` through: it is good, or an exception allows it.

    Raises:
        WeakAlgorithm: Neither; ``None`` for ``weak`` means that no exception helps.
    """
    if weak is None:
        raise WeakAlgorithm(
            f"{name} is broken.", remedy="Ask the partner for SHA-2 and AES; no exception can allow this."
        )
    if weak and LEGACY not in allowed:
        raise WeakAlgorithm(f"{name} is too weak.")
