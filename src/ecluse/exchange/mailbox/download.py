"""A download: octets come from the vault in larger pieces than clients ask for, and what went out is counted."""

from __future__ import annotations

from typing import Final

from ecluse.blobs.sealed import CHUNK
from ecluse.exchange.desk import Ranges
from ecluse.exchange.mailbox.octets import Held, Octets
from ecluse.exchange.mailbox.pickup import pick_up
from ecluse.exchange.mailbox.session import Session
from ecluse.model.files import FileRow, FileState

__all__ = ["Download"]

WINDOW: Final = 1 << 20
"""Octets that are opened at once for a client that reads in sequence."""
WINDOWS: Final = 2
"""Windows that are held: requests of one client overtake each other a little."""
NEAR: Final = 4 << 20
"""Octets ahead of what was read last that still are the same sequence."""


class Download:
    """See :class:`ecluse.exchange.tree.TreeReader`.

    Args:
        session: Who reads.
        file: What.
        octets: The same, open.
    """

    def __init__(self, session: Session, file: FileRow, octets: Octets | Held) -> None:
        self.size = octets.size
        self._session = session
        self._file = file
        self._octets = octets
        self._windows: list[tuple[int, memoryview]] = []
        self._next = 0
        self._ranges = Ranges()
        self._counted = file.state is FileState.WAITING
        self._closed = False

    def read(self, offset: int, size: int) -> memoryview:
        """See the port."""
        end = min(offset + size, self.size)
        if not 0 <= offset < end:
            return memoryview(b"")
        data = self._held(offset, end)
        if data is None and self._in_sequence(offset):
            self._open_window(offset, end)
            data = self._held(offset, end)
        if data is None:
            data = self._octets.view(offset, end - offset)
        self._next = end
        if self._counted:
            self._ranges.add(offset, end)
        return data

    def at_hand(self, offset: int, size: int) -> bool:
        """See the port."""
        end = min(offset + size, self.size)
        if not 0 <= offset < end or self._held(offset, end) is not None:
            return True
        if not self._in_sequence(offset):
            return False
        start = offset - offset % CHUNK
        if not self._octets.at_hand(start, max(WINDOW, end - start)):
            return False
        self._open_window(offset, end)
        return True

    def _open_window(self, offset: int, end: int) -> None:
        start = offset - offset % CHUNK
        window = self._octets.view(start, max(WINDOW, end - start))
        self._windows = [*self._windows[1 - WINDOWS :], (start, window)]

    def _in_sequence(self, offset: int) -> bool:
        return self._next - WINDOW <= offset <= self._next + NEAR

    def _held(self, offset: int, end: int) -> memoryview | None:
        for start, window in reversed(self._windows):
            if start <= offset and end <= start + len(window):
                return window[offset - start : end - start]
        return None

    def close(self) -> None:
        """See the port."""
        if self._end() and self._counted:
            pick_up(self._session, self._file)

    def abandon(self) -> None:
        """See the port."""
        self._end()

    def _end(self) -> bool:
        """Let the blobs go; whether all was handed out by now."""
        if self._closed:
            return False
        self._closed = True
        self._windows.clear()
        self._octets.close()
        return self._counted and self._session.hub.desk.note_read(self._file.id, self._ranges, self.size)
