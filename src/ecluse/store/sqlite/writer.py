"""The one writer of a process: a thread that commits many units of work with one fsync.

It takes what is queued, runs each unit in a savepoint of its own inside one transaction, makes new keys
durable, commits, deletes dropped keys, and only then resolves the futures. A unit that raises is undone
alone; a commit that fails takes the whole group with it, and nothing of it was acknowledged. Rows that are only
added are held, and go in together at the end; where one of them is in another's way, the group is run again, row by
row.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from ecluse.store.errors import Conflict, StoreUnavailable, WriteOnce
from ecluse.store.port import Tx
from ecluse.store.sqlite.connection import connect, file_failure, is_busy, key_path
from ecluse.store.sqlite.held import Held, InTheWay
from ecluse.store.sqlite.keys import KeyFile
from ecluse.store.sqlite.verbs import SQL, TOUCHING, SqliteTx

__all__ = ["Writer"]

T = TypeVar("T")

GROUP_UNITS: Final = 256
"""Units in one commit at most."""

GROUP_SECONDS: Final = 0.005
"""A group is closed after so much work: about what an fsync costs, so that waiting at most doubles."""

GATHER_SECONDS: Final = 0.002
"""After a group of several, how long the next one waits for company at most: as long as the last commit took, which
is about what its fsyncs take. Whoever is alone does not wait."""

LISTEN_SECONDS: Final = 0.075
"""How often is looked whether another process committed: one pragma, a few microseconds."""

LOCK_SECONDS: Final = 30.0
"""How long a group waits for another process's write lock before it is given up."""

MOST_AHEAD: Final = 1024
"""Keys that are known to be durable before their blobs come. One that is not known is only written again."""

_Unit = tuple[Callable[[Tx], Any], "Future[Any]"]


class _GroupFailed(Exception):
    """The transaction is lost with all its units; the cause is the error of the file."""


class _Group:
    """What one transaction has gathered so far."""

    __slots__ = ("ahead", "drops", "end", "failures", "held", "keys", "results", "rings", "units")

    def __init__(self, held: Held | None) -> None:
        self.end = time.monotonic() + GROUP_SECONDS
        self.held = held
        self.units: list[_Unit] = []
        self.results: list[tuple[Future[Any], Any]] = []
        self.failures: list[tuple[Future[Any], BaseException]] = []
        self.keys: dict[str, bytes] = {}
        self.ahead: dict[str, bytes] = {}
        self.drops: list[str] = []
        self.rings: set[str] = set()

    def is_open(self) -> bool:
        return len(self.units) < GROUP_UNITS and time.monotonic() < self.end

    def resolve(self) -> None:
        for future, result in self.results:
            future.set_result(result)
        for future, error in self.failures:
            future.set_exception(error)

    def fail(self, error: BaseException) -> None:
        for _, future in self.units:
            future.set_exception(error)


