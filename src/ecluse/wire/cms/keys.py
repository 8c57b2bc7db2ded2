"""What a keyring does with a private key: unwrap a content-encryption key, sign, and know what is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from ecluse.errors import Fault
from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._certificate import identity, public_key
from ecluse.wire.cms._keywrap import (
    AGREEMENT_KDFS,
    HKDFS,
    SHA1_AGREEMENTS,
    WRAP_LENGTHS,
    algorithm,
    ecc_shared_info,
    kem_other_info,
)
from ecluse.wire.cms._oaep import rsa_padding
from ecluse.wire.cms._schemes import CURVES, WRITTEN_DIGESTS
from ecluse.wire.cms.algorithms import DIGESTS_BY_NAME, permit, permit_rsa
from ecluse.wire.cms.errors import (
    CertificateMismatch,
    DecryptionFailed,
    Malformed,
    UnsupportedAlgorithm,
)
from ecluse.wire.cms.events import AlgorithmIdentifier, Recipient, RecipientKind
from ecluse.wire.cms.sign import Signer
from ecluse.wire.cms.verify import names_certificate

__all__ = ["DecryptionKey", "PrivateKey", "SigningKey", "matches", "signer_for", "signing_scheme", "unwrap"]

SigningKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)
"""A private key that signs."""

DecryptionKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | x25519.X25519PrivateKey
    | mlkem.MLKEM768PrivateKey
    | mlkem.MLKEM1024PrivateKey
)
"""A private key that unwraps."""

PrivateKey = SigningKey | DecryptionKey
"""Every kind of private key that a keyring may hold."""


def matches(recipient: Recipient, certificate: x509.Certificate) -> bool:
    """Whether ``recipient`` names ``certificate``: by issuer and serial number, or by key identifier.

    A certificate without the SubjectKeyIdentifier extension has the one of RFC 5280 s4.2.1.2, method 1. A
    name that nobody can read names nothing.

    Raises:
        Malformed: The certificate can't be taken apart.
    """
    identity(certificate)  # a fault of ours is raised; one of the sender's below is not
    try:
        return names_certificate(recipient, certificate)
    except (asn1.Asn1Error, Malformed):
        return False


# --- unwrapping ---------------------------------------------------------------------------------------------


def unwrap(recipient: Recipient, private_key: PrivateKey, *, allowed: frozenset[str] = frozenset()) -> bytes:
    """The content-encryption key that ``recipient`` holds for ``private_key``.

    With RSAES-PKCS1-v1_5 bad padding is not to be seen here: OpenSSL 3.2 and later then gives a message of
    some length, made from the private key and the ciphertext (implicit rejection). Hand over whatever comes
    to ``Reader.supply_key``, which reads on with a key of any length and fails at the end of the content, as
    it does under every wrong key: so nobody learns what the padding was (RFC 3218 s2.3).

    Args:
        recipient: From the reader.
        private_key: The key that the recipient's name stands for.
        allowed: Names of old algorithms that are let through: ``sha-1`` as the hash of a key derivation.

    Raises:
        DecryptionFailed: Whatever is wrong with the key or with what it was to open.
        UnsupportedAlgorithm: The sender chose a way of wrapping that is not done here.
        AlgorithmForbidden: The sender derives the wrapping key with SHA-1, and that is not allowed.
        Malformed: The parameters of an algorithm can't be read.
    """
    unwrapper = _UNWRAPPERS.get(recipient.kind)
    if unwrapper is None:
        raise UnsupportedAlgorithm("The recipient gets the key in an unknown way.")
    try:
        return unwrapper(recipient, private_key, allowed)
    except (ValueError, TypeError, OverflowError, InvalidUnwrap, LibraryUnsupported, asn1.Asn1Error):
        raise DecryptionFailed from None


def _unwrap_transport(recipient: Recipient, key: PrivateKey, _allowed: frozenset[str]) -> bytes:
    scheme = rsa_padding(recipient.algorithm)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise DecryptionFailed
    return key.decrypt(recipient.encrypted_key, scheme)


def _unwrap_agreement(recipient: Recipient, key: PrivateKey, allowed: frozenset[str]) -> bytes:
    scheme = recipient.algorithm.oid
    if scheme in SHA1_AGREEMENTS:
        permit("sha-1", allowed)
    derive = AGREEMENT_KDFS.get(scheme)
    if derive is None:
        raise UnsupportedAlgorithm(f"The key agreement {scheme} is not done here.")
    wrap, kek_length = _wrap(recipient.wrap)
    secret = _agree(_public_key_bits(recipient.originator), key)
    kek = derive(secret, ecc_shared_info(wrap, recipient.ukm, kek_length), kek_length)
    return aes_key_unwrap(kek, recipient.encrypted_key)


def _unwrap_kem(recipient: Recipient, key: PrivateKey, _allowed: frozenset[str]) -> bytes:
    derive = HKDFS.get(recipient.kdf.oid) if recipient.kdf is not None else None
    if derive is None or recipient.algorithm.oid not in _KEMS:
        raise UnsupportedAlgorithm("The key encapsulation or its key derivation is not done here.")
    wrap, kek_length = _wrap(recipient.wrap)
    if recipient.kek_length != kek_length:
        raise DecryptionFailed
    if not isinstance(key, _KEMS[recipient.algorithm.oid]):
        raise DecryptionFailed
    secret = key.decapsulate(recipient.kem_ciphertext or b"")
    kek = derive(secret, kem_other_info(wrap, recipient.ukm, kek_length), kek_length)
    return aes_key_unwrap(kek, recipient.encrypted_key)


_UNWRAPPERS: Final[dict[RecipientKind, Callable[[Recipient, PrivateKey, frozenset[str]], bytes]]] = {
    RecipientKind.KEY_TRANSPORT: _unwrap_transport,
    RecipientKind.KEY_AGREEMENT: _unwrap_agreement,
    RecipientKind.KEM: _unwrap_kem,
}

_KEMS: Final[dict[str, type[mlkem.MLKEM768PrivateKey] | type[mlkem.MLKEM1024PrivateKey]]] = {
    oids.ML_KEM_768: mlkem.MLKEM768PrivateKey,
    oids.ML_KEM_1024: mlkem.MLKEM1024PrivateKey,
}


def _wrap(chosen: AlgorithmIdentifier | None) -> tuple[bytes, int]:
    """DER of the key-wrap algorithm just as the sender hashed it, and octets of the key it takes."""
    length = WRAP_LENGTHS.get(chosen.oid) if chosen is not None else None
    if chosen is None or length is None:
        raise UnsupportedAlgorithm("The content-encryption key is wrapped with something else than AES.")
    return algorithm(chosen.oid, chosen.parameters), length


def _public_key_bits(spki: bytes | None) -> bytes:
    """The originator's key, whose algorithm may not say the curve: it is ours (RFC 5753 s3.1.1)."""
    if spki is None:
        raise DecryptionFailed
    fields = asn1.parse(spki).children
    if len(fields) != 2:
        raise DecryptionFailed
    bits = fields[1].expect(asn1.BIT_STRING).content
    if bits[:1] != b"\0":
        raise DecryptionFailed
    return bits[1:]


