"""Signature schemes by name: their algorithm identifiers, and which digests they go with."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from ecluse.errors import Fault
from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._keywrap import algorithm
from ecluse.wire.cms.algorithms import DIGESTS_BY_NAME
from ecluse.wire.cms.errors import AlgorithmForbidden, UnsupportedAlgorithm

__all__ = ["CURVES", "SCHEMES", "WRITTEN_DIGESTS", "digest_algorithm", "digest_for", "signature_algorithm"]

WRITTEN_DIGESTS: Final = ("sha256", "sha384", "sha512")
"""Every digest that is written, by name, the weakest first."""

_WEAKEST_DIGEST: Final = {
    "rsa-pkcs1": "sha256",
    "rsa-pss": "sha256",
    "ecdsa": "sha256",
    "ed25519": "sha512",  # RFC 8419 s3.1 allows no other beside signed attributes
    "ml-dsa-44": "sha256",  # the three: RFC 9882 s3.3, table 1
    "ml-dsa-65": "sha384",
    "ml-dsa-87": "sha512",
}

CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
"""The elliptic curves that are signed with and encrypted to (RFC 8551 s2.2, s2.3, and the two above)."""

SCHEMES: Final = tuple(_WEAKEST_DIGEST)
"""Every scheme by name."""

_FIXED_ALGORITHMS: Final = {
    # RFC 5754 s3.2: everyone reads this identifier, not everyone the ones that also name the digest.
    "rsa-pkcs1": algorithm(oids.RSA_ENCRYPTION, asn1.null()),
    "ed25519": algorithm(oids.ED25519),
    "ml-dsa-44": algorithm(oids.ML_DSA_44),
    "ml-dsa-65": algorithm(oids.ML_DSA_65),
    "ml-dsa-87": algorithm(oids.ML_DSA_87),
}
_ECDSA_OIDS: Final = {
    "sha256": oids.ECDSA_WITH_SHA256,
    "sha384": oids.ECDSA_WITH_SHA384,
    "sha512": oids.ECDSA_WITH_SHA512,
}


def digest_for(scheme: str, wanted: str) -> str:
    """The digest that a signer with ``scheme`` uses where the message asks for ``wanted``.

    It is ``wanted`` itself, or the weakest one above it that the scheme's RFC allows: Ed25519 goes with
    SHA-512, ML-DSA-65 with SHA-384 or SHA-512, ML-DSA-87 with SHA-512.

    Args:
        scheme: One of :data:`SCHEMES`.
        wanted: ``sha256``, ``sha384`` or ``sha512``.

    Raises:
        UnsupportedAlgorithm: No such scheme.
        AlgorithmForbidden: Another digest: nothing weaker is ever written.
    """
    if scheme not in _WEAKEST_DIGEST:
        raise UnsupportedAlgorithm(
            f"There is no signature scheme {scheme!r}.",
            remedy=f"Choose one of {', '.join(SCHEMES)}.",
            fault=Fault.USAGE,
        )
    if wanted not in WRITTEN_DIGESTS:
        raise AlgorithmForbidden(
            f"Messages are not signed with the digest {wanted!r}.",
            remedy="Choose sha256, sha384 or sha512.",
            fault=Fault.USAGE,
        )
    return max(wanted, _WEAKEST_DIGEST[scheme], key=WRITTEN_DIGESTS.index)


@lru_cache
def digest_algorithm(digest: str) -> bytes:
    """DER of the digest's AlgorithmIdentifier, parameters absent (RFC 5754 s2)."""
    return algorithm(DIGESTS_BY_NAME[digest].oid)


@lru_cache
def signature_algorithm(scheme: str, digest: str) -> bytes:
    """DER of the SignatureAlgorithmIdentifier of ``scheme`` over ``digest``, both known names."""
    if scheme == "rsa-pss":
        hashed = algorithm(DIGESTS_BY_NAME[digest].oid, asn1.null())  # RFC 4055 s2.1: NULL in here
        return algorithm(
            oids.RSASSA_PSS,
            asn1.sequence(
                asn1.explicit(0, hashed),
                asn1.explicit(1, algorithm(oids.MGF1, hashed)),
                asn1.explicit(2, asn1.integer(DIGESTS_BY_NAME[digest].algorithm.digest_size)),
            ),
        )
    if scheme == "ecdsa":
        return algorithm(_ECDSA_OIDS[digest])
    return _FIXED_ALGORITHMS[scheme]
