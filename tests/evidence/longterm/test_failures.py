"""A database that fails at any write, and nodes that do the same at once: nothing half done, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.stamped import StampedLog
from tests.support.tsa import PlayedAuthority

from ecluse.evidence.longterm import renewing
from ecluse.evidence.longterm.kept import KIND as RECORD
from ecluse.evidence.stamps.asking import ask
from ecluse.evidence.stamps.keeping import STATE, keep
from ecluse.evidence.stamps.stamp import KIND as STAMP
from ecluse.model.basics import system_entropy
from ecluse.store.port import Conflict, StoreUnavailable
from ecluse.store.sqlite import SqliteStore

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Failing:
    """A store whose transaction number ``at`` does its work, and is lost."""

    def __init__(self, store: SqliteStore, at: int) -> None:
        self._store = store
        self._left = at
        self.read = store.read

    def write(self, work: Callable[[Any], Any]) -> Any:
        self._left -= 1

        def doomed(tx: Any) -> Any:
            result = work(tx)
            if self._left == 0:
                raise StoreUnavailable("The disk is full.")
            return result

        return self._store.write(doomed)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StampedLog]:
    store = SqliteStore(tmp_path / "hub.db")
    store.migrate()
    made = StampedLog(store, START)
    made.add("alder", PlayedAuthority("Alder", begins=datetime(2026, 1, 1, tzinfo=UTC), years=4))
    made.add("beech", PlayedAuthority("Beech", begins=datetime(2028, 1, 1, tzinfo=UTC), years=7))
    yield made
    store.close()


def counts(log: StampedLog) -> tuple[int, int, int, int]:
    """Time-stamps, records, events of time-stamps, renewals that were told."""
    kept = [len(log.store.read(lambda view, kind=kind: view.records(kind))) for kind in (STAMP, RECORD)]
    told = sum(event["data"]["count"] for event in log.events("log.evidence-renewed"))
    return kept[0], kept[1], len(log.events("log.stamped")), told


def test_a_time_stamp_is_kept_with_its_event_or_not_at_all(log: StampedLog) -> None:
    stamp = ask(log.authority("alder"), log.checkpoint(), log.clock, system_entropy)
    with pytest.raises(StoreUnavailable):
        Failing(log.store, 1).write(lambda tx: keep(tx, log.work, stamp))
    assert counts(log) == (0, 0, 0, 0)
    assert log.store.read(lambda view: view.record(STATE, "alder")) is None
    log.store.write(lambda tx: keep(tx, log.work, stamp))
    assert counts(log) == (1, 1, 1, 0)


@pytest.mark.parametrize("at", [1, 2])
def test_a_renewal_is_written_with_its_event_or_not_at_all(log: StampedLog, at: int) -> None:
    log.stamp("alder")
    log.stamp("alder")
    log.now = datetime(2029, 9, 1, tzinfo=UTC)
    before = log.records()
    whole = log.work
    log.work = replace(whole, store=Failing(log.store, at))  # the first write is that of the plan
    with pytest.raises(StoreUnavailable):
        log.renew("beech")
    assert log.records() == before
    assert counts(log)[3] == 0
    log.work = whole
    log.renew("beech")
    assert counts(log)[3] == sum(each.renewals for each in log.records()) == 1
    assert log.problems() == []


def test_two_nodes_that_renew_at_once_renew_once(log: StampedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.stamp("alder")
    log.now = datetime(2029, 9, 1, tzinfo=UTC)
    asked = renewing.ask_over
    rival: list[bool] = []

    def slow(*given: Any) -> Any:
        if not rival:
            rival.append(True)
            log.renew("beech")
        return asked(*given)

    monkeypatch.setattr(renewing, "ask_over", slow)
    with pytest.raises(Conflict):
        log.renew("beech")
    (kept,) = log.records()
    assert (kept.renewals, counts(log)[3]) == (1, 1)
    assert log.problems() == []
