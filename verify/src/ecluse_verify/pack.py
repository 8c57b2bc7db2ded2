"""The container: a ZIP file that can be read in one way only, and the manifest of what is in it.

Sources: APPNOTE 6.3 (ZIP), docs/evidence-pack-format.md. The standard library's reader is lenient on purpose: it takes
archives with something before, between and behind their entries, and with names that other programs read otherwise.
This one refuses them, reads in pieces, and never gives more octets than the manifest says.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from ecluse_verify.text import Bad

__all__ = ["MAX_FILE", "MAX_TOTAL", "Pack"]

MAX_TOTAL: Final = 16 << 30
"""Octets of all entries together, unless the user says otherwise: what a bomb may cost in time. It costs no memory."""
MAX_FILE: Final = 16 << 20
"""Octets of a file that is read whole and is not JSON (docs/evidence-pack-format.md, the container)."""
_MAX_ENTRIES: Final = 1_000_000
_STEP: Final = 1 << 18
_NAME: Final = re.compile(r"(?!.{201})[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_FULL: Final = 0xFFFFFFFF
_VERSIONS: Final = (20, 45)
_UNIX: Final = 3 << 8
_WHEN: Final = (0, 33)
_FILE: Final = 0o100644 << 16
"""What has no meaning in a pack has one value: times (1980-01-01), versions, permissions of an ordinary file."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int


class Pack:
    """An open pack.

    Args:
        path: The file.
        max_total: Octets of all entries together.

    Raises:
        Bad: It is not a ZIP file that can be read in one way only; ``facts["file"]`` names the entry.
        OSError: The file itself can't be read.
    """

    def __init__(self, path: Path, max_total: int = MAX_TOTAL) -> None:
        self._file: BinaryIO = path.open("rb")
        try:
            self._entries = self._read_directory(os.fstat(self._file.fileno()).st_size, max_total)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def names(self) -> frozenset[str]:
        """Of all entries."""
        return frozenset(self._entries)

    def size(self, name: str) -> int:
        """Octets of an entry. Raises :class:`Bad` where it is not there."""
        return self._entry(name).size

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        """A small entry, whole. Raises :class:`Bad` where it is not there, too large or damaged."""
        if self.size(name) > limit:
            raise Bad("file.large", file=name, limit=limit)
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """An entry in pieces. Raises :class:`Bad` where it is damaged."""
        entry = self._entry(name)
        left, at, crc, given = entry.packed, self._data_at(entry), 0, 0
        inflate = zlib.decompressobj(-15) if entry.method else None
        while left:
            self._file.seek(at)
            data = self._file.read(min(_STEP, left))
            if not data:
                raise Bad("zip.entry", file=name)
            at, left = at + len(data), left - len(data)
            while data:
                piece = data
                if inflate is not None:
                    try:
                        piece = inflate.decompress(data, _STEP)
                    except zlib.error:
                        raise Bad("zip.entry", file=name) from None
                    if inflate.unused_data:
                        raise Bad("zip.entry", file=name)
                    data = inflate.unconsumed_tail
                else:
                    data = b""
                given, crc = given + len(piece), zlib.crc32(piece, crc)
                if given > entry.size:
                    raise Bad("zip.entry", file=name)
                yield piece
        if given != entry.size or crc != entry.crc or (inflate is not None and not inflate.eof):
            raise Bad("zip.entry", file=name)

    def digest(self, name: str, *others: Callable[[bytes], object]) -> str:
        """SHA-256 of an entry, hexadecimal; ``others`` are fed on the way."""
        digest = sha256()
        for piece in self.chunks(name):
            digest.update(piece)
            for feed in others:
                feed(piece)
        return digest.hexdigest()

    def _entry(self, name: str) -> _Entry:
        found = self._entries.get(name)
        if found is None:
            raise Bad("file.missing", file=name)
        return found

    def _at(self, offset: int, size: int) -> bytes:
        if offset < 0:
            raise Bad("zip")
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise Bad("zip")
        return data

    def _read_directory(self, length: int, max_total: int) -> dict[str, _Entry]:
        """The central directory, which ends where the file ends, of entries that follow each other."""
        end = length - _END.size
        mark, disk, start_disk, here, count, size, offset, comment = _END.unpack(self._at(end, _END.size))
        if mark != b"PK\x05\x06" or comment or disk or start_disk or here != count:
            raise Bad("zip.trailing")
        if _FULL in (size, offset) or count == 0xFFFF:
            end, count, size, offset = self._end_64(end)
        if offset + size != end or count > _MAX_ENTRIES or size > 400 * count:
            raise Bad("zip.trailing")
        directory, at, entries = self._at(offset, size), 0, dict[str, _Entry]()
        folded: set[str] = set()
        for _ in range(count):
            entry, at = _central(directory, at)
            if entry.name.lower() in folded:
                raise Bad("zip.twice", file=entry.name)
            folded.add(entry.name.lower())
            entries[entry.name] = entry
        if at != len(directory):
            raise Bad("zip.trailing")
        if sum(entry.size for entry in entries.values()) > max_total:
            raise Bad("zip.bomb", limit=max_total)
        at = 0
        for entry in sorted(entries.values(), key=lambda each: each.offset):
            if entry.offset != at:
                raise Bad("zip.gap", file=entry.name)
            at = self._data_at(entry) + entry.packed
        if at != offset:
            raise Bad("zip.gap", file="")
        return entries

    def _end_64(self, end: int) -> tuple[int, int, int, int]:
        mark, disk, at, disks = _LOCATOR.unpack(self._at(end - _LOCATOR.size, _LOCATOR.size))
        fields = _END_64.unpack(self._at(end - _LOCATOR.size - _END_64.size, _END_64.size))
        if mark != b"PK\x06\x07" or disk or disks != 1 or at != end - _LOCATOR.size - _END_64.size:
            raise Bad("zip.trailing")
        if fields[:2] != (b"PK\x06\x06", 44) or fields[4:6] != (0, 0) or fields[6] != fields[7]:
            raise Bad("zip.trailing")
        return at, fields[7], fields[8], fields[9]

    def _data_at(self, entry: _Entry) -> int:
        """Where an entry's octets begin; its local header has to say what the central directory says."""
        fields = _LOCAL.unpack(self._at(entry.offset, _LOCAL.size))
        mark, needed, flags, method, *when, crc, packed, size, name_size, extra_size = fields
        tail = self._at(entry.offset + _LOCAL.size, name_size + extra_size)
        size, packed, _ = _extra(entry.name, tail[name_size:], size, packed, 0)
        same = (flags, method, crc, packed, size) == (0, entry.method, entry.crc, entry.packed, entry.size)
        plain = needed in _VERSIONS and tuple(when) == _WHEN
        if mark != b"PK\x03\x04" or not same or not plain or tail[:name_size] != entry.name.encode("ascii"):
            raise Bad("zip.local", file=entry.name)
        return entry.offset + _LOCAL.size + len(tail)


