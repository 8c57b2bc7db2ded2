"""Working behind the caller's back: large streams are hashed, sealed and written on a thread of their own.

Hash, cipher and ``write`` let other threads run; on two cores a large document then moves at the speed of the
slower half instead of the sum of both. Order, errors and bounds stay: what fails is raised by the next call.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

__all__ = ["DEPTH", "LARGE", "PIECE", "THRESHOLD", "Behind"]

THRESHOLD: Final = 4 << 20
"""Octets that the caller's own thread works on first: below, a thread costs more than it saves."""

PIECE: Final = 1 << 20
"""Octets handed over at once; smaller pieces are gathered. A hand-over costs some 20 us."""

LARGE: Final = 128 << 10
"""Octets from which on pieces are worked on one by one; smaller ones are joined, since hash, cipher and ``write``
each give the interpreter up and wait for it again."""

DEPTH: Final = 4
"""Pieces on their way: at most so many mebibytes of memory for a large stream."""

Data = bytes | bytearray | memoryview


class Behind:
    """Does ``work`` on octets in their order: at once while there are few, then on a thread of its own.

    Args:
        work: Takes octets; called from one thread at a time.
    """

    __slots__ = ("_error", "_gathered", "_gathered_size", "_pieces", "_size", "_thread", "_work")

    def __init__(self, work: Callable[[Data], object]) -> None:
        self._work = work
        self._size = 0
        self._gathered: list[bytes | memoryview] = []
        self._gathered_size = 0
        self._pieces: queue.Queue[list[bytes | memoryview] | None] | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def feed(self, data: Data) -> None:
        """Take octets; they are copied where they could change, which a read-only view is trusted not to.

        Raises also what was failed with before.
        """
        if self._pieces is None:
            if self._size < THRESHOLD:
                self._size += len(data)
                self._work(data)
                return
            self._begin()
        if self._error is not None:
            raise self._error
        kept = data if isinstance(data, memoryview) and data.readonly else bytes(data)
        self._gathered.append(kept)
        self._gathered_size += len(data)
        if self._gathered_size >= PIECE:
            self._hand_over()

    def finish(self) -> None:
        """Return when all is done. Raises what it failed with."""
        if self._gathered and self._error is None:
            self._hand_over()
        self._join()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Do no more, and return when nothing is being done. May be called at any time; never raises."""
        if self._error is None:
            self._error = InterruptedError("cancelled")  # what waits in the queue need not be done
        self._join()

    def _begin(self) -> None:
        self._pieces = queue.Queue(DEPTH)
        self._thread = threading.Thread(target=self._serve, name="blob-writer", daemon=True)
        self._thread.start()

    def _hand_over(self) -> None:
        gathered, size = self._gathered, self._gathered_size
        self._gathered, self._gathered_size = [], 0
        if size < LARGE * len(gathered):
            gathered = [b"".join(gathered)]
        if self._pieces is not None:
            self._pieces.put(gathered)

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        self._gathered.clear()
        if thread is not None and self._pieces is not None:
            self._pieces.put(None)
            thread.join()

    def _serve(self) -> None:
        pieces = self._pieces
        while pieces is not None and (gathered := pieces.get()) is not None:
            if self._error is None:
                try:
                    for each in gathered:
                        self._work(each)
                except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                    self._error = error