def _agree(public: bytes, key: PrivateKey) -> bytes:
    """The shared secret. A point that is not on our curve is a ValueError."""
    if isinstance(key, x25519.X25519PrivateKey):
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(public))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, public)
        return key.exchange(ec.ECDH(), point)
    raise DecryptionFailed


# --- signing ------------------------------------------------------------------------------------------------

_HASHES: Final = {name: DIGESTS_BY_NAME[name].algorithm for name in WRITTEN_DIGESTS}
_PKCS1: Final = padding.PKCS1v15()
_PSS: Final = {
    name: padding.PSS(padding.MGF1(digest), digest.digest_size) for name, digest in _HASHES.items()
}
_ECDSA: Final = {name: ec.ECDSA(digest) for name, digest in _HASHES.items()}


def signing_scheme(certificate: x509.Certificate, scheme: str | None = None) -> str:
    """The scheme that the key of ``certificate`` signs with, wherever it is.

    Args:
        certificate: Goes along with what is signed.
        scheme: As :func:`signer_for` takes it.

    Raises:
        UnsupportedAlgorithm: The key does not sign, or not with ``scheme``.
        AlgorithmForbidden: An RSA key shorter than 2,048 bits.
    """
    key = public_key(certificate)
    schemes = next((names for kind, names in _SCHEMES.items() if isinstance(key, kind)), ())
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, CURVES):
        schemes = ()
    if certificate.public_key_algorithm_oid.dotted_string == oids.RSASSA_PSS:
        schemes = ("rsa-pss",)
    if isinstance(key, rsa.RSAPublicKey):
        permit_rsa(key.key_size, frozenset())
    chosen = scheme if scheme is not None else next(iter(schemes), "")
    if chosen not in schemes:
        raise UnsupportedAlgorithm(
            "The private key can't sign in the way that was asked for.",
            remedy="Choose a scheme that fits the key, or another key.",
            fault=Fault.USAGE,
        )
    return chosen


