"""Which algorithms are read, how strong they are, and which only work where they were allowed by name.

A caller allows an old one by putting its name (:data:`LEGACY`) into ``allowed``. Those in :data:`NEVER` stay
refused whatever is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from ecluse.wire.cms import oids
from ecluse.wire.cms.errors import AlgorithmForbidden, UnsupportedAlgorithm

__all__ = [
    "CIPHERS",
    "CIPHERS_BY_NAME",
    "DIGESTS",
    "DIGESTS_BY_NAME",
    "LEGACY",
    "NEVER",
    "SIGNATURES",
    "ContentCipher",
    "Digest",
    "SignatureScheme",
    "cipher",
    "digest",
    "permit",
    "permit_rsa",
]

RSA_BITS = 2048
"""The floor of RFC 8551 s4.2 and NIST SP 800-131A."""
RSA_LEGACY_BITS = 1024
"""Below it no name helps: 829 bits were factored in 2020."""

LEGACY: frozenset[str] = frozenset({"sha-1", "3des", "rsa-1024"})
"""Names that a caller may allow."""
NEVER: frozenset[str] = frozenset({"md5", "des", "rc2", "rc4"})
"""Names that are known, so that the refusal can say them."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash function.

    Attributes:
        oid: Dotted identifier.
        name: Lower-case name, as ``hashlib`` has it.
        strength: Bits of collision resistance.
        algorithm: The same for ``cryptography``.
        legacy: The name to allow it by, or ``None`` where it needs none.
    """

    oid: str
    name: str
    strength: int
    algorithm: hashes.HashAlgorithm
    legacy: str | None = None


@dataclass(frozen=True, slots=True)
class ContentCipher:
    """A content-encryption algorithm.

    Attributes:
        oid: Dotted identifier.
        name: Such as ``aes-256-cbc``.
        key_length: Octets.
        block: Octets of one block.
        authenticated: True for GCM, which stands in AuthEnvelopedData; False for CBC in EnvelopedData.
        strength: Bits.
        legacy: The name to allow it by, or ``None`` where it needs none.
    """

    oid: str
    name: str
    key_length: int
    block: int
    authenticated: bool
    strength: int
    legacy: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A signature algorithm.

    Attributes:
        oid: Dotted identifier.
        name: ``rsa``, ``rsa-pss``, ``ecdsa``, ``ed25519``, ``ml-dsa-44``, ``ml-dsa-65`` or ``ml-dsa-87``.
        digest: OID of the hash that the identifier implies, or ``None``.
    """

    oid: str
    name: str
    digest: str | None = None


DIGESTS: dict[str, Digest] = {
    entry.oid: entry
    for entry in (
        Digest(oids.SHA1, "sha1", 61, hashes.SHA1(), "sha-1"),  # noqa: S303
        Digest(oids.SHA256, "sha256", 128, hashes.SHA256()),
        Digest(oids.SHA384, "sha384", 192, hashes.SHA384()),
        Digest(oids.SHA512, "sha512", 256, hashes.SHA512()),
        Digest(oids.SHA3_256, "sha3_256", 128, hashes.SHA3_256()),
        Digest(oids.SHA3_384, "sha3_384", 192, hashes.SHA3_384()),
        Digest(oids.SHA3_512, "sha3_512", 256, hashes.SHA3_512()),
    )
}
DIGESTS_BY_NAME: dict[str, Digest] = {entry.name: entry for entry in DIGESTS.values()}

CIPHERS: dict[str, ContentCipher] = {
    entry.oid: entry
    for entry in (
        ContentCipher(oids.AES128_CBC, "aes-128-cbc", 16, 16, False, 128),
        ContentCipher(oids.AES192_CBC, "aes-192-cbc", 24, 16, False, 192),
        ContentCipher(oids.AES256_CBC, "aes-256-cbc", 32, 16, False, 256),
        ContentCipher(oids.AES128_GCM, "aes-128-gcm", 16, 16, True, 128),
        ContentCipher(oids.AES192_GCM, "aes-192-gcm", 24, 16, True, 192),
        ContentCipher(oids.AES256_GCM, "aes-256-gcm", 32, 16, True, 256),
        ContentCipher(oids.DES_EDE3_CBC, "3des", 24, 8, False, 112, "3des"),
    )
}
CIPHERS_BY_NAME: dict[str, ContentCipher] = {entry.name: entry for entry in CIPHERS.values()}

