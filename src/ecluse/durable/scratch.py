"""Folders for one piece of work, gone when it ends; and where the process was killed, gone when the next one begins."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ecluse.durable.errors import disk_errors

__all__ = ["scratch_folder"]


@contextlib.contextmanager
def scratch_folder(prefix: str, within: Path | None = None) -> Iterator[Path]:
    """A new folder that nobody else reads, deleted with all that is in it at the end of the context.

    The process holds a lock on it (flock(2)), which ends with the process however that ends. Folders of the same prefix
    that nobody holds are deleted first; only those of this user.

    Args:
        prefix: What its name begins with, and says what it is for.
        within: Where there is room for it; the system's temporary folder by default.

    Raises:
        DiskError: It can't be made.
    """
    place = Path(tempfile.gettempdir()) if within is None else within
    with disk_errors(place):
        _sweep(place, prefix)
        path, handle = _make(place, prefix)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def _make(place: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = tempfile.mkdtemp(prefix=prefix, dir=place)
        # Whoever began in between may have taken it for one that was left, and holds it until it is gone.
        try:
            handle = _open(path)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nobody takes it for left there
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return Path(path), handle
        except FileNotFoundError:
            pass
        os.close(handle)


def _sweep(place: Path, prefix: str) -> None:
    with os.scandir(place) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(prefix)]
    for path in found:
        with contextlib.suppress(OSError):
            handle = _open(path)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
