"""Signatures of authorities on their answers, by algorithms above the floor."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from ecluse.trust.floor import key_facts
from ecluse.trust.revocation.verdict import BadAnswer

__all__ = ["check_signature", "check_strong"]

_DIGESTS = frozenset({"sha256", "sha384", "sha512"})


def check_strong(key: object, digest: HashAlgorithm | None) -> None:
    """Raise :class:`BadAnswer` unless key and digest are above the floor (no digest: the scheme has its own)."""
    facts = key_facts(key)
    if facts.weakness or not facts.signs:
        raise BadAnswer(f"The answer is signed with a key that proves nothing: {facts.name}.")
    if digest is not None and digest.name not in _DIGESTS:
        raise BadAnswer(f"The answer is signed with {digest.name}, which proves nothing.")


def check_signature(key: object, signature: bytes, signed: bytes, digest: HashAlgorithm | None) -> None:
    """Check the signature on an OCSP answer.

    Raises:
        BadAnswer: It is not the key's, or too weak, or of a kind that is not done here.
    """
    check_strong(key, digest)
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif digest is None:
            raise BadAnswer("The answer is signed in a way that is not done here.")
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(digest))
        else:
            raise BadAnswer("The answer is signed in a way that is not done here.")
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        raise BadAnswer("The signature on the answer is not its authority's.") from None
