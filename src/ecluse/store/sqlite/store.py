"""The embedded store behind the port: one writer, a pool of readers, a bell for jobs."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Final, TypeVar, cast

from ecluse.store.bell import Bell
from ecluse.store.errors import StoreUnavailable
from ecluse.store.port import Snapshot, Tx, View
from ecluse.store.queries import SchemaMismatch
from ecluse.store.sqlite import schema
from ecluse.store.sqlite.connection import connect, file_failure, key_path, sync_log
from ecluse.store.sqlite.snapshot import snapshot
from ecluse.store.sqlite.verbs import SqliteTx, SqliteView
from ecluse.store.sqlite.writer import Writer

__all__ = ["SqliteStore"]

T = TypeVar("T")

IDLE_READERS: Final = 16
"""Read connections kept open; more are opened under load and closed after it."""

PURGE_MILLISECONDS: Final = 200
"""How long the write-ahead log is waited for that is to be emptied."""

_Reader = tuple[sqlite3.Connection, sqlite3.Connection]


class SqliteStore:
    """A :class:`~ecluse.store.port.Store` in two files.

    Args:
        path: The main file (``hub.db``); the key file is beside it (``hub-keys.db``). Both are made by
            :meth:`migrate` where they are missing.

    Raises:
        SchemaMismatch: The files are newer than this release, or their migrations were edited.
        StoreUnavailable: The folder or the files can't be used.
    """

    local = True

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        if not self._path.parent.is_dir():
            raise StoreUnavailable(f"The folder {self._path.parent} of the database doesn't exist.")
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._closed = False
        self._readers: deque[_Reader] = deque()
        self._bell = Bell()
        self._migrated = not schema.pending(self._path)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self._path)!r})"

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.submit(work).result()

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        return (self._writer or self._start_writer()).submit(work)

    def read(self, work: Callable[[View], T], *, snapshot: bool = True) -> T:
        reader = self._take_reader()
        try:
            main, keys = reader
            if snapshot:
                main.execute("BEGIN")
            try:
                result = work(SqliteView(main, keys))
            finally:
                if main.in_transaction:
                    main.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._drop_reader(reader)
            failure = file_failure(error, self._path)
            if failure is None:
                raise
            raise failure from error
        except BaseException:
            self._give_back(reader)
            raise
        self._give_back(reader)
        return result

    def purge_keys(self, ids: Collection[str]) -> None:
        """No page and no write-ahead log of the key file has them: deleted content is overwritten with zeros."""
        # Who deleted them may have ended before it noted that it had; the next unit forgets what is noted as done.
        owed = self.write(lambda tx: cast(SqliteTx, tx).drop_keys_again(ids))
        if owed and self.write(lambda tx: cast(SqliteTx, tx).drop_keys_again(owed)):
            raise StoreUnavailable("The key file still has deleted keys: it can't be written at present.")

    def purge_rows(self) -> None:
        """The write-ahead log is emptied: in the file itself it was overwritten (:meth:`SqliteTx.overwrite`)."""
        with closing(connect(self._path)) as connection:
            # Whoever writes waits meanwhile, so it is tried for a moment only.
            connection.execute(f"PRAGMA busy_timeout = {PURGE_MILLISECONDS}")
            try:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise file_failure(error, self._path) or StoreUnavailable(
                    f"The database {self._path}: {error}."
                ) from error
        if busy:
            raise StoreUnavailable("The database is being read: its write-ahead log can't be emptied yet.")
        sync_log(self._path)

    def wait_for_jobs(self, timeout: float, kinds: tuple[str, ...] = ()) -> None:
        if self._closed:
            return
        if self._writer is None:
            self._start_writer()  # it is the one that hears of other processes' commits
        self._bell.wait(timeout, kinds)

    def migrate(self) -> list[str]:
        names = schema.migrate(self._path)
        self._migrated = True
        return names

    def pending_migrations(self) -> list[str]:
        return schema.pending(self._path)

    def check(self) -> list[str]:
        """What is wrong with the files, a sentence each; reads all of both files."""
        problems = []
        for file in (self._path, key_path(self._path)):
            try:
                connection = connect(file, reader=True)
                try:
                    rows = connection.execute("PRAGMA quick_check(10)").fetchall()
                finally:
                    connection.close()
            except StoreUnavailable as error:
                problems.append(error.cause)
            except sqlite3.Error as error:
                problems.append((file_failure(error, file) or StoreUnavailable(f"{file}: {error}.")).cause)
            else:
                problems += [f"The database {file} is damaged: {text}." for (text,) in rows if text != "ok"]
        return problems

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        self._check_usable()
        return snapshot(self._path)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            writer = self._writer
        self._bell.close()
        if writer:
            writer.close()
        while self._readers:
            self._drop_reader(self._readers.pop())

    def _start_writer(self) -> Writer:
        with self._lock:
            self._check_usable()
            if self._writer is None:
                self._writer = Writer(self._path, self._bell.ring)
            return self._writer

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnavailable("The store is closed.", remedy="Open it again.")
        if not self._migrated:
            missing = schema.pending(self._path)
            if missing:
                raise SchemaMismatch(f"The database {self._path} lacks the migration {missing[0]}.")
            self._migrated = True

    def _take_reader(self) -> _Reader:
        try:
            return self._readers.pop()
        except IndexError:
            self._check_usable()
            main = connect(self._path, reader=True)
            try:
                return main, connect(key_path(self._path), reader=True)
            except BaseException:
                main.close()
                raise

    def _give_back(self, reader: _Reader) -> None:
        if self._closed or len(self._readers) >= IDLE_READERS:
            self._drop_reader(reader)
        else:
            self._readers.append(reader)

    def _drop_reader(self, reader: _Reader) -> None:
        for connection in reader:
            connection.close()
