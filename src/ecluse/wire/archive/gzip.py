"""gzip (RFC 1952) as a stream: one document in one member or several, with checks at each member's end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from ecluse.wire.archive.limits import BadArchive, Limits, Meter

__all__ = ["GzipReader", "GzipWriter"]

_STEP: Final = 1 << 18
"""Octets that come out at once at most, whatever goes in."""
_PIECE: Final = 1 << 15
"""Octets that go in at once: what follows a member's end is copied, and an archive may be nothing but such ends."""
_GZIP: Final = 31
"""zlib's window bits for gzip's own head and tail."""


class GzipReader:
    """Takes a document out of gzip.

    Args:
        limits: How much may be in it.
    """

    def __init__(self, limits: Limits) -> None:
        self._meter = Meter(limits)
        self._member: zlib._Decompress | None = None
        self._members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Octets of the archive; give what they hold. Consumed before the next call.

        Raises:
            BadArchive: It is not gzip, or is damaged.
            ArchiveTooLarge: It holds too much.
        """
        self._meter.read += len(data)
        for at in range(0, len(data), _PIECE):
            yield from self._piece(data[at : at + _PIECE])

    def _piece(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                # Writers for tapes pad with zeros, and gzip itself passes over them (RFC 1952 is silent).
                if self._members:
                    data = data.lstrip(b"\0")
                    if not data:
                        return
                self._member = zlib.decompressobj(_GZIP)
                self._members += 1
            member = self._member
            try:
                out = member.decompress(data, _STEP)
            except zlib.error:
                raise BadArchive("It is not gzip, or is damaged.") from None
            if out:
                self._meter.out(len(out))
                yield out
            data = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                self._member = None
            elif not data and len(out) == _STEP:
                # There may be more inside than came out, with nothing left to put in.
                yield from self._rest(member)

    def _rest(self, member: zlib._Decompress) -> Iterator[bytes]:
        try:
            while out := member.decompress(b"", _STEP):
                self._meter.out(len(out))
                yield out
        except zlib.error:
            raise BadArchive("It is not gzip, or is damaged.") from None
        if member.eof:
            self._member = None

    def finish(self) -> Iterator[bytes]:
        """The archive is over.

        Raises:
            BadArchive: It is cut off.
        """
        if self._member is not None or not self._members:
            raise BadArchive("It is cut off, or empty.")
        return iter(())


class GzipWriter:
    """Puts a document into gzip: the same octets for the same document, whenever and wherever."""

    def __init__(self) -> None:
        self._member = zlib.compressobj(6, zlib.DEFLATED, _GZIP)

    def feed(self, data: bytes) -> bytes:
        """Octets of the document; give octets of the archive."""
        return self._member.compress(data)

    def finish(self) -> bytes:
        """The document is over; give the rest."""
        return self._member.flush()
