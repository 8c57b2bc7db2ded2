"""zip (APPNOTE 6.3.10) as a stream.

An archive is read front to back, by the header before each file, and then held against the directory at its end: a
file that the directory does not have, or has otherwise, is refused, as programs that read the one and programs that
read the other would see different documents. Read this way no two files can share octets, so that nothing grows but
by deflate, and that is bounded.

A file may have its sizes behind it (a data descriptor) where it is deflated; stored files that do so have no end that
a stream could see.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ecluse.wire.archive.limits import ArchiveRefused, ArchiveTooLarge, BadArchive, Limits, Meter

__all__ = ["Entry", "ZipReader", "ZipWriter"]

MAX_NAME: Final = 4096
"""Octets of a name in an archive (Linux PATH_MAX); the format allows 65,535."""
MAX_END: Final = 1 << 16
"""Octets of the zip64 end record: it has 56, and room for extensions that nobody writes."""

_STEP: Final = 1 << 18
_PIECE: Final = 1 << 15
"""Octets that are copied to look for the end of a file whose size stands behind it."""
_LOCAL: Final = b"PK\x03\x04"
_CENTRAL: Final = b"PK\x01\x02"
_END: Final = b"PK\x05\x06"
_END64: Final = b"PK\x06\x06"
_LOCATOR64: Final = b"PK\x06\x07"
_DESCRIPTOR: Final = b"PK\x07\x08"

_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
"""APPNOTE 4.4.4: encrypted, strongly encrypted, and with a masked directory."""
_DESCRIBED: Final = 0x0008
_PATCH: Final = 0x0020
_UTF8: Final = 0x0800
_STORED, _DEFLATED = 0, 8
_METHODS: Final = {
    1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz", 98: "PPMd",
    99: "AES encryption",
}  # fmt: skip
_FULL32: Final = 0xFFFFFFFF
_UNIX, _LINK = 3, 0o120000


@dataclass(frozen=True, slots=True)
class Entry:
    """A file begins.

    Attributes:
        name: As the archive calls it: a partner's text, which may be any path at all.
    """

    name: str


@dataclass(frozen=True, slots=True)
class _Found:
    raw_name: bytes
    crc: int
    packed: int
    size: int
    folder: bool


class _More:
    """More octets are needed."""


_MORE: Final = _More()
_Event = Entry | bytes | None


class ZipReader:
    """Takes the files out of an archive.

    Gives an :class:`Entry` where a file begins, its octets, and ``None`` where it ends, which is when its digest was
    found right; folders are passed over.

    Args:
        limits: How much may be in it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._meter = Meter(limits)
        self._data = bytearray()
        self._at = 0
        self._found: dict[int, _Found] = {}
        self._files = 0
        self._over = False
        self._events = self._run()

    def feed(self, data: bytes) -> Iterator[_Event]:
        """Octets of the archive; give what they hold. Consumed before the next call.

        Raises:
            BadArchive: It is not zip, or is damaged.
            ArchiveRefused: It is encrypted, or made in a way that is not opened.
            ArchiveTooLarge: It holds too much.
        """
        self._meter.read += len(data)
        self._data += data
        for event in self._events:
            if isinstance(event, _More):
                return
            yield event

    def finish(self) -> Iterator[_Event]:
        """The archive is over. Raises :class:`BadArchive` where it is cut off."""
        if not self._over or self._data:
            raise BadArchive("It is cut off." if not self._over else "There is something behind its end.")
        return iter(())

    # Octets

    def _need(self, size: int) -> Iterator[_More]:
        while len(self._data) < size:
            yield _MORE

    def _take(self, size: int) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._at += size
        return taken

    # Records

    def _run(self) -> Iterator[_Event | _More]:
        while True:
            yield from self._need(4)
            signature = bytes(self._data[:4])
            if signature != _LOCAL:
                break
            yield from self._file()
        if not self._at and signature != _END:
            raise BadArchive("It is not zip.")
        listed: set[int] = set()
        while signature == _CENTRAL:
            yield from self._listed(listed)
            yield from self._need(4)
            signature = bytes(self._data[:4])
        if listed != set(self._found):
            raise BadArchive("Its directory does not have all of its files.")
        yield from self._end(signature, len(listed))
        if not self._files:
            raise BadArchive("There is no file in it.")

    def _file(self) -> Iterator[_Event | _More]:
        start = self._at
        yield from self._need(30)
        flags, method, crc, packed, size, name_size, extra_size = struct.unpack_from(
            "<HH4xIIIHH", self._data, 6
        )
        _check(flags, method, name_size)
        yield from self._need(30 + name_size + extra_size)
        self._take(30)
        raw_name, extra = self._take(name_size), self._take(extra_size)
        described = bool(flags & _DESCRIBED)
        if not described:
            size, packed = _sizes64(extra, size, packed)
        elif method == _STORED:
            raise ArchiveRefused("A file in it is stored, and its size stands behind it.")
        folder = raw_name.endswith((b"/", b"\\"))
        if len(self._found) >= 2 * self._limits.files + 16:
            raise ArchiveTooLarge(f"There are more than {self._limits.files} files in it.")
        if not folder:
            self._files += 1
            if self._files > self._limits.files:
                raise ArchiveTooLarge(f"There are more than {self._limits.files} files in it.")
            yield Entry(_name(raw_name, flags))
        begin, check, count = self._at, 0, 0
        octets = self._deflated(None if described else packed) if method else self._stored(packed)
        for event in octets:
            if isinstance(event, bytes):
                if folder:
                    raise BadArchive("A folder in it has octets.")
                check = zlib.crc32(event, check)
                count += len(event)
                self._meter.out(len(event))
            yield event
        read = self._at - begin
        if described:
            yield from self._described(check, read, count)
        elif (crc, packed, size) != (check, read, count):
            raise BadArchive("A file in it is damaged.")
        self._found[start] = _Found(raw_name, check, read, count, folder)
        if not folder:
            yield None

    def _stored(self, size: int) -> Iterator[bytes | _More]:
        while size:
            yield from self._need(1)
            data = self._take(min(size, len(self._data), _STEP))
            size -= len(data)
            yield data

    def _deflated(self, packed: int | None) -> Iterator[bytes | _More]:
        inflate = zlib.decompressobj(-15)
        left = packed
        while not inflate.eof:
            if left == 0:
                raise BadArchive("A file in it is damaged.")
            yield from self._need(1)
            data = bytes(self._data[: _PIECE if left is None else min(left, _STEP)])
            try:
                out = inflate.decompress(data, _STEP)
                used = len(data) - len(inflate.unconsumed_tail) - len(inflate.unused_data)
                self._take(used)
                left = None if left is None else left - used
                if out:
                    yield out
                while not inflate.eof and len(out) == _STEP and not inflate.unconsumed_tail:
                    out = inflate.decompress(b"", _STEP)
                    if out:
                        yield out
            except zlib.error:
                raise BadArchive("A file in it is damaged.") from None

    def _described(self, crc: int, packed: int, size: int) -> Iterator[_More]:
        """What stands behind a file: with or without a signature, its sizes in four octets or eight (4.3.9)."""
        forms = [struct.pack("<IQQ", crc, packed, size)]
        if packed <= _FULL32 and size <= _FULL32:
            forms.append(struct.pack("<III", crc, packed, size))
        # The end of the archive alone has more octets than that.
        yield from self._need(24)
        for form in [_DESCRIPTOR + each for each in forms] + forms:
            if self._data.startswith(form):
                self._take(len(form))
                return
        raise BadArchive("A file in it is damaged.")

    def _listed(self, listed: set[int]) -> Iterator[_More]:
        yield from self._need(46)
        made, flags, method, crc, packed, size = struct.unpack_from("<HxxHH4xIII", self._data, 4)
        name_size, extra_size, comment_size = struct.unpack_from("<HHH", self._data, 28)
        attributes, offset = struct.unpack_from("<II", self._data, 38)
        _check(flags, method, name_size)
        yield from self._need(46 + name_size + extra_size + comment_size)
        self._take(46)
        raw_name, extra = self._take(name_size), self._take(extra_size)
        self._take(comment_size)
        size, packed, offset = _sizes64(extra, size, packed, offset)
        found = self._found.get(offset)
        if found is None or offset in listed or (raw_name, crc, packed, size) != (
            found.raw_name, found.crc, found.packed, found.size,
        ):  # fmt: skip
            raise BadArchive("Its directory has a file that is not there, or is another one.")
        if made >> 8 == _UNIX and (attributes >> 16) & 0o170000 == _LINK:
            raise ArchiveRefused("There is a link in it.")
        listed.add(offset)

    def _end(self, signature: bytes, count: int) -> Iterator[_More]:
        if signature == _END64:
            yield from self._need(12)
            (size,) = struct.unpack_from("<Q", self._data, 4)
            if size > MAX_END:
                raise BadArchive("Its end is not one.")
            yield from self._need(12 + size)
            self._take(12 + size)
            yield from self._need(20)
            if self._take(20)[:4] != _LOCATOR64:
                raise BadArchive("Its end is not one.")
            yield from self._need(4)
            signature = bytes(self._data[:4])
        if signature != _END:
            raise BadArchive("There is something in it that is no file.")
        yield from self._need(22)
        disk, first, here, total = struct.unpack_from("<HHHH", self._data, 4)
        (comment,) = struct.unpack_from("<H", self._data, 20)
        if disk not in (0, 0xFFFF) or first not in (0, 0xFFFF):
            raise ArchiveRefused("It is one of several volumes.")
        if here not in (count & 0xFFFF, 0xFFFF) or total not in (count & 0xFFFF, 0xFFFF):
            raise BadArchive("Its end counts other files than its directory.")
        yield from self._need(22 + comment)
        self._take(22 + comment)
        self._over = True


