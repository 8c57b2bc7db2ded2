"""A folder and what is beneath it, and nothing else: every step down is taken by name, from an open folder.

This is what ``openat2`` with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS promises, on every kernel: each name of a path is
opened relative to the folder before it, with O_NOFOLLOW. A link that somebody puts into the way, also in the middle of
a walk, is refused and leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ecluse.durable import disk_errors, sync_at
from ecluse.errors import EcluseError, Fault

__all__ = ["FolderMissing", "NotAFolder", "UnsafePath", "down", "names_of", "open_file", "open_root"]

FOLDER_MODE: Final = 0o750
"""Permissions of folders that are made: their group may look, as applications of another user do."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class FolderMissing(EcluseError):
    """A folder of ``[folders]`` is not there."""

    code = "folder.missing"
    fault = Fault.TRANSIENT
    remedy = "Make the folder, mount its file system, or set create = true; the hub goes on by itself."


class NotAFolder(EcluseError):
    """A symbolic link, or something else that is no folder, stands where a folder should."""

    code = "folder.not-a-folder"
    fault = Fault.OURS
    remedy = "Put a real folder there: inside a folder of the hub's no link is followed."


class UnsafePath(EcluseError):
    """A path that leads out of its folder, or that no file can have."""

    code = "folder.unsafe-path"
    fault = Fault.PERMANENT
    remedy = "Use plain names, joined by slashes."


@contextmanager
def open_root(path: Path, *, create: bool = False) -> Iterator[int]:
    """A handle of the configured folder itself; links on the way to it are the operator's own, and followed.

    Raises:
        FolderMissing: It is not there, and was not to be made.
        DiskError: It can't be opened.
    """
    with disk_errors(path):
        if create:
            path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise FolderMissing(f"The folder {path} is not there.") from None
    try:
        yield handle
    finally:
        os.close(handle)


def names_of(path: str) -> list[str]:
    """The names of a path below a folder; none for the folder itself.

    Raises:
        UnsafePath: One of them is empty, a dot or two, or holds NUL.
    """
    names = path.split("/") if path else []
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise UnsafePath("A path leads out of its folder.")
    return names


@contextmanager
def down(root: int, path: str, *, create: bool = False) -> Iterator[int | None]:
    """A handle of the folder at ``path`` below ``root``; ``None`` where there is none and none was to be made.

    Raises:
        UnsafePath: The path has names that lead elsewhere.
        NotAFolder: A link or a file is in the way.
        DiskError: A folder can't be opened or made.
    """
    handle = os.dup(root)
    try:
        for name in names_of(path):
            below = _step(handle, name, create=create)
            if below is None:
                yield None
                return
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def _step(folder: int, name: str, *, create: bool) -> int | None:
    with disk_errors(name):
        try:
            return os.open(name, _DIRECTORY, dir_fd=folder)
        except FileNotFoundError:
            if not create:
                return None
        except OSError as error:
            raise _in_the_way(error, name) from None
        with suppress(FileExistsError):
            os.mkdir(name, FOLDER_MODE, dir_fd=folder)
        sync_at(folder)
        try:
            return os.open(name, _DIRECTORY, dir_fd=folder)
        except OSError as error:
            raise _in_the_way(error, name) from None


def _in_the_way(error: OSError, name: str) -> OSError | NotAFolder:
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
        return NotAFolder(f"{name} is a link or a file, where a folder should be.")
    return error


def open_file(folder: int, name: str) -> tuple[int, os.stat_result] | None:
    """A handle of a regular file for reading, with its status; ``None`` where there is no such regular file.

    Never waits, whatever stands there: a pipe or a device is looked at by name first, and not opened.

    Raises:
        DiskError: It is there and can't be opened.
    """
    with disk_errors(name):
        try:
            if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return None
            handle = os.open(name, _FILE, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                return None
            raise
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            return None
        return handle, status
