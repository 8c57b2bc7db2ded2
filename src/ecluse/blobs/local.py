"""Blobs on a local disk: one file each, in two levels of folders, durable through the durable-write module.

Folders are cut from the front of the id, which begins with its time: one level is twelve days, the next
seventeen minutes. Blobs of one time lie together, so the same two folders are synced again and again, ids
come in order without sorting them all, and a year's folders can be looked at, copied or restored by date.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ecluse.blobs.port import BLOB_ID, BlobExists, BlobMissing
from ecluse.durable import (
    NameTaken,
    NewFile,
    disk_errors,
    is_part,
    make_folder,
    remove,
    sweep_parts,
)

__all__ = ["LocalPlace"]

_FIRST, _SECOND = 5, 7

_NOW: Final[int] = getattr(os, "RWF_NOWAIT", 0)
"""preadv2(2): give what is in memory, or fail."""
_FETCH: Final = 8 << 20
"""Octets that the system is asked to bring into memory where a reader found some missing."""


class LocalPlace:
    """A :class:`~ecluse.blobs.port.BlobPlace` in a folder of its own.

    Args:
        root: The folder; made where it is missing.

    Raises:
        DiskError: It can't be made.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root)
        make_folder(self._root)

    def create(self, id: str) -> LocalWriter:
        """See the port."""
        path = self._path(id)
        # Asked each time: a folder that somebody deleted while it was empty comes back by itself.
        make_folder(os.path.dirname(path))
        return LocalWriter(id, path)

    def replace(self, id: str) -> LocalWriter:
        """As :meth:`create`, but what lies under the id gives way: for who repairs it from another copy."""
        path = self._path(id)
        make_folder(os.path.dirname(path))
        return LocalWriter(id, path, over=True)

    def open(self, id: str) -> LocalReader:
        """See the port."""
        return LocalReader(id, self._path(id))

    def delete(self, id: str) -> None:
        """See the port."""
        path = self._path(id)
        if os.path.isdir(os.path.dirname(path)):
            remove(path)

    def ids(self, after: str = "") -> Iterator[str]:
        """See the port. The names of one folder (seventeen minutes) are held at a time."""
        for first in _names(self._root):
            if first < after[:_FIRST]:
                continue
            for second in _names(self._root / first):
                for name in _names(self._root / first / second):
                    if name > after and BLOB_ID.fullmatch(name):
                        yield name

    def sweep(self, older_than: float) -> int:
        """See the port. Folders that have been empty for as long go too: no later id falls into them."""
        count = 0
        limit = time.time() - older_than  # against times of the file system, as in the durable-write module
        for first in _names(self._root):
            for second in _names(self._root / first):
                folder = self._root / first / second
                with contextlib.suppress(OSError):
                    if folder.stat().st_mtime <= limit:
                        folder.rmdir()
                        continue
                count += sweep_parts(folder, older_than)
        return count

    def _path(self, id: str) -> str:
        if not BLOB_ID.fullmatch(id):
            raise BlobMissing("What was asked for is no blob id.")
        # "-" sorts before digits and letters, as a short id sorts before those that it begins.
        return os.path.join(self._root, id[:_FIRST], id[_FIRST:_SECOND] or "-", id)


class LocalWriter:
    """See :class:`~ecluse.blobs.port.PlaceWriter`."""

    __slots__ = ("_file", "_id")

    def __init__(self, id: str, path: str, *, over: bool = False) -> None:
        self._id = id
        self._file = NewFile(path, over=over)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See the port."""
        self._file.write(data)

    def commit(self) -> None:
        """See the port."""
        try:
            self._file.commit()
        except NameTaken:
            raise BlobExists(f"There is a blob {self._id} already.") from None

    def abort(self) -> None:
        """See the port."""
        self._file.abort()


class LocalReader:
    """See :class:`~ecluse.blobs.port.PlaceReader`."""

    __slots__ = ("_buffer", "_handle", "_path", "size")

    def __init__(self, id: str, path: str) -> None:
        self._path = path
        self._handle = -1
        self._buffer = bytearray()
        with disk_errors(path):
            try:
                self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise BlobMissing(f"Blob {id} is not in the blob store.") from None
            self.size = os.fstat(self._handle).st_size

    def read(self, offset: int, size: int) -> bytes:
        """See the port."""
        with disk_errors(self._path):
            data = os.pread(self._handle, size, offset)
            while len(data) < size:
                more = os.pread(self._handle, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        return data

    def read_now(self, offset: int, size: int) -> memoryview | None:
        """See the port: what the system holds in memory, if all of it is there. What is not, it is asked to fetch."""
        if not _NOW:
            return None
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        try:
            if os.preadv(self._handle, [view], offset, _NOW) == size:
                return view
            os.posix_fadvise(self._handle, offset, _FETCH, os.POSIX_FADV_WILLNEED)
        except OSError:
            pass  # not in memory, or a file system that does not tell: whoever may wait reads it
        return None

    def close(self) -> None:
        """See the port."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        self.close()


def _names(folder: Path) -> list[str]:
    with disk_errors(folder):
        try:
            return sorted(name for name in os.listdir(folder) if not is_part(name))
        except (FileNotFoundError, NotADirectoryError):
            return []
