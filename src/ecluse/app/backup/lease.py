"""One at a time: who makes, prunes or forgets holds the hub's lease, whatever machine it is on."""

from __future__ import annotations

import os
import socket
from types import TracebackType
from typing import Final, Self

import msgspec

from ecluse.app.backup.errors import BackupBusy
from ecluse.app.backup.records import KIND
from ecluse.model.basics import Clock, Instant
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Store, Tx
from ecluse.typed import from_json

__all__ = ["Lease"]

_KEY: Final = "lease"

TIME: Final = 300_000_000
"""Microseconds that it holds without a sign of life."""


class _Held(msgspec.Struct, frozen=True):
    host: str
    process: int
    token: str
    until: int


class Lease:
    """Held as a context.

    Args:
        store: The hub's.
        clock: Time.
        token: What no other holder has.

    Raises:
        BackupBusy: On entering, somebody else holds it; later, it was lost.
    """

    def __init__(self, store: Store, clock: Clock, token: str) -> None:
        self._store = store
        self._clock = clock
        self._token = token
        self._renewed = Instant(0)

    def __enter__(self) -> Self:
        self._write(take=True)
        return self

    def renew(self) -> None:
        """Show that we live; costs nothing as long as we did so lately."""
        if self._clock() - self._renewed > TIME // 5:
            self._write(take=False)

    def _write(self, *, take: bool) -> None:
        now = self._clock()
        mine = _Held(socket.gethostname(), os.getpid(), self._token, now + TIME)

        def work(tx: Tx) -> None:
            record = tx.record(KIND, _KEY)
            held = from_json(record.body, _Held) if record is not None else None
            if held is not None and held.token != self._token and not (take and self._free(held, now)):
                raise BackupBusy(f"Backups of this hub are at work on {held.host} (process {held.process}).")
            after = Record(KIND, _KEY, now, msgspec.json.encode(mine))
            if record is None:
                tx.add_record(after)
            else:
                tx.replace_record(record, after)

        try:
            self._store.write(work)
        except Conflict:
            raise BackupBusy("Another process was first.") from None
        self._renewed = now

    @staticmethod
    def _free(held: _Held, now: Instant) -> bool:
        if not now < held.until <= now + TIME:
            return True
        return held.host == socket.gethostname() and not _alive(held.process)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        def work(tx: Tx) -> None:
            record = tx.record(KIND, _KEY)
            if record is not None and from_json(record.body, _Held).token == self._token:
                tx.drop_record(KIND, _KEY)

        try:
            self._store.write(work)
        except Exception:
            if error is None:
                raise  # else what went wrong before is what is told; the lease ends by itself


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
