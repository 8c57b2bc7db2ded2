"""Writing behind the caller's back: while the next octets are hashed and sealed, the last ones go to the place.

Hash, cipher and ``write`` let other threads run; on two cores a large blob is then written at the speed of the
slower half instead of the sum of both. Order, errors and bounds stay: what fails is raised by the next call.
"""

from __future__ import annotations

import queue
import threading
from typing import Final

from ecluse.blobs.port import PlaceWriter

__all__ = ["DEPTH", "THRESHOLD", "WriteBehind"]

THRESHOLD: Final = 4 << 20
"""Octets that are written by the caller's own thread first: below, a thread costs more than it saves."""

DEPTH: Final = 4
"""Pieces on their way; at the vault's span of a mebibyte these are 4 MiB of memory for a large blob."""


class WriteBehind:
    """A :class:`~ecluse.blobs.port.PlaceWriter` around another. What is written must not be changed after.

    Args:
        writer: Who writes, from one thread at a time.
    """

    __slots__ = ("_error", "_pieces", "_size", "_thread", "_writer")

    def __init__(self, writer: PlaceWriter) -> None:
        self._writer = writer
        self._size = 0
        self._pieces: queue.Queue[bytes | bytearray | memoryview | None] = queue.Queue(DEPTH)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See the port; raises also what an earlier write failed with."""
        if self._thread is None:
            if self._size < THRESHOLD:
                self._size += len(data)
                self._writer.write(data)
                return
            self._thread = threading.Thread(target=self._serve, name="blob-writer", daemon=True)
            self._thread.start()
        self._check()
        self._pieces.put(data)

    def commit(self) -> None:
        """See the port."""
        self._join()
        self._check()
        self._writer.commit()

    def abort(self) -> None:
        """See the port."""
        if self._error is None:
            self._error = InterruptedError("aborted")  # what waits in the queue need not be written
        self._join()
        self._writer.abort()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._pieces.put(None)
            thread.join()

    def _serve(self) -> None:
        while (data := self._pieces.get()) is not None:
            if self._error is None:
                try:
                    self._writer.write(data)
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    self._error = error
