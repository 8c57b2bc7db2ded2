"""From a URL to a store, and from a snapshot to a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ecluse.errors import Fault
from ecluse.store.errors import BadStoreUrl
from ecluse.store.port import Kind, Store
from ecluse.store.snapshot import BadSnapshot

__all__ = ["BadStoreUrl", "load_snapshot", "open_store", "trial_database"]


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


def trial_database(url: str | None, *, password: str | None = None) -> AbstractContextManager[None]:
    """Have a database for a restore on trial. What was put there as such is dropped at the end of the context, or where
    the process was killed, at the beginning of the next one.

    Args:
        url: As of :func:`open_store`. One that is no PostgreSQL database is a file, which goes with its folder.
        password: For PostgreSQL.

    Raises:
        DatabaseNotEmpty: Another trial is under way there.
        StoreUnavailable: The database can't be reached.
    """
    if url is None or url.partition(":")[0] == "sqlite":
        return nullcontext()
    from ecluse.store.postgres.snapshot import on_trial

    return on_trial(url, password)


def load_snapshot(
    url: str,
    kind: Kind,
    streams: Iterable[tuple[str, Callable[[], Iterator[bytes]]]],
    *,
    password: str | None = None,
    trial: bool = False,
) -> None:
    """Put a snapshot into an empty database, and return when it is durable. Keys are added by the caller.

    Args:
        url: As of :func:`~ecluse.store.open.open_store`.
        kind: Of the snapshot.
        streams: Name, and what gives the chunks, of each.
        password: For PostgreSQL.
        trial: Mark what is put there, on PostgreSQL, as for :func:`trial_database`.

    Raises:
        BadSnapshot: It is none of this kind of database, or one of a later release.
        DatabaseNotEmpty: There is something already.
        StoreUnavailable: The database can't take it. Nothing is left of it.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "postgres":
        scheme = "postgresql"
    if scheme != kind:
        raise BadSnapshot(
            f"The snapshot is one of {kind}, and the database is none.",
            remedy=f"Give a database of that kind with --database {kind}:...",
            fault=Fault.USAGE,
        )
    if kind == "sqlite":
        from ecluse.store.sqlite.snapshot import load_file

        load_file(Path(rest), streams)
    else:
        from ecluse.store.postgres.snapshot import load_tables

        load_tables(url, streams, password, trial=trial)
