"""A file that appears under its name whole and durable, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from typing import Final

from ecluse.durable.errors import NameTaken, disk_errors
from ecluse.durable.folders import sync_at, sync_folder
from ecluse.durable.parts import part_name

__all__ = ["NewFile", "appear"]

_NO_REPLACE: Final = 1
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)

_PUSH: Final = 8 << 20
"""Octets after which the kernel is asked to begin writing them."""


class NewFile:
    """A file being written, visible under its name only after :meth:`commit`.

    Args:
        path: Its name to be. The folder is there.
        mode: Permissions, before the process's umask.
        over: True to take the place of a file of that name; otherwise a taken name is left alone.
        at: Handle of an open folder, which ``path`` is then a plain name in. It stays open until the end.
        work: Letters and digits that its temporary name says; see :func:`~ecluse.durable.parts.drop_parts`.

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
        self._part = os.path.join(folder, part_name(name, work))
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