def _central(directory: bytes, at: int) -> tuple[_Entry, int]:
    """One header of the central directory, and where the next one begins."""
    if len(directory) - at < _CENTRAL.size:
        raise Bad("zip")
    fields = _CENTRAL.unpack_from(directory, at)
    mark, made, needed, flags, method, *when, crc, packed, size, name_size, extra_size = fields[:12]
    plain = (
        (*when, *fields[12:16]) == (*_WHEN, 0, 0, 0, _FILE) and needed in _VERSIONS and made == _UNIX | needed
    )
    offset = fields[16]
    at += _CENTRAL.size
    name = directory[at : at + name_size].decode("latin-1")
    if not _NAME.fullmatch(name):
        raise Bad("zip.name", file=name)
    if mark != b"PK\x01\x02" or flags or method not in (0, 8) or not plain:
        raise Bad("zip.entry", file=name)
    extra = directory[at + name_size : at + name_size + extra_size]
    size, packed, offset = _extra(name, extra, size, packed, offset)
    if method == 0 and packed != size:
        raise Bad("zip.entry", file=name)
    return _Entry(name, method, crc, packed, size, offset), at + name_size + extra_size


def _extra(name: str, extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, from the ZIP64 field where they are in it; no other field is taken."""
    values = [size, packed, offset]
    full = [place for place, value in enumerate(values) if value == _FULL]
    if not extra and not full:
        return size, packed, offset
    if (
        len(extra) < 4
        or struct.unpack_from("<2H", extra) != (1, len(extra) - 4)
        or len(extra) != 4 + 8 * len(full)
    ):
        raise Bad("zip.entry", file=name)
    for place, value in zip(full, struct.unpack_from(f"<{len(full)}Q", extra, 4), strict=True):
        values[place] = value
    return values[0], values[1], values[2]
