"""The chunked transfer coding (RFC 9112 section 7.1)."""

from __future__ import annotations

import re
from enum import Enum

from ecluse.wire.http1.errors import HttpSyntaxError
from ecluse.wire.http1.head import parse_fields

MAX_LINE_BYTES = 1024
"""A size line with its extensions, or a trailer line. Extensions have no use that AS2 peers know."""
MAX_TRAILER_BYTES = 8 * 1024
"""All trailer lines together: they are checked, then dropped."""
MAX_TINY_CHUNKS = 16 * 1024
"""Chunks read before their mean size counts: one byte in each costs us a thousand times its transport."""
MIN_MEAN_CHUNK = 16
"""The mean size in bytes that a body of more chunks than :data:`MAX_TINY_CHUNKS` must have."""

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class _Expect(Enum):
    SIZE = "a size line"
    DATA = "bytes of a chunk"
    DATA_END = "the CRLF after a chunk"
    TRAILER = "trailer lines, or the empty line that ends all"
    NOTHING = "the body has ended"


class ChunkReader:
    """Takes the coded bytes in any pieces, gives the content.

    ``ended`` tells that the body is complete; ``rest`` then holds what followed it.
    """

    __slots__ = ("_chunks", "_expect", "_left", "_partial", "_total", "_trailer", "rest")

    def __init__(self) -> None:
        self._expect = _Expect.SIZE
        self._left = 0
        self._partial = b""
        self._trailer = 0
        self._chunks = 0
        self._total = 0
        self.rest = b""

    @property
    def ended(self) -> bool:
        """The last chunk and its trailer have been read."""
        return self._expect is _Expect.NOTHING

    def feed(self, data: bytes) -> bytes:
        """Take coded bytes and give the content in them, which may be empty.

        Raises:
            HttpSyntaxError: The coding is broken, or one of the limits of this module is passed.
        """
        if self._left > len(data):
            self._left -= len(data)
            return data
        if self._partial:
            data = self._partial + data
            self._partial = b""
        out: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            if self._expect is _Expect.DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                out.append(piece)
                if self._left == 0:
                    self._expect = _Expect.DATA_END
                continue
            if self._expect is _Expect.NOTHING:
                self.rest += data[at:]
                break
            limit = 0 if self._expect is _Expect.DATA_END else MAX_LINE_BYTES
            end = data.find(b"\r\n", at, at + limit + 2)
            if end < 0:
                # A lone CR may be the first half of the delimiter.
                if size - at > limit + 1 or (limit == 0 and data[at] != 13):
                    raise HttpSyntaxError("A chunk is not delimited as its size line says.")
                self._partial = data[at:]
                break
            self._line(data[at:end])
            at = end + 2
        return out[0] if len(out) == 1 else b"".join(out)

    def _line(self, line: bytes) -> None:
        if self._expect is _Expect.DATA_END:
            self._expect = _Expect.SIZE
        elif self._expect is _Expect.SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise HttpSyntaxError("A chunk's size line is malformed.")
            self._left = int(match[1], 16)
            self._chunks += 1
            self._total += self._left
            if self._chunks > MAX_TINY_CHUNKS and self._total < self._chunks * MIN_MEAN_CHUNK:
                raise HttpSyntaxError(f"The chunks hold less than {MIN_MEAN_CHUNK} bytes on average.")
            self._expect = _Expect.DATA if self._left else _Expect.TRAILER
        elif not line:
            self._expect = _Expect.NOTHING
        else:
            self._trailer += len(line)
            if self._trailer > MAX_TRAILER_BYTES:
                raise HttpSyntaxError(f"The trailer is longer than {MAX_TRAILER_BYTES} bytes.", 431)
            parse_fields(line)


def encode_chunk(data: bytes | memoryview) -> bytes:
    """One chunk around ``data``; the last chunk and an empty trailer where ``data`` is empty."""
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n"))
