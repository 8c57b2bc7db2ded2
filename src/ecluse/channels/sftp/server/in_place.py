"""A file that is opened to be written without being cut first, nor appended to.

Such an opening does not say what is meant. Clients that resume (WinSCP, FileZilla, lftp) write where the file ends;
``scp`` writes all of it over what is there, and says at the end how long it is now. The first octets decide.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ecluse.exchange.tree import Denied, Entry, Tree, TreeWriter
from ecluse.model.paths import VirtualPath

__all__ = ["InPlace"]


class InPlace:
    """See :class:`~ecluse.exchange.tree.TreeWriter`. Nothing is changed before the first octets come.

    Args:
        tree: Whose.
        path: Where.
        there: What is there.
    """

    def __init__(self, tree: Tree, path: VirtualPath, there: Entry) -> None:
        self._tree = tree
        self._path = path
        self._there = there
        self._writer: TreeWriter | None = None
        self._anew = False
        self._measured = False

    @property
    def size(self) -> int:
        """See the port: until something is written, of what is there."""
        return self._there.size if self._writer is None else self._writer.size

    @property
    def prompt(self) -> int:
        """See the port: to begin waits for the database."""
        return 0 if self._writer is None else self._writer.prompt

    def measure(self, size: int) -> bool:
        """The client says how long the file is; false where it has another length, and can't be cut so."""
        if size == 0 and self._writer is None:
            self._begin(0)
        if size != self.size:
            return False
        self._measured = True
        return True

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """See the port.

        Raises:
            NameExists: What is there is a document, and is not to be replaced.
        """
        if data:
            (self._writer or self._begin(offset)).write(offset, data)

    def sync(self) -> None:
        """See the port."""
        if self._writer is not None:
            self._writer.sync()

    def commit(self) -> None:
        """See the port. Where nothing was written, a document that is there stays as it is."""
        writer = self._writer
        if writer is None:
            if not self._there.document:
                self._begin(self._there.size).commit()
            return
        if self._anew and not self._measured and writer.size < self._there.size:
            writer.abort()
            raise Denied(
                "The file that was written over is longer, and it was not said to be cut.",
                remedy="Remove it first, or send the file anew.",
            )
        writer.commit()

    def begin_commit(self) -> Future[Any] | None:
        """See the port: the end wants to be looked at."""
        return None

    def suspend(self) -> None:
        """See the port."""
        if self._writer is not None:
            self._writer.suspend()

    def abort(self) -> None:
        """See the port."""
        if self._writer is not None:
            self._writer.abort()

    def _begin(self, offset: int) -> TreeWriter:
        self._anew = offset == 0
        self._writer = self._tree.write(self._path, resume=not self._anew)
        return self._writer


_: type[TreeWriter] = InPlace
