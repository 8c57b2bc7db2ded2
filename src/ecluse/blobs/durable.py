"""Durable writes: the one module that puts a file where it must not be lost.

What is written appears under its name whole and durable, or not at all, also where the power fails in
between. The order that makes it so: a temporary name in the same folder, write, fsync the file, link (or
rename), fsync the folder. A failed fsync is never tried again: the kernel may have dropped the very pages
that it could not write, and the next fsync would lie.

A temporary name begins with a dot and ends in ``.part``; whoever lists a folder leaves such names out. In a folder
of the hub's own :func:`sweep_parts` deletes those that a killed process left; in one that others write into too, a name
says whose work it is, and :func:`drop_parts` deletes those of that work alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ecluse.blobs.port import BlobUnavailable
from ecluse.errors import EcluseError, Fault

__all__ = [
    "DiskError",
    "NameTaken",
    "NewFile",
    "appear",
    "disk_errors",
    "drop_parts",
    "is_part",
    "make_folder",
    "remove",
    "replace",
    "sweep_parts",
    "sync_at",
    "sync_folder",
    "write_new",
    "write_together",
]

_PART: Final = ".part"

_NO_REPLACE: Final = 1
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)

_PUSH: Final = 8 << 20
"""Octets after which the kernel is asked to begin writing them."""

_OPEN: Final = 64
"""Files that are open at once where many are written together."""


class DiskError(BlobUnavailable):
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


class NewFile:
    """A file being written, visible under its name only after :meth:`commit`.

    Args:
        path: Its name to be. The folder is there.
        mode: Permissions, before the process's umask.
        over: True to take the place of a file of that name; otherwise a taken name is left alone.
        at: Handle of an open folder, which ``path`` is then a plain name in. It stays open until the end.
        work: Letters and digits that its temporary name says; see :func:`drop_parts`.

    Raises:
        DiskError: Here and from every method but :meth:`abort`.
    """

    __slots__ = ("_at", "_handle", "_linked", "_over", "_part", "_path", "_pushed", "_size")

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: int = 0o600,
        *,
        over: bool = False,
        at: int | None = None,
        work: str = "",
    ) -> None:
        self._path = os.fspath(path)
        self._over = over
        self._at = at
        self._size = self._pushed = 0
        self._linked = False
        folder, name = os.path.split(self._path)
        # The name is cut because a folder takes at most 255 octets of it, and the rest needs some.
        self._part = os.path.join(folder, f".{name[:48]}.{_mark(work)}{secrets.token_hex(8)}{_PART}")
        self._handle = -1
        with disk_errors(self._path):
            self._handle = os.open(
                self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=at
            )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``."""
        with disk_errors(self._path):
            done = os.write(self._handle, data)
            if done < len(data):
                rest = memoryview(data)[done:]
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
            self._size += len(data)
            if self._size - self._pushed >= _PUSH:
                self._push()

    def rewrite(self, offset: int, data: bytes) -> None:
        """Write ``data`` over octets that were written before, from ``offset`` on."""
        with disk_errors(self._path):
            rest = memoryview(data)
            while rest:
                done = os.pwrite(self._handle, rest, offset)
                rest, offset = rest[done:], offset + done

    def push(self) -> None:
        """Have what was written so far be on its way to the disk. A hint: what fails is found by :meth:`put`."""
        with contextlib.suppress(OSError):
            self._push()

    def _push(self) -> None:
        # On Linux this begins to write what is dirty, so that the fsync of a large file has little left.
        if self._pushed < self._size:
            os.posix_fadvise(self._handle, self._pushed, self._size - self._pushed, os.POSIX_FADV_DONTNEED)
            self._pushed = self._size

    def commit(self) -> None:
        """Return when the whole file is durable under its name. Otherwise nothing is left of it.

        Raises:
            NameTaken: There is a file of that name, and ``over`` was not given.
        """
        self.put()
        try:
            if self._at is not None:
                with disk_errors(self._path):
                    sync_at(self._at)
            else:
                sync_folder(os.path.dirname(self._path) or ".")
        except BaseException:
            self.withdraw()
            raise

    def put(self) -> None:
        """The first half of :meth:`commit`: the file is durable and has its name, which the folder's sync makes
        durable. Otherwise nothing is left of it. Raises as that does.
        """
        self.sync()
        self.give_name()

    def sync(self) -> None:
        """The first half of :meth:`put`: what was written is durable, under the temporary name."""
        try:
            with disk_errors(self._path):
                os.fsync(self._handle)
                self._close()
        except BaseException:
            self.withdraw()
            raise

    def give_name(self) -> None:
        """The second half of :meth:`put`, after :meth:`sync`."""
        try:
            with disk_errors(self._path):
                if self._over:
                    os.rename(self._part, self._path, src_dir_fd=self._at, dst_dir_fd=self._at)
                else:
                    try:
                        os.link(self._part, self._path, src_dir_fd=self._at, dst_dir_fd=self._at)
                    except FileExistsError:
                        raise NameTaken(f"There is a file {self._path} already.") from None
                    self._linked = True
                    os.unlink(self._part, dir_fd=self._at)
        except BaseException:
            self.withdraw()
            raise

    def stay(self) -> str:
        """Return when the whole file is durable under its temporary name, which is given: :func:`appear` goes on.

        Otherwise nothing is left of it.
        """
        try:
            with disk_errors(self._path):
                os.fsync(self._handle)
                self._close()
                if self._at is not None:
                    sync_at(self._at)
            if self._at is None:
                sync_folder(os.path.dirname(self._path) or ".")
        except BaseException:
            self.abort()
            raise
        return self._part

    def withdraw(self) -> None:
        """Leave nothing of what :meth:`put` gave a name, where the folder's sync failed; never raises.

        The name may or may not outlive a power cut; who was told of a failure must not find it.
        """
        if self._linked:
            with contextlib.suppress(OSError):
                os.unlink(self._path, dir_fd=self._at)
        self.abort()

    def abort(self) -> None:
        """Leave nothing. May be called at any time, also twice or after :meth:`commit`; never raises."""
        self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._part, dir_fd=self._at)

    def _close(self) -> None:
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with contextlib.suppress(OSError):
                os.close(handle)

    def __del__(self) -> None:
        if self._handle >= 0:
            self.abort()