class Writer:
    """Owns the writing connections and their thread.

    Args:
        path: The main file; both files are migrated.
        ring: Called, with their kinds, after a commit that may have made jobs due; with the empty kind, after one of
            another process.
    """

    def __init__(self, path: Path, ring: Callable[[set[str]], None]) -> None:
        self._path = path
        self._ring = ring
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._main = connect(path)
        self._keys = KeyFile(key_path(path), SQL)
        self._overwriting = False
        self._ahead: dict[str, bytes] = {}
        self._owed_drops: list[str] = []
        self._done_drops: list[str] = []
        self._drop_keys([row[0] for row in self._main.execute(SQL["key_drops"])])
        self._version = self._data_version()
        self._listened = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name="ecluse-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Tx], T]) -> Future[T]:
        """Queue a unit. The future raises what the unit raises, or :class:`StoreUnavailable`."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a unit of work must not submit another: it would wait for itself")
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise StoreUnavailable("The store is closed.", remedy="Open it again.")
            self._queue.put((work, future))
        return future

    def close(self) -> None:
        """Finish what is queued and let go of the files."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._main.close()
        self._keys.close()

    def _serve(self) -> None:
        busy, took = False, 0.0
        while (unit := self._next()) is not None:
            group = _Group(Held(self._main, SQL, TOUCHING))
            if busy:
                time.sleep(min(GATHER_SECONDS, took))
            try:
                try:
                    self._fill(group, unit)
                    if group.held is not None:
                        group.held.put_in()
                except InTheWay:
                    group = self._run_again(group)
                ended = time.monotonic()
                if group.keys:
                    self._keys.add(group.keys)
                self._main.execute("COMMIT")
                took = time.monotonic() - ended
            except (sqlite3.Error, StoreUnavailable, _GroupFailed) as error:
                self._roll_back()
                group.fail(self._unavailable(error))
                continue
            self._done_drops.clear()
            self._note_ahead(group)
            self._drop_keys(group.drops)
            if group.rings:
                self._ring(group.rings)
            busy = len(group.units) > 1
            group.resolve()

    def _next(self) -> _Unit | None:
        """The next unit, or the end mark. Other processes are listened for however busy this one is."""
        while True:
            left = self._listened + LISTEN_SECONDS - time.monotonic()
            if left <= 0:
                self._listened, left = time.monotonic(), LISTEN_SECONDS
                version = self._data_version()
                if version != self._version:
                    self._version = version
                    self._ring({""})
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=left)

    def _data_version(self) -> int:
        """A number that another connection's commits change, and those of this one don't."""
        try:
            return int(self._main.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return 0  # what is wrong with the file is reported by the next unit

    def _fill(self, group: _Group, unit: _Unit | None) -> None:
        """Run ``unit`` and what else is queued."""
        begun = False
        while unit is not None:
            work, future = unit
            if future.set_running_or_notify_cancel():
                group.units.append(unit)
                if not begun:
                    self._begin()
                    begun = True
                self._run(group, work, future)
            if not group.is_open():
                return
            try:
                unit = self._queue.get_nowait()
            except queue.Empty:
                return
        self._queue.put(None)  # the end mark belongs to the loop above

    def _begin(self) -> None:
        if self._overwriting:
            self._main.execute("PRAGMA secure_delete = OFF")
            self._overwriting = False
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                self._main.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > end:
                    raise
        if self._done_drops:
            self._main.executemany(SQL["forget_key_drop"], [(id,) for id in self._done_drops])

    def _run_again(self, group: _Group) -> _Group:
        """Run the units of a group again, of which nothing is left then, row by row."""
        self._main.execute("ROLLBACK")
        again = _Group(None)
        again.units = group.units
        self._begin()
        for work, future in group.units:
            self._run(again, work, future)
        return again

    def _run(self, group: _Group, work: Callable[[Tx], Any], future: Future[Any]) -> None:
        """Run one unit, to be undone alone.

        Raises :class:`_GroupFailed` where the whole transaction is lost, :class:`InTheWay` where the group is to be run
        again.
        """
        tx = SqliteTx(self._main, self._keys.connection, group.held, self._ahead)
        try:
            try:
                result = work(tx)
                tx.settle()
            finally:
                self._overwriting = self._overwriting or tx.overwrites
        except BaseException as error:  # whatever it is, it belongs to the one who submitted the unit
            if isinstance(error, sqlite3.Error) and file_failure(error, self._path):
                raise _GroupFailed from error
            self._check_whole(group, error)
            tx.undo()
            if isinstance(error, sqlite3.IntegrityError):
                error = _refused(error)
            group.failures.append((future, error))
            return
        self._check_whole(group, None)
        tx.end()
        group.results.append((future, result))
        group.keys.update(tx.new_keys)
        group.ahead.update(tx.kept_ahead)
        group.drops += tx.dropped_keys
        group.rings |= tx.rings

    def _check_whole(self, group: _Group, error: BaseException | None) -> None:
        # A full disk ends the transaction by itself, whatever the unit made of the error it saw.
        if not self._main.in_transaction:
            raise _GroupFailed from error
        if group.held is not None and group.held.spoiled:
            raise InTheWay

    def _roll_back(self) -> None:
        try:
            if self._main.in_transaction:
                self._main.execute("ROLLBACK")
        except sqlite3.Error:
            # The file is gone from under the connection: SQLite undoes the rest when it is opened again.
            self._main.close()
            with contextlib.suppress(StoreUnavailable):  # else the next group fails likewise, and tries again
                self._main = connect(self._path)

    def _note_ahead(self, group: _Group) -> None:
        """Know which keys are durable without a blob; those that were forgotten, or are the oldest of many, are not."""
        self._ahead.update(group.ahead)
        for id in group.drops:
            self._ahead.pop(id, None)
        while len(self._ahead) > MOST_AHEAD:
            del self._ahead[next(iter(self._ahead))]

    def _drop_keys(self, ids: list[str]) -> None:
        """Delete keys whose intent is durable. What fails is owed: it is tried after the next commit."""
        self._owed_drops += ids
        if not self._owed_drops:
            return
        try:
            self._keys.drop(self._owed_drops)
        except StoreUnavailable:
            return
        self._done_drops += self._owed_drops
        self._owed_drops = []

    def _unavailable(self, error: BaseException) -> StoreUnavailable:
        cause = error.__cause__ if isinstance(error, _GroupFailed) and error.__cause__ else error
        if isinstance(cause, StoreUnavailable):
            return cause
        known = file_failure(cause, self._path) if isinstance(cause, sqlite3.Error) else None
        failure = known or StoreUnavailable(f"The database {self._path} ended the transaction: {cause}.")
        failure.__cause__ = cause
        return failure


def _refused(error: sqlite3.IntegrityError) -> Conflict | WriteOnce:
    if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return WriteOnce(f"The database refuses it ({error}).")
    return Conflict(f"A unique key is taken ({error}).")
