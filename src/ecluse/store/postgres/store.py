"""The PostgreSQL store behind the port: writers, readers, a bell for jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Final, TypeVar

import psycopg

from ecluse.store.bell import Bell
from ecluse.store.errors import StoreUnavailable
from ecluse.store.port import Snapshot, Tx, View
from ecluse.store.postgres import schema
from ecluse.store.postgres.connection import Connection, Connector, Pool, failure_of
from ecluse.store.postgres.notices import Notices
from ecluse.store.postgres.snapshot import snapshot
from ecluse.store.postgres.transactions import look, on_connection
from ecluse.store.postgres.writers import WRITERS, Writers
from ecluse.store.queries import SchemaMismatch

__all__ = ["PostgresStore"]

T = TypeVar("T")

READERS: Final = 8
"""Read connections of one node."""

_OLDEST: Final = 130000
"""PostgreSQL 13, in libpq's numbers."""

_REWRITE: Final = "VACUUM (FULL) ecluse_keys.blob_keys"
"""A plain VACUUM of 20,000 keys, the oldest 3,000 of them deleted, left 2,701 of these readable in the table's file:
pages on which nothing is left are only marked free. A rewrite left none; it locks the table for 0.8 s per million keys.
"""

_VACUUM: Final = "VACUUM messages, deliveries, receipts, answers, files, events"

_REWRITE_PATIENCE: Final = "SET statement_timeout = '10min'; SET lock_timeout = '5s'"
"""Who needs a key waits behind a rewrite that waits: not for long."""


class PostgresStore:
    """A :class:`~ecluse.store.port.Store` in a PostgreSQL database.

    Args:
        url: ``postgresql://user@host:port/database`` without a password.
        node: Name of this node.
        password: Kept out of every error, log and repr.

    Raises:
        BadStoreUrl: The URL can't be read or holds a password.
        SchemaMismatch: The database is newer than this release, or its migrations were edited.
        StoreUnavailable: It can't be reached.
    """

    local = False

    def __init__(self, url: str, *, node: str, password: str | None = None) -> None:
        self._connector = Connector(url, node, password)
        self._connections = Pool(self._connector.connect, WRITERS)
        self._readers = Pool(self._connector.connect, READERS)
        self._writers = Writers(self._connections, self._ring)
        self._bell = Bell()
        self._notices = Notices(self._connector.connect, self._bell)
        self._migrated = not self.pending_migrations()

    def __repr__(self) -> str:
        return f"PostgresStore({self._connector.shown!r})"

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.submit(work).result()

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        self._check_usable()
        return self._writers.submit(work)

    def read(self, work: Callable[[View], T], *, snapshot: bool = True) -> T:
        self._check_usable()
        return on_connection(self._readers, lambda connection: look(connection, work))

    def purge_keys(self, ids: Collection[str]) -> None:
        """The table of keys is rewritten without them. What the server's own write-ahead log, its archive and its
        replicas hold is the server's.
        """
        # Not from the pool: a rewrite waits for those who use the table, and may take longer than a unit of work.
        connection = self._connector.connect()
        try:
            connection.execute(_REWRITE_PATIENCE)
            connection.execute(_REWRITE)
        except psycopg.Error as error:
            raise failure_of(error) or StoreUnavailable(
                "The table of keys could not be rewritten."
            ) from error
        finally:
            connection.close()

    def purge_rows(self) -> None:
        """The tables are vacuumed: what is read of them no more goes as their pages are used again."""
        connection = self._connector.connect()
        try:
            connection.execute(_REWRITE_PATIENCE)
            connection.execute(_VACUUM)
        except psycopg.Error as error:
            raise failure_of(error) or StoreUnavailable("The tables could not be vacuumed.") from error
        finally:
            connection.close()

    def wait_for_jobs(self, timeout: float, kinds: tuple[str, ...] = ()) -> None:
        self._notices.listen()
        self._bell.wait(timeout, kinds)

    def migrate(self) -> list[str]:
        # Not from the pool: a step over a large table may take longer than a unit of work ever may.
        connection = self._connector.connect()
        try:
            names = schema.migrate(connection)
        except psycopg.Error as error:
            raise failure_of(error) or StoreUnavailable("The migration failed; nothing was done.") from error
        finally:
            connection.close()
        self._migrated = True
        return names

    def pending_migrations(self) -> list[str]:
        return on_connection(self._readers, schema.pending)

    def check(self) -> list[str]:
        """What is wrong with the server for our purposes, a sentence each."""
        try:
            return on_connection(self._readers, _check_server)
        except StoreUnavailable as error:
            return [error.cause]

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        self._check_usable()
        return snapshot(self._connector)

    def close(self) -> None:
        self._writers.close()
        self._bell.close()
        self._notices.close()
        self._connections.close()
        self._readers.close()

    def _check_usable(self) -> None:
        if not self._migrated:
            missing = self.pending_migrations()
            if missing:
                raise SchemaMismatch(
                    f"The database {self._connector.shown} lacks the migration {missing[0]}."
                )
            self._migrated = True

    def _ring(self, kinds: set[str]) -> None:
        self._bell.ring(kinds)
        self._notices.send()


def _check_server(connection: Connection) -> list[str]:
    problems = []
    if connection.info.server_version < _OLDEST:
        problems.append(
            f"PostgreSQL {connection.info.server_version // 10000} is too old: 13 or later is needed."
        )
    wanted = {
        "fsync": ("on", "acknowledged messages are lost at a power cut"),
        "full_page_writes": ("on", "a power cut can tear pages"),
        "server_encoding": ("UTF8", "names and subjects can't be kept as they are"),
        "transaction_read_only": ("off", "nothing can be written"),
    }
    for name, (value, why) in wanted.items():
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
        if row and row[0] != value:
            problems.append(f"PostgreSQL has {name} = {row[0]}: {why}.")
    return problems
