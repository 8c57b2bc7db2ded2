"""Opening a database file, and what SQLite's errors mean for us."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from ecluse.store.errors import StoreUnavailable

__all__ = ["BUSY_SECONDS", "connect", "create_private", "file_failure", "is_busy", "key_path", "sync_log"]

BUSY_SECONDS: Final = 5.0
"""How long SQLite itself waits for another process's lock before it reports it."""

_AGAIN: Final = 0.01
"""Seconds until a lock that SQLite does not wait for is tried again."""

_STATEMENTS: Final = 512
"""Prepared statements kept by a connection: more than there are verbs, and numbers of rows to add at once."""

_OLDEST: Final = (3, 37, 0)
"""STRICT tables: sqlite.org/stricttables.html."""

_CHECKPOINT_PAGES: Final = 4000
"""16 MB of write-ahead log between checkpoints: four times SQLite's default, a quarter of the stalls."""

_WAL_BYTES: Final = 64 * 1024 * 1024
"""What the write-ahead log file is cut back to after a burst."""

_CAUSES: Final[dict[int, str]] = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_CANTOPEN: "can't be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_FULL: "can't grow: the disk is full",
    sqlite3.SQLITE_IOERR: "can't be read or written: the disk reports an error",
    sqlite3.SQLITE_LOCKED: "is locked",
    sqlite3.SQLITE_NOMEM: "can't be worked on: memory is exhausted",
    sqlite3.SQLITE_NOTADB: "is not a database",
    sqlite3.SQLITE_PERM: "may not be used by this user",
    sqlite3.SQLITE_READONLY: "is read-only",
}


def key_path(path: Path) -> Path:
    """Where the wrapped keys of ``path`` are: ``hub.db`` → ``hub-keys.db``."""
    return path.with_name(f"{path.stem}-keys.db")


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Another process holds the lock: trying again may help at once."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def file_failure(error: sqlite3.Error, path: Path) -> StoreUnavailable | None:
    """What an error says of the file, or ``None`` where it says something of the statement."""
    cause = _CAUSES.get(_code(error))
    return StoreUnavailable(f"The database {path} {cause}.") if cause else None


def create_private(path: Path) -> None:
    """Make the file, readable by its owner only, where there is none.

    SQLite gives its side files (``-wal``, ``-shm``) the mode of the main one.

    Raises:
        StoreUnavailable: The folder is missing or can't be written.
    """
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreUnavailable(f"The database {path} can't be created: {error.strerror}.") from error


def sync_log(path: Path) -> None:
    """Return when the write-ahead log of a file is durably as long as it is.

    SQLite does not sync it after it was emptied (``PRAGMA wal_checkpoint(TRUNCATE)``): a power cut would bring back
    what it held, with what was deleted since. Nothing locks this file, so that opening it by itself ends no lock.

    Raises:
        StoreUnavailable: The disk reports an error.
    """
    try:
        handle = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnavailable(f"The write-ahead log of {path} can't be read: {error.strerror}.") from error
    try:
        os.fsync(handle)
    except OSError as error:
        raise StoreUnavailable(f"The write-ahead log of {path} can't be synced: {error.strerror}.") from error
    finally:
        os.close(handle)


def connect(path: Path, *, reader: bool = False, erase: bool = False) -> sqlite3.Connection:
    """A connection in which transactions are begun and ended by hand.

    Args:
        path: The file; it exists.
        reader: It may not write.
        erase: What is deleted is overwritten with zeros.

    Raises:
        StoreUnavailable: The file can't be opened, or SQLite is too old.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreUnavailable(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed.",
            remedy="Use a Python built with a newer SQLite.",
        )
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        try:
            if reader:
                connection.execute("PRAGMA query_only = ON")
            else:
                _make_durable(connection)
            if erase:
                connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise (file_failure(error, path) or StoreUnavailable(f"The database {path}: {error}.")) from error
    return connection


def _journal_mode(connection: sqlite3.Connection) -> str:
    """Ask for a write-ahead log: a new file gets one from one process at a time, and SQLite lets no other wait."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > patience:
                raise
            time.sleep(_AGAIN)


def _make_durable(connection: sqlite3.Connection) -> None:
    if _journal_mode(connection) != "wal":
        raise StoreUnavailable(
            "The folder of the database can't hold a write-ahead log.",
            remedy="Keep the database on a local disk: network file systems lack the shared memory it needs.",
        )
    # NORMAL loses acknowledged commits at a power cut; FULL syncs the log at every commit.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
