"""Private keys: read from their packets, unlocked, and what a keyring does with them: sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESOCB3
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ecluse.wire.openpgp._curves import encode_mpi, read_mpi
from ecluse.wire.openpgp.errors import (
    BadSecretKey,
    LimitExceeded,
    Malformed,
    UnsupportedAlgorithm,
    WrongPassphrase,
)
from ecluse.wire.openpgp.keys import PublicKey, read_public_key
from ecluse.wire.openpgp.names import Aead, HashKind, Tag, cipher_algorithm, hash_kind
from ecluse.wire.openpgp.names import PublicKeyAlgorithm as Pk
from ecluse.wire.openpgp.packets import Fields, packet
from ecluse.wire.openpgp.pkesk import DecryptionKey

__all__ = ["PrivateKey", "SecretKey", "Signer", "SigningKey", "read_secret_key"]

SigningKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
PrivateKey = SigningKey | DecryptionKey

ITERATED_OCTETS: Final = 65_011_712
"""The most that an iterated S2K can hash: its count has one octet (RFC 9580 s3.7.1.3)."""
ARGON2_MEMORY_KIB: Final = 1 << 21
"""2 GiB, what RFC 9106 s4 asks for first; a hostile key file could ask for all memory."""
ARGON2_PASSES: Final = 16


class Signer(Protocol):
    """Whoever holds a private key that signs."""

    @property
    def key(self) -> PublicKey:
        """Its public key."""

    def sign(self, digest: bytes, kind: HashKind) -> bytes:
        """The signature's numbers over a digest, as :func:`~ecluse.wire.openpgp.keys.verify_digest` reads them."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A private key with its public one; a :class:`Signer` where it signs.

    Attributes:
        key: The public key.
        private: The private key.
        secret: The same as the packet holds it, unlocked.
    """

    key: PublicKey
    private: PrivateKey = field(repr=False)
    secret: bytes = field(repr=False)

    def packet(self, tag: Tag) -> bytes:
        """A secret-key packet without protection: only ever sealed by the keyring."""
        body = self.key.body + b"\0" + self.secret
        if self.key.version == 4:
            body += (sum(self.secret) & 0xFFFF).to_bytes(2, "big")
        return packet(tag, body)

    def sign(self, digest: bytes, kind: HashKind) -> bytes:
        """See the port.

        Raises:
            UnsupportedAlgorithm: The key does not sign.
        """
        private = self.private
        match private:
            case rsa.RSAPrivateKey() if self.key.signs:
                return encode_mpi(private.sign(digest, padding.PKCS1v15(), Prehashed(kind.algorithm())))
            case ec.EllipticCurvePrivateKey() if self.key.signs:
                r, s = decode_dss_signature(private.sign(digest, ec.ECDSA(Prehashed(kind.algorithm()))))
                return encode_mpi(r) + encode_mpi(s)
            case ed25519.Ed25519PrivateKey() if self.key.algorithm == Pk.EDDSA:
                raw = private.sign(digest)
                return encode_mpi(raw[:32]) + encode_mpi(raw[32:])
            case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
                return private.sign(digest)
            case _:
                raise UnsupportedAlgorithm(f"A key of this kind does not sign: {self.key.name}.")


def read_secret_key(body: bytes, tag: int, passphrase: bytes | None) -> SecretKey | None:
    """Read the packet of a secret key or subkey; ``None`` where its secret part was left out.

    GnuPG leaves it out for a primary key that is kept elsewhere (its S2K "gnu-dummy").

    Args:
        body: The packet's body.
        tag: Its type, which protection by AEAD covers.
        passphrase: What it is locked with.

    Raises:
        WrongPassphrase: It does not open, or needs a passphrase.
        BadSecretKey: It holds no key that is used here.
        Malformed, UnsupportedAlgorithm: As for public keys.
    """
    key, rest = read_public_key(body, "secret key")
    fields = Fields(rest, "secret key")
    usage = fields.number(1)
    if usage == 0:
        secret = fields.rest()
        if key.version == 4:
            secret, check = secret[:-2], secret[-2:]
            if sum(secret) & 0xFFFF != int.from_bytes(check, "big"):
                raise Malformed("A secret key is damaged.")
    else:
        opened = _unlock(key, tag, usage, fields, passphrase)
        if opened is None:
            return None
        secret = opened
    try:
        private = _private(key, Fields(secret, "secret key"))
    except (ValueError, TypeError, LibraryUnsupported):
        raise BadSecretKey("A secret key does not belong to its public part.") from None
    return SecretKey(key, private, secret)


def _unlock(key: PublicKey, tag: int, usage: int, fields: Fields, passphrase: bytes | None) -> bytes | None:
    """The secret part in clear (s3.7.2, s5.5.3); ``None`` where there is none."""
    if usage not in (253, 254, 255):
        raise BadSecretKey(
            "The secret key is protected in the way of PGP 2.", remedy="Export it with a program of today."
        )
    if key.version == 6:
        fields.take(1)  # octets of the parameters that follow
    algorithm = fields.number(1)
    aead = fields.number(1) if usage == 253 else 0
    if key.version == 6:
        fields.take(1)  # octets of the S2K specifier that follows
    derive = _string_to_key(fields)
    if derive is None:
        return None
    if not passphrase:
        raise WrongPassphrase("The secret key is locked with a passphrase, and none was given.")
    cipher = cipher_algorithm(algorithm)
    if usage == 253:
        nonce = fields.take({Aead.OCB: 15, Aead.GCM: 12}.get(Aead(aead), 16) if aead in (1, 2, 3) else 0)
        info = bytes([0xC0 | tag, key.version, algorithm, aead])
        kek = HKDF(SHA256(), cipher.key, None, info).derive(derive(passphrase, cipher.key))
        if aead not in (Aead.OCB, Aead.GCM) or cipher.block != 16 or algorithm > 9:
            raise UnsupportedAlgorithm("The secret key is protected with a cipher that is not done here.")
        opener = AESOCB3(kek) if aead == Aead.OCB else AESGCM(kek)
        try:
            return opener.decrypt(nonce, fields.rest(), info[:1] + key.body)
        except InvalidTag:
            raise _wrong() from None
    iv = fields.take(cipher.block)
    decryptor = Cipher(cipher.keyed(derive(passphrase, cipher.key)), CFB(iv)).decryptor()
    clear = decryptor.update(fields.rest()) + decryptor.finalize()
    if usage == 254:
        secret, check = clear[:-20], clear[-20:]
        if hashlib.sha1(secret, usedforsecurity=False).digest() != check:
            raise _wrong()
    else:
        secret, check = clear[:-2], clear[-2:]
        if sum(secret) & 0xFFFF != int.from_bytes(check, "big"):
            raise _wrong()
    return secret


def _wrong() -> WrongPassphrase:
    return WrongPassphrase("The secret key does not open: the passphrase is wrong, or the file is damaged.")


_Derive = Callable[[bytes, int], bytes]


def _string_to_key(fields: Fields) -> _Derive | None:
    """How a passphrase becomes a key (s3.7.1); ``None`` for GnuPG's "there is no secret here"."""
    kind = fields.number(1)
    if kind == 101:
        return None
    if kind == 4:
        return _argon2(fields)
    if kind not in (0, 1, 3):
        raise UnsupportedAlgorithm("The secret key is locked in a way that is not done here.")
    digest = hash_kind(fields.number(1))
    salt = fields.take(8) if kind else b""
    count = 0
    if kind == 3:
        coded = fields.number(1)
        count = 16 + (coded & 15) << (coded >> 4) + 6

    def derive(passphrase: bytes, size: int) -> bytes:
        material = salt + passphrase
        whole, part = divmod(max(count, len(material)), len(material))
        key = b""
        prefix = b""
        while len(key) < size:
            context = digest.new()
            context.update(prefix)
            for _ in range(whole):
                context.update(material)
            context.update(material[:part])
            key += context.digest()
            prefix += b"\0"
        return key[:size]

    return derive


