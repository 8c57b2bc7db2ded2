"""Keys made, and what a primary key says of itself: names, expiry, abilities, revocation (RFC 9580 s10.1).

A key is a primary key that certifies and signs, and one subkey that decrypts. Version 4 writes the algorithms
that GnuPG 2.1 and every product since read; version 6 is for partners whose software does RFC 9580.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.errors import Fault
from ecluse.wire.openpgp._curves import CURVE25519, CURVES, ED25519, encode_mpi
from ecluse.wire.openpgp.certificate import Certificate, assemble, read_packets
from ecluse.wire.openpgp.errors import UnsupportedAlgorithm
from ecluse.wire.openpgp.keys import read_public_key
from ecluse.wire.openpgp.names import PublicKeyAlgorithm as Pk
from ecluse.wire.openpgp.names import SignatureType, Tag
from ecluse.wire.openpgp.packets import packet
from ecluse.wire.openpgp.pkesk import Entropy
from ecluse.wire.openpgp.secret import PrivateKey, SecretKey
from ecluse.wire.openpgp.signature import Signature, Sub, Subpacket, make_signature

__all__ = ["KINDS", "REASONS", "make_key", "renewed", "revoked"]

KINDS: Final = ("rsa-3072", "rsa-4096", "curve25519", "ec-p256", "ec-p384", "ec-p521")
"""What can be made."""

REASONS: Final[Mapping[str, int]] = {"none": 0, "superseded": 1, "compromised": 2, "retired": 3}
"""Reasons of a revocation (s5.2.3.31). After superseded and retired, older signatures stay good."""

_CURVES: Final[dict[str, tuple[bytes, bytes]]] = {
    # Hash and cipher of the derivation by strength (s9.2.1).
    "ec-p256": (bytes.fromhex("2a8648ce3d030107"), bytes([8, 7])),
    "ec-p384": (bytes.fromhex("2b81040022"), bytes([9, 8])),
    "ec-p521": (bytes.fromhex("2b81040023"), bytes([10, 9])),
}

_CERTIFY_AND_SIGN: Final = b"\x03"
_ENCRYPT: Final = b"\x0c"
_PREFERENCES: Final = (
    Subpacket(Sub.PREFERRED_CIPHERS, bytes([9, 8, 7])),
    Subpacket(21, bytes([8, 10, 9])),  # hashes
    Subpacket(22, bytes([2, 1, 0])),  # compression: zlib, zip, none
    Subpacket(39, bytes([9, 2, 7, 2])),  # AES with OCB
    Subpacket(Sub.FEATURES, b"\x09"),  # versions 1 and 2 of encrypted data
)


def make_key(
    kind: str, user_id: str, *, version: int, now: int, lifetime: int, entropy: Entropy
) -> tuple[Certificate, tuple[SecretKey, ...]]:
    """Make a key. The library draws the key itself from the operating system.

    Args:
        kind: One of :data:`KINDS`.
        user_id: Its name, such as ``Aster Foods <edi@aster.example>``.
        version: 4 or 6.
        now: Seconds since 1970.
        lifetime: Seconds that it lasts.
        entropy: Gives salts.

    Raises:
        UnsupportedAlgorithm: No such kind.
    """
    if kind not in KINDS:
        raise UnsupportedAlgorithm(
            f"Keys of the kind {kind[:40]!a} are not made.",
            remedy=f"Choose one of {', '.join(KINDS)}.",
            fault=Fault.USAGE,
        )
    primary = _secret(kind, version, now, signs=True)
    subkey = _secret(kind, version, now, signs=False)
    lasting = Subpacket(Sub.KEY_EXPIRES, lifetime.to_bytes(4, "big"), critical=True)
    abilities = Subpacket(Sub.KEY_FLAGS, _CERTIFY_AND_SIGN, critical=True)
    name = user_id.encode()
    named = [primary.key.hashed(), _named(name)]
    stated: tuple[Subpacket, ...] = (lasting, abilities, *_PREFERENCES)
    first = Subpacket(Sub.PRIMARY_USER_ID, b"\1")
    packets = [packet(Tag.PUBLIC_KEY, primary.key.body)]
    if version == 6:
        # Version 6 says of the key directly what version 4 says with its first name (s10.1.1).
        direct = make_signature(SignatureType.DIRECT_KEY, primary, named[:1], now, entropy, stated=stated)
        packets.append(direct.packet())
        stated = ()
    binding = make_signature(SignatureType.POSITIVE, primary, named, now, entropy, stated=(*stated, first))
    packets += [packet(Tag.USER_ID, name), binding.packet()]
    bound = make_signature(
        SignatureType.SUBKEY_BINDING,
        primary,
        [primary.key.hashed(), subkey.key.hashed()],
        now,
        entropy,
        stated=(lasting, Subpacket(Sub.KEY_FLAGS, _ENCRYPT, critical=True)),
    )
    packets += [packet(Tag.PUBLIC_SUBKEY, subkey.key.body), bound.packet()]
    return _read(b"".join(packets)), (primary, subkey)


def renewed(
    certificate: Certificate, primary: SecretKey, now: int, expires: int, entropy: Entropy
) -> Certificate:
    """The same certificate, lasting until ``expires`` (seconds since 1970), and so all of its valid subkeys."""
    view = certificate.at(now)
    key = certificate.primary

    def again(
        kind: int, signatures: Sequence[Signature], signed: Sequence[bytes], created: int | None
    ) -> Iterator[Signature]:
        latest = max(
            (s for s in signatures if s.type == kind or (kind == 0x13 and 0x10 <= s.type <= 0x13)),
            key=lambda signature: signature.created or 0,
            default=None,
        )
        if latest is None:
            return
        kept = [
            sub
            for sub in latest.hashed
            if sub.kind not in (Sub.CREATED, Sub.EXPIRES, Sub.KEY_EXPIRES, Sub.ISSUER, Sub.ISSUER_FINGERPRINT)
        ]
        # A subkey's proof of itself may stand where nothing covers it: it proves itself.
        if not any(sub.kind == Sub.EMBEDDED for sub in kept):
            kept += [sub for sub in latest.unhashed if sub.kind == Sub.EMBEDDED]
        if created is not None:
            kept.append(Subpacket(Sub.KEY_EXPIRES, (expires - created).to_bytes(4, "big"), critical=True))
        yield make_signature(SignatureType(kind), primary, signed, now, entropy, stated=kept)

    direct = [*again(0x1F, certificate.direct, [key.hashed()], key.created)]
    # Version 6 states its end directly, version 4 with its names.
    begun = key.created if key.version == 4 else None
    names = {
        user.name: [*again(0x13, user.signatures, [key.hashed(), _named(user.name)], begun)]
        for user in view.user_ids
    }
    subkeys = {
        sub.key.fingerprint: [*again(0x18, sub.signatures, [key.hashed(), sub.key.hashed()], sub.key.created)]
        for sub in certificate.subkeys
        if not any(s.type == SignatureType.SUBKEY_REVOCATION for s in sub.signatures)
    }
    return _read(_encoded(certificate, direct, names, subkeys))


def revoked(
    certificate: Certificate, primary: SecretKey, now: int, reason: str, text: str, entropy: Entropy
) -> Certificate:
    """The same certificate with its own revocation. ``reason`` is one of :data:`REASONS`."""
    stated = [Subpacket(Sub.REASON, bytes([REASONS[reason]]) + text.encode()[:200])]
    signature = make_signature(
        SignatureType.KEY_REVOCATION, primary, [certificate.primary.hashed()], now, entropy, stated=stated
    )
    return _read(_encoded(certificate, [signature], {}, {}))


def _named(name: bytes) -> bytes:
    return b"\xb4" + len(name).to_bytes(4, "big") + name


def _encoded(
    certificate: Certificate,
    direct: Sequence[Signature],
    names: Mapping[bytes, Sequence[Signature]],
    subkeys: Mapping[bytes, Sequence[Signature]],
) -> bytes:
    """The certificate's packets with more signatures."""
    parts = [packet(Tag.PUBLIC_KEY, certificate.primary.body), *_together(certificate.direct, direct)]
    for user in certificate.user_ids:
        parts += [packet(Tag.USER_ID, user.name), *_together(user.signatures, names.get(user.name, ()))]
    for sub in certificate.subkeys:
        more = subkeys.get(sub.key.fingerprint, ())
        parts += [packet(Tag.PUBLIC_SUBKEY, sub.key.body), *_together(sub.signatures, more)]
    return b"".join(parts)


