"""Connections: how one is made, what its errors mean for us, and a small pool of them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import conninfo, errors

from ecluse.store.errors import BadStoreUrl, StoreUnavailable

__all__ = ["Connection", "Connector", "Pool", "failure_of"]

Connection = psycopg.Connection[tuple[object, ...]]

CONNECT_SECONDS: Final = 5
"""For one address to answer; libpq tries each address of the host."""

STATEMENT_SECONDS: Final = 30
"""No verb is more than an indexed statement: one that takes this long waits for something that is ill."""

LOCK_SECONDS: Final = 10
"""For a row that another node holds; units of work are short."""

IDLE_SECONDS: Final = 60
"""After which the server ends a transaction whose node was cut off, and frees its rows."""

TAKEN_SECONDS: Final = 60.0
"""For a whole transaction: twice what its slowest statement may take."""

DOWN_SECONDS: Final = 0.5
"""After a failed connect, others fail at once for so long: a dead host must not eat a timeout from each."""

_OPTIONS: Final = (
    f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s "
    f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s -c search_path=ecluse"
)

_OURS: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,  # a transaction that stood idle too long (a node that was paused), damaged files
    errors.ReadOnlySqlTransaction,
    errors.InsufficientPrivilege,
)


def failure_of(error: BaseException) -> StoreUnavailable | None:
    """What an error says of the database's health, or ``None`` where it says something of the statement."""
    if not isinstance(error, _OURS):
        return None
    if isinstance(error, errors.DiskFull):
        cause = "its disk is full"
    elif isinstance(error, errors.ReadOnlySqlTransaction):
        cause = "it is read-only: a standby, or set so"
    elif isinstance(error, errors.QueryCanceled | errors.LockNotAvailable):
        cause = "a statement waited too long"
    else:
        text = isinstance(error, psycopg.Error) and error.diag.message_primary
        cause = (text or str(error).strip() or "the connection was lost").splitlines()[0]
    return StoreUnavailable(f"PostgreSQL did not do it: {cause}.")


class Connector:
    """Makes connections to one database; keeps the password to itself.

    Args:
        url: libpq URL without a password.
        node: Shown as the connection's application name.
        password: Kept out of every error and repr.

    Raises:
        BadStoreUrl: The URL can't be read, or holds a password.
    """

    def __init__(self, url: str, node: str, password: str | None) -> None:
        try:
            parts = conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            # libpq's message quotes the URL, which may hold what doesn't belong there.
            raise BadStoreUrl("The URL of the PostgreSQL database can't be read.") from None
        if "password" in parts:
            raise BadStoreUrl("The URL of the PostgreSQL database holds a password.")
        self.shown = f"{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"
        self._info = conninfo.make_conninfo(url, application_name=f"ecluse {node}", options=_OPTIONS)
        self._password = password
        self._down: tuple[float, StoreUnavailable] | None = None

    def __repr__(self) -> str:
        return f"Connector({self.shown!r})"

    def connect(self) -> Connection:
        """A connection whose transactions are begun and ended by hand. Raises :class:`StoreUnavailable`."""
        down = self._down
        if down and time.monotonic() < down[0]:
            raise StoreUnavailable(down[1].cause)
        try:
            connection = psycopg.connect(
                self._info,
                password=self._password,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=20_000,
            )
            # Acknowledged means durable, whatever the server's default; a stricter one is left as it is.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        except psycopg.Error as error:
            failure = failure_of(error) or StoreUnavailable("PostgreSQL can't be used.")
            self._down = (time.monotonic() + DOWN_SECONDS, failure)
            raise failure from None
        self._down = None
        return connection


class Pool:
    """At most ``size`` connections, made when needed, each used by one thread at a time.

    A server that hangs (its disk, its machine) answers nothing and lets no timeout of its own run: a
    connection that is not given back in time is cut off, and its user gets an error.
    """

    def __init__(self, connect: Callable[[], Connection], size: int) -> None:
        self._connect = connect
        self._free = threading.BoundedSemaphore(size)
        self._idle: deque[Connection] = deque()
        self._taken: dict[Connection, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._guard: threading.Thread | None = None

    def take(self) -> Connection:
        """Raises :class:`StoreUnavailable` where none can be made, or none is given back in time."""
        if self._closed.is_set():
            raise StoreUnavailable("The store is closed.", remedy="Open it again.")
        if not self._free.acquire(timeout=TAKEN_SECONDS):
            raise StoreUnavailable("All connections to PostgreSQL are in use.")
        try:
            connection = self._reuse() or self._connect()
        except BaseException:
            self._free.release()
            raise
        with self._lock:
            self._taken[connection] = time.monotonic()
            if self._guard is None:
                self._guard = threading.Thread(target=self._cut_off, name="ecluse-guard", daemon=True)
                self._guard.start()
        return connection

    def _reuse(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next one, unless it is broken or in the middle of something."""
        with self._lock:
            del self._taken[connection]
        if self._closed.is_set() or connection.closed or connection.info.transaction_status != _IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        self._free.release()

    def forget_idle(self) -> None:
        """Close what is idle: the server they belong to went away."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def close(self) -> None:
        """Close what is idle, and the rest when it is given back."""
        self._closed.set()
        self.forget_idle()

    def _cut_off(self) -> None:
        while not self._closed.wait(TAKEN_SECONDS / 20):
            too_long = time.monotonic() - TAKEN_SECONDS
            with self._lock:
                for connection, since in self._taken.items():
                    if since < too_long and not connection.closed:
                        _shut_down(connection)


def _shut_down(connection: Connection) -> None:
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        return


_IDLE: Final = psycopg.pq.TransactionStatus.IDLE