_SCHEMES: Final[dict[type, tuple[str, ...]]] = {
    rsa.RSAPublicKey: ("rsa-pkcs1", "rsa-pss"),
    ec.EllipticCurvePublicKey: ("ecdsa",),
    ed25519.Ed25519PublicKey: ("ed25519",),
    mldsa.MLDSA44PublicKey: ("ml-dsa-44",),
    mldsa.MLDSA65PublicKey: ("ml-dsa-65",),
    mldsa.MLDSA87PublicKey: ("ml-dsa-87",),
}
"""Schemes by kind of public key, the usual one first."""


def signer_for(private_key: PrivateKey, certificate: x509.Certificate, scheme: str | None = None) -> Signer:
    """A signer that holds ``private_key`` in memory.

    Args:
        private_key: Belongs to ``certificate``.
        certificate: Goes along with what is signed.
        scheme: ``rsa-pkcs1`` (the default, unless the certificate is for PSS alone) or ``rsa-pss`` for an RSA
            key; other keys have one scheme each.

    Raises:
        CertificateMismatch: The certificate has another key.
        UnsupportedAlgorithm: The key does not sign, or not with ``scheme``.
        AlgorithmForbidden: An RSA key shorter than 2,048 bits.
        Malformed: The certificate can't be taken apart.
    """
    identity(certificate)
    try:
        own = public_key(certificate) == private_key.public_key()
    except (LibraryUnsupported, ValueError):
        own = False
    if not own:
        raise CertificateMismatch(
            "The certificate belongs to another private key.",
            remedy="Give the certificate of this key.",
            fault=Fault.USAGE,
        )
    chosen = signing_scheme(certificate, scheme)
    schemes = _schemes(private_key)
    return _KeySigner(certificate, chosen, schemes[chosen])


@dataclass(frozen=True, slots=True)
class _KeySigner:
    """A scheme bound to a private key."""

    certificate: x509.Certificate
    scheme: str
    _sign: Callable[[bytes, str], bytes] = field(repr=False)

    def sign(self, data: bytes, digest: str) -> bytes:
        return self._sign(data, digest)


def _schemes(key: PrivateKey) -> dict[str, Callable[[bytes, str], bytes]]:
    """What ``key`` can sign with, the usual scheme first; empty where it can't sign."""
    if isinstance(key, rsa.RSAPrivateKey):
        return {
            "rsa-pkcs1": lambda data, digest: key.sign(data, _PKCS1, _HASHES[digest]),
            "rsa-pss": lambda data, digest: key.sign(data, _PSS[digest], _HASHES[digest]),
        }
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, CURVES):
        return {"ecdsa": lambda data, digest: key.sign(data, _ECDSA[digest])}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"ed25519": lambda data, _digest: key.sign(data)}
    if isinstance(key, mldsa.MLDSA44PrivateKey):
        return {"ml-dsa-44": lambda data, _digest: key.sign(data)}
    if isinstance(key, mldsa.MLDSA65PrivateKey):
        return {"ml-dsa-65": lambda data, _digest: key.sign(data)}
    if isinstance(key, mldsa.MLDSA87PrivateKey):
        return {"ml-dsa-87": lambda data, _digest: key.sign(data)}
    return {}
