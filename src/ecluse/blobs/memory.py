"""Blobs in memory: the twin of every place, for tests and simulation, with faults to order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ecluse.blobs.port import BlobExists, BlobMissing

__all__ = ["MemoryPlace"]


class MemoryPlace:
    """A :class:`~ecluse.blobs.port.BlobPlace` that forgets all with the process.

    Args:
        fault: Called with the step (``create``, ``write``, ``commit``, ``open``, ``read``, ``delete``) and
            the blob's id before the step is done; raises what is to fail there.
    """

    def __init__(self, fault: Callable[[str, str], None] | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        """What is committed. A test may change it."""
        self.unfinished: set[MemoryWriter] = set()
        self.fault = fault
        self._lock = threading.Lock()

    def step(self, name: str, id: str) -> None:
        """Let the fault happen that was ordered for this step."""
        if self.fault is not None:
            self.fault(name, id)

    def create(self, id: str) -> MemoryWriter:
        """See the port."""
        self.step("create", id)
        writer = MemoryWriter(self, id)
        with self._lock:
            self.unfinished.add(writer)
        return writer

    def open(self, id: str) -> MemoryReader:
        """See the port."""
        self.step("open", id)
        try:
            return MemoryReader(self, id, self.blobs[id])
        except KeyError:
            raise BlobMissing(f"Blob {id} is not in the blob store.") from None

    def delete(self, id: str) -> None:
        """See the port."""
        self.step("delete", id)
        self.blobs.pop(id, None)

    def ids(self, after: str = "") -> Iterator[str]:
        """See the port."""
        return iter(sorted(id for id in list(self.blobs) if id > after))

    def sweep(self, older_than: float) -> int:
        """See the port. Writers have no age here: with ``older_than`` 0 all are dropped, else none."""
        if older_than > 0:
            return 0
        with self._lock:
            count = len(self.unfinished)
            self.unfinished.clear()
        return count

    def _settle(self, writer: MemoryWriter, id: str, data: bytes | None) -> None:
        with self._lock:
            self.unfinished.discard(writer)
            if data is None:
                return
            if id in self.blobs:
                raise BlobExists(f"There is a blob {id} already.")
            self.blobs[id] = data


class MemoryWriter:
    """See :class:`~ecluse.blobs.port.PlaceWriter`."""

    def __init__(self, place: MemoryPlace, id: str) -> None:
        self._place = place
        self._id = id
        self._data = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See the port."""
        self._place.step("write", self._id)
        self._data += data

    def commit(self) -> None:
        """See the port."""
        self._place.step("commit", self._id)
        self._place._settle(self, self._id, bytes(self._data))

    def abort(self) -> None:
        """See the port."""
        self._place._settle(self, self._id, None)


class MemoryReader:
    """See :class:`~ecluse.blobs.port.PlaceReader`."""

    def __init__(self, place: MemoryPlace, id: str, data: bytes) -> None:
        self._place = place
        self._id = id
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        """See the port."""
        self._place.step("read", self._id)
        return self._data[offset : offset + size]

    def read_now(self, offset: int, size: int) -> memoryview | None:
        """See the port: faults come by :meth:`read`."""
        return None

    def close(self) -> None:
        """See the port."""
