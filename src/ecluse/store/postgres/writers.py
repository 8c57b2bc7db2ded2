"""A few writing threads, each committing many units of work as one transaction.

PostgreSQL shares an fsync among connections by itself; what a group saves is the round trips of BEGIN and
COMMIT, and threads that fight for the interpreter: 3,000 units a second with 64 clients instead of 1,200. A
group is run in good hope: should anything in it fail, all of it is undone and each unit is run alone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import psycopg

from ecluse.store.errors import StoreUnavailable
from ecluse.store.port import Tx
from ecluse.store.postgres.connection import Pool
from ecluse.store.postgres.transactions import Doubtful, on_connection, settle, transact

__all__ = ["WRITERS", "Writers"]

T = TypeVar("T")

WRITERS: Final = 3
"""Threads and connections: measured, more of them only fight for the interpreter."""

GROUP_UNITS: Final = 64
"""Units in one transaction at most: their rows stay locked until it ends."""

GROUP_SECONDS: Final = 0.005
"""A group is closed after so much work."""

_Unit = tuple[Callable[[Tx], Any], "Future[Any]"]


class Writers:
    """A queue of units of work and the threads that drain it.

    Args:
        pool: Where connections come from.
        ring: Called, with their kinds, after a commit that may have made jobs due.
    """

    def __init__(self, pool: Pool, ring: Callable[[set[str]], None]) -> None:
        self._pool = pool
        self._ring = ring
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Queue a unit. The future raises what the unit raises, or :class:`StoreUnavailable`."""
        if threading.current_thread() in self._threads:
            raise RuntimeError("a unit of work must not submit another: it might wait for itself")
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise StoreUnavailable("The store is closed.", remedy="Open it again.")
            self._queue.put((work, future))
            if len(self._threads) < WRITERS:
                name = f"ecluse-writer-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()
        return future

    def close(self) -> None:
        """Finish what is queued."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (unit := self._queue.get()) is not None:
            if unit[1].set_running_or_notify_cancel():
                self._group([unit])
        self._queue.put(None)  # the end mark is for every thread

    def _group(self, units: list[_Unit]) -> None:
        """Run one group that begins with the only one of ``units``; every future is resolved."""
        try:
            connection = self._pool.take()
        except StoreUnavailable as error:
            units[0][1].set_exception(error)
            return
        failure: BaseException | None = None
        try:
            results, rings = transact(connection, self._draw(units))
        except BaseException as error:  # noqa: BLE001 - it belongs to those who submitted the units
            failure = error
        finally:
            settle(connection)
            self._pool.give_back(connection)
        if failure is None:
            self._resolve(units, results, rings)
        elif isinstance(failure, Doubtful) or (len(units) == 1 and not isinstance(failure, psycopg.Error)):
            for _, future in units:
                future.set_exception(failure)
        else:
            for unit in units:
                self._alone(unit)

    def _draw(self, units: list[_Unit]) -> Iterator[Callable[[Tx], Any]]:
        """The first unit's work and that of what else is queued, which is added to ``units``."""
        end = time.monotonic() + GROUP_SECONDS
        yield units[0][0]
        while len(units) < GROUP_UNITS and time.monotonic() < end:
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return
            if unit is None:
                self._queue.put(None)
                return
            if unit[1].set_running_or_notify_cancel():
                units.append(unit)
                yield unit[0]

    def _alone(self, unit: _Unit) -> None:
        work, future = unit
        try:
            results, rings = on_connection(self._pool, lambda connection: transact(connection, [work]))
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who submitted the unit
            future.set_exception(error)
        else:
            self._resolve([unit], results, rings)

    def _resolve(self, units: list[_Unit], results: list[Any], rings: set[str]) -> None:
        if rings:
            self._ring(rings)
        for (_, future), result in zip(units, results, strict=True):
            future.set_result(result)
