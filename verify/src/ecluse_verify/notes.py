"""Signed notes, verifier keys and cosignatures (C2SP signed-note, tlog-cosignature).

A note is a text, an empty line, and a line for each signature: a dash, the key's name, and base64 of the key's id (four
octets) and the signature. Ed25519 (RFC 8032) signs the text itself; a cosigner signs the text after a line with the
time; ML-DSA-44 (FIPS 204) signs a structure of name, time, origin, size and root. Over a text that is no checkpoint, a
log's ML-DSA-44 key signs a label and the text (docs/evidence-pack-format.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ecluse_verify.proofs import read_head
from ecluse_verify.text import Bad, base64_octets

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "KINDS",
    "MLDSA44",
    "Line",
    "Note",
    "VerifierKey",
    "read_line",
    "read_note",
]

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
MLDSA44: Final = 0x06
OVER_TEXT: Final = 0xFF
"""ML-DSA-44 over a text: made of a key of the type before it, and never read."""
KINDS: Final = {
    ED25519: "Ed25519",
    COSIGNATURE: "Ed25519 (cosignature)",
    MLDSA44: "ML-DSA-44",
    OVER_TEXT: "ML-DSA-44",
}
_KEY_SIZES: Final = {ED25519: 32, COSIGNATURE: 32, MLDSA44: 1312}
_MAX_NOTE: Final = 1_000_000
_MAX_LINES: Final = 100
_DASH: Final = "\N{EM DASH} "
_LABEL: Final = b"ecluse.note/1 ML-DSA-44\n"


@dataclass(frozen=True, slots=True)
class Line:
    """A signature line: who is said to have signed, with which key, and the signature."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart; nothing of it is believed yet."""

    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name: ``name+id+base64(type, key)``."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a verifier key. Raises :class:`Bad`."""
        name, *rest = text.strip().split("+", 2)
        if len(rest) != 2 or not _is_name(name):
            raise Bad("vkey")
        material = base64_octets(rest[1])
        key = cls(name, material[0] if material else 0, material[1:])
        if len(key.public) != _KEY_SIZES.get(key.kind) or rest[0] != key.id.hex():
            raise Bad("vkey")
        return key

    @property
    def id(self) -> bytes:
        """The first four octets of the digest of name, type and key."""
        kind = bytes((self.kind,)) + (_LABEL if self.kind == OVER_TEXT else b"")
        return sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:4]

    def over_text(self) -> VerifierKey:
        """The same key as it signs what is no checkpoint."""
        return replace(self, kind=OVER_TEXT) if self.kind == MLDSA44 else self

    def made(self, line: Line) -> bool:
        """Whether the line says that it is of this key."""
        return (line.name, line.key_id) == (self.name, self.id)

    def check(self, line: Line, text: str) -> datetime | None:
        """Check the line's signature over a note's text; give the time that a cosigner states.

        Raises:
            Bad: The signature does not fit.
        """
        when, signature = None, line.value
        if self.kind in (COSIGNATURE, MLDSA44):
            if len(signature) < 8:
                raise Bad("note.signature", signer=self.name)
            (seconds,) = struct.unpack(">Q", signature[:8])
            signature = signature[8:]
            when = _instant(seconds)
        try:
            if self.kind == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
            elif self.kind == COSIGNATURE:
                message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            elif self.kind == OVER_TEXT:
                message = _LABEL + b"\0" + text.encode()
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                message = _subtree(self.name, seconds, text)
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Bad("note.signature", signer=self.name) from None
        return when


def read_note(data: bytes) -> Note:
    """Take a note apart. Raises :class:`Bad` where it isn't one."""
    if len(data) > _MAX_NOTE:
        raise Bad("note")
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("note") from None
    text, gap, lines = decoded.rpartition("\n\n")
    if not gap or not lines.endswith("\n") or any(char < " " and char != "\n" for char in decoded):
        raise Bad("note")
    rows = lines[:-1].split("\n")
    if len(rows) > _MAX_LINES:
        raise Bad("note")
    return Note(text + "\n", tuple(map(read_line, rows)))


def read_line(row: str) -> Line:
    """A signature line without its newline. Raises :class:`Bad`."""
    name, gap, encoded = row.removeprefix(_DASH).partition(" ")
    if not row.startswith(_DASH) or not gap or not _is_name(name):
        raise Bad("note")
    value = base64_octets(encoded)
    if len(value) <= 4:
        raise Bad("note")
    return Line(name, value[:4], value[4:])


def _is_name(name: str) -> bool:
    return name.isprintable() and bool(name) and "+" not in name and not any(map(str.isspace, name))


def _instant(seconds: int) -> datetime:
    if seconds >= 253_402_300_800:  # the year 10000
        raise Bad("note")
    return datetime.fromtimestamp(seconds, UTC)


def _subtree(name: str, seconds: int, text: str) -> bytes:
    """The ``cosigned_message`` of a whole tree (tlog-cosignature, ML-DSA-44 signed message)."""
    head = read_head(text)
    who, log = name.encode(), head.origin.encode()
    if len(who) > 255 or len(log) > 255:
        raise Bad("note")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes((len(who),)) + who,
            struct.pack(">Q", seconds),
            bytes((len(log),)) + log,
            struct.pack(">QQ", 0, head.size),
            head.root,
        )
    )