def _argon2(fields: Fields) -> _Derive:
    salt = fields.take(16)
    passes, lanes, exponent = fields.number(1), fields.number(1), fields.number(1)
    memory = 1 << min(exponent, 40)
    if not (1 <= passes <= ARGON2_PASSES and lanes >= 1 and 8 * lanes <= memory <= ARGON2_MEMORY_KIB):
        raise LimitExceeded("The secret key asks for too much work to be opened.")

    def derive(passphrase: bytes, size: int) -> bytes:
        kdf = Argon2id(salt=salt, length=size, iterations=passes, lanes=lanes, memory_cost=memory)
        return kdf.derive(passphrase)

    return derive


def _private(key: PublicKey, fields: Fields) -> PrivateKey:
    """The key. What the library refuses, or what does not fit the public part, is a ValueError."""
    private = _read_private(key, fields)
    fields.end()
    if private.public_key() != key.material:
        raise ValueError
    return private


def _read_private(key: PublicKey, fields: Fields) -> PrivateKey:
    public = key.material
    match public:
        case rsa.RSAPublicKey():
            d, p, q, _ = (int.from_bytes(read_mpi(fields), "big") for _ in range(4))
            numbers = rsa.RSAPrivateNumbers(
                p,
                q,
                d,
                rsa.rsa_crt_dmp1(d, p),
                rsa.rsa_crt_dmq1(d, q),
                rsa.rsa_crt_iqmp(p, q),
                public.public_numbers(),
            )
            return numbers.private_key()
        case ec.EllipticCurvePublicKey():
            return ec.derive_private_key(int.from_bytes(read_mpi(fields), "big"), public.curve)
        case ed25519.Ed25519PublicKey() if key.algorithm == Pk.EDDSA:
            return ed25519.Ed25519PrivateKey.from_private_bytes(read_mpi(fields).rjust(32, b"\0"))
        case ed25519.Ed25519PublicKey():
            return ed25519.Ed25519PrivateKey.from_private_bytes(fields.take(32))
        case x25519.X25519PublicKey() if key.algorithm == Pk.ECDH:
            # Written as a number, so the other way round than X25519 has it (RFC 9580 s11.2).
            return x25519.X25519PrivateKey.from_private_bytes(read_mpi(fields).rjust(32, b"\0")[::-1])
        case x25519.X25519PublicKey():
            return x25519.X25519PrivateKey.from_private_bytes(fields.take(32))
        case ed448.Ed448PublicKey():
            return ed448.Ed448PrivateKey.from_private_bytes(fields.take(57))
        case x448.X448PublicKey():
            return x448.X448PrivateKey.from_private_bytes(fields.take(56))
        case _:
            raise BadSecretKey(f"Secret keys of this kind are not used: {key.name}.")
