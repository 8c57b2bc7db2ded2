"""Collecting from a folder of ours.

A file that is being written (``.part``) by the hub's own deliveries is left out of listings, and so are names that are
not UTF-8, which no message could carry. A file that some program has open to write to it is not taken, however long it
has stood still: the kernel of this machine knows (fcntl(2), F_SETLEASE: a read lease is refused then).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from ecluse.channels.folder.beneath import down, names_of, open_file, open_root
from ecluse.channels.folder.watch import is_remote
from ecluse.durable import disk_errors, is_part, sync_at
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import FileGone, InUse, NameTaken, Remote, RemoteFile
from ecluse.model.basics import Instant

__all__ = ["FolderPlace", "FolderRemote", "FolderSource", "TooDeep"]

MAX_DEPTH: Final = 100
"""Folders inside each other that a listing goes down: more is a loop of mounts, or a trap."""

_STEP: Final = 1 << 20


class TooDeep(EcluseError):
    """Folders lie in each other more deeply than is looked at."""

    code = "folder.too-deep"
    fault = Fault.OURS
    remedy = "Look for a mount inside itself, or collect from a folder further down."


class FolderPlace(NamedTuple):
    """A folder of ours, as the configuration says.

    Attributes:
        path: Absolute.
        create: Make it where it does not exist.
        replace: A document may take the place of a file of the same name.
    """

    path: Path
    create: bool = False
    replace: bool = False


class FolderSource:
    """Folders of ours as a :class:`~ecluse.exchange.remote.Source`.

    Args:
        place: Where the folder of a name is; raises :class:`~ecluse.errors.EcluseError` where there is none.
    """

    kind = "folder"

    def __init__(self, place: Callable[[str], FolderPlace]) -> None:
        self._place = place

    def open(self, name: str) -> Remote:
        """See the port.

        Raises:
            FolderMissing: It is not there.
        """
        place = self._place(name)
        return FolderRemote(place.path, create=place.create)


class FolderRemote:
    """One folder. See :class:`~ecluse.exchange.remote.Remote`.

    Args:
        path: Absolute.
        create: Make it where it does not exist.

    Raises:
        FolderMissing: It is not there.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        with ExitStack() as stack:
            self._path = path
            self._root = stack.enter_context(open_root(path, create=create))
            self._open = stack.pop_all()

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """See the port."""
        with down(self._root, folder) as handle:
            if handle is not None:
                yield from _walk(handle, folder, MAX_DEPTH if recursive else 0, recursive)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """See the port."""
        folder, _, name = file.path.rpartition("/")
        with down(self._root, folder) as parent:
            found = open_file(parent, name) if parent is not None and names_of(name) else None
        if found is None:
            raise _gone(file)
        handle, status = found
        try:
            _check(file, status)
            self._check_unused(handle, file)
            with disk_errors(file.path):
                while data := os.read(handle, _STEP):
                    yield data
                _check(file, os.fstat(handle))
            self._check_unused(handle, file)
        finally:
            os.close(handle)

    def delete(self, file: RemoteFile) -> None:
        """See the port. Durable when it returns."""
        folder, _, name = file.path.rpartition("/")
        with down(self._root, folder) as parent, disk_errors(file.path):
            if parent is None or not _is_listed(parent, name, file, missing_ok=True):
                return
            self._check_let_go(parent, name, file)
            os.unlink(name, dir_fd=parent)
            sync_at(parent)

    def move(self, file: RemoteFile, folder: str) -> None:
        """See the port. Durable when it returns; a move that was cut in the middle is finished by another."""
        source, _, name = file.path.rpartition("/")
        with down(self._root, source) as parent, down(self._root, folder, create=True) as target:
            if parent is None or target is None:
                raise _gone(file)
            with disk_errors(file.path):
                _is_listed(parent, name, file)
                if os.path.sameopenfile(parent, target):
                    return
                self._check_let_go(parent, name, file)
                try:
                    os.link(name, name, src_dir_fd=parent, dst_dir_fd=target, follow_symlinks=False)
                except FileExistsError:
                    if not _same_file(parent, target, name):
                        raise NameTaken(f"There is a file {folder}/{name} already.") from None
                sync_at(target)
                os.unlink(name, dir_fd=parent)
                sync_at(parent)

    def _check_let_go(self, parent: int, name: str, file: RemoteFile) -> None:
        found = open_file(parent, name)
        if found is not None:
            try:
                self._check_unused(found[0], file)
            finally:
                os.close(found[0])

    def _check_unused(self, handle: int, file: RemoteFile) -> None:
        """Raise :class:`InUse` where somebody has the file open to write to it. Files of other users are not told of,
        unless we may ask (CAP_LEASE), nor are network file systems, whose leases mean something else.
        """
        try:
            # Who opens it to write while we hold the lease waits for us, and we get a signal: one that ends nobody.
            fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN and not is_remote(self._path.resolve()):
                raise InUse(f"A program has {file.path} open, and may write to it.") from None
        else:
            with contextlib.suppress(OSError):
                fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def close(self) -> None:
        """Let the folder go."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _walk(folder: int, path: str, depth: int, recursive: bool) -> Iterator[RemoteFile]:
    head = f"{path}/" if path else ""
    with disk_errors(path or "."):
        entries = os.scandir(folder)
    with entries:
        while True:
            with disk_errors(path or "."):
                entry = next(entries, None)
                if entry is None:
                    return
                if is_part(entry.name) or not _utf8(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
            if stat.S_ISREG(status.st_mode):
                modified = Instant(status.st_mtime_ns // 1000)
                changed = str(
                    status.st_ctime_ns
                )  # who sets a file's time back, as cp -p does, can't set this
                yield RemoteFile(head + entry.name, status.st_size, modified, _tag(status), changed)
            elif recursive and stat.S_ISDIR(status.st_mode):
                if depth == 0:
                    raise TooDeep(f"More than {MAX_DEPTH} folders lie in each other at {path[:200]}.")
                with down(folder, entry.name) as below:
                    if below is not None:
                        yield from _walk(below, head + entry.name, depth - 1, recursive)


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tag(status: os.stat_result) -> str:
    # No inode number: network file systems give another one after each mount, and a file that is left where it is
    # would be taken for a new one.
    return str(status.st_mtime_ns)


def _check(file: RemoteFile, status: os.stat_result) -> None:
    if status.st_size != file.size or _tag(status) != file.tag or not stat.S_ISREG(status.st_mode):
        raise _gone(file)


def _is_listed(folder: int, name: str, file: RemoteFile, *, missing_ok: bool = False) -> bool:
    names_of(name)
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if missing_ok:
            return False
        raise _gone(file) from None
    _check(file, status)
    return True


def _same_file(folder: int, other: int, name: str) -> bool:
    one, two = (os.stat(name, dir_fd=each, follow_symlinks=False) for each in (folder, other))
    return os.path.samestat(one, two)


def _gone(file: RemoteFile) -> FileGone:
    return FileGone(f"{file.path} is not the file that was listed.")
