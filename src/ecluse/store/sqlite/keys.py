"""The key file: wrapped keys of blobs, apart from the main file and its backups.

Order is everything. A key is durable before the row of its blob is: a blob without a key would be lost. A key
goes after the row's deletion is durable, under an intent that is written with that deletion: a crash between
the two is mended at the next start. A key that is left without a row (the main commit failed) opens nothing
that was ever acknowledged, and :meth:`View.blob_key` doesn't give it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ecluse.store.errors import StoreUnavailable
from ecluse.store.sqlite.connection import connect, file_failure, sync_log
from ecluse.store.sqlite.held import together

__all__ = ["KeyFile"]


class KeyFile:
    """The writer's side of the key file. Used by one thread.

    Attributes:
        connection: For reads between the writes.
    """

    def __init__(self, path: Path, sql: Mapping[str, str]) -> None:
        self._path = path
        self._sql = sql
        self.connection = connect(path, erase=True)

    def add(self, keys: Mapping[str, bytes]) -> None:
        """Return when all are durable. Raises :class:`StoreUnavailable`; then none is."""
        self._in_one(lambda: together(self.connection, self._sql["add_blob_key"], list(keys.items())))

    def drop(self, ids: Iterable[str]) -> None:
        """Return when no file of the key store holds the keys any more. Raises :class:`StoreUnavailable`."""
        gone = [(id,) for id in ids]
        self._in_one(lambda: self.connection.executemany(self._sql["drop_blob_key"], gone))
        # The write-ahead log may hold the page as it was with the key: it is emptied too.
        self._guarded(self._empty_log)

    def _empty_log(self) -> None:
        if self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise StoreUnavailable("The key file is being read: its write-ahead log can't be emptied yet.")
        sync_log(self._path)

    def _in_one(self, step: Callable[[], object]) -> None:
        self._guarded(lambda: self._transact(step))

    def _transact(self, step: Callable[[], object]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            step()
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except sqlite3.Error as error:
            raise file_failure(error, self._path) or StoreUnavailable(f"The key file: {error}.") from error

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
