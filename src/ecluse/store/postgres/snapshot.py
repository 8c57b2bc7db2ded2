"""Snapshots of a PostgreSQL database: its tables' rows, read in one transaction (REPEATABLE READ), in order of their
keys.

A chunk ends behind a row whose digest says so, so that rows that come, go or change move no cut but those beside them.
The rows are those of COPY in its text format (postgresql.org/docs/current/sql-copy.html).

For a hub whose database is too large to be read whole every day, the server's own continuous archiving is the better
backup of it (docs/how-to/back-up-and-restore.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Final

import msgspec
import psycopg
from psycopg import sql

from ecluse.store.port import Kind, View
from ecluse.store.postgres import schema
from ecluse.store.postgres.connection import Connection, Connector, failure_of
from ecluse.store.postgres.verbs import PostgresView
from ecluse.store.snapshot import BadSnapshot, DatabaseNotEmpty, cut_rows
from ecluse.typed import from_json

__all__ = ["PostgresSnapshot", "load_tables", "on_trial", "snapshot"]

_SCHEMA: Final = "ecluse"
_HEAD: Final = "schema"
_TABLE: Final = "table:"
_UNCOPIED: Final = frozenset({"schema_migrations", "file_usage"})
"""Tables that others fill: the migrations, and the trigger on ``files``."""

_ROWS: Final = 1000

_TRIAL: Final = "a restore on trial, which may be dropped"
"""Comment on a schema that nobody needs once the trial is over."""
_TRIAL_LOCK: Final = 0x65_7472_69616C
"""The advisory lock of who has the database for a trial: "etrial" in ASCII."""


class _Table(msgspec.Struct, frozen=True):
    name: str
    columns: tuple[str, ...]
    identity: tuple[str, ...] = ()


class _Head(msgspec.Struct, frozen=True):
    migrations: dict[str, str]
    tables: tuple[_Table, ...]


class PostgresSnapshot:
    """See :class:`~ecluse.store.snapshot.Snapshot`."""

    kind: Kind = "postgresql"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.view: View = PostgresView(connection)

    def streams(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """See the port."""
        rows = self._connection.execute(
            "SELECT name, checksum FROM schema_migrations ORDER BY name"
        ).fetchall()
        tables = tuple(_tables(self._connection))
        head = _Head({str(name): str(checksum) for name, checksum in rows}, tables)
        yield _HEAD, iter([msgspec.json.encode(head)])
        for table in tables:
            yield _TABLE + table.name, self._chunks(table)

    def _chunks(self, table: _Table) -> Iterator[bytes]:
        keys = [
            str(name)
            for (name,) in self._connection.execute(
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
                " AND a.attnum = ANY(i.indkey) WHERE i.indrelid = %s::regclass AND i.indisprimary"
                " ORDER BY array_position(i.indkey::int2[], a.attnum)",
                (f"{_SCHEMA}.{table.name}",),
            ).fetchall()
        ]
        statement = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
            _columns(table.columns),
            sql.Identifier(_SCHEMA, table.name),
            sql.SQL(" ORDER BY {}").format(_columns(keys)) if keys else sql.SQL(""),
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield from cut_rows(bytes(row) for row in copy)

    def placed(self) -> Iterator[tuple[str, int]]:
        """See the port."""
        after = ""
        while True:
            rows = self._connection.execute(
                "SELECT id, size FROM blobs WHERE id > %s AND inline IS NULL ORDER BY id LIMIT %s",
                (after, _ROWS),
            ).fetchall()
            for id, size in rows:
                yield str(id), int(str(size))
            if len(rows) < _ROWS:
                return
            after = str(rows[-1][0])


@contextmanager
def snapshot(connector: Connector) -> Iterator[PostgresSnapshot]:
    """A snapshot, on a connection of its own. Raises :class:`~ecluse.store.port.StoreUnavailable`."""
    with closing(_patient(connector)) as connection:
        try:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SELECT 1")  # the moment is that of the first statement, and not of BEGIN
            yield PostgresSnapshot(connection)
        except psycopg.Error as error:
            failure = failure_of(error)
            if failure is None:
                raise
            raise failure from error


def load_tables(
    url: str,
    streams: Iterable[tuple[str, Callable[[], Iterator[bytes]]]],
    password: str | None,
    *,
    trial: bool = False,
) -> None:
    """Fill an empty database, in one transaction. See :func:`~ecluse.store.snapshot.load_snapshot`."""
    found = dict(streams)
    if _HEAD not in found:
        raise BadSnapshot("The snapshot is not one of a PostgreSQL database.")
    try:
        head = from_json(b"".join(found[_HEAD]()), _Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSnapshot("The snapshot does not say which tables it has.") from error
    with closing(_patient(Connector(url, "restore", password))) as connection:
        try:
            if connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (_SCHEMA,)).fetchone() == (True,):
                raise DatabaseNotEmpty("There is a hub in the database already.")
            with connection.transaction():
                schema.migrate(connection, head.migrations)
                for table in head.tables:
                    _fill(connection, table, found)
                if trial:
                    connection.execute(
                        sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(_SCHEMA), _TRIAL)
                    )
        except psycopg.Error as error:
            failure = failure_of(error)
            raise failure or BadSnapshot("The snapshot does not fit the tables of this release.") from error


@contextmanager
def on_trial(url: str, password: str | None) -> Iterator[None]:
    """See :func:`~ecluse.store.open.trial_database`. Who has the database holds an advisory lock of it, which ends with
    the connection.
    """
    with closing(_patient(Connector(url, "trial", password))) as connection:
        if connection.execute("SELECT pg_try_advisory_lock(%s)", (_TRIAL_LOCK,)).fetchone() != (True,):
            raise DatabaseNotEmpty("Another restore on trial is under way in the database.")
        _drop_trial(connection)
        try:
            yield
        finally:
            # On another connection: this one may have ended with the server while a long restore went on.
            with closing(_patient(Connector(url, "trial", password))) as fresh:
                _drop_trial(fresh)


def _drop_trial(connection: Connection) -> None:
    try:
        mark = connection.execute(
            "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", (_SCHEMA,)
        ).fetchone()
        if mark == (_TRIAL,):
            connection.execute("DROP SCHEMA ecluse CASCADE; DROP SCHEMA IF EXISTS ecluse_keys CASCADE")
    except psycopg.Error as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error


def _fill(connection: Connection, table: _Table, streams: dict[str, Callable[[], Iterator[bytes]]]) -> None:
    chunks = streams.get(_TABLE + table.name)
    if chunks is None:
        raise BadSnapshot(f"The snapshot lacks the table {table.name}.")
    name = sql.Identifier(_SCHEMA, table.name)
    # A migration puts a first row into some tables.
    connection.execute(sql.SQL("DELETE FROM {}").format(name))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, _columns(table.columns))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks():
            copy.write(chunk)
    for column in table.identity:
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence(%s, %s), (SELECT coalesce(max({}), 0) + 1 FROM {}), false)"
            ).format(sql.Identifier(column), name),
            (f"{_SCHEMA}.{table.name}", column),
        )


def _tables(connection: Connection) -> Iterator[_Table]:
    rows = connection.execute(
        "SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position),"
        " coalesce(array_agg(c.column_name::text) FILTER (WHERE c.is_identity = 'YES'), '{}')"
        " FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'"
        " GROUP BY c.table_name ORDER BY c.table_name",
        (_SCHEMA,),
    ).fetchall()
    for name, columns, identity in rows:
        if name not in _UNCOPIED and isinstance(columns, list) and isinstance(identity, list):
            yield _Table(str(name), tuple(columns), tuple(identity))


def _columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _patient(connector: Connector) -> Connection:
    connection = connector.connect()
    connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    return connection
