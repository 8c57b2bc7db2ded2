"""Telling other nodes that a job may be due, and hearing it from them: LISTEN and NOTIFY.

A NOTIFY inside a transaction makes PostgreSQL commit such transactions one after another, so it is sent after
the commit, over a connection of its own, many at once as one. One that is lost in a crash costs a waiter its
timeout and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import psycopg

from ecluse.store.bell import Bell
from ecluse.store.errors import StoreUnavailable
from ecluse.store.postgres.connection import Connection

__all__ = ["Notices"]

_CHANNEL: Final = "ecluse_jobs"

TOGETHER_SECONDS: Final = 0.01
"""Rings within this time are one NOTIFY."""

AGAIN_SECONDS: Final = 1.0
"""Between two tries to connect, and how long a close may have to wait for the listener."""


class Notices:
    """Two threads, started when first needed: one sends, one listens."""

    def __init__(self, connect: Callable[[], Connection], bell: Bell) -> None:
        self._connect = connect
        self._bell = bell
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._owed = threading.Event()
        self._stop = threading.Event()
        self._own_pid = 0

    def send(self) -> None:
        """Tell the other nodes, soon."""
        self._owed.set()
        self._start("ecluse-notify", self._send_all)

    def listen(self) -> None:
        """Hear the other nodes from now on, until closed."""
        self._start("ecluse-listen", self._listen)

    def close(self) -> None:
        """Send what is owed and end both threads."""
        self._stop.set()
        self._owed.set()
        for thread in self._threads.values():
            thread.join()

    def _start(self, name: str, target: Callable[[], None]) -> None:
        if name in self._threads:
            return
        with self._lock:
            if name not in self._threads and not self._stop.is_set():
                self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
                self._threads[name].start()

    def _send_all(self) -> None:
        connection: Connection | None = None
        while self._owed.wait():
            stopping = self._stop.is_set()
            self._owed.clear()
            try:
                connection = connection or self._connect()
                self._own_pid = connection.info.backend_pid
                connection.execute(f"NOTIFY {_CHANNEL}")
            except (psycopg.Error, StoreUnavailable):
                # The database is away: its waiters look again by themselves when it is back.
                if connection:
                    connection.close()
                connection = None
                self._own_pid = 0  # another's, by now
            if stopping:
                break
            self._stop.wait(TOGETHER_SECONDS)
        if connection:
            connection.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    # What was said while nobody listened can't be known: look once.
                    self._bell.ring()
                    while not self._stop.is_set():
                        for notice in connection.notifies(timeout=AGAIN_SECONDS / 4, stop_after=1):
                            if notice.pid != self._own_pid:
                                self._bell.ring()
            except (psycopg.Error, StoreUnavailable):
                self._stop.wait(AGAIN_SECONDS)