def appear(folder: int, part: str, name: str, *, over: bool = False) -> None:
    """Give what :meth:`NewFile.stay` left its own name; return when that is durable.

    The temporary name goes in the very step in which the other one comes, so that it stands for "not yet" whatever a
    reader does meanwhile. (File systems that can't, such as NFS, get a second name first.)

    Args:
        folder: Handle of the open folder that both names are in.
        part: The temporary name.
        name: The name to be.
        over: It may take the place of a file of that name; otherwise a taken name is left alone.

    Raises:
        NameTaken: There is a file of that name, and ``over`` was not given.
        DiskError: It has not got the name.
    """
    with disk_errors(name):
        if over:
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            sync_at(folder)
            return
        try:
            _rename_new(folder, part, name)
        except FileExistsError:
            raise NameTaken(f"There is a file {name} already.") from None
        try:
            sync_at(folder)
        except BaseException:
            # The name may or may not outlive a power cut; who was told of a failure must not find it.
            with contextlib.suppress(OSError):
                os.rename(name, part, src_dir_fd=folder, dst_dir_fd=folder)
            raise


def _rename_new(folder: int, part: str, name: str) -> None:
    """Rename a file within a folder, unless there is one of that name (renameat2(2), RENAME_NOREPLACE)."""
    if _renameat2 is not None:
        done = _renameat2(folder, os.fsencode(part), folder, os.fsencode(name), _NO_REPLACE)
        if done == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, os.strerror(number), name)
    os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.unlink(part, dir_fd=folder)


