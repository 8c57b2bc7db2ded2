"""Migrations of the two files: which are missing, and applying them while other processes may do the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ecluse.store.errors import StoreUnavailable
from ecluse.store.queries import Migration, load_migrations, missing_migrations
from ecluse.store.sqlite.connection import connect, create_private, file_failure, key_path

__all__ = ["migrate", "migrate_keys", "pending"]

_STEPS: Final = {
    "": load_migrations("ecluse.store.sqlite"),
    "keys/": load_migrations("ecluse.store.sqlite", "key_migrations"),
}

_TABLE: Final = """CREATE TABLE IF NOT EXISTS schema_migrations (
    name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied INTEGER NOT NULL
) STRICT"""


def _files(path: Path) -> list[tuple[str, Path, tuple[Migration, ...]]]:
    return [("", path, _STEPS[""]), ("keys/", key_path(path), _STEPS["keys/"])]


def _missing(connection: sqlite3.Connection, steps: tuple[Migration, ...]) -> list[Migration]:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone()
    rows = connection.execute("SELECT name, checksum FROM schema_migrations").fetchall() if known else []
    return missing_migrations(steps, dict(rows))


def _statements(sql: str) -> Iterator[str]:
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def pending(path: Path) -> list[str]:
    """Names of the steps that the files lack; those of the key file begin with ``keys/``.

    Raises:
        SchemaMismatch: A file is newer than this release, or its steps were edited.
        StoreUnavailable: A file can't be read.
    """
    names: list[str] = []
    for prefix, file, steps in _files(path):
        if not file.exists():
            names += [prefix + step.name for step in steps]
            continue
        connection = connect(file, reader=True)
        try:
            names += [prefix + step.name for step in _missing(connection, steps)]
        except sqlite3.Error as error:
            raise _unavailable(error, file) from error
        finally:
            connection.close()
    return names


def migrate(path: Path) -> list[str]:
    """Apply what is missing, each file in one transaction; give the names. Raises as :func:`pending` does."""
    # The key file comes first: once the main file has its tables, both can be used.
    return _apply(reversed(_files(path)))


def migrate_keys(path: Path) -> list[str]:
    """The same for the key file alone."""
    return _apply(_files(path)[1:])


def _apply(files: Iterable[tuple[str, Path, tuple[Migration, ...]]]) -> list[str]:
    names: list[str] = []
    for prefix, file, steps in files:
        create_private(file)
        connection = connect(file)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            for step in _missing(connection, steps):
                for statement in _statements(step.sql):
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO schema_migrations VALUES (?, ?, strftime('%s') * 1000000)",
                    (step.name, step.checksum),
                )
                names.append(prefix + step.name)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unavailable(error, file) from error
        finally:
            connection.close()
    return names


def _unavailable(error: sqlite3.Error, file: Path) -> StoreUnavailable:
    return file_failure(error, file) or StoreUnavailable(f"The database {file} can't be migrated: {error}.")
