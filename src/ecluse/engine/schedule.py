"""Recurring work as jobs: one per slot of time, with a key that any node derives alike.

So N nodes that all add the slot's job add one, and one of them does it. A slot that passed while no node
was up is not made up for: the newest slot is due at once, and that is all. A run that fails is not retried
beyond its slot, as the next slot is the retry; what it said is kept under a setting for whoever looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from ecluse.engine.context import Handler, JobContext, Outcome
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.model.nouns import Job
from ecluse.store.port import Lost, Store, StoreUnavailable, Tx
from ecluse.typed import from_json

__all__ = ["BadSchedule", "Daily", "Every", "LastRun", "Recurring", "Schedule", "last_run"]

_SECOND: Final = 1_000_000
_DAY: Final = 24 * 3600 * _SECOND

_KEPT: Final = 7 * _DAY
"""Done jobs are forgotten after so long: longer than any slot, so that none is done a second time."""

_PRUNED_AT_ONCE: Final = 1000
_PRUNING: Final = "engine.prune"

_log = structlog.get_logger("ecluse.engine")


class BadSchedule(EcluseError):
    """A period or a time of day that can't be."""

    code = "engine.bad-schedule"
    fault = Fault.USAGE
    remedy = "Give a period of 1 second to 24 hours, or a time of day from 00:00 to 23:59 UTC."


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds since 1970, on the dot.

    Attributes:
        seconds: 1 to 86,400.
    """

    seconds: int

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= 86_400:
            raise BadSchedule(f"A period can't be {self.seconds} seconds.")

    def slot(self, now: Instant) -> Instant:
        """When the slot of ``now`` began."""
        return Instant(now - now % (self.seconds * _SECOND))


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day at a time of day, in UTC.

    Attributes:
        hour: 0 to 23.
        minute: 0 to 59.
    """

    hour: int
    minute: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 23 and 0 <= self.minute <= 59):
            raise BadSchedule(f"There is no time of day {self.hour}:{self.minute:02}.")

    def slot(self, now: Instant) -> Instant:
        """When the slot of ``now`` began: today, or yesterday before that time of day."""
        into = (self.hour * 3600 + self.minute * 60) * _SECOND
        return Instant((now - into) // _DAY * _DAY + into)


@dataclass(frozen=True, slots=True)
class Recurring:
    """Work that recurs.

    Attributes:
        name: Kind of its jobs: ``evidence.seal``, ``blobs.sweep``...
        when: Its slots.
        work: Does it. An :class:`EcluseError` that it raises ends this slot's run.
    """

    name: str
    when: Every | Daily
    work: Callable[[JobContext], None]


class LastRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a recurring work last ended.

    Attributes:
        slot: When its slot began.
        ended: When it ended.
        error: Code and cause, or empty where all went well.
    """

    slot: Instant
    ended: Instant
    error: str = ""


class Schedule:
    """Makes the jobs of recurring work, and their handlers.

    Args:
        store: Where the jobs are.
        entries: The work; names are unique. The pruning of done jobs is added.
        clock: For the record of when a run ended.
    """

    def __init__(self, store: Store, entries: Sequence[Recurring], clock: Callable[[], Instant]) -> None:
        pruning = Recurring(_PRUNING, Every(3600), self._prune)
        self._entries = {entry.name: entry for entry in (*entries, pruning)}
        if len(self._entries) != len(entries) + 1:
            raise BadSchedule("Two recurring works have one name.", remedy="Give each a name of its own.")
        self._store = store
        self._clock = clock
        self._added: dict[str, Instant] = {}

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """For the runner, by kind."""
        return dict.fromkeys(self._entries, self._run)

    def tick(self, now: Instant) -> None:
        """Add the jobs of the slots that ``now`` is in, where they are not there. Called every second or so.

        Raises:
            StoreUnavailable: None was added; the next call adds them.
        """
        missing = {
            name: slot
            for name, entry in self._entries.items()
            # Not "before": a clock that once ran ahead must not end all recurring work until it is that late.
            if self._added.get(name) != (slot := entry.when.slot(now))
        }
        if not missing:
            return

        def work(tx: Tx) -> None:
            for name, slot in missing.items():
                moment = datetime.fromtimestamp(slot // _SECOND, tz=UTC)
                key = f"{name}@{moment:%Y-%m-%dT%H:%M:%SZ}"
                payload = msgspec.json.encode({"slot": slot})
                tx.add_job(Job(key=key, kind=name, lane="", payload=payload, due=slot))

        self._store.write(work)
        self._added.update(missing)

    def _run(self, job: Job, context: JobContext) -> Outcome:
        entry = self._entries[job.kind]
        error = ""
        try:
            entry.work(context)
        except (Lost, StoreUnavailable):
            raise
        except EcluseError as raised:
            error = f"{raised.code}: {raised.cause}"
            _log.warning("schedule.failed", name=entry.name, **raised.as_dict())
        slot = Instant(from_json(job.payload, dict[str, int])["slot"])
        record = msgspec.json.encode(LastRun(slot, self._clock(), error))
        return context.finish(lambda tx: tx.put_setting(_setting(entry.name), record))

    def _prune(self, context: JobContext) -> None:
        before = Instant(self._clock() - _KEPT)
        while self._store.write(lambda tx: tx.prune_jobs(before, _PRUNED_AT_ONCE)) == _PRUNED_AT_ONCE:
            context.check()


def last_run(store: Store, name: str) -> LastRun | None:
    """How the recurring work ``name`` last ended, or ``None`` where it never did."""
    raw = store.read(lambda view: view.setting(_setting(name)))
    return from_json(raw, LastRun) if raw is not None else None


def _setting(name: str) -> str:
    return f"schedule.{name}"
