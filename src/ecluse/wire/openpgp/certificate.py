"""Certificates (RFC 9580 s10.1): a primary key, its user ids and subkeys, and what binds them at a time.

Only what the primary key says of itself counts: certifications by others are passed over, as partners are
pinned by their whole certificate. A signature is checked once, when the certificate is read; what holds at a
time is decided by :class:`View`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ecluse.wire.openpgp._stream import Stream
from ecluse.wire.openpgp.armor import ArmorKind, dearmor
from ecluse.wire.openpgp.errors import BadCertificate, LimitExceeded, OpenPgpError, UnsupportedAlgorithm
from ecluse.wire.openpgp.keys import PublicKey, permit_key, read_public_key
from ecluse.wire.openpgp.limits import CERTIFICATE_OCTETS, CERTIFICATE_SIGNATURES
from ecluse.wire.openpgp.names import LEGACY, SignatureType, Tag, hash_kind
from ecluse.wire.openpgp.packets import Packet, next_packet
from ecluse.wire.openpgp.packets import packet as whole_packet
from ecluse.wire.openpgp.signature import Signature, Sub, check, read_signature

__all__ = ["Certificate", "KeyState", "Subkey", "UserId", "View", "read_certificates"]

SHA1_SELF_SIGNATURES: Final = 1_675_209_600
"""2023-02-01: SHA-1 in a key's signature on itself, made before, still binds; collisions don't help against it
(second preimages would), and keys of that age are all over the field."""

_CERTIFIES: Final = frozenset({0x10, 0x11, 0x12, 0x13})
_SOFT: Final = frozenset({1, 3, 32})
"""Reasons of a revocation after which older signatures stay good: superseded, retired, name gone (s5.2.3.31)."""

_CAN_SIGN: Final = 0x02
_CAN_ENCRYPT: Final = 0x0C
_FEATURE_AEAD: Final = 0x08
_PRIMARY: Final = frozenset({Tag.PUBLIC_KEY, Tag.SECRET_KEY})
_SUBKEYS: Final = frozenset({Tag.PUBLIC_SUBKEY, Tag.SECRET_SUBKEY})


class KeyState(StrEnum):
    """What a key is at a time."""

    VALID = "valid"
    NOT_YET = "not yet valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNBOUND = "not bound"


@dataclass(frozen=True, slots=True)
class UserId:
    """A name.

    Attributes:
        name: The packet's body.
        signatures: Of the primary key, checked: certifications and revocations.
    """

    name: bytes
    signatures: tuple[Signature, ...] = field(repr=False)

    @property
    def text(self) -> str:
        """For people: printable, and cut."""
        text = self.name[:200].decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@dataclass(frozen=True, slots=True)
class Subkey:
    """A subkey.

    Attributes:
        key: The key.
        signatures: Of the primary key, checked: bindings (with the subkey's own where it signs), revocations.
    """

    key: PublicKey
    signatures: tuple[Signature, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate. Its parts are proven by the primary key; whether they hold depends on the time.

    Attributes:
        primary: The primary key.
        direct: Its signatures on itself and its revocations, checked.
        user_ids: Names.
        subkeys: Subkeys.
        encoded: Everything of it that was understood, as packets.
    """

    primary: PublicKey
    direct: tuple[Signature, ...] = field(repr=False)
    user_ids: tuple[UserId, ...]
    subkeys: tuple[Subkey, ...]
    encoded: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """In upper-case hexadecimal."""
        return self.primary.fingerprint.hex().upper()

    def every_key(self) -> Iterator[PublicKey]:
        """The primary key, then the subkeys."""
        yield self.primary
        for subkey in self.subkeys:
            yield subkey.key

    def at(self, when: int, allowed: Collection[str] = ()) -> View:
        """What it is at a time, in seconds since 1970; ``allowed`` names the exceptions that hold."""
        return View(self, when, allowed)


class View:
    """A certificate at a time.

    Args:
        certificate: Which.
        when: Seconds since 1970.
        allowed: Exceptions that hold.
    """

    def __init__(self, certificate: Certificate, when: int, allowed: Collection[str]) -> None:
        self._certificate = certificate
        self._when = when
        self._allowed = allowed
        self._direct = self._newest(certificate.direct, {SignatureType.DIRECT_KEY})
        names = [
            (binding, user)
            for user in certificate.user_ids
            if (binding := self._newest(user.signatures, _CERTIFIES)) is not None
            and not self._withdrawn(user, binding)
        ]
        # The primary name first (s5.2.3.27), then the newest.
        names.sort(
            key=lambda pair: (pair[0].find(Sub.PRIMARY_USER_ID) == b"\1", pair[0].created or 0), reverse=True
        )
        self.user_ids: tuple[UserId, ...] = tuple(user for _, user in names)
        """Names that are bound, the primary one first."""
        self._named = names[0][0] if names else None

    def _newest(self, signatures: Sequence[Signature], types: Collection[int]) -> Signature | None:
        good = [s for s in signatures if s.type in types and self._holds(s)]
        return max(good, key=lambda signature: signature.created or 0, default=None)

    def _holds(self, signature: Signature) -> bool:
        """Whether a signature on a key is made by then, not over, and strong enough."""
        created, expires = signature.created, signature.expires
        if created is None or created > self._when or (expires is not None and expires <= self._when):
            return False
        weak = hash_kind(signature.hash).weak
        if weak is None:
            return False
        return not weak or created < SHA1_SELF_SIGNATURES or LEGACY in self._allowed

    def _withdrawn(self, user: UserId, binding: Signature) -> bool:
        return any(
            s.type == SignatureType.CERTIFICATION_REVOCATION and (s.created or 0) >= (binding.created or 0)
            for s in user.signatures
            if (s.created or 0) <= self._when
        )

    def stated(self, kind: int) -> bytes | None:
        """What the certificate states of itself: directly, or else with its primary name (s5.2.3.10)."""
        for signature in (self._direct, self._named):
            found = signature.find(kind) if signature is not None else None
            if found is not None:
                return found
        return None

    # --- states -------------------------------------------------------------------------------------------

    def state(self, key: PublicKey | None = None) -> KeyState:
        """Of a key of the certificate (by default the primary one, and so the whole).

        What the primary key is, its subkeys are at best.
        """
        key = key if key is not None else self._certificate.primary
        if self.revoked(key):
            return KeyState.REVOKED
        if max(key.created, self._certificate.primary.created) > self._when:
            return KeyState.NOT_YET
        if not self.bound(key):
            return KeyState.UNBOUND
        ends = self.expires(key)
        return KeyState.EXPIRED if ends is not None and ends <= self._when else KeyState.VALID

    def revoked(self, key: PublicKey) -> bool:
        """Whether a key was revoked by then, or ever for a reason that makes older signatures doubtful too."""
        subkey = self._subkey(key)
        revocations = [s for s in self._certificate.direct if s.type == SignatureType.KEY_REVOCATION]
        if subkey is not None:
            revocations += [s for s in subkey.signatures if s.type == SignatureType.SUBKEY_REVOCATION]
        return any(
            (s.created or 0) <= self._when or (s.find(Sub.REASON) or b"\0")[0] not in _SOFT
            for s in revocations
        )

    def bound(self, key: PublicKey) -> bool:
        """Whether a key belongs to the certificate by then, by a signature that is strong enough."""
        whole = self._direct is not None or self._named is not None
        return whole and (self._subkey(key) is None or self._binding(key) is not None)

    def _subkey(self, key: PublicKey) -> Subkey | None:
        found = (sub for sub in self._certificate.subkeys if sub.key.fingerprint == key.fingerprint)
        return next(found, None)

    def _binding(self, key: PublicKey) -> Signature | None:
        subkey = self._subkey(key)
        return self._newest(subkey.signatures, {SignatureType.SUBKEY_BINDING}) if subkey is not None else None

    def expires(self, key: PublicKey | None = None) -> int | None:
        """When a key (by default the whole) ends, in seconds since 1970; ``None`` for never."""
        primary = self._certificate.primary
        lifetime = _number(self.stated(Sub.KEY_EXPIRES))
        ends = [primary.created + lifetime] if lifetime else []
        binding = self._binding(key) if key is not None else None
        own = _number(binding.find(Sub.KEY_EXPIRES)) if binding is not None else 0
        if key is not None and own:
            ends.append(key.created + own)
        return min(ends, default=None)

    # --- what keys may do ---------------------------------------------------------------------------------

    def flags(self, key: PublicKey) -> int:
        """The key's flags (s5.2.3.29); without any, what its kind can do."""
        primary = self._subkey(key) is None
        binding = self._binding(key)
        data = (
            self.stated(Sub.KEY_FLAGS)
            if primary
            else binding.find(Sub.KEY_FLAGS)
            if binding is not None
            else b""
        )
        if data is None:
            return (_CAN_SIGN if primary and key.signs else 0) | (_CAN_ENCRYPT if key.encrypts else 0)
        return data[0] if data else 0

    def encryption_keys(self) -> tuple[PublicKey, ...]:
        """Valid keys that session keys are sent to, the newest first."""
        return self._able(_CAN_ENCRYPT, encrypts=True)

    def signing_keys(self) -> tuple[PublicKey, ...]:
        """Valid keys that sign, the newest first."""
        return self._able(_CAN_SIGN, encrypts=False)

    def _able(self, flag: int, *, encrypts: bool) -> tuple[PublicKey, ...]:
        found = [
            key
            for key in self._certificate.every_key()
            if (key.encrypts if encrypts else key.signs)
            and self.flags(key) & flag
            and self.state(key) is KeyState.VALID
            and self._strong(key)
        ]
        return tuple(sorted(found, key=lambda key: key.created, reverse=True))

    def _strong(self, key: PublicKey) -> bool:
        try:
            permit_key(key, self._allowed)
        except OpenPgpError:
            return False
        return True

    def may_sign(self, key: PublicKey) -> bool:
        """Whether a key of the certificate is for signing documents."""
        return key.signs and bool(self.flags(key) & _CAN_SIGN)

    def ciphers(self) -> bytes:
        """Numbers of the ciphers that it prefers, best first; empty where it does not say."""
        return self.stated(Sub.PREFERRED_CIPHERS) or b""

    def reads_aead(self) -> bool:
        """Whether it says that it reads version 2 of encrypted data (s5.2.3.32)."""
        features = self.stated(Sub.FEATURES)
        return bool(features) and features is not None and bool(features[0] & _FEATURE_AEAD)


def _number(data: bytes | None) -> int:
    return int.from_bytes(data, "big") if data is not None and len(data) == 4 else 0


# --- reading ------------------------------------------------------------------------------------------------


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """Read one or more certificates, armoured or not.

    Parts that do not belong to the primary key, and parts of unknown kinds, are left out.

    Raises:
        BadCertificate: There is none, it is damaged, or (``openpgp.private-key``) it is a private key.
        OpenPgpError: The packets are damaged.
    """
    if b"-----BEGIN PGP PRIVATE KEY" in data:
        raise _private()
    packets = list(read_packets(data, frozenset({ArmorKind.PUBLIC_KEY})))
    if any(tag in (Tag.SECRET_KEY, Tag.SECRET_SUBKEY) for tag, _ in packets):
        raise _private()
    return tuple(assemble(packets))


def _private() -> BadCertificate:
    return BadCertificate(
        "The file holds a private key.",
        code="openpgp.private-key",
        remedy="Delete it, tell whose it is that it must be replaced, and ask for the public part alone.",
    )


def read_packets(data: bytes, kinds: frozenset[ArmorKind]) -> Iterator[tuple[int, bytes]]:
    """(type, body) of every packet of a key file, which may hold several armours one after another."""
    if len(data) > CERTIFICATE_OCTETS:
        raise LimitExceeded(
            f"The file is larger than {CERTIFICATE_OCTETS} octets.", remedy="Strip its signatures."
        )
    blocks = _blocks(data) if data[:1] < b"\x80" else [data]
    for block in blocks:
        stream = Stream(dearmor([block], kinds))
        while (packet := _key_packet(stream)) is not None:
            yield packet.tag, packet.body.rest(CERTIFICATE_OCTETS)


def _blocks(data: bytes) -> list[bytes]:
    """Armours that stand one after another."""
    mark = b"-----BEGIN PGP "
    parts = data.split(mark)
    return [mark + part for part in parts[1:]] or [data]


def _key_packet(stream: Stream) -> Packet | None:
    packet = next_packet(stream)
    if packet is not None and packet.tag in (Tag.LITERAL, Tag.COMPRESSED, Tag.SEIPD, Tag.PKESK, Tag.ONE_PASS):
        raise BadCertificate("The file is an OpenPGP message, not a certificate.")
    return packet


def assemble(packets: Sequence[tuple[int, bytes]]) -> Iterator[Certificate]:
    """Certificates from packets, public or secret; the latter give their public part.

    Raises:
        BadCertificate: There is none.
    """
    starts = [at for at, (tag, _) in enumerate(packets) if tag in _PRIMARY]
    if not starts:
        raise BadCertificate("There is no OpenPGP certificate in the file.")
    if starts[0]:
        raise BadCertificate("The file does not begin with a key.")
    for start, end in zip(starts, [*starts[1:], len(packets)], strict=True):
        yield _certificate(packets[start:end])


def _certificate(packets: Sequence[tuple[int, bytes]]) -> Certificate:
    primary, _ = read_public_key(packets[0][1])
    budget = _Budget(primary)
    encoded = bytearray(whole_packet(Tag.PUBLIC_KEY, primary.body))
    direct, at = budget.signatures(packets, 1, [primary.hashed()], {*_CERTIFIES, 0x1F, 0x20})
    direct = tuple(s for s in direct if s.type in (SignatureType.DIRECT_KEY, SignatureType.KEY_REVOCATION))
    encoded += b"".join(s.packet() for s in direct)
    users: list[UserId] = []
    subkeys: list[Subkey] = []
    while at < len(packets):
        tag, body = packets[at]
        if tag == Tag.USER_ID:
            named = b"\xb4" + len(body).to_bytes(4, "big") + body
            found, at = budget.signatures(packets, at + 1, [primary.hashed(), named], {*_CERTIFIES, 0x30})
            if found:
                users.append(UserId(body, found))
                encoded += whole_packet(Tag.USER_ID, body) + b"".join(s.packet() for s in found)
        elif tag in _SUBKEYS:
            try:
                key, _ = read_public_key(body, "subkey")
            except UnsupportedAlgorithm:
                at = _skip(packets, at + 1)
                continue
            signed = [primary.hashed(), key.hashed()]
            found, at = budget.signatures(packets, at + 1, signed, {0x18, 0x28})
            found = tuple(s for s in found if s.type == 0x28 or _proven(s, key, signed))
            if found:
                subkeys.append(Subkey(key, found))
                encoded += whole_packet(Tag.PUBLIC_SUBKEY, key.body) + b"".join(s.packet() for s in found)
        else:
            at = _skip(packets, at + 1)
    return Certificate(primary, direct, tuple(users), tuple(subkeys), bytes(encoded))


def _skip(packets: Sequence[tuple[int, bytes]], at: int) -> int:
    while at < len(packets) and packets[at][0] in (Tag.SIGNATURE, Tag.TRUST):
        at += 1
    return at


def _proven(binding: Signature, key: PublicKey, signed: Sequence[bytes]) -> bool:
    """A subkey that signs must say so itself (s5.2.1.9), or it could be claimed from another certificate."""
    flags = binding.find(Sub.KEY_FLAGS)
    if not flags or not flags[0] & _CAN_SIGN:
        return True
    for sub in (*binding.hashed, *binding.unhashed):
        if sub.kind == Sub.EMBEDDED:
            try:
                back = read_signature(sub.data)
                if back.type == SignatureType.PRIMARY_BINDING:
                    check(back, key, signed)
                    return True
            except OpenPgpError:
                continue
    return False


class _Budget:
    """Checks signatures of a primary key on its own parts, as many as one certificate may ask for."""

    def __init__(self, primary: PublicKey) -> None:
        self._primary = primary
        self._left = CERTIFICATE_SIGNATURES

    def signatures(
        self, packets: Sequence[tuple[int, bytes]], at: int, signed: Sequence[bytes], types: Collection[int]
    ) -> tuple[tuple[Signature, ...], int]:
        """(those that fit, where the next component begins)."""
        end = _skip(packets, at)
        found: list[Signature] = []
        for tag, body in packets[at:end]:
            if tag != Tag.SIGNATURE:
                continue
            try:
                signature = read_signature(body)
                if signature.type not in types or not signature.made_by(self._primary):
                    continue
                self._left -= 1
                if self._left < 0:
                    raise LimitExceeded(
                        "The certificate has too many signatures of its own key.",
                        remedy="Ask for a stripped one.",
                    )
                check(signature, self._primary, signed)
            except LimitExceeded:
                raise
            except OpenPgpError:
                continue
            found.append(signature)
        return tuple(found), end
