"""Session keys on their way to a recipient (RFC 9580 s5.1): read, opened and made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.wire.openpgp._curves import CURVE25519, encode_mpi, read_mpi
from ecluse.wire.openpgp.errors import DecryptionFailed, Malformed, UnsupportedAlgorithm
from ecluse.wire.openpgp.keys import PublicKey
from ecluse.wire.openpgp.names import CIPHERS, Tag, hash_kind
from ecluse.wire.openpgp.names import PublicKeyAlgorithm as Pk
from ecluse.wire.openpgp.packets import Fields, packet

__all__ = ["AgreementKey", "DecryptionKey", "SessionKey", "WrappedKey", "read_pkesk", "unwrap", "wrap"]

_SENDER: Final = b"Anonymous Sender    "
"""The 20 octets that every derivation hashes (s11.5)."""
_PADDED: Final = 40
"""Octets of a padded session key, as GnuPG writes it: AES keys of all sizes look alike."""

Entropy = Callable[[int], bytes]
AgreementKey = ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
DecryptionKey = rsa.RSAPrivateKey | AgreementKey
"""A private key that opens session keys."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What a message is encrypted under.

    Attributes:
        cipher: Number of the cipher; ``None`` where the encrypted data say it (version 6).
        key: Its octets.
    """

    cipher: int | None
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A session key for one recipient.

    Attributes:
        version: 3 or 6 of the packet.
        recipient: Key id (version 3) or fingerprint (version 6); empty or zeros where it is not said.
        algorithm: Number of the public-key algorithm.
        data: What follows.
    """

    version: int
    recipient: bytes
    algorithm: int
    data: bytes = field(repr=False)

    @property
    def anonymous(self) -> bool:
        """Whether any key may be meant."""
        return not any(self.recipient)

    def meant_for(self, key: PublicKey) -> bool:
        """Whether it names the key, or no key at all."""
        return self.anonymous or self.recipient in (key.key_id, key.fingerprint)


def read_pkesk(body: bytes) -> WrappedKey | None:
    """Read the packet; ``None`` for a version that is not known (s5.1: it is passed over).

    Raises:
        Malformed: It is damaged.
    """
    fields = Fields(body, "session key")
    version = fields.number(1)
    if version == 3:
        recipient = fields.take(8)
    elif version == 6:
        size = fields.number(1)
        recipient = fields.take(size)[1:]
    else:
        return None
    return WrappedKey(version, recipient, fields.number(1), fields.rest())


def unwrap(wrapped: WrappedKey, public: PublicKey, private: DecryptionKey) -> SessionKey:
    """Open a session key.

    With RSA, bad padding is not to be seen here: OpenSSL then gives a message made from the key and the
    ciphertext (implicit rejection), whose checksum does not fit.

    Args:
        wrapped: From the message.
        public: Our key.
        private: The same.

    Raises:
        DecryptionFailed: Whatever is wrong.
    """
    try:
        if wrapped.algorithm != public.algorithm and not (
            isinstance(private, rsa.RSAPrivateKey) and wrapped.algorithm in (Pk.RSA, Pk.RSA_ENCRYPT)
        ):
            raise DecryptionFailed
        fields = Fields(wrapped.data, "session key")
        if isinstance(private, rsa.RSAPrivateKey):
            number = read_mpi(fields).rjust(private.key_size + 7 >> 3, b"\0")
            return _checked(private.decrypt(number, padding.PKCS1v15()), wrapped.version)
        if public.algorithm in _NATIVE:
            return _open_native(wrapped.version, fields, public, private)
        point = read_mpi(fields)
        plain = aes_key_unwrap(_derive(public, _agree(point, public, private)), fields.take(fields.number(1)))
        count = plain[-1]
        if not 1 <= count <= len(plain) or plain[-count:] != bytes([count]) * count:
            raise DecryptionFailed
        return _checked(plain[:-count], wrapped.version)
    except (
        ValueError,
        TypeError,
        IndexError,
        InvalidUnwrap,
        LibraryUnsupported,
        Malformed,
        UnsupportedAlgorithm,
    ):
        raise DecryptionFailed from None


def _checked(plain: bytes, version: int) -> SessionKey:
    """Cipher (version 3), key and checksum (s5.1)."""
    cipher = plain[0] if version == 3 else None
    key = plain[:-2] if cipher is None else plain[1:-2]
    if sum(key) & 0xFFFF != int.from_bytes(plain[-2:], "big"):
        raise DecryptionFailed
    return _sized(cipher, key)


def _sized(cipher: int | None, key: bytes) -> SessionKey:
    if cipher is not None and (cipher not in CIPHERS or CIPHERS[cipher].key != len(key)):
        raise DecryptionFailed
    return SessionKey(cipher, key)


# --- X25519 and X448 (s5.1.6, s5.1.7) -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Native:
    size: int
    digest: hashes.HashAlgorithm
    info: bytes
    kek: int


_NATIVE: Final[dict[int, _Native]] = {
    Pk.X25519: _Native(32, hashes.SHA256(), b"OpenPGP X25519", 16),
    Pk.X448: _Native(56, hashes.SHA512(), b"OpenPGP X448", 32),
}


