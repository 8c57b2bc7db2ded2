"""Signatures (RFC 9580 s5.2): read, checked and made, over documents, keys and user ids."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448

from ecluse.wire.openpgp.errors import BadSignature, Malformed, UnsupportedAlgorithm
from ecluse.wire.openpgp.keys import PublicKey, verify_digest
from ecluse.wire.openpgp.names import HASHES, HashKind, SignatureType, Tag, hash_kind
from ecluse.wire.openpgp.packets import Fields, encode_length, packet
from ecluse.wire.openpgp.pkesk import Entropy
from ecluse.wire.openpgp.secret import Signer

__all__ = ["Signature", "Sub", "Subpacket", "check", "digest_for", "make_signature", "read_signature"]


class Sub:
    """Subpacket types (s5.2.3.7)."""

    CREATED: Final = 2
    EXPIRES: Final = 3
    KEY_EXPIRES: Final = 9
    PREFERRED_CIPHERS: Final = 11
    ISSUER: Final = 16
    PRIMARY_USER_ID: Final = 25
    KEY_FLAGS: Final = 27
    REASON: Final = 29
    FEATURES: Final = 30
    EMBEDDED: Final = 32
    ISSUER_FINGERPRINT: Final = 33
    RECIPIENT: Final = 35


_UNDERSTOOD: Final = frozenset(
    {2, 3, 4, 5, 7, 9, 11, 12, 16, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35, 39}
)
"""What may be marked critical. A critical notation (20) is one that nobody here knows."""


@dataclass(frozen=True, slots=True)
class Subpacket:
    """One statement of a signature.

    Attributes:
        kind: Its type.
        data: Its content.
        critical: A reader that does not understand it must not believe the signature.
    """

    kind: int
    data: bytes
    critical: bool = False

    def encoded(self) -> bytes:
        """As it stands in the packet."""
        return encode_length(len(self.data) + 1) + bytes([self.kind | 0x80 * self.critical]) + self.data


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature.

    Attributes:
        version: 4 or 6.
        type: What it is over.
        algorithm: Number of the public-key algorithm.
        hash: Number of the hash.
        hashed: What it states, covered by itself.
        unhashed: What is added, covered by nothing.
        prefix: The octets up to the end of the hashed statements.
        left: The first two octets of the digest.
        salt: Of version 6.
        numbers: The signature itself.
    """

    version: int
    type: int
    algorithm: int
    hash: int
    hashed: tuple[Subpacket, ...]
    unhashed: tuple[Subpacket, ...] = field(repr=False)
    prefix: bytes = field(repr=False)
    left: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    numbers: bytes = field(repr=False)

    def find(self, kind: int) -> bytes | None:
        """The content of the last hashed subpacket of a type."""
        return next((sub.data for sub in reversed(self.hashed) if sub.kind == kind), None)

    def number(self, kind: int) -> int | None:
        """The same as a number of four octets; ``None`` where it is none."""
        data = self.find(kind)
        return int.from_bytes(data, "big") if data is not None and len(data) == 4 else None

    @property
    def created(self) -> int | None:
        """Seconds since 1970."""
        return self.number(Sub.CREATED)

    @property
    def expires(self) -> int | None:
        """Seconds since 1970 from which on it is no longer good."""
        created, seconds = self.created, self.number(Sub.EXPIRES)
        return created + seconds if created is not None and seconds else None

    @property
    def issuers(self) -> tuple[bytes, ...]:
        """Fingerprints and key ids that it names; unproven, good for finding the key."""
        subs = (*self.hashed, *self.unhashed)
        prints = [sub.data[1:] for sub in subs if sub.kind == Sub.ISSUER_FINGERPRINT]
        return (*prints, *(sub.data for sub in subs if sub.kind == Sub.ISSUER))

    @property
    def recipients(self) -> frozenset[bytes]:
        """Fingerprints of the certificates that it is meant for; empty where it does not say."""
        return frozenset(sub.data[1:] for sub in self.hashed if sub.kind == Sub.RECIPIENT)

    def made_by(self, key: PublicKey) -> bool:
        """Whether it names the key, or names nobody."""
        issuers = self.issuers
        return not issuers or key.fingerprint in issuers or key.key_id in issuers

    def trailer(self) -> bytes:
        """What is hashed after what is signed (s5.2.4)."""
        return self.prefix + bytes([self.version, 0xFF]) + (len(self.prefix) & 0xFFFFFFFF).to_bytes(4, "big")

    def unknown_critical(self) -> bool:
        """Whether it states something critical that is not understood."""
        return any(sub.critical and sub.kind not in _UNDERSTOOD for sub in self.hashed)

    def body(self) -> bytes:
        """The packet's body."""
        width = 4 if self.version == 6 else 2
        unhashed = b"".join(sub.encoded() for sub in self.unhashed)
        salt = bytes([len(self.salt)]) + self.salt if self.version == 6 else b""
        return self.prefix + len(unhashed).to_bytes(width, "big") + unhashed + self.left + salt + self.numbers

    def packet(self) -> bytes:
        """The whole packet."""
        return packet(Tag.SIGNATURE, self.body())


