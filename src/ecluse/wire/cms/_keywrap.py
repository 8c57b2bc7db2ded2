"""From a shared secret to a content-encryption key: the derivation and the wrap, for both directions.

Key agreement (RFC 5753, RFC 8418) and key encapsulation (RFC 9629) end alike: a key-encryption key is derived
from a shared secret together with an encoding of how it will be used, and AES Key Wrap (RFC 3394) carries the
content-encryption key under it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from ecluse.wire import asn1
from ecluse.wire.cms import oids

__all__ = [
    "AGREEMENT_KDFS",
    "HKDFS",
    "SHA1_AGREEMENTS",
    "WRAP_BY_LENGTH",
    "WRAP_LENGTHS",
    "algorithm",
    "ecc_shared_info",
    "hkdf",
    "kem_other_info",
    "x963_kdf",
]

Kdf = Callable[[bytes, bytes, int], bytes]
"""``(secret, info, length)`` to a key of ``length`` octets."""

WRAP_LENGTHS: Final = {oids.AES128_WRAP: 16, oids.AES192_WRAP: 24, oids.AES256_WRAP: 32}
"""Octets of the key-encryption key, by key-wrap algorithm (RFC 3565 s2.3.2)."""
WRAP_BY_LENGTH: Final = {length: dotted for dotted, length in WRAP_LENGTHS.items()}


def hkdf(digest: hashes.HashAlgorithm) -> Kdf:
    """HKDF without a salt (RFC 5869; RFC 8418 s2.2, RFC 9629 s5)."""

    def derive(secret: bytes, info: bytes, length: int) -> bytes:
        return HKDF(digest, length, None, info).derive(secret)

    return derive


def x963_kdf(digest: hashes.HashAlgorithm) -> Kdf:
    """The derivation of SEC 1 s3.6.1, also in ANSI X9.63 (RFC 5753 s7.1.4)."""

    def derive(secret: bytes, info: bytes, length: int) -> bytes:
        return X963KDF(digest, length, info).derive(secret)

    return derive


HKDFS: Final[dict[str, Kdf]] = {
    oids.HKDF_SHA256: hkdf(hashes.SHA256()),
    oids.HKDF_SHA384: hkdf(hashes.SHA384()),
    oids.HKDF_SHA512: hkdf(hashes.SHA512()),
}
"""Key derivation of a KEM recipient (RFC 8619 s2)."""

_SHA1 = hashes.SHA1()  # noqa: S303 - a key derivation needs no collision resistance, and this one is opt-in
_DH_COFACTOR_SHA1_KDF: Final = "1.3.133.16.840.63.0.3"
SHA1_AGREEMENTS: Final = frozenset({oids.DH_STD_SHA1_KDF, _DH_COFACTOR_SHA1_KDF})
"""The schemes that derive with SHA-1 (RFC 5753 s7.1.4). Never written."""

AGREEMENT_KDFS: Final[dict[str, Kdf]] = {
    oids.DH_STD_SHA1_KDF: x963_kdf(_SHA1),
    _DH_COFACTOR_SHA1_KDF: x963_kdf(_SHA1),
    oids.DH_STD_SHA224_KDF: x963_kdf(hashes.SHA224()),
    oids.DH_STD_SHA256_KDF: x963_kdf(hashes.SHA256()),
    oids.DH_STD_SHA384_KDF: x963_kdf(hashes.SHA384()),
    oids.DH_STD_SHA512_KDF: x963_kdf(hashes.SHA512()),
    # dhSinglePass-cofactorDH-sha224kdf-scheme to -sha512kdf-scheme:
    "1.3.132.1.14.0": x963_kdf(hashes.SHA224()),
    "1.3.132.1.14.1": x963_kdf(hashes.SHA256()),
    "1.3.132.1.14.2": x963_kdf(hashes.SHA384()),
    "1.3.132.1.14.3": x963_kdf(hashes.SHA512()),
    oids.DH_HKDF_SHA256: hkdf(hashes.SHA256()),
    oids.DH_HKDF_SHA384: hkdf(hashes.SHA384()),
    oids.DH_HKDF_SHA512: hkdf(hashes.SHA512()),
}
"""Key derivation of a key-agreement scheme. P-256, P-384 and P-521 have the cofactor 1: for them, agreement
with the cofactor is plain agreement."""


def algorithm(dotted: str, parameters: bytes | None = None) -> bytes:
    """DER of an AlgorithmIdentifier; ``parameters`` is a whole element, or ``None`` for absent ones."""
    return asn1.sequence(asn1.oid(dotted), parameters or b"")


def ecc_shared_info(wrap: bytes, ukm: bytes | None, kek_length: int) -> bytes:
    """ECC-CMS-SharedInfo (RFC 5753 s7.2): wrap algorithm, UKM, and the key's length in bits."""
    entity = b"" if ukm is None else asn1.explicit(0, asn1.octets(ukm))
    length = asn1.explicit(2, asn1.octets((kek_length * 8).to_bytes(4, "big")))
    return asn1.sequence(wrap, entity, length)


def kem_other_info(wrap: bytes, ukm: bytes | None, kek_length: int) -> bytes:
    """CMSORIforKEMOtherInfo (RFC 9629 s5): wrap algorithm, the key's length in octets, UKM."""
    material = b"" if ukm is None else asn1.explicit(0, asn1.octets(ukm))
    return asn1.sequence(wrap, asn1.integer(kek_length), material)
