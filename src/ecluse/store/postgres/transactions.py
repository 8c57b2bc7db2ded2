"""One transaction on one connection, and what may be run again.

Nothing of a transaction that failed before its COMMIT was sent is left, so its units may be run again: after
a deadlock, and on a fresh connection where an idle one turns out to be dead. Once COMMIT was sent and the
connection is lost, nobody knows: that is reported, never repeated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import psycopg
from psycopg import errors

from ecluse.store.errors import Conflict, StoreUnavailable, WriteOnce
from ecluse.store.port import Tx, View
from ecluse.store.postgres.connection import Connection, Pool, failure_of
from ecluse.store.postgres.verbs import PostgresTx, PostgresView

__all__ = ["Doubtful", "look", "on_connection", "settle", "transact"]

T = TypeVar("T")

TRIES: Final = 8
"""Runs of one unit that deadlocks or can't be serialised."""

_AGAIN: Final = (errors.SerializationFailure, errors.DeadlockDetected)


class Doubtful(StoreUnavailable):
    """The connection was lost after COMMIT was sent: it may have been done."""


def transact(connection: Connection, works: Iterable[Callable[[Tx], T]]) -> tuple[list[T], set[str]]:
    """Run units of work in one transaction.

    Returns:
        Their results, when they are durable, and of which kinds jobs may have become due.

    Raises:
        Doubtful: The connection was lost while it committed.
    """
    commit = None
    tx = PostgresTx(connection)
    try:
        with connection.pipeline():
            connection.execute("BEGIN")
            results = [work(tx) for work in works]
            commit = connection.execute("COMMIT")
    except psycopg.Error as error:
        if commit is not None and connection.closed:
            raise Doubtful("PostgreSQL went away while it committed; it may have been done.") from error
        raise
    # COMMIT after a failed statement whose error the unit swallowed rolls back, without an error.
    if commit.statusmessage != "COMMIT":
        raise StoreUnavailable("The unit of work went on after a statement had failed.")
    return results, tx.rings


def look(connection: Connection, work: Callable[[View], T]) -> T:
    """Run reads that all see one moment."""
    with connection.pipeline():
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        result = work(PostgresView(connection))
        connection.execute("COMMIT")
    return result


def on_connection(pool: Pool, attempt: Callable[[Connection], T]) -> T:
    """Run ``attempt`` on a connection; again after a deadlock, and once after a connection was lost.

    Raises:
        Conflict: A unique key is taken.
        WriteOnce: What is archived was to be deleted or changed.
        StoreUnavailable: The database can't do it at present.
    """
    lost = False
    for run in range(1, TRIES + 1):
        connection = pool.take()
        try:
            return attempt(connection)
        except _AGAIN:
            # Past the first tries it is not chance: give the others time to end.
            time.sleep(random.uniform(0, 0.002 * 2**run))  # noqa: S311 - only to fall out of step
        except errors.UniqueViolation as error:
            raise Conflict(f"A unique key is taken ({error.diag.constraint_name}).") from error
        except errors.RestrictViolation as error:
            raise WriteOnce(f"The database refuses it ({error.diag.message_primary}).") from error
        except Doubtful:
            pool.forget_idle()
            raise
        except psycopg.Error as error:
            failure = failure_of(error)
            if failure is None:
                raise
            if not connection.closed or lost:
                raise failure from error
            # An idle connection outlives a restart of the server: the others are as dead.
            pool.forget_idle()
            lost = True
        finally:
            settle(connection)
            pool.give_back(connection)
    raise StoreUnavailable("Other transactions were in the way each time.")


def settle(connection: Connection) -> None:
    """End what an error left open."""
    try:
        if not connection.closed:
            connection.rollback()
    except psycopg.Error:
        connection.close()
