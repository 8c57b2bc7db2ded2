"""Keys that compute elsewhere, in the shape of the ``cryptography`` package's own.

A signature that comes back is verified: where the name stands for another key by now, no partner is the first to see
it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Never, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ecluse.errors import Fault
from ecluse.model.basics import system_entropy
from ecluse.trust.errors import KeyringError
from ecluse.wire.cms.errors import UnsupportedAlgorithm

__all__ = [
    "Device",
    "PublicKey",
    "RemoteEcKey",
    "RemoteEd25519Key",
    "RemoteKey",
    "RemoteRsaKey",
    "remote_key",
]

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
"""Kinds of keys that are used elsewhere."""

_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

_UNSEEN: Final = system_entropy(32)
"""What content keys are made of that stand for bad padding (:meth:`RemoteRsaKey.decrypt`)."""


class Device(Protocol):
    """Who holds the keys. Used from any thread.

    A method raises :class:`KeyringError`: ``keystore.away`` where the device can't be asked at present,
    ``keystore.refused`` where it does not do what was asked.
    """

    def rsa_sign(self, key: str, digest: bytes, name: str, scheme: str) -> bytes:
        """Sign a digest.

        Args:
            key: Which key.
            digest: The digest of what is signed.
            name: ``sha1``, ``sha256``, ``sha384`` or ``sha512``.
            scheme: ``pkcs1`` or ``pss`` (MGF1 and salt by the same digest).
        """

    def rsa_decrypt(self, key: str, ciphertext: bytes, scheme: str, name: str, mask: str) -> bytes:
        """Decrypt.

        Args:
            key: Which key.
            ciphertext: As long as the modulus.
            scheme: ``pkcs1`` or ``oaep``.
            name: Digest of OAEP.
            mask: Digest of its MGF1.

        Raises:
            ValueError: What was encrypted has another padding, or the device does not know this one.
            UnsupportedAlgorithm: The device does not do this.
        """

    def ec_sign(self, key: str, digest: bytes, name: str) -> bytes:
        """ECDSA over a digest, as DER of r and s."""

    def ec_agree(self, key: str, point: bytes) -> bytes:
        """ECDH with the other side's uncompressed point: the shared x coordinate.

        Raises:
            UnsupportedAlgorithm: The device does not do this.
        """

    def ed25519_sign(self, key: str, data: bytes) -> bytes:
        """Ed25519 over ``data``, 64 octets."""


class _Remote:
    """What all of them share: a name at a device, and no bytes to give."""

    def __init__(self, public: Any, device: Device, name: str) -> None:
        self._public = public
        self._device = device
        self._name = name
        self._opening: dict[tuple[str, ...], bool] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce__(self) -> Never:
        raise _stays(self._name)

    def _seen(self, signature: bytes, verify: Callable[[], None]) -> bytes:
        """The signature, where it is this key's."""
        try:
            verify()
        except InvalidSignature:
            raise KeyringError(
                f"The key store signs as {self._name} with another key than that of the certificate.",
                code="keystore.other-key",
                remedy="Bind the key's present version under another name, with a certificate of its own.",
            ) from None
        return signature

    def private_bytes(self, *_: Any, **__: Any) -> Never:
        """Refuse: the key stays where it is."""
        raise _stays(self._name)

    def private_bytes_raw(self) -> Never:
        """Refuse."""
        raise _stays(self._name)

    def private_numbers(self) -> Never:
        """Refuse."""
        raise _stays(self._name)


def _stays(name: str) -> KeyringError:
    return KeyringError(
        f"The private key {name} does not leave its key store.",
        code="keystore.stays",
        remedy="Use a key of the keyring's own files where a program needs the key itself, as a TLS server does.",
        fault=Fault.USAGE,
    )


