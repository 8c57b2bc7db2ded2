"""Octets that come out of order, and such as come again: both in bounded memory."""

from __future__ import annotations

from collections import deque
from typing import Final

from ecluse.exchange.tree import Denied

__all__ = ["Ahead", "Recent"]

REORDERED: Final = 4 << 20
"""Octets that are held while those before them are on their way. OpenSSH keeps 64 requests of 32 KiB in flight,
and a server may work on several at once."""
RECENT: Final = 1 << 20
"""Octets that are remembered to be compared with what is sent again."""
PIECES: Final = 1024
"""Pieces of either kind: one of a single octet takes a hundred of memory, and each is looked through."""

COPIED: Final = 32 << 10
"""Octets of a piece below which it is copied: a view of few octets would hold all of the buffer that it looks into."""


class Ahead:
    """What came before those octets that it follows."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def hold(self, offset: int, data: bytes | memoryview) -> None:
        """Keep it until its turn. Raises :class:`Denied` where that is too much."""
        self._size += len(data) - len(self._pieces.get(offset, b""))
        if self._size > REORDERED or len(self._pieces) >= PIECES:
            raise Denied("What was sent leaves a gap.", remedy="Send the file from its beginning to its end.")
        self._pieces[offset] = bytes(data)

    def due(self, size: int) -> tuple[int, bytes] | None:
        """Offset and octets of a piece whose turn it is once there are ``size`` octets; it is held no longer."""
        first = min(self._pieces, default=size + 1)
        if first > size:
            return None
        data = self._pieces.pop(first)
        self._size -= len(data)
        return first, data

    def clear(self) -> None:
        """Forget all."""
        self._pieces.clear()
        self._size = 0


class Recent:
    """The latest octets of a file that is being written."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, bytes | memoryview]] = deque()
        self._size = 0

    def note(self, offset: int, data: bytes | memoryview) -> None:
        """What was written last; large pieces are not copied."""
        self._pieces.append((offset, bytes(data) if len(data) < COPIED else data))
        self._size += len(data)
        while (self._size > RECENT or len(self._pieces) > PIECES) and len(self._pieces) > 1:
            self._size -= len(self._pieces.popleft()[1])

    def read(self, offset: int, size: int) -> bytes | None:
        """Octets of what was noted; ``None`` where they are not known any more."""
        if size and (not self._pieces or self._pieces[0][0] > offset):
            return None
        end = offset + size
        found = [
            data[max(0, offset - start) : end - start]
            for start, data in self._pieces
            if start < end and start + len(data) > offset
        ]
        return b"".join(found)