def write_new(
    path: str | os.PathLike[str], chunks: Iterable[bytes], mode: int = 0o600, *, work: str = ""
) -> int:
    """Write a file under a name that is not taken; return its size when it is durable.

    Args:
        path: Its name.
        chunks: Its content.
        mode: Permissions, before the process's umask.
        work: See :class:`NewFile`.

    Raises:
        NameTaken: There is a file of that name; it was left as it is.
        DiskError: The disk did not take it; nothing is visible.
    """
    size = 0
    new = NewFile(path, mode, work=work)
    try:
        for chunk in chunks:
            new.write(chunk)
            size += len(chunk)
    except BaseException:
        new.abort()
        raise
    new.commit()
    return size


def write_together(
    files: Iterable[tuple[str | os.PathLike[str], Iterable[bytes], str]], mode: int = 0o600
) -> list[EcluseError | None]:
    """Write files under names that are not taken; return when they are durable, each folder synced once.

    Args:
        files: Name, content, and work (see :class:`NewFile`) of each.
        mode: Permissions, before the process's umask.

    Returns:
        For each, ``None``, or why nothing of it is visible: what its octets raised, or as :func:`write_new`. What
        was there under a taken name is durable too.
    """
    errors: list[EcluseError | None] = []
    folders: dict[str, list[tuple[int, NewFile]]] = {}
    some: list[tuple[int, NewFile]] = []

    def put() -> None:
        # All are on their way to the disk before the first is waited for, whose wait then is that of all; and no name
        # is given before the last is waited for, since what changes a folder is one more thing to wait for.
        for _, new in some:
            new.push()
        for step in (NewFile.sync, NewFile.give_name):
            for number, new in some:
                if errors[number] is None:
                    try:
                        step(new)
                    except EcluseError as error:
                        errors[number] = error
        some.clear()

    for number, (path, chunks, work) in enumerate(files):
        errors.append(None)
        try:
            new = NewFile(path, mode, work=work)
            folders.setdefault(os.path.dirname(path) or ".", []).append((number, new))
            for chunk in chunks:
                new.write(chunk)
        except EcluseError as error:
            errors[number] = error
        else:
            some.append((number, new))
        if len(some) == _OPEN:
            put()
    put()
    for folder, inside in folders.items():
        try:
            sync_folder(folder)
        except DiskError as error:
            for number, new in inside:
                new.withdraw()
                errors[number] = error
        for number, new in inside:
            if errors[number] is not None:
                new.abort()
    return errors


def replace(path: str | os.PathLike[str], data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` in the place of the file at ``path``, or make it; return when it is durable.

    A reader, or a power cut, finds the former content or ``data``, whole. Raises :class:`DiskError`.
    """
    new = NewFile(path, mode, over=True)
    try:
        new.write(data)
    except BaseException:
        new.abort()
        raise
    new.commit()


def is_part(name: str) -> bool:
    """Whether a file name is one of this module's temporary ones."""
    return name.startswith(".") and name.endswith(_PART)


def _mark(work: str) -> str:
    return f"{work}-" if work else ""


def drop_parts(folder: int, work: str, spared: str = "") -> int:
    """Delete the temporary files that a killed process left of some work, but that one; give their number.

    A process that is still at it fails: it does not find its file any more.

    Args:
        folder: Handle of the open folder.
        work: As it was given to :class:`NewFile`.
        spared: What :meth:`NewFile.stay` gave.
    """
    count = 0
    with disk_errors("a folder"), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name) and f".{_mark(work)}" in entry.name and entry.name != spared:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=folder)
                    count += 1
    return count


def sweep_parts(folder: str | os.PathLike[str], older_than: float) -> int:
    """Delete temporary files last written more than ``older_than`` seconds ago; give their number."""
    # Times of files are the file system's: it is asked for the age, not the hub's clock.
    limit = time.time() - older_than
    count = 0
    with disk_errors(folder), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime <= limit:
                        os.unlink(entry.path)
                        count += 1
    return count
