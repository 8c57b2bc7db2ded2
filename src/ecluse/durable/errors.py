"""What a disk refuses, in our words: by errno, with what to do about it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = ["DiskError", "NameTaken", "disk_errors"]


class DiskError(EcluseError):
    """The disk does not do what it was asked. Nothing is visible of what was being written."""

    code = "disk.failed"
    fault = Fault.OURS
    remedy = "Look at the disk and the system's log; `ecluse doctor` writes a test file."


class NameTaken(EcluseError):
    """There is a file of this name. It was left as it is."""

    code = "disk.name-taken"
    fault = Fault.OURS
    remedy = "Move the file that is there away, or choose another name."


_ERRORS: Final[dict[int, tuple[str, Fault, str, str]]] = {
    number: (code, fault, cause, remedy)
    for numbers, code, fault, cause, remedy in (
        (
            (errno.ENOSPC, errno.EDQUOT),
            "disk.full",
            Fault.TRANSIENT,
            "The disk is full",
            "Free space or raise the quota; the hub goes on by itself.",
        ),
        (
            (errno.EFBIG,),
            "disk.file-too-large",
            Fault.OURS,
            "The file is larger than the file system or the process's limits allow",
            "Raise the limit (`ulimit -f`), or use a file system for large files.",
        ),
        (
            (errno.EROFS,),
            "disk.read-only",
            Fault.OURS,
            "The file system is read-only",
            "Look in the system's log why, mend it, and mount it for writing.",
        ),
        (
            (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE),
            "disk.failing",
            Fault.OURS,
            "The disk failed",
            "Look at the disk's health and the system's log before anything else.",
        ),
        (
            (errno.EACCES, errno.EPERM),
            "disk.denied",
            Fault.OURS,
            "The file system denies it",
            "Give the hub's user the right to write there, on a file system that has hard links.",
        ),
        (
            (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
            "disk.no-handles",
            Fault.TRANSIENT,
            "The system is out of file handles or memory",
            "Raise the limit of open files (`ulimit -n`), or lower the hub's load.",
        ),
    )
    for number in numbers
}


@contextlib.contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an :class:`OSError` within into a :class:`DiskError` that names ``path`` and the remedy."""
    try:
        yield
    except OSError as error:
        raise _disk_error(error, path) from error


def _disk_error(error: OSError, path: str | os.PathLike[str]) -> DiskError:
    known = _ERRORS.get(error.errno or 0)
    if known is None:
        return DiskError(f"The disk refused at {os.fspath(path)}: {error.strerror or type(error).__name__}.")
    code, fault, cause, remedy = known
    return DiskError(f"{cause}, at {os.fspath(path)}.", code=code, fault=fault, remedy=remedy)
