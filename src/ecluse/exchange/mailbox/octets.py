"""The octets of a file that lie in one blob or in several: read at random, compared, joined."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import Sealed, VaultReader
from ecluse.exchange.hub import Hub
from ecluse.model.files import FileRow, Segment
from ecluse.model.nouns import BlobRow
from ecluse.store.port import View

__all__ = ["Held", "Octets", "Piece", "join", "open_pieces", "pieces_of", "segments_of"]

STEP: Final = 1 << 20
"""Octets that are read at once where all of a file is."""


class Piece(NamedTuple):
    """A range of a blob, ready to be opened.

    Attributes:
        row: The blob.
        key: Its wrapped key.
        offset: First octet in the blob's clear text.
        size: Octets.
    """

    row: BlobRow
    key: bytes
    offset: int
    size: int


def pieces_of(view: View, file: FileRow) -> list[Piece]:
    """Where the octets of a file are.

    Raises:
        BlobMissing: They are not kept any more.
    """
    if file.segments or not file.message:
        return segments_of(view, file.segments)
    message = view.message(file.message)
    if message is None or file.part >= len(message.parts):
        raise BlobMissing(f"The document of {file.message} is not kept any more.")
    part = message.parts[file.part]
    return [Piece(*_blob(view, part.blob), part.offset, part.size)]


def segments_of(view: View, segments: Sequence[Segment]) -> list[Piece]:
    """Where the octets of segments are. Raises as :func:`pieces_of` does."""
    return [Piece(*_blob(view, segment.blob), 0, segment.size) for segment in segments]


def _blob(view: View, id: str) -> tuple[BlobRow, bytes]:
    row, key = view.blob(id), view.blob_key(id)
    if row is None or key is None:
        raise BlobMissing(f"The bytes of {id} are not kept any more.")
    return row, key


def open_pieces(hub: Hub, pieces: Sequence[Piece]) -> Octets:
    """Open all of them, as one."""
    readers: list[VaultReader] = []
    try:
        readers.extend(hub.open_kept(piece.row, piece.key) for piece in pieces)
    except BaseException:
        for reader in readers:
            reader.close()
        raise
    return Octets(readers, pieces)


class Octets:
    """Pieces, one after the other, as one file. For one thread at a time.

    Args:
        readers: One for each piece.
        pieces: In order.
    """

    __slots__ = ("_pieces", "_readers", "_starts", "size")

    def __init__(self, readers: Sequence[VaultReader], pieces: Sequence[Piece]) -> None:
        self._readers = readers
        self._pieces = pieces
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + piece.size)
        self.size = self._starts.pop()

    def read(self, offset: int, size: int) -> bytes:
        """At most ``size`` octets from ``offset``; fewer only at the end."""
        return bytes(self.view(offset, size))

    def view(self, offset: int, size: int) -> memoryview:
        """The same octets, not copied where they lie in one piece; what is behind the view does not change."""
        end = min(offset + size, self.size)
        if not 0 <= offset < end:
            return memoryview(b"")
        found = []
        at = bisect_right(self._starts, offset) - 1
        while offset < end:
            piece = self._pieces[at]
            inside = offset - self._starts[at]
            wanted = min(end - offset, piece.size - inside)
            if wanted:
                found.append(self._readers[at].view(piece.offset + inside, wanted))
            offset += wanted
            at += 1
        return found[0] if len(found) == 1 else memoryview(b"".join(found))

    def at_hand(self, offset: int, size: int) -> bool:
        """Whether :meth:`view` of the same range, if it comes next, waits for nothing."""
        if len(self._readers) != 1 or offset >= self.size:
            return False
        piece = self._pieces[0]
        return self._readers[0].at_hand(piece.offset + offset, min(size, piece.size - offset))

    def chunks(self) -> Iterator[bytes]:
        """All of it."""
        for offset in range(0, self.size, STEP):
            yield self.read(offset, STEP)

    def close(self) -> None:
        """Let the blobs go."""
        for reader in self._readers:
            reader.close()


class Held:
    """A small file that is held whole, read as :class:`Octets` are."""

    __slots__ = ("_content", "size")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Octets.read`."""
        return bytes(self.view(offset, size))

    def view(self, offset: int, size: int) -> memoryview:
        """See :meth:`Octets.view`."""
        return memoryview(self._content)[offset : offset + size] if offset >= 0 else memoryview(b"")

    def at_hand(self, offset: int, size: int) -> bool:
        """See :meth:`Octets.at_hand`."""
        return True

    def close(self) -> None:
        """There is nothing to let go."""


def join(hub: Hub, pieces: Sequence[Piece], look: Callable[[bytes], object] = lambda data: None) -> Sealed:
    """Make one blob of several; its row is the caller's to write.

    Args:
        hub: What the chamber shares.
        pieces: In order.
        look: Is shown the octets as they pass.
    """
    whole = open_pieces(hub, pieces)
    writer = hub.vault.create()
    try:
        for chunk in whole.chunks():
            look(chunk)
            writer.write(chunk)
        return writer.finish()
    except BaseException:
        writer.abort()
        raise
    finally:
        whole.close()