def _together(present: Sequence[Signature], more: Sequence[Signature]) -> Iterator[bytes]:
    """The older ones stay, as older messages are judged by them; of one second, only the last can count."""
    for signature in present:
        if not any((s.type, s.created) == (signature.type, signature.created) for s in more):
            yield signature.packet()
    yield from (signature.packet() for signature in more)


def _read(encoded: bytes) -> Certificate:
    return next(assemble(list(read_packets(encoded, frozenset()))))


# --- key material -------------------------------------------------------------------------------------------


def _secret(kind: str, version: int, now: int, *, signs: bool) -> SecretKey:
    private, algorithm, public, secret = _drawn(kind, version, signs=signs)
    size = len(public).to_bytes(4, "big") if version == 6 else b""
    body = bytes([version]) + now.to_bytes(4, "big") + bytes([algorithm]) + size + public
    key, _ = read_public_key(body)
    return SecretKey(key, private, secret)


def _drawn(kind: str, version: int, *, signs: bool) -> tuple[PrivateKey, int, bytes, bytes]:
    """(key, algorithm, its public numbers, its secret numbers)."""
    if kind.startswith("rsa-"):
        return _rsa(int(kind.removeprefix("rsa-")))
    if kind == "curve25519":
        return _edwards(version) if signs else _montgomery(version)
    oid, derivation = _CURVES[kind]
    private = ec.generate_private_key(CURVES[oid])
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public = bytes([len(oid)]) + oid + encode_mpi(point)
    secret = encode_mpi(private.private_numbers().private_value)
    if signs:
        return private, Pk.ECDSA, public, secret
    return private, Pk.ECDH, public + b"\3\1" + derivation, secret