class RemoteRsaKey(_Remote, rsa.RSAPrivateKey):
    """An RSA key at a device."""

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """As of :class:`rsa.RSAPrivateKey`, with PKCS#1 v1.5 or PSS."""
        digest, name = _digest(bytes(data), algorithm)
        made = self._device.rsa_sign(self._name, digest, name, _scheme(padding))
        return self._seen(made, lambda: self._public.verify(made, bytes(data), padding, algorithm))

    def decrypt(self, ciphertext: Any, padding: Any) -> bytes:
        """As of :class:`rsa.RSAPrivateKey`, with PKCS#1 v1.5 or OAEP.

        Bad PKCS#1 padding is not to be seen: a content key comes then that is made of the ciphertext, as OpenSSL does
        it (RFC 3218 s2.3).

        Raises:
            ValueError: It is not as long as the key, or bad padding of OAEP.
            UnsupportedAlgorithm: The device does not do this padding.
        """
        sealed = bytes(ciphertext)
        if len(sealed) != (self.key_size + 7) // 8:
            raise ValueError("the ciphertext is not as long as the key")
        try:
            return self._open(sealed, padding)
        except ValueError:
            if _scheme(padding) == "oaep":
                raise
        if not self.opens(padding):
            raise UnsupportedAlgorithm(
                "The key store opens no content keys under RSA PKCS#1 v1.5.",
                remedy="Ask the partner for OAEP with SHA-256, or keep the key that decrypts in files.",
            )
        return hmac.digest(_UNSEEN, sealed, "sha256")

    def opens(self, padding: Any) -> bool:
        """Whether the device decrypts with ``padding``: something is encrypted to the key, and decrypted once."""
        kind = (_scheme(padding), *_names(padding))
        if kind not in self._opening:
            tried, found = system_entropy(32), b""
            with suppress(ValueError, UnsupportedAlgorithm):
                found = self._open(self._public.encrypt(tried, padding), padding)
            self._opening[kind] = found == tried
        return self._opening[kind]

    def _open(self, sealed: bytes, padding: Any) -> bytes:
        return self._device.rsa_decrypt(self._name, sealed, _scheme(padding), *_names(padding))

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return int(self._public.key_size)

    def public_key(self) -> rsa.RSAPublicKey:
        """Its public key."""
        public: rsa.RSAPublicKey = self._public
        return public


class RemoteEcKey(_Remote, ec.EllipticCurvePrivateKey):
    """A key on a NIST curve at a device."""

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """ECDSA, as of :class:`ec.EllipticCurvePrivateKey`."""
        digest, name = _digest(bytes(data), signature_algorithm.algorithm)
        made = self._device.ec_sign(self._name, digest, name)
        return self._seen(made, lambda: self._public.verify(made, bytes(data), signature_algorithm))

    def exchange(self, algorithm: Any, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH, as of :class:`ec.EllipticCurvePrivateKey`."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        if peer_public_key.curve.name != self.curve.name:
            raise ValueError("the other side's key is on another curve")
        point = peer_public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return self._device.ec_agree(self._name, point)

    @property
    def curve(self) -> ec.EllipticCurve:
        """Its curve."""
        return self.public_key().curve

    @property
    def key_size(self) -> int:
        """Bits of the curve's field."""
        return self.curve.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Its public key."""
        public: ec.EllipticCurvePublicKey = self._public
        return public


class RemoteEd25519Key(_Remote, ed25519.Ed25519PrivateKey):
    """An Ed25519 key at a device."""

    def sign(self, data: Any) -> bytes:
        """As of :class:`ed25519.Ed25519PrivateKey`."""
        made = self._device.ed25519_sign(self._name, bytes(data))
        return self._seen(made, lambda: self._public.verify(made, bytes(data)))

    def public_key(self) -> ed25519.Ed25519PublicKey:
        """Its public key."""
        public: ed25519.Ed25519PublicKey = self._public
        return public


RemoteKey = RemoteRsaKey | RemoteEcKey | RemoteEd25519Key


def remote_key(public: object, device: Device, name: str) -> RemoteKey:
    """The private key of ``public``, which ``device`` holds under ``name``. The device is not asked yet.

    Raises:
        KeyringError: ``keystore.refused``: keys of that kind are not used elsewhere.
    """
    if isinstance(public, rsa.RSAPublicKey):
        return RemoteRsaKey(public, device, name)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return RemoteEcKey(public, device, name)
    if isinstance(public, ed25519.Ed25519PublicKey):
        return RemoteEd25519Key(public, device, name)
    raise KeyringError(
        "A key of that kind can't be used in a key store.",
        code="keystore.refused",
        remedy="Use RSA, EC or Ed25519 there, and files for the others.",
        fault=Fault.USAGE,
    )


def _digest(data: bytes, algorithm: Any) -> tuple[bytes, str]:
    """The digest that is signed, and its name."""
    if isinstance(algorithm, Prehashed):
        inner: Any = algorithm._algorithm
        return data, str(inner.name)
    made = hashes.Hash(_HASHES[algorithm.name]())
    made.update(data)
    return made.finalize(), str(algorithm.name)


def _names(chosen: Any) -> tuple[str, str]:
    """Digests of OAEP and of its MGF1."""
    if _scheme(chosen) != "oaep":
        return "sha1", "sha1"
    return str(chosen.algorithm.name), str(chosen.mgf._algorithm.name)


def _scheme(chosen: object) -> str:
    if isinstance(chosen, padding.PKCS1v15):
        return "pkcs1"
    if isinstance(chosen, padding.PSS):
        return "pss"
    if isinstance(chosen, padding.OAEP):
        return "oaep"
    raise ValueError("an RSA padding that is not known")