def _native_kek(public: PublicKey, ephemeral: bytes, secret: bytes) -> bytes:
    way = _NATIVE[public.algorithm]
    own = public.body[-way.size :]
    return HKDF(way.digest, way.kek, None, way.info).derive(ephemeral + own + secret)


def _open_native(version: int, fields: Fields, public: PublicKey, private: AgreementKey) -> SessionKey:
    ephemeral = fields.take(_NATIVE[public.algorithm].size)
    size = fields.number(1)
    cipher = None
    if version == 3:
        cipher = fields.number(1)
        size -= 1
    kek = _native_kek(public, ephemeral, _exchange(private, ephemeral))
    return _sized(cipher, aes_key_unwrap(kek, fields.take(max(size, 0))))


def _exchange(private: AgreementKey, point: bytes) -> bytes:
    """The shared secret. A point that is none is a ValueError."""
    if isinstance(private, x25519.X25519PrivateKey):
        return private.exchange(x25519.X25519PublicKey.from_public_bytes(point))
    if isinstance(private, x448.X448PrivateKey):
        return private.exchange(x448.X448PublicKey.from_public_bytes(point))
    return private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(private.curve, point))


# --- ECDH (s11.5) -------------------------------------------------------------------------------------------


def _agree(point: bytes, public: PublicKey, private: AgreementKey) -> bytes:
    if public.derivation is not None and public.derivation.oid == CURVE25519:
        if point[:1] != b"\x40":
            raise DecryptionFailed
        point = point[1:]
    return _exchange(private, point)


def _derive(public: PublicKey, secret: bytes) -> bytes:
    """The key-encryption key."""
    if public.derivation is None:
        raise DecryptionFailed
    oid, digest, cipher = public.derivation.oid, public.derivation.hash, public.derivation.cipher
    kind = hash_kind(digest)
    if kind.weak is not False or cipher not in (7, 8, 9):
        raise UnsupportedAlgorithm("A key derives in a way that is not done here.")
    parameters = (
        bytes([len(oid)]) + oid + bytes([Pk.ECDH, 3, 1, digest, cipher]) + _SENDER + public.fingerprint
    )
    material = hashlib.new(kind.name, b"\0\0\0\1" + secret + parameters).digest()
    return material[: CIPHERS[cipher].key]


# --- making -------------------------------------------------------------------------------------------------


def wrap(session: SessionKey, public: PublicKey) -> bytes:
    """The packet that carries a session key to a recipient: version 3 with the cipher, else version 6.

    Raises:
        UnsupportedAlgorithm: Nothing can be encrypted to the key.
    """
    if session.cipher is not None:
        head = b"\3" + public.key_id
        tagged = bytes([session.cipher]) + session.key
    else:
        head = bytes([6, len(public.fingerprint) + 1, public.version]) + public.fingerprint
        tagged = session.key
    head += bytes([public.algorithm])
    plain = tagged + (sum(session.key) & 0xFFFF).to_bytes(2, "big")
    material = public.material
    if isinstance(material, rsa.RSAPublicKey) and public.encrypts:
        return packet(Tag.PKESK, head + encode_mpi(material.encrypt(plain, padding.PKCS1v15())))
    if isinstance(material, x25519.X25519PublicKey | x448.X448PublicKey | ec.EllipticCurvePublicKey):
        if public.algorithm in _NATIVE:
            ephemeral, secret = _ephemeral(material)
            wrapped = aes_key_wrap(_native_kek(public, ephemeral, secret), session.key)
            named = b"" if session.cipher is None else bytes([session.cipher])
            return packet(Tag.PKESK, head + ephemeral + bytes([len(named) + len(wrapped)]) + named + wrapped)
        if public.algorithm == Pk.ECDH:
            ephemeral, secret = _ephemeral(material)
            point = ephemeral if isinstance(material, ec.EllipticCurvePublicKey) else b"\x40" + ephemeral
            count = _PADDED - len(plain)
            wrapped = aes_key_wrap(_derive(public, secret), plain + bytes([count]) * count)
            return packet(Tag.PKESK, head + encode_mpi(point) + bytes([len(wrapped)]) + wrapped)
    raise UnsupportedAlgorithm(f"Nothing can be encrypted to a key of this kind: {public.name}.")


def _ephemeral(
    recipient: x25519.X25519PublicKey | x448.X448PublicKey | ec.EllipticCurvePublicKey,
) -> tuple[bytes, bytes]:
    """(fresh public key, shared secret). The library draws the fresh key from the operating system."""
    if isinstance(recipient, x25519.X25519PublicKey):
        fresh = x25519.X25519PrivateKey.generate()
        return fresh.public_key().public_bytes_raw(), fresh.exchange(recipient)
    if isinstance(recipient, x448.X448PublicKey):
        other = x448.X448PrivateKey.generate()
        return other.public_key().public_bytes_raw(), other.exchange(recipient)
    key = ec.generate_private_key(recipient.curve)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point, key.exchange(ec.ECDH(), recipient)
