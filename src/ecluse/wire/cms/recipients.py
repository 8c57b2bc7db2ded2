"""Giving a content-encryption key to the holder of a certificate (RFC 5652 s6.2).

How depends on the certificate's key: RSA keys get it by key transport, elliptic curves by key agreement with
an ephemeral key, ML-KEM keys by encapsulation. The cryptographic library draws what randomness these need
(padding, ephemeral keys, encapsulation) from the operating system; it has no way to be given any. A
RecipientInfo is therefore the one part of a message that can't be made twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.wire import asn1
from ecluse.wire.cms import oids
from ecluse.wire.cms._certificate import identity, public_key
from ecluse.wire.cms._keywrap import (
    AGREEMENT_KDFS,
    HKDFS,
    WRAP_BY_LENGTH,
    algorithm,
    ecc_shared_info,
    kem_other_info,
)
from ecluse.wire.cms._schemes import CURVES
from ecluse.wire.cms.algorithms import permit_rsa
from ecluse.wire.cms.errors import UnsupportedAlgorithm

__all__ = ["Padding", "RecipientKey", "for_certificate"]

Padding = Literal["pkcs1", "oaep-sha1", "oaep-sha256"]
"""How an RSA key is used: RSAES-PKCS1-v1_5, or RSAES-OAEP with the hash for itself and for MGF1."""


class RecipientKey(Protocol):
    """Someone to encrypt to. One object serves any number of messages, from any thread."""

    @property
    def version(self) -> int:
        """The lowest EnvelopedData version that may carry its RecipientInfo (RFC 5652 s6.1): 0, 2 or 3."""

    def recipient_info(self, cek: bytes) -> bytes:
        """A RecipientInfo that holds ``cek`` (16, 24 or 32 octets), in DER."""


def for_certificate(
    certificate: x509.Certificate, *, padding: Padding = "pkcs1", allowed: frozenset[str] = frozenset()
) -> RecipientKey:
    """What it takes to encrypt to the holder of ``certificate``, prepared once.

    The recipient is named by issuer and serial number. Neither the validity nor the key usage of the
    certificate is looked at: that is trust's.

    Args:
        certificate: With an RSA, P-256, P-384, P-521, X25519, ML-KEM-768 or ML-KEM-1024 key.
        padding: For RSA keys alone. The default is what RFC 8551 s2.3 makes every S/MIME agent read.
        allowed: Names of old algorithms that are let through: ``rsa-1024``.

    Raises:
        UnsupportedAlgorithm: A key of another kind.
        AlgorithmForbidden: An RSA key shorter than 2,048 bits that is not allowed.
        Malformed: The certificate can't be taken apart.
    """
    name = identity(certificate).issuer_and_serial
    try:
        key = public_key(certificate)
    except (LibraryUnsupported, ValueError):
        raise _unusable_key() from None
    if certificate.public_key_algorithm_oid.dotted_string == oids.RSASSA_PSS:
        raise _unusable_key()  # an RSA key that may only sign (RFC 4055 s1.2)
    if isinstance(key, rsa.RSAPublicKey):
        permit_rsa(key.key_size, allowed)
        scheme, parameters = _PADDINGS[padding]
        return _KeyTransport(key, scheme, asn1.integer(0) + name + parameters)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return _KeyAgreement(key, oids.DH_STD_SHA256_KDF, name)
    if isinstance(key, x25519.X25519PublicKey):
        return _KeyAgreement(key, oids.DH_HKDF_SHA256, name)
    if isinstance(key, mlkem.MLKEM768PublicKey):
        return _Encapsulation(key, asn1.integer(0) + name + algorithm(oids.ML_KEM_768))
    if isinstance(key, mlkem.MLKEM1024PublicKey):
        return _Encapsulation(key, asn1.integer(0) + name + algorithm(oids.ML_KEM_1024))
    raise _unusable_key()


def _unusable_key() -> UnsupportedAlgorithm:
    return UnsupportedAlgorithm(
        "Nothing can be encrypted to the key in the recipient's certificate.",
        remedy="Ask the partner for a certificate with an RSA, P-256, P-384, P-521, X25519 or ML-KEM key.",
    )


_SHA1 = hashes.SHA1()  # noqa: S303 - OAEP needs no collision resistance (RFC 8017 s7.1)
_SHA256_WITH_NULL = algorithm(oids.SHA256, asn1.null())
_OAEP_SHA1_PARAMETERS = asn1.sequence()
"""Every field has its default: SHA-1, MGF1 with SHA-1, no label (RFC 4055 s4.1)."""
_OAEP_SHA256_PARAMETERS = asn1.sequence(
    asn1.explicit(0, _SHA256_WITH_NULL), asn1.explicit(1, algorithm(oids.MGF1, _SHA256_WITH_NULL))
)

_PADDINGS: Final[dict[Padding, tuple[padding.AsymmetricPadding, bytes]]] = {
    "pkcs1": (padding.PKCS1v15(), algorithm(oids.RSA_ENCRYPTION, asn1.null())),
    "oaep-sha1": (
        padding.OAEP(padding.MGF1(_SHA1), _SHA1, None),
        algorithm(oids.RSAES_OAEP, _OAEP_SHA1_PARAMETERS),
    ),
    "oaep-sha256": (
        padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
        algorithm(oids.RSAES_OAEP, _OAEP_SHA256_PARAMETERS),
    ),
}


@dataclass(frozen=True, slots=True)
class _KeyTransport:
    """KeyTransRecipientInfo (RFC 5652 s6.2.1)."""

    key: rsa.RSAPublicKey
    scheme: padding.AsymmetricPadding
    fixed: bytes = field(repr=False)
    version: int = 0

    def recipient_info(self, cek: bytes) -> bytes:
        return asn1.sequence(self.fixed, asn1.octets(self.key.encrypt(cek, self.scheme)))


@dataclass(frozen=True, slots=True)
class _KeyAgreement:
    """KeyAgreeRecipientInfo with an ephemeral originator key (RFC 5753 s3.1, RFC 8418 s3)."""

    key: ec.EllipticCurvePublicKey | x25519.X25519PublicKey
    scheme: str
    name: bytes = field(repr=False)
    version: int = 2

    def recipient_info(self, cek: bytes) -> bytes:
        secret, originator = self._agree()
        # The wrapping key is as long as what it wraps: neither weakens the other (RFC 5753 s8).
        wrap = algorithm(WRAP_BY_LENGTH[len(cek)])
        kek = AGREEMENT_KDFS[self.scheme](secret, ecc_shared_info(wrap, None, len(cek)), len(cek))
        recipient = asn1.sequence(self.name, asn1.octets(aes_key_wrap(kek, cek)))
        return asn1.implicit(
            1,
            asn1.integer(3)
            + asn1.explicit(0, b"\xa1" + originator[1:])  # originatorKey [1] IMPLICIT, shaped as the SPKI
            + algorithm(self.scheme, wrap)
            + asn1.sequence(recipient),
            constructed=True,
        )

    def _agree(self) -> tuple[bytes, bytes]:
        """A shared secret, and DER of the SubjectPublicKeyInfo of the ephemeral key that gave it."""
        if isinstance(self.key, x25519.X25519PublicKey):
            montgomery = x25519.X25519PrivateKey.generate()
            return montgomery.exchange(self.key), _spki(montgomery.public_key())
        ephemeral = ec.generate_private_key(self.key.curve)
        return ephemeral.exchange(ec.ECDH(), self.key), _spki(ephemeral.public_key())


def _spki(key: ec.EllipticCurvePublicKey | x25519.X25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


KEM_KEK_LENGTH: Final = 32
"""AES-256 Key Wrap, the one that RFC 9936 s2.1 makes everyone read."""


@dataclass(frozen=True, slots=True)
class _Encapsulation:
    """OtherRecipientInfo with a KEMRecipientInfo (RFC 9629 s3, RFC 9936 s2)."""

    key: mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey
    fixed: bytes = field(repr=False)
    version: int = 3

    def recipient_info(self, cek: bytes) -> bytes:
        secret, ciphertext = self.key.encapsulate()
        wrap = algorithm(WRAP_BY_LENGTH[KEM_KEK_LENGTH])
        kek = HKDFS[oids.HKDF_SHA256](secret, kem_other_info(wrap, None, KEM_KEK_LENGTH), KEM_KEK_LENGTH)
        info = asn1.sequence(
            self.fixed,
            asn1.octets(ciphertext),
            algorithm(oids.HKDF_SHA256),
            asn1.integer(KEM_KEK_LENGTH),
            wrap,
            asn1.octets(aes_key_wrap(kek, cek)),
        )
        return asn1.implicit(4, asn1.oid(oids.ORI_KEM) + info, constructed=True)
