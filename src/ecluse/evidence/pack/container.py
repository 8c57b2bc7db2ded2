"""The container of a pack: a ZIP that can be read in one way only, written in one pass.

Source: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. Python's ``zipfile`` writes its directory when it is dropped, after a
failure too, and can't be told that an entry's local header and its line in the directory have to agree.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from ecluse.evidence.pack.manifest import PATH, Entry

__all__ = ["PackWriter", "Target"]

_STORED_FROM: Final = 4 << 20
"""Octets of an expected size from which an entry is stored: large documents gain little and take long."""
_LARGE_FROM: Final = 1 << 31
"""Octets of an expected size from which an entry has sizes of 64 bits; what is not compressible grows when it is."""
_NONE16: Final = 0xFFFF
_NONE32: Final = 0xFFFFFFFF
_DATE: Final = 33  # 1980-01-01, the format's first day: times of files say nothing here

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_SIZES: Final = struct.Struct("<2H2Q")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR: Final = struct.Struct("<4sIQI")


class Target(Protocol):
    """Where the octets go: a file that is being written."""

    def write(self, data: bytes) -> None:
        """Append."""

    def rewrite(self, offset: int, data: bytes) -> None:
        """Write over what was written before."""


@dataclass(frozen=True, slots=True)
class _Written:
    name: bytes
    method: int
    crc: int
    packed: int
    size: int
    large: bool
    offset: int

    @property
    def version(self) -> int:
        return 45 if self.large or self.offset >= _NONE32 else 20

    def local(self) -> bytes:
        packed, size = (_NONE32, _NONE32) if self.large else (self.packed, self.size)
        extra = _SIZES.pack(1, 16, self.size, self.packed) if self.large else b""
        head = _LOCAL.pack(
            b"PK\3\4",
            45 if self.large else 20,
            0,
            self.method,
            0,
            _DATE,
            self.crc,
            packed,
            size,
            len(self.name),
            len(extra),
        )
        return head + self.name + extra

    def central(self) -> bytes:
        packed, size = (_NONE32, _NONE32) if self.large else (self.packed, self.size)
        values = [self.size, self.packed] if self.large else []
        offset = self.offset
        if offset >= _NONE32:
            values.append(offset)
            offset = _NONE32
        extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        head = _CENTRAL.pack(
            b"PK\1\2",
            3 << 8 | self.version,  # made on Unix, so that permissions are said
            self.version,
            0,
            self.method,
            0,
            _DATE,
            self.crc,
            packed,
            size,
            len(self.name),
            len(extra),
            0,
            0,
            0,
            0o100644 << 16,
            offset,
        )
        return head + self.name + extra


class PackWriter:
    """Writes entries one after the other, and remembers them for the manifest.

    Args:
        target: Where it is written to. Nothing is there yet.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._at = 0
        self._written: list[_Written] = []
        self._names: set[str] = set()
        self.entries: list[Entry] = []
        """Those that were added, in the order in which they were."""

    def __contains__(self, path: str) -> bool:
        """Whether there is an entry of that name."""
        return path.lower() in self._names

    def add(self, path: str, role: str, data: bytes, *, message: str = "", about: str = "") -> Entry:
        """Write a small file. Raises what the target raises."""
        return self.stream(path, role, (data,), len(data), message=message, about=about)

    def stream(
        self,
        path: str,
        role: str,
        chunks: Iterable[bytes],
        expected: int,
        *,
        message: str = "",
        about: str = "",
    ) -> Entry:
        """Write a file of any size.

        Args:
            path: Its name.
            role: What it is.
            chunks: Its content.
            expected: How many octets it is going to have.
            message: Id of the message that it is about.
            about: What helps to find what it is about.

        Raises:
            ValueError: The name is taken, or can't be that of an entry; or there came more than was expected of a small
                file.
        """
        entry = self._write(path, chunks, expected, role, message, about)
        self.entries.append(entry)
        return entry

    def close(self, last: Iterable[tuple[str, bytes]]) -> int:
        """Write the files that the manifest does not list, and the directory; give the size of all."""
        for path, data in last:
            self._write(path, (data,), len(data), "", "", "")
        start = self._at
        for each in self._written:
            self._put(each.central())
        self._put(_end(len(self._written), self._at - start, start))
        return self._at

    def _write(
        self, path: str, chunks: Iterable[bytes], expected: int, role: str, message: str, about: str
    ) -> Entry:
        if not PATH.match(path) or path in self:
            raise ValueError(f"{path!r} can't be the name of an entry")
        self._names.add(path.lower())
        large, name = expected >= _LARGE_FROM, path.encode("ascii")
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15) if 0 < expected < _STORED_FROM else None
        method, offset = (8 if deflate is not None else 0), self._at
        self._put(_Written(name, method, 0, 0, 0, large, offset).local())
        start, size, crc, digest = self._at, 0, 0, sha256()
        for chunk in chunks:
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            digest.update(chunk)
            self._put(deflate.compress(chunk) if deflate is not None else chunk)
        if deflate is not None:
            self._put(deflate.flush())
        packed = self._at - start
        if max(packed, size) >= _NONE32 and not large:
            raise ValueError(f"{path} has {size} octets, {expected} were expected")
        written = _Written(name, method, crc, packed, size, large, offset)
        self._target.rewrite(offset, written.local())
        self._written.append(written)
        return Entry(path, role, digest.hexdigest(), size, about, message)

    def _put(self, data: bytes) -> None:
        if data:
            self._target.write(data)
            self._at += len(data)


def _end(count: int, size: int, start: int) -> bytes:
    """The end of the directory, in 64 bits where 32 do not hold it."""
    small = _END.pack(
        b"PK\5\6",
        0,
        0,
        min(count, _NONE16),
        min(count, _NONE16),
        min(size, _NONE32),
        min(start, _NONE32),
        0,
    )
    if count < _NONE16 and size < _NONE32 and start < _NONE32:
        return small
    record = _END64.pack(b"PK\6\6", 44, 3 << 8 | 45, 45, 0, 0, count, count, size, start)
    return record + _LOCATOR.pack(b"PK\6\7", 0, start + size, 1) + small
