"""Migrations: which are missing, and applying them while other nodes may do the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ecluse.store.postgres.connection import Connection
from ecluse.store.queries import Migration, load_migrations, missing_migrations

__all__ = ["migrate", "pending"]

_STEPS: Final = load_migrations("ecluse.store.postgres")

_LOCK: Final = 0x6563_6C75_7365
"""The advisory lock of migrations: "ecluse" in ASCII."""

_PATIENCE: Final = "5min"
"""For another node's migration, and for a step over a large table."""

_TABLE: Final = """CREATE SCHEMA IF NOT EXISTS ecluse;
CREATE TABLE IF NOT EXISTS ecluse.schema_migrations (
    name TEXT COLLATE "C" PRIMARY KEY, checksum TEXT NOT NULL, applied BIGINT NOT NULL
)"""


def _missing(connection: Connection) -> list[Migration]:
    known = connection.execute("SELECT to_regclass('ecluse.schema_migrations') IS NOT NULL").fetchone()
    applied = {}
    if known and known[0]:
        rows = connection.execute("SELECT name, checksum FROM ecluse.schema_migrations").fetchall()
        applied = {str(name): str(checksum) for name, checksum in rows}
    return missing_migrations(_STEPS, applied)


def pending(connection: Connection) -> list[str]:
    """Names of the steps that the database lacks.

    Raises:
        SchemaMismatch: The database is newer than this release, or its steps were edited.
    """
    return [step.name for step in _missing(connection)]


def migrate(connection: Connection, known: Mapping[str, str] | None = None) -> list[str]:
    """Apply what is missing, in one transaction; give the names. Raises as :func:`pending` does.

    Args:
        connection: To the database.
        known: Name and checksum of the only steps to apply: those that another database had.
    """
    if known is not None:
        missing_migrations(_STEPS, known)
    with connection.transaction():
        connection.execute(
            f"SET LOCAL statement_timeout = '{_PATIENCE}'; SET LOCAL lock_timeout = '{_PATIENCE}'"
        )
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_TABLE)
        steps = _missing(connection)
        steps = [step for step in steps if known is None or step.name in known]
        for step in steps:
            connection.execute(step.sql.encode())
            connection.execute(
                "INSERT INTO schema_migrations VALUES (%s, %s, extract(epoch FROM now())::bigint * 1000000)",
                (step.name, step.checksum),
            )
    return [step.name for step in steps]