SIGNATURES: dict[str, SignatureScheme] = {
    entry.oid: entry
    for entry in (
        SignatureScheme(oids.RSA_ENCRYPTION, "rsa"),
        SignatureScheme(oids.SHA1_WITH_RSA, "rsa", oids.SHA1),
        SignatureScheme(oids.SHA256_WITH_RSA, "rsa", oids.SHA256),
        SignatureScheme(oids.SHA384_WITH_RSA, "rsa", oids.SHA384),
        SignatureScheme(oids.SHA512_WITH_RSA, "rsa", oids.SHA512),
        SignatureScheme(oids.RSASSA_PSS, "rsa-pss"),
        SignatureScheme(oids.EC_PUBLIC_KEY, "ecdsa"),
        SignatureScheme(oids.ECDSA_WITH_SHA1, "ecdsa", oids.SHA1),
        SignatureScheme(oids.ECDSA_WITH_SHA256, "ecdsa", oids.SHA256),
        SignatureScheme(oids.ECDSA_WITH_SHA384, "ecdsa", oids.SHA384),
        SignatureScheme(oids.ECDSA_WITH_SHA512, "ecdsa", oids.SHA512),
        SignatureScheme(oids.ED25519, "ed25519"),
        SignatureScheme(oids.ML_DSA_44, "ml-dsa-44"),
        SignatureScheme(oids.ML_DSA_65, "ml-dsa-65"),
        SignatureScheme(oids.ML_DSA_87, "ml-dsa-87"),
    )
}

_REFUSED: dict[str, str] = {
    oids.MD5: "md5",
    oids.MD5_WITH_RSA: "md5",
    oids.DES_CBC: "des",
    oids.RC2_CBC: "rc2",
    oids.RC4: "rc4",
}


def permit(name: str | None, allowed: frozenset[str]) -> None:
    """Raise :class:`AlgorithmForbidden` where ``name`` needs to be allowed and is not."""
    if name in NEVER or (name in LEGACY and name not in allowed):
        raise AlgorithmForbidden(f"The message uses {name}, which is too weak.")


def digest(oid: str, allowed: frozenset[str]) -> Digest:
    """The hash function ``oid``. Raises for one that is unknown or not allowed."""
    found = DIGESTS.get(oid)
    permit(found.legacy if found else _REFUSED.get(oid), allowed)
    if found is None:
        raise UnsupportedAlgorithm(f"The message uses a digest algorithm that is not known ({oid}).")
    return found


def cipher(oid: str, allowed: frozenset[str]) -> ContentCipher:
    """The content-encryption algorithm ``oid``. Raises for one that is unknown or not allowed."""
    found = CIPHERS.get(oid)
    permit(found.legacy if found else _REFUSED.get(oid), allowed)
    if found is None:
        raise UnsupportedAlgorithm(
            f"The message uses a content-encryption algorithm that is not known ({oid})."
        )
    return found


def signature(oid: str, allowed: frozenset[str]) -> SignatureScheme:
    """The signature algorithm ``oid``. Raises for one that is unknown; its hash is checked apart."""
    found = SIGNATURES.get(oid)
    permit(_REFUSED.get(oid), allowed)
    if found is None:
        raise UnsupportedAlgorithm(f"The message uses a signature algorithm that is not known ({oid}).")
    return found


def permit_rsa(bits: int, allowed: frozenset[str]) -> None:
    """Raise :class:`AlgorithmForbidden` for an RSA key that is too short."""
    if bits < RSA_LEGACY_BITS or (bits < RSA_BITS and "rsa-1024" not in allowed):
        raise AlgorithmForbidden(f"The RSA key has {bits} bits, fewer than {RSA_BITS}.")
