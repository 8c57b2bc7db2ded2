"""Snapshots of the embedded database: the main file's pages, as of one moment.

SQLite copies its pages (sqlite.org/backup.html) into a file beside the database, under one read transaction: writers
go on, into the write-ahead log, and the copy does not begin anew when they do. The transaction is short, as the copy
runs at the disk's speed; what takes long, sealing and sending, is done from the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ecluse.store.errors import StoreUnavailable
from ecluse.store.port import Kind, View
from ecluse.store.snapshot import CHUNK, BadSnapshot, DatabaseNotEmpty
from ecluse.store.sqlite import schema
from ecluse.store.sqlite.connection import connect, create_private, file_failure, key_path
from ecluse.store.sqlite.verbs import SqliteView

__all__ = ["SqliteSnapshot", "load_file", "snapshot"]

_STREAM: Final = "database"
_PAGES: Final = 2048
"""Pages of a step: the copying thread lets others run between two, every 8 MiB."""
_ROWS: Final = 1000


class SqliteSnapshot:
    """See :class:`~ecluse.store.snapshot.Snapshot`."""

    kind: Kind = "sqlite"

    def __init__(self, path: Path, main: sqlite3.Connection, keys: sqlite3.Connection) -> None:
        self._path = path
        self._main = main
        self.view: View = SqliteView(main, keys)

    def streams(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """See the port."""
        yield _STREAM, self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        with _disk(self._path), self._path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def placed(self) -> Iterator[tuple[str, int]]:
        """See the port."""
        after = ""
        while True:
            rows = self._main.execute(
                "SELECT id, size FROM blobs WHERE id > ? AND inline IS NULL ORDER BY id LIMIT ?",
                (after, _ROWS),
            ).fetchall()
            yield from rows
            if len(rows) < _ROWS:
                return
            after = rows[-1][0]


@contextmanager
def snapshot(path: Path) -> Iterator[SqliteSnapshot]:
    """A snapshot of the main file at ``path``; what a killed process left of one is deleted.

    Raises:
        StoreUnavailable: The disk has no room for it (it takes as much as the database), or fails.
    """
    with _disk(path):
        for left in path.parent.glob(f".{path.stem}.snapshot*.part*"):
            left.unlink(missing_ok=True)
    copy = path.with_name(f".{path.stem}.snapshot.part")
    create_private(copy)
    try:
        try:
            _copy(path, copy)
            with closing(connect(copy, reader=True)) as main, closing(sqlite3.connect(":memory:")) as keys:
                # The file is written no more: nothing of it is to be looked for elsewhere.
                yield SqliteSnapshot(copy, main, keys)
        except sqlite3.Error as error:
            raise _unavailable(error, copy) from error
    finally:
        with _disk(copy):
            copy.unlink(missing_ok=True)


def _copy(path: Path, copy: Path) -> None:
    with closing(connect(path, reader=True)) as source, closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA synchronous = OFF")  # who reads it reads it now, or never
        # Within a read transaction the pages are those of its beginning, however long the copy takes.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        try:
            source.backup(target, pages=_PAGES, sleep=0)
        finally:
            source.execute("ROLLBACK")
        # The copy says that it has a write-ahead log, as the original; read alone it is complete without one.
        target.execute("PRAGMA journal_mode = DELETE")


def load_file(path: Path, streams: Iterable[tuple[str, Callable[[], Iterator[bytes]]]]) -> None:
    """Make the main file and an empty key file. See :func:`~ecluse.store.snapshot.load_snapshot`."""
    if path.exists() or key_path(path).exists():
        raise DatabaseNotEmpty(f"There is a database {path} already.")
    found = dict(streams)
    if set(found) != {_STREAM}:
        raise BadSnapshot("The snapshot is not one of an embedded database.")
    with _disk(path):
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        _write(path, found[_STREAM]())
    try:
        with closing(connect(path)) as connection:
            problems = connection.execute("PRAGMA quick_check(1)").fetchall()
        if problems != [("ok",)]:
            raise BadSnapshot(f"The snapshot is damaged: {problems[0][0]}.")
        schema.migrate_keys(path)
        schema.pending(path)
    except sqlite3.Error as error:
        raise BadSnapshot(f"The snapshot is damaged: {error}.") from error


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    """A file of its owner's alone; return when it is durable."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(handle)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """What the disk refuses, as an error of the store."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"The database {path} can't be copied: {error.strerror}.") from error


def _unavailable(error: sqlite3.Error, path: Path) -> StoreUnavailable:
    return file_failure(error, path) or StoreUnavailable(f"The snapshot {path}: {error}.")
