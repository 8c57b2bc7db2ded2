"""Who served this folder before: a process that was killed leaves leases behind, and its successor ends them.

The lock on the file is the kernel's: it is gone with the process that held it, however that ended. Whoever gets
it knows that the node named in the file is dead, and need not wait for its leases.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ecluse.durable import disk_errors, make_folder
from ecluse.evidence.sequencer import give_lease
from ecluse.store.port import Store, Tx

__all__ = ["Succession"]

_NAME_LIMIT = 500


class Succession:
    """Holds the folder's serving lock from :meth:`begin` to :meth:`end`.

    Args:
        path: The lock's file; it holds the name of the node that serves.
        node: This node's name.
    """

    def __init__(self, path: Path, node: str) -> None:
        self._path = path
        self._node = node
        self._handle = -1

    def begin(self, store: Store) -> str:
        """Take the lock and end the leases of a dead predecessor.

        Returns:
            The predecessor's name; empty where there was none, or where another process serves this folder too.
        """
        # A hub on PostgreSQL and an object store has nothing else in this folder.
        make_folder(self._path.parent, 0o700)
        with disk_errors(self._path):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return ""
            self._handle = handle
            former = os.pread(handle, _NAME_LIMIT, 0).decode("utf-8", "replace")
        if former and former != self._node:

            def work(tx: Tx) -> None:
                tx.release_jobs(former)
                give_lease(tx, former)

            store.write(work)
        with disk_errors(self._path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, self._node.encode(), 0)
        return former

    def end(self) -> None:
        """Let the lock go, in good order: there is nothing to take over. May be called twice."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with disk_errors(self._path):
                os.ftruncate(handle, 0)
                os.close(handle)
