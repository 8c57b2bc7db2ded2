"""One document to one name in a folder of ours: its steps of :mod:`ecluse.exchange.once`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import Final

from ecluse.channels.folder.beneath import open_file
from ecluse.durable import NameTaken as DiskNameTaken
from ecluse.durable import NewFile, appear, disk_errors, drop_parts, is_part, sync_at
from ecluse.exchange.hub import Document
from ecluse.exchange.once import Spot, Staged, Standing
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import UnfitName

__all__ = ["FolderSpot"]

_MODE: Final = 0o640
"""Permissions of delivered files: their group may read them, as applications of another user do."""
_STEP: Final = 1 << 20


class FolderSpot:
    """See :class:`~ecluse.exchange.once.Spot`.

    Args:
        handle: The open folder.
        path: Of the document, below the channel's folder.
        document: It.
        replace: It may take the place of a file of the same name.
        work: What the names of its unfinished files say: this delivery's and this document's alone.

    Raises:
        UnfitName: The name is one of those that unfinished files have here.
    """

    def __init__(self, handle: int, path: str, document: Document, *, replace: bool, work: str) -> None:
        self._handle = handle
        self._path = path
        self._name = path.rpartition("/")[2]
        self._document = document
        self._replace = replace
        self._work = work
        if is_part(self._name):
            raise UnfitName(f"The name {self._name} is one of those that unfinished files have here.")

    @property
    def path(self) -> str:
        """The final path."""
        return self._path

    def tidy(self, spared: str) -> None:
        """See the port."""
        drop_parts(self._handle, self._work, spared)

    def check_free(self) -> None:
        """See the port."""
        if not self._replace and self._status(self._name) is not None:
            raise self._taken()

    def stage(self) -> Staged:
        """See the port."""
        new = NewFile(self._name, _MODE, at=self._handle, work=self._work)
        try:
            for chunk in self._document.chunks(_STEP):
                new.write(chunk)
            return Staged(new.stay(), safe=True)
        except BaseException:
            new.abort()
            raise

    def standing(self, mark: str) -> Standing:
        """See the port."""
        there = self._status(mark)
        if there is None:
            return Standing.GONE
        if not stat.S_ISREG(there.st_mode) or there.st_size != self._document.part.size:
            return Standing.TORN
        named = self._status(self._name)
        if named is None or not os.path.samestat(there, named):
            return Standing.WHOLE
        with disk_errors(self._name):
            sync_at(self._handle)  # the attempt that linked it may have been cut before that
        return Standing.NAMED

    def holds(self) -> bool:
        """See the port."""
        found = open_file(self._handle, self._name)
        if found is None:
            return False
        handle, status = found
        part = self._document.part
        try:
            if status.st_size != part.size:
                return False
            digest = hashlib.sha256()
            with disk_errors(self._name):
                while data := os.read(handle, _STEP):
                    digest.update(data)
                if digest.hexdigest() != part.sha256:
                    return False
                os.fsync(handle)
                sync_at(self._handle)
                return True
        finally:
            os.close(handle)

    def appear(self, mark: str) -> str:
        """See the port."""
        try:
            appear(self._handle, mark, self._name, over=self._replace)
        except DiskNameTaken:
            raise self._taken() from None
        return "rename" if self._replace else "link"

    def drop(self, mark: str) -> None:
        """See the port."""
        with contextlib.suppress(OSError):
            os.unlink(mark, dir_fd=self._handle)

    def _status(self, name: str) -> os.stat_result | None:
        with disk_errors(name):
            try:
                return os.stat(name, dir_fd=self._handle, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def _taken(self) -> NameTaken:
        return NameTaken(f"There is another file {self._name} already.")


_: type[Spot] = FolderSpot
