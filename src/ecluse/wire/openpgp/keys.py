"""Public keys: read from their packets, named by fingerprint, and what they verify."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.exceptions import UnsupportedAlgorithm as LibraryUnsupported
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from ecluse.wire.openpgp._curves import CURVE25519, ED25519, curve_name, ec_curve, read_mpi, read_oid
from ecluse.wire.openpgp.errors import BadSignature, Malformed, UnsupportedAlgorithm, WeakAlgorithm
from ecluse.wire.openpgp.limits import MAX_EXPONENT_BITS
from ecluse.wire.openpgp.names import LEGACY, PUBLIC_KEY_NAMES, HashKind
from ecluse.wire.openpgp.names import PublicKeyAlgorithm as Pk
from ecluse.wire.openpgp.packets import Fields

__all__ = ["Curve", "KeyMaterial", "PublicKey", "permit_key", "read_public_key", "verify_digest"]

MIN_RSA_BITS: Final = 2048
LEGACY_RSA_BITS: Final = 1024
"""NIST SP 800-131A rev. 2: 2,048 bits or more; signatures of 1,024 are read by exception."""

KeyMaterial = (
    rsa.RSAPublicKey
    | dsa.DSAPublicKey
    | ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | x25519.X25519PublicKey
    | x448.X448PublicKey
)
"""What a public key is to the ``cryptography`` package."""

_SIGNS: Final = frozenset({Pk.RSA, Pk.RSA_SIGN, Pk.DSA, Pk.ECDSA, Pk.EDDSA, Pk.ED25519, Pk.ED448})
_ENCRYPTS: Final = frozenset({Pk.RSA, Pk.RSA_ENCRYPT, Pk.ECDH, Pk.X25519, Pk.X448})


@dataclass(frozen=True, slots=True)
class Curve:
    """How an ECDH key derives (RFC 9580 s11.5).

    Attributes:
        oid: Its curve.
        hash: Number of the hash of the derivation.
        cipher: Number of the cipher of the key wrap.
    """

    oid: bytes
    hash: int
    cipher: int


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A primary key or a subkey.

    Attributes:
        version: 4 or 6.
        created: Seconds since 1970.
        algorithm: Its number.
        material: The key itself; ``None`` where it can't be used here (ElGamal, unknown curves).
        name: For people: ``RSA 3072``, ``EdDSA Ed25519``.
        body: The packet's public part.
        fingerprint: 20 octets (version 4) or 32 (version 6).
        derivation: Of an ECDH key.
    """

    version: int
    created: int
    algorithm: int
    material: KeyMaterial | None = field(repr=False, compare=False)
    name: str
    body: bytes = field(repr=False)
    fingerprint: bytes
    derivation: Curve | None = field(default=None, repr=False)

    @property
    def key_id(self) -> bytes:
        """Eight octets of the fingerprint (s5.5.4)."""
        return self.fingerprint[:8] if self.version == 6 else self.fingerprint[-8:]

    @property
    def signs(self) -> bool:
        """Whether keys of this kind make signatures."""
        return self.algorithm in _SIGNS and self.material is not None

    @property
    def encrypts(self) -> bool:
        """Whether a session key can be sent to it."""
        return self.algorithm in _ENCRYPTS and self.material is not None

    def hashed(self) -> bytes:
        """What a signature over the key hashes (s5.2.4)."""
        if self.version == 6:
            return b"\x9b" + len(self.body).to_bytes(4, "big") + self.body
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body


def read_public_key(body: bytes, name: str = "public key") -> tuple[PublicKey, bytes]:
    """Read the public part of a key's packet.

    Returns:
        The key, and what follows it: the secret part of a secret key.

    Raises:
        Malformed: It is damaged.
        UnsupportedAlgorithm: A version or algorithm that is not known at all.
    """
    fields = Fields(body, name)
    version = fields.number(1)
    if version not in (4, 6):
        raise UnsupportedAlgorithm(f"The key has version {version}; 4 and 6 are done here.")
    created = fields.number(4)
    algorithm = fields.number(1)
    size = fields.number(4) if version == 6 else None
    begins = fields.at
    try:
        kind, material, derivation = _material(algorithm, fields)
    except (ValueError, LibraryUnsupported):
        raise Malformed(f"A {name} holds impossible numbers.") from None
    if size is not None and fields.at - begins != size:
        raise Malformed(f"A {name} has another length than it says.")
    public = body[: fields.at]
    if len(public) > 0xFFFF:
        raise Malformed(f"A {name} is too long.")
    if version == 6:
        fingerprint = hashlib.sha256(b"\x9b" + len(public).to_bytes(4, "big") + public).digest()
    else:
        digest = hashlib.sha1(b"\x99" + len(public).to_bytes(2, "big") + public, usedforsecurity=False)
        fingerprint = digest.digest()
    key = PublicKey(version, created, algorithm, material, kind, public, fingerprint, derivation)
    return key, fields.rest()