def _check(flags: int, method: int, name_size: int) -> None:
    if flags & _ENCRYPTED or method == 99:
        raise ArchiveRefused("It is encrypted.", remedy="Agree on OpenPGP: a zip password protects little.")
    if flags & _PATCH or method not in (_STORED, _DEFLATED):
        raise ArchiveRefused(f"A file in it is packed by {_METHODS.get(method, f'method {method}')}.")
    if not 0 < name_size <= MAX_NAME:
        raise BadArchive("A file in it has no name, or one that is too long.")


def _name(raw: bytes, flags: int) -> str:
    """UTF-8 where it is said, else IBM's code page 437 (appendix D); who did not say so often wrote UTF-8 too."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")


def _sizes64(extra: bytes, *fields: int) -> tuple[int, ...]:
    """Fields that are full stand in the zip64 extra field, in this order, each only where it is (4.5.3)."""
    if _FULL32 not in fields:
        return fields
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        at += 4
        if kind == 0x0001:
            values = list(fields)
            end = min(at + size, len(extra))
            for number, value in enumerate(values):
                if value != _FULL32:
                    continue
                if at + 8 > end:
                    raise BadArchive("A file in it has no size.")
                (values[number],) = struct.unpack_from("<Q", extra, at)
                at += 8
            return tuple(values)
        at += size
    return fields  # exactly 4 GiB less one octet, and so no zip64


class ZipWriter:
    """Puts files into an archive: deflated, sizes behind them, names in UTF-8, and the same octets for the same files.

    Zip64 is used where a file or the archive needs it, and nowhere else.
    """

    def __init__(self) -> None:
        self._at = 0
        self._central = bytearray()
        self._count = 0
        self._deflate: zlib._Compress | None = None
        self._name = b""
        self._start = self._packed = self._size = self._crc = 0
        self._large = False

    def begin(self, name: str, size: int) -> bytes:
        """A file begins; give octets of the archive.

        Args:
            name: One name, as it shall stand there.
            size: Octets that it will have at most.
        """
        self._name = name.encode("utf-8", "replace")[:MAX_NAME]
        self._start = self._at
        self._packed = self._size = self._crc = 0
        # Deflate makes what it can't pack a little larger: five octets for each 16 KiB at most.
        self._large = size + size // 1000 + 1024 >= _FULL32
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        extra = struct.pack("<HHQQ", 1, 16, 0, 0) if self._large else b""
        sizes = (_FULL32, _FULL32) if self._large else (0, 0)
        head = struct.pack(
            "<4sHHHHHIIIHH", _LOCAL, 45 if self._large else 20, _DESCRIBED | _UTF8, _DEFLATED, 0, _DAY, 0,
            *sizes, len(self._name), len(extra),
        )  # fmt: skip
        return self._out(head + self._name + extra)

    def feed(self, data: bytes) -> bytes:
        """Octets of the file; give octets of the archive."""
        assert self._deflate is not None, "a file has begun"
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        packed = self._deflate.compress(data)
        self._packed += len(packed)
        return self._out(packed)

    def end(self) -> bytes:
        """The file is over; give octets of the archive."""
        assert self._deflate is not None, "a file has begun"
        packed = self._deflate.flush()
        self._packed += len(packed)
        form = "<4sIQQ" if self._large else "<4sIII"
        out = self._out(packed + struct.pack(form, _DESCRIPTOR, self._crc, self._packed, self._size))
        self._list()
        return out

    def put_stored(self, name: str, data: bytes) -> bytes:
        """A small file as it is, its size before it; give octets of the archive.

        Some formats want their first file so, to be known by (OASIS OpenDocument, ETSI EN 319 162-1 section A.1).
        """
        self._name = name.encode("utf-8", "replace")[:MAX_NAME]
        self._start, self._packed = self._at, len(data)
        self._size, self._crc = len(data), zlib.crc32(data)
        head = struct.pack(
            "<4sHHHHHIIIHH",
            _LOCAL,
            10,
            0,
            _STORED,
            0,
            _DAY,
            self._crc,
            len(data),
            len(data),
            len(self._name),
            0,
        )
        out = self._out(head + self._name + data)
        self._list(flags=0, method=_STORED)
        return out

    def _list(self, flags: int = _DESCRIBED | _UTF8, method: int = _DEFLATED) -> None:
        values = {"size": self._size, "packed": self._packed, "start": self._start}
        wide = [value for value in values.values() if value >= _FULL32]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size, packed, start = (min(value, _FULL32) for value in values.values())
        version = 45 if wide or self._large else 20
        self._central += struct.pack(
            "<4sHHHHHHIIIHHHHHII", _CENTRAL, _UNIX << 8 | version, version, flags, method, 0, _DAY,
            self._crc, packed, size, len(self._name), len(extra), 0, 0, 0, 0o100644 << 16, start,
        )  # fmt: skip
        self._central += self._name + extra
        self._count += 1
        self._deflate = None

    def finish(self) -> bytes:
        """The archive is over; give the rest."""
        start, size = self._at, len(self._central)
        end = b""
        if start >= _FULL32 or self._count >= 0xFFFF:
            end = struct.pack(
                "<4sQHHIIQQQQ", _END64, 44, 45, 45, 0, 0, self._count, self._count, size, start
            ) + struct.pack("<4sIQI", _LOCATOR64, 0, start + size, 1)
        count = min(self._count, 0xFFFF)
        end += struct.pack("<4sHHHHIIH", _END, 0, 0, count, count, min(size, _FULL32), min(start, _FULL32), 0)
        return self._out(bytes(self._central) + end)

    def _out(self, data: bytes) -> bytes:
        self._at += len(data)
        return data


_DAY: Final = 0x0021
"""1980-01-01, the first day that the format has: an archive tells nothing of when it was made."""
