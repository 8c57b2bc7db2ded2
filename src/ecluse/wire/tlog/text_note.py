"""Notes that are no checkpoints, signed with every key of a log.

C2SP has a type for ML-DSA-44 over the head of a tree (0x06 of tlog-cosignature) and none for it over a text.
signed-note leaves 0xff to such: a name of one's own follows it in the id of the key, and the same name stands before
the text that is signed, so that no signature over a text can be taken for one over a head, nor the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.errors import BadSignature
from ecluse.wire.tlog.note import Sign, Signature, key_id, sign_note

__all__ = ["LABEL", "TextKey", "sign_text"]

LABEL: Final = b"ecluse.note/1 ML-DSA-44\n"
"""Stands in the id of the key behind 0xff, and with a zero octet before the text that is signed."""


@dataclass(frozen=True, slots=True)
class TextKey:
    """A log's ML-DSA-44 key as one that signs texts.

    Args:
        name: Of the log.
        public: The raw public key.
    """

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The four octets that lead a signature to its key."""
        return key_id(self.name, b"\xff" + LABEL, self.public)

    def fits(self, message: bytes, signature: bytes) -> bool:
        """True where ``signature`` is this key's over ``message``."""
        try:
            MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, _signed(message))
        except (InvalidSignature, ValueError):
            return False
        return True


def sign_text(text: str, key: LogKey, sign: Sign, sign_ml_dsa: Sign) -> bytes:
    """The note of ``text``, signed with every key of a log: one line for each.

    Args:
        text: What is signed; it ends in a newline, and is no checkpoint.
        key: The log's.
        sign: Makes Ed25519 signatures.
        sign_ml_dsa: Makes ML-DSA-44 signatures; asked only where ``key`` has such a part.

    Raises:
        Malformed: where the text can't be that of a note.
        BadSignature: where a signature does not belong to ``key``.
    """
    note = sign_note(text, key.ed25519, sign)
    if key.ml_dsa is None:
        return note
    second = TextKey(key.name, key.ml_dsa.public)
    value = sign_ml_dsa(_signed(text.encode()))
    if not second.fits(text.encode(), value):
        raise BadSignature("The signing key is not the one that the note would name.")
    return note + Signature(second.name, second.id, value).line


def _signed(message: bytes) -> bytes:
    return LABEL + b"\0" + message