def _rsa(bits: int) -> tuple[PrivateKey, int, bytes, bytes]:
    private = rsa.generate_private_key(65537, bits)
    numbers = private.private_numbers()
    public = encode_mpi(numbers.public_numbers.n) + encode_mpi(numbers.public_numbers.e)
    # OpenPGP's u is p^-1 mod q, the library's iqmp q^-1 mod p: the primes change places (s5.5.5.1).
    secret = (numbers.d, numbers.q, numbers.p, numbers.iqmp)
    return private, Pk.RSA, public, b"".join(encode_mpi(number) for number in secret)


def _edwards(version: int) -> tuple[PrivateKey, int, bytes, bytes]:
    private = ed25519.Ed25519PrivateKey.generate()
    point, seed = private.public_key().public_bytes_raw(), private.private_bytes_raw()
    if version == 6:
        return private, Pk.ED25519, point, seed
    return private, Pk.EDDSA, bytes([len(ED25519)]) + ED25519 + encode_mpi(b"\x40" + point), encode_mpi(seed)


def _montgomery(version: int) -> tuple[PrivateKey, int, bytes, bytes]:
    private = x25519.X25519PrivateKey.generate()
    point, scalar = private.public_key().public_bytes_raw(), private.private_bytes_raw()
    if version == 6:
        return private, Pk.X25519, point, scalar
    public = bytes([len(CURVE25519)]) + CURVE25519 + encode_mpi(b"\x40" + point) + bytes([3, 1, 8, 7])
    # Clamped as GnuPG wants to see it (s11.2), and written the other way round.
    clamped = bytes([scalar[0] & 0xF8]) + scalar[1:31] + bytes([scalar[31] & 0x7F | 0x40])
    return private, Pk.ECDH, public, encode_mpi(clamped[::-1])
