"""Folders and names in them, durably."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ecluse.durable.errors import disk_errors

__all__ = ["make_folder", "remove", "sync_at", "sync_folder"]


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Return when the names in ``folder`` are durable. Raises :class:`DiskError`."""
    with disk_errors(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_at(folder: int) -> None:
    """Return when the names in an open folder are durable. Raises :class:`OSError`."""
    os.fsync(folder)


def make_folder(folder: str | os.PathLike[str], mode: int = 0o700) -> None:
    """Make a folder and its missing parents, durably. One that is there is left as it is."""
    path = Path(folder)
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        with disk_errors(each), contextlib.suppress(FileExistsError):
            os.mkdir(each, mode)
        sync_folder(each.parent)


def remove(path: str | os.PathLike[str]) -> bool:
    """Delete a file and return when it is durably gone; false where there was none."""
    with disk_errors(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
    sync_folder(os.path.dirname(path) or ".")
    return True
