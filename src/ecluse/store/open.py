"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecluse.store.port import BadStoreUrl

if TYPE_CHECKING:
    from ecluse.store.port import Store

__all__ = ["BadStoreUrl", "drop_database", "open_store"]


def open_store(url: str, *, node: str, password: str | None = None) -> Store:
    """Open the database at ``url``; its tables are made by ``migrate()`` where they are missing.

    Args:
        url: ``sqlite:relative/or/absolute/path`` or ``postgresql://user@host:port/database``.
        node: Name of this node; PostgreSQL shows it as the connection's application name.
        password: For PostgreSQL. Kept out of every error, log and repr.

    Raises:
        BadStoreUrl: Another scheme, no path, or a password within the URL.
        SchemaMismatch: The database is newer than this release, or its migrations were edited.
        StoreUnavailable: It can't be reached.
    """
    # Each is imported only when it is asked for: an embedded hub needs no PostgreSQL driver.
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        from ecluse.store.sqlite import SqliteStore

        return SqliteStore(Path(rest))
    if scheme in ("postgresql", "postgres") and rest:
        from ecluse.store.postgres import PostgresStore

        return PostgresStore(url, node=node, password=password)
    raise BadStoreUrl(f"There is no database of the kind {scheme!r}.")


def drop_database(url: str, *, password: str | None = None) -> None:
    """Drop everything of a hub that is in a PostgreSQL database. Raises :class:`StoreUnavailable`."""
    from ecluse.store.postgres.snapshot import drop_tables

    drop_tables(url, password)
