"""Public keys of SSH and what they sign: Ed25519, ECDSA, RSA with SHA-2, and keys on security tokens.

A token (PROTOCOL.u2f of OpenSSH) signs the digest of its application, a byte of flags and a counter before the
digest of the data; a signature counts only where a flag says that a person touched the token. SHA-1 (``ssh-rsa``
as a signature) and DSA are never read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ecluse.wire.sshsig.errors import BadSshSignature
from ecluse.wire.sshsig.fields import Reader
from ecluse.wire.sshsig.points import is_small_order

__all__ = ["MAX_RSA", "PublicKey", "fits", "key_bits", "parse_key"]

MAX_RSA: Final = 16_384
"""Bits of the longest RSA key: OpenSSH's own limit (SSHBUF_MAX_BIGNUM)."""
MIN_RSA: Final = 1024
"""Bits of the shortest that OpenSSH reads. Who may sign with which is a rule of the configuration."""
MAX_EXPONENT: Final = 1 << 64
"""Public exponents in use are 3 to 65537; a huge one makes every check slow."""

_TOUCHED: Final = 0x01
"""Flag of a token's signature: a person was there (PROTOCOL.u2f)."""

_CURVES: Final[dict[str, tuple[str, ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "ecdsa-sha2-nistp256": ("nistp256", ec.SECP256R1(), hashes.SHA256()),
    "ecdsa-sha2-nistp384": ("nistp384", ec.SECP384R1(), hashes.SHA384()),
    "ecdsa-sha2-nistp521": ("nistp521", ec.SECP521R1(), hashes.SHA512()),
}
_RSA: Final[dict[str, hashes.HashAlgorithm]] = {
    "rsa-sha2-512": hashes.SHA512(),
    "rsa-sha2-256": hashes.SHA256(),
}
_SK_ED25519: Final = "sk-ssh-ed25519@openssh.com"
_SK_ECDSA: Final = "sk-ecdsa-sha2-nistp256@openssh.com"

_Key = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key.

    Attributes:
        kind: Its name in SSH, such as ``ssh-ed25519``.
        blob: Its octets as they go over the wire; two keys are one where these are the same.
        key: What checks.
        application: What a token's key is for (``ssh:``); empty for a key of another kind.
    """

    kind: str
    blob: bytes
    key: _Key
    application: bytes = b""

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of the signatures that it can have made."""
        return tuple(_RSA) if self.kind == "ssh-rsa" else (self.kind,)


def key_bits(key: PublicKey) -> int:
    """Its size in bits, as people compare it."""
    return 256 if isinstance(key.key, ed25519.Ed25519PublicKey) else key.key.key_size


def parse_key(blob: bytes) -> PublicKey:
    """Read a public key (RFC 4253 s6.6, RFC 5656 s3.1, RFC 8709 s4, PROTOCOL.u2f).

    Raises:
        BadSshSignature: ``sshsig.bad-key``: it is none, is of a kind that is not read, or is not in its one form.
    """
    try:
        reader = Reader(blob)
        kind = reader.text()
        if kind not in _READERS:
            raise BadSshSignature(f"Keys of the kind {kind[:40]!a} are not read.")
        key, application = _READERS[kind](reader, kind)
        reader.end()
    except BadSshSignature as error:
        raise BadSshSignature(error.cause, code="sshsig.bad-key", remedy=_KEY_REMEDY) from None
    except (ValueError, UnsupportedAlgorithm, OverflowError):
        raise BadSshSignature("This is no public key.", code="sshsig.bad-key", remedy=_KEY_REMEDY) from None
    return PublicKey(kind, bytes(blob), key, application)


_KEY_REMEDY: Final = (
    "Give the line of a .pub file: ssh-ed25519, ecdsa-sha2-nistp*, ssh-rsa, or a token's sk- key."
)


def _ed25519(reader: Reader, kind: str) -> tuple[_Key, bytes]:
    return _edwards(reader), b""


def _edwards(reader: Reader) -> ed25519.Ed25519PublicKey:
    point = reader.string()
    if is_small_order(point):
        raise ValueError("point")
    return ed25519.Ed25519PublicKey.from_public_bytes(point)


def _ecdsa(reader: Reader, kind: str) -> tuple[_Key, bytes]:
    name, curve, _ = _CURVES[kind]
    return _point(reader, name, curve), b""


def _point(reader: Reader, name: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    if reader.text() != name:
        raise ValueError("curve")
    point = reader.string()
    if point[:1] != b"\x04":  # RFC 5656 s3.1: a compressed one is optional, and would be a second form
        raise ValueError("point")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _rsa(reader: Reader, kind: str) -> tuple[_Key, bytes]:
    e, n = reader.mpint(), reader.mpint()
    if not MIN_RSA <= n.bit_length() <= MAX_RSA or not 3 <= e < MAX_EXPONENT:
        raise ValueError("size")
    return rsa.RSAPublicNumbers(e, n).public_key(), b""


def _sk_ed25519(reader: Reader, kind: str) -> tuple[_Key, bytes]:
    return _edwards(reader), reader.string()


def _sk_ecdsa(reader: Reader, kind: str) -> tuple[_Key, bytes]:
    return _point(reader, "nistp256", ec.SECP256R1()), reader.string()


_READERS: Final[dict[str, Callable[[Reader, str], tuple[_Key, bytes]]]] = {
    "ssh-ed25519": _ed25519,
    "ssh-rsa": _rsa,
    **dict.fromkeys(_CURVES, _ecdsa),
    _SK_ED25519: _sk_ed25519,
    _SK_ECDSA: _sk_ecdsa,
}


def fits(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether ``signature`` (the algorithm's name and what it made) is the key's over ``data``.

    Raises:
        BadSshSignature: It is not in the form of one.
    """
    reader = Reader(signature)
    algorithm = reader.text()
    if algorithm not in key.signatures:
        raise BadSshSignature(f"A key of the kind {key.kind} makes no signature {algorithm[:40]!a}.")
    value = reader.string()
    if key.kind in (_SK_ED25519, _SK_ECDSA):
        flags, counter = reader.octets(1), reader.octets(4)
        if not flags[0] & _TOUCHED:
            raise BadSshSignature(
                "The token signed without anybody touching it.",
                remedy="Make the key without the option no-touch-required, and sign again.",
            )
        data = sha256(key.application).digest() + flags + counter + sha256(data).digest()
    reader.end()
    try:
        _verify(key, algorithm, value, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify(key: PublicKey, algorithm: str, value: bytes, data: bytes) -> None:
    public = key.key
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(value, data)
    elif isinstance(public, rsa.RSAPublicKey):
        if len(value) != (public.key_size + 7) // 8:
            raise ValueError("length")
        public.verify(value, data, padding.PKCS1v15(), _RSA[algorithm])
    else:
        reader = Reader(value)
        r, s = reader.mpint(), reader.mpint()
        reader.end()
        digest = hashes.SHA256() if algorithm == _SK_ECDSA else _CURVES[algorithm][2]
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