def _material(algorithm: int, fields: Fields) -> tuple[str, KeyMaterial | None, Curve | None]:
    """(name, key, derivation). A number that the library refuses is a ValueError."""
    name = PUBLIC_KEY_NAMES.get(algorithm)
    if name is None:
        raise UnsupportedAlgorithm(f"Keys of the algorithm {algorithm} are not done here.")
    match algorithm:
        case Pk.RSA | Pk.RSA_ENCRYPT | Pk.RSA_SIGN:
            n, e = (int.from_bytes(read_mpi(fields), "big") for _ in range(2))
            if e.bit_length() > MAX_EXPONENT_BITS:
                raise Malformed(
                    f"The public exponent of an RSA key has {e.bit_length()} bits; 65537 is usual."
                )
            return f"{name} {n.bit_length()}", rsa.RSAPublicNumbers(e, n).public_key(), None
        case Pk.DSA:
            p, q, g, y = (int.from_bytes(read_mpi(fields), "big") for _ in range(4))
            return f"{name} {p.bit_length()}", _dsa(p, q, g, y), None
        case Pk.ELGAMAL:
            p = int.from_bytes(read_mpi(fields), "big")
            read_mpi(fields)
            read_mpi(fields)
            return f"{name} {p.bit_length()}", None, None
        case Pk.ED25519:
            return name, ed25519.Ed25519PublicKey.from_public_bytes(fields.take(32)), None
        case Pk.ED448:
            return name, ed448.Ed448PublicKey.from_public_bytes(fields.take(57)), None
        case Pk.X25519:
            return name, x25519.X25519PublicKey.from_public_bytes(fields.take(32)), None
        case Pk.X448:
            return name, x448.X448PublicKey.from_public_bytes(fields.take(56)), None
    return _elliptic(name, algorithm, fields)


def _dsa(p: int, q: int, g: int, y: int) -> dsa.DSAPublicKey | None:
    try:
        return dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    except ValueError:
        return None  # sizes that the library does not do


def _elliptic(name: str, algorithm: int, fields: Fields) -> tuple[str, KeyMaterial | None, Curve | None]:
    oid = read_oid(fields)
    point = read_mpi(fields)
    derivation = None
    if algorithm == Pk.ECDH:
        size = fields.number(1)
        parameters = Fields(fields.take(size), "key derivation")
        if parameters.number(1) != 1:
            raise Malformed("A key has an unknown derivation.")
        derivation = Curve(oid, parameters.number(1), parameters.number(1))
    title = f"{name} {curve_name(oid)}"
    if (algorithm, oid) in ((Pk.EDDSA, ED25519), (Pk.ECDH, CURVE25519)):
        if len(point) != 33 or point[0] != 0x40:
            raise Malformed("A key's point has another form than its curve asks for.")
        if algorithm == Pk.EDDSA:
            return title, ed25519.Ed25519PublicKey.from_public_bytes(point[1:]), None
        return title, x25519.X25519PublicKey.from_public_bytes(point[1:]), derivation
    if algorithm == Pk.EDDSA:
        return title, None, None
    try:
        curve = ec_curve(oid)
    except UnsupportedAlgorithm:
        return title, None, derivation
    return title, ec.EllipticCurvePublicKey.from_encoded_point(curve, point), derivation


def permit_key(key: PublicKey, allowed: Collection[str]) -> None:
    """Let a key through that is strong enough, or that an exception allows.

    Raises:
        WeakAlgorithm: It is too weak.
    """
    material = key.material
    weak = key.algorithm in (Pk.DSA, Pk.ELGAMAL)
    never = key.algorithm == Pk.ELGAMAL
    if isinstance(material, rsa.RSAPublicKey):
        weak = material.key_size < MIN_RSA_BITS
        never = material.key_size < LEGACY_RSA_BITS
    if isinstance(material, dsa.DSAPublicKey):
        never = material.key_size < LEGACY_RSA_BITS
    if never:
        raise WeakAlgorithm(
            f"The key is too weak: {key.name}.",
            remedy="Ask the partner for a new key; no exception can allow this one.",
        )
    if weak and LEGACY not in allowed:
        raise WeakAlgorithm(f"The key is too weak: {key.name}.")


def verify_digest(key: PublicKey, kind: HashKind, digest: bytes, signature: bytes) -> None:
    """Check a signature's numbers over a digest.

    Raises:
        BadSignature: They do not fit.
        Malformed: They are no such signature.
        UnsupportedAlgorithm: The key can't be used here.
    """
    material = key.material
    fields = Fields(signature, "signature")
    try:
        match material:
            case rsa.RSAPublicKey():
                number = read_mpi(fields).rjust(material.key_size + 7 >> 3, b"\0")
                material.verify(number, digest, padding.PKCS1v15(), Prehashed(kind.algorithm()))
            case dsa.DSAPublicKey():
                material.verify(_dss(fields), digest, Prehashed(kind.algorithm()))
            case ec.EllipticCurvePublicKey():
                material.verify(_dss(fields), digest, ec.ECDSA(Prehashed(kind.algorithm())))
            case ed25519.Ed25519PublicKey() if key.algorithm == Pk.EDDSA:
                halves = (read_mpi(fields).rjust(32, b"\0") for _ in range(2))
                material.verify(b"".join(halves), digest)
            case ed25519.Ed25519PublicKey():
                material.verify(fields.take(64), digest)
            case ed448.Ed448PublicKey():
                material.verify(fields.take(114), digest)
            case _:
                raise UnsupportedAlgorithm(f"A key of this kind verifies nothing here: {key.name}.")
    except (InvalidSignature, ValueError, LibraryUnsupported):
        raise BadSignature("The signature does not fit.") from None
    fields.end()


def _dss(fields: Fields) -> bytes:
    r, s = (int.from_bytes(read_mpi(fields), "big") for _ in range(2))
    return encode_dss_signature(r, s)
