"""The manifest of a pack, and the note by which the log's key signs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.evidence.errors import BadPack
from ecluse.model.basics import Instant, iso
from ecluse.typed import json_decoder
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.note import Sign
from ecluse.wire.tlog.text_note import sign_text

__all__ = [
    "FORMAT",
    "MANIFEST",
    "MAX_JSON",
    "NOTE",
    "PATH",
    "Entry",
    "Manifest",
    "manifest_note",
    "new_manifest",
    "note_text",
    "read_manifest",
]

FORMAT: Final = "ecluse.pack/1"
MANIFEST: Final = "manifest.json"
NOTE: Final = "manifest.note"

PATH: Final = re.compile(r"(?!.{201})[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\Z")
"""A name in a pack: relative, of at most 200 octets, no segment of which is empty or begins with a dot."""

MAX_JSON: Final = 64 << 20
"""Octets of a JSON file in a pack."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a pack; members in the order in which they are written.

    Attributes:
        about: What helps to find what it is about; nothing hangs on it.
        message: Id of the message that it is about, where it is one.
        path: Its name.
        role: What it is.
        sha256: Hex digest of its content.
        size: Octets of its content.
    """

    path: str
    role: str
    sha256: str
    size: int
    about: str = ""
    message: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What is in a pack.

    Attributes:
        files: All of them but the manifest itself and its note, in order of path.
        format: :data:`FORMAT`.
        made: When, RFC 3339.
        messages: Ids of the messages that it is about.
        notes: What is missing, and why, a sentence each.
        origin: Name of the log.
    """

    files: tuple[Entry, ...]
    format: str
    made: str
    messages: tuple[str, ...]
    notes: tuple[str, ...]
    origin: str

    def encode(self) -> bytes:
        """Canonical JSON."""
        return _encode(self)


_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = json_decoder(Manifest).decode
_any: Final = msgspec.json.Decoder().decode


def note_text(manifest: bytes, made: str) -> str:
    """What is signed for a manifest: that this hub put these files together."""
    return f"{FORMAT}\n{sha256(manifest).hexdigest()}\n{made}\n"


def manifest_note(manifest: bytes, made: str, key: LogKey, sign: Sign, sign_ml_dsa: Sign) -> bytes:
    """The note of a manifest, signed with every key of the log. Raises as
    :func:`~ecluse.wire.tlog.text_note.sign_text` does.
    """
    return sign_text(note_text(manifest, made), key, sign, sign_ml_dsa)


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest without believing it.

    Raises:
        BadPack: It is none, or not in its canonical form.
    """
    try:
        manifest = _decode(data)
        canonical = _encode(_any(data)) == data
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadPack("The manifest of the pack can't be read.") from None
    if manifest.format != FORMAT:
        raise BadPack("The pack has a format that this release does not know.")
    if not canonical:
        raise BadPack("The manifest of the pack is not in its canonical form.")
    return manifest


def new_manifest(
    files: Sequence[Entry], origin: str, messages: Sequence[str], notes: Sequence[str], made: Instant
) -> Manifest:
    """The manifest of these files."""
    in_order = tuple(sorted(files, key=lambda entry: entry.path))
    return Manifest(in_order, FORMAT, iso(made), tuple(messages), tuple(notes), origin)
