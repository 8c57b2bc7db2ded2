"""C2SP tlog-cosignature: who signs that a log's head continues every head of it that they saw before.

Source: <https://c2sp.org/tlog-cosignature>. Two types: Ed25519 (0x04), which signs the text of the checkpoint and a
time, and ML-DSA-44 (0x06), which signs a structure of its own with the signer's name in it. The latter is also how a
log signs its own checkpoints beside Ed25519.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ecluse.wire.tlog._text import MAX_NUMBER, decode_base64, encode_base64
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.head import TreeHead, parse_head
from ecluse.wire.tlog.note import Sign, Signature, check_name, key_id

__all__ = ["Algorithm", "CosignerKey", "cosign", "signed_message", "time_of"]

Algorithm = Literal["ed25519", "ml-dsa-44"]

_TYPES: Final[dict[Algorithm, bytes]] = {"ed25519": b"\x04", "ml-dsa-44": b"\x06"}
_KEY_SIZES: Final[dict[Algorithm, int]] = {"ed25519": 32, "ml-dsa-44": 1312}
"""Octets of a public key: RFC 8032 section 5.1.5; FIPS 204 table 2."""
_SIGNATURE_SIZES: Final[dict[Algorithm, int]] = {"ed25519": 64, "ml-dsa-44": 2420}
"""Octets of a signature: RFC 8032 section 5.1.6; FIPS 204 table 2."""

_TIME: Final = 8
_LABEL: Final = b"subtree/v1\n\0"
_MAX_NAME: Final = 255
"""Octets of a name in the structure that ML-DSA-44 signs."""


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A verifier key for cosignatures.

    Args:
        name: Key name, as of :class:`~ecluse.wire.tlog.note.NoteKey`.
        algorithm: ``ed25519`` or ``ml-dsa-44``.
        public: The raw public key.

    Raises:
        Malformed: where the name or the key is not as described.
    """

    name: str
    algorithm: Algorithm
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != _KEY_SIZES[self.algorithm]:
            raise Malformed(f"A public key of {self.algorithm} has {_KEY_SIZES[self.algorithm]} octets.")
        if len(self.name.encode()) > _MAX_NAME:
            raise Malformed(f"The name of a cosigner has {_MAX_NAME} octets at most.")

    @classmethod
    def parse(cls, text: str) -> CosignerKey:
        """Read ``name+hash+base64``. Raise :class:`Malformed` where it is not the text of such a key."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise Malformed("A verifier key has a name, a key id and a key, joined by plus signs.")
        material = decode_base64(parts[2], "verifier key")
        for algorithm, kind in _TYPES.items():
            if material[:1] == kind:
                key = cls(parts[0], algorithm, material[1:])
                if parts[1] != key.id.hex():
                    raise Malformed("The id of the verifier key does not fit its name and key.")
                return key
        raise Malformed("The verifier key is not one for cosignatures.")

    @property
    def id(self) -> bytes:
        """The four octets that lead a signature to its key."""
        return key_id(self.name, _TYPES[self.algorithm], self.public)

    def __str__(self) -> str:
        """The text ``name+hash+base64``, to be given to who verifies."""
        return f"{self.name}+{self.id.hex()}+{encode_base64(_TYPES[self.algorithm] + self.public)}"

    def fits(self, message: bytes, signature: bytes) -> bool:
        """True where ``signature`` (time and signature) is this key's over the checkpoint of the text ``message``."""
        if len(signature) != _TIME + _SIGNATURE_SIZES[self.algorithm]:
            return False
        at = int.from_bytes(signature[:_TIME], "big")
        try:
            signed = signed_message(self, parse_head(message.decode()), at)
            if self.algorithm == "ed25519":
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature[_TIME:], signed)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[_TIME:], signed)
        except (InvalidSignature, ValueError, Malformed):
            return False
        return True


def signed_message(key: CosignerKey, head: TreeHead, at: int) -> bytes:
    """What ``key`` signs of a whole tree's head at a time, in seconds since 1970.

    Raises:
        Malformed: where a name is too long or the time can't be.
    """
    if not 0 <= at <= MAX_NUMBER:
        raise Malformed("The time of a cosignature can't be.")
    if key.algorithm == "ed25519":
        return f"cosignature/v1\ntime {at}\n{head.text()}".encode()
    origin, name = head.origin.encode(), key.name.encode()
    if not 0 < len(origin) <= _MAX_NAME:
        raise Malformed(f"The origin of a log that is cosigned has {_MAX_NAME} octets at most.")
    return b"".join(
        (
            _LABEL,
            len(name).to_bytes(1, "big"),
            name,
            at.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big"),
            origin,
            (0).to_bytes(8, "big"),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


def cosign(head: TreeHead, key: CosignerKey, sign: Sign, at: int) -> Signature:
    """A cosignature over the whole tree of ``head``.

    Args:
        head: What is signed.
        key: Whose signature it is.
        sign: Signs with the private half of ``key``.
        at: When, in seconds since 1970.

    Raises:
        Malformed: where the head can't be cosigned.
        BadSignature: where ``sign`` does not belong to ``key``.
    """
    value = at.to_bytes(_TIME, "big") + sign(signed_message(key, head, at))
    if not key.fits(head.text().encode(), value):
        raise BadSignature("The signing key is not the one that the cosignature would name.")
    return Signature(key.name, key.id, value)


def time_of(signature: Signature) -> int:
    """When a cosignature was made, in seconds since 1970; 0 where it does not say. It was verified before."""
    return int.from_bytes(signature.value[:_TIME], "big")
