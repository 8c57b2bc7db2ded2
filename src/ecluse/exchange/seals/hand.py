"""Our keys in the hands of the libraries that know PDF and XML: they ask, and the keyring signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.signers import Signer as PdfSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ecluse.exchange.seals.errors import KeyUnfit
from ecluse.wire.cms.sign import Signer

__all__ = ["PdfHand", "PdfStamper", "XmlHand", "check_key"]

_SPARE: Final = 4
"""Octets that the DER of an ECDSA signature may have over what was thought of."""


def check_key(signer: Signer) -> None:
    """Raise :class:`KeyUnfit` unless PDF and XML programs everywhere read signatures of such a key."""
    if signer.scheme not in ("rsa-pkcs1", "ecdsa"):
        raise KeyUnfit(f"A {signer.scheme} signature is not read by programs for PDF and XML.")


class PdfHand(PdfSigner):
    """Signs for pyHanko.

    Args:
        signer: A key of the keyring.
        issuers: The issuers of its certificate.
    """

    def __init__(self, signer: Signer, issuers: Sequence[x509.Certificate]) -> None:
        check_key(signer)
        self._hand = signer
        store = SimpleCertificateStore()
        store.register_multiple([_other(each) for each in issuers])
        super().__init__(signing_cert=_other(signer.certificate), cert_registry=store)

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """See pyHanko: the signature over ``data``."""
        if dry_run:
            return bytes(_size(self._hand.certificate))
        return self._hand.sign(data, digest_algorithm)


class PdfStamper(TimeStamper):
    """Asks for time-stamps for pyHanko.

    Args:
        stamp: Gives a token over a SHA-256 digest.
    """

    def __init__(self, stamp: Callable[[bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stamp = stamp

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """See pyHanko."""
        assert md_algorithm == "sha256", "asked for where it is signed"
        return cms.ContentInfo.load(self._stamp(message_digest))


class XmlHand:
    """What signxml takes for a private key.

    Args:
        signer: A key of the keyring.
    """

    def __init__(self, signer: Signer) -> None:
        check_key(signer)
        self._hand = signer

    @property
    def key_size(self) -> int:
        """Bits."""
        key = self._hand.certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey), "checked"
        return key.key_size

    def sign(
        self, data: bytes, *_: Any, algorithm: hashes.HashAlgorithm | None = None, **asked: Any
    ) -> bytes:
        """The signature over ``data``, with the digest that is asked for."""
        digest = algorithm if algorithm is not None else asked["signature_algorithm"].algorithm
        return self._hand.sign(data, digest.name)


def _size(certificate: x509.Certificate) -> int:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey), "checked"
    octets = (key.key_size + 7) // 8
    return octets if isinstance(key, rsa.RSAPublicKey) else 2 * octets + 8 + _SPARE


def _other(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