def read_signature(body: bytes) -> Signature:
    """Read the packet.

    Raises:
        Malformed: It is damaged.
        UnsupportedAlgorithm: A version that is not done: 3 is what PGP 2 wrote.
    """
    fields = Fields(body, "signature")
    version = fields.number(1)
    if version not in (4, 6):
        raise UnsupportedAlgorithm(f"The signature has version {version}; 4 and 6 are done here.")
    width = 4 if version == 6 else 2
    kind, algorithm, digest = fields.number(1), fields.number(1), fields.number(1)
    hashed = _subpackets(fields.take(fields.number(width)))
    prefix = body[: fields.at]
    unhashed = _subpackets(fields.take(fields.number(width)))
    left = fields.take(2)
    salt = fields.take(fields.number(1)) if version == 6 else b""
    if version == 6 and digest in HASHES and len(salt) != HASHES[digest].salt:
        raise Malformed("A signature has a salt of the wrong size.")
    return Signature(version, kind, algorithm, digest, hashed, unhashed, prefix, left, salt, fields.rest())


def _subpackets(data: bytes) -> tuple[Subpacket, ...]:
    fields = Fields(data, "signature")
    found = []
    while fields.at < len(data):
        size = fields.number(1)
        if size == 255:
            size = fields.number(4)
        elif size >= 192:
            size = ((size - 192) << 8) + fields.number(1) + 192
        if not size:
            raise Malformed("A signature states something without a type.")
        kind = fields.number(1)
        found.append(Subpacket(kind & 0x7F, fields.take(size - 1), bool(kind & 0x80)))
    return tuple(found)


def digest_for(signature: Signature, context: hashlib._Hash) -> bytes:
    """The digest: what was hashed so far (salt first, then what is signed), and the trailer."""
    whole = context.copy()
    whole.update(signature.trailer())
    return whole.digest()


def check(signature: Signature, key: PublicKey, signed: Iterable[bytes]) -> None:
    """Check a signature over something small: keys and user ids.

    Raises:
        BadSignature: It does not fit, or states something critical that is not understood.
        UnsupportedAlgorithm, Malformed: It can't be checked.
    """
    kind = hash_kind(signature.hash)
    context = kind.new()
    context.update(signature.salt)
    for part in signed:
        context.update(part)
    check_digest(signature, key, digest_for(signature, context))


def check_digest(signature: Signature, key: PublicKey, digest: bytes) -> None:
    """The same, over a digest of :func:`digest_for`."""
    if signature.unknown_critical():
        raise BadSignature("The signature states something critical that is not known here.")
    if signature.algorithm != key.algorithm or (key.version == 6) != (signature.version == 6):
        raise BadSignature("The signature is of another kind than the key that it names.")
    if digest[:2] != signature.left:
        raise BadSignature("The signature does not fit.")
    verify_digest(key, hash_kind(signature.hash), digest, signature.numbers)


def written_hash(key: PublicKey) -> HashKind:
    """The hash that a key signs with: SHA-256, or one as long as its curve asks for (s5.2.3.2 and s12.6)."""
    material = key.material
    if isinstance(material, ed448.Ed448PublicKey):
        return HASHES[10]
    if isinstance(material, ec.EllipticCurvePublicKey):
        return HASHES[8 if material.key_size <= 256 else 9 if material.key_size <= 384 else 10]
    return HASHES[8]


@dataclass(frozen=True, slots=True)
class Draft:
    """A signature that only lacks the digest: what it hashes before and after the content is settled.

    Attributes:
        unsigned: Everything but the numbers.
        signer: Who will sign.
    """

    unsigned: Signature
    signer: Signer

    def context(self) -> hashlib._Hash:
        """The hash to feed with what is signed."""
        context = hash_kind(self.unsigned.hash).new()
        context.update(self.unsigned.salt)
        return context

    def sign(self, context: hashlib._Hash) -> Signature:
        """The signature over what the context was fed with."""
        draft = self.unsigned
        digest = digest_for(draft, context)
        numbers = self.signer.sign(digest, hash_kind(draft.hash))
        return Signature(
            draft.version,
            draft.type,
            draft.algorithm,
            draft.hash,
            draft.hashed,
            draft.unhashed,
            draft.prefix,
            digest[:2],
            draft.salt,
            numbers,
        )


def draft_signature(
    kind: SignatureType, signer: Signer, now: int, entropy: Entropy, *, stated: Sequence[Subpacket] = ()
) -> Draft:
    """Begin a signature.

    Args:
        kind: What it is over.
        signer: Who signs.
        now: When, in seconds since 1970.
        entropy: Gives the salt of version 6.
        stated: What it states besides when and by whom.
    """
    key = signer.key
    digest = written_hash(key)
    fingerprint = bytes([key.version]) + key.fingerprint
    hashed = (
        Subpacket(Sub.CREATED, now.to_bytes(4, "big"), critical=True),
        Subpacket(Sub.ISSUER_FINGERPRINT, fingerprint),
        *stated,
    )
    # GnuPG before 2.1.16 and other old products look for the key id alone; version 6 forbids it (s5.2.3.12).
    unhashed = () if key.version == 6 else (Subpacket(Sub.ISSUER, key.key_id),)
    area = b"".join(sub.encoded() for sub in hashed)
    prefix = bytes([key.version, kind, key.algorithm, digest.id]) + len(area).to_bytes(
        4 if key.version == 6 else 2, "big"
    )
    salt = entropy(digest.salt) if key.version == 6 else b""
    unsigned = Signature(
        key.version, kind, key.algorithm, digest.id, hashed, unhashed, prefix + area, b"", salt, b""
    )
    return Draft(unsigned, signer)


def make_signature(
    kind: SignatureType,
    signer: Signer,
    signed: Collection[bytes],
    now: int,
    entropy: Entropy,
    *,
    stated: Sequence[Subpacket] = (),
) -> Signature:
    """Sign something small: keys and user ids. Takes what :func:`draft_signature` does."""
    draft = draft_signature(kind, signer, now, entropy, stated=stated)
    context = draft.context()
    for part in signed:
        context.update(part)
    return draft.sign(context)
