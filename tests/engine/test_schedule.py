"""Recurring work: each slot once over all nodes, none made up for, failures on record."""

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from tests.support.jobstore import JobStore
from tests.support.vaults import FakeClock, fake_entropy

from ecluse.engine.context import JobContext
from ecluse.engine.runner import Runner
from ecluse.engine.schedule import BadSchedule, Daily, Every, LastRun, Recurring, Schedule, last_run
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.model.nouns import JobState
from ecluse.store.port import StoreUnavailable


def at(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000)


def test_slots() -> None:
    now = at("2025-03-09T10:07:31")
    assert Every(1).slot(now) == now
    assert Every(300).slot(now) == at("2025-03-09T10:05:00")
    assert Every(86_400).slot(now) == at("2025-03-09T00:00:00")
    assert Daily(10, 7).slot(now) == at("2025-03-09T10:07:00")
    assert Daily(10, 8).slot(now) == at("2025-03-08T10:08:00")
    assert Daily(0).slot(at("2025-01-01T00:00:00")) == at("2025-01-01T00:00:00")


@pytest.mark.parametrize(
    "make", [lambda: Every(0), lambda: Every(86_401), lambda: Daily(24), lambda: Daily(1, 60)]
)
def test_what_can_t_be_is_refused(make) -> None:
    with pytest.raises(BadSchedule):
        make()


def test_names_are_unique() -> None:
    entry = Recurring("x", Every(60), lambda context: None)
    with pytest.raises(BadSchedule):
        Schedule(JobStore(), [entry, entry], FakeClock())


class Nodes:
    """Some nodes with the same schedule."""

    def __init__(self, count: int, when: Every | Daily, clock: FakeClock) -> None:
        self.store, self.clock, self.runs = JobStore(), clock, list[Instant]()
        self.error: Exception | None = None
        self.schedules = [self.schedule(when) for _ in range(count)]
        self.runners = [
            Runner(self.store, f"n{number}", clock, fake_entropy(), each.handlers)
            for number, each in enumerate(self.schedules)
        ]

    def schedule(self, when: Every | Daily) -> Schedule:
        return Schedule(self.store, [Recurring("test.work", when, self.work)], self.clock)

    def work(self, context: JobContext) -> None:
        self.runs.append(self.clock())
        if self.error:
            raise self.error

    def step(self, seconds: float = 0) -> None:
        self.clock.forward(seconds)
        for schedule in self.schedules:
            schedule.tick(self.clock())
        for runner in self.runners:
            runner.run_due()


def test_n_nodes_run_each_slot_once() -> None:
    nodes = Nodes(3, Every(60), FakeClock(at("2025-01-01T00:00:30")))
    nodes.step()
    for _ in range(30):
        nodes.step(10)
    assert nodes.runs == [at("2025-01-01T00:00:30")] + [at(f"2025-01-01T00:0{n}:00") for n in range(1, 6)]
    assert "test.work@2025-01-01T00:03:00Z" in nodes.store.table


def test_missed_slots_are_not_made_up_for() -> None:
    nodes = Nodes(1, Daily(2), FakeClock(at("2025-01-01T01:59:59")))
    nodes.step()
    nodes.step(1)
    nodes.step(10 * 86_400)
    assert nodes.runs == [at("2025-01-01T01:59:59"), at("2025-01-01T02:00:00"), at("2025-01-11T02:00:00")]


def test_a_clock_that_ran_ahead_and_is_set_right_again() -> None:
    clock = FakeClock(at("2035-03-09T10:00:00"))
    nodes = Nodes(1, Every(300), clock)
    nodes.step()
    clock.now = at("2025-03-09T10:00:00")
    nodes.step()
    clock.forward(300)
    nodes.step()
    assert len(nodes.runs) == 3


def test_a_restarted_node_does_not_run_a_slot_again() -> None:
    nodes = Nodes(1, Every(3600), FakeClock(at("2025-01-01T00:00:30")))
    nodes.step()
    nodes.schedules.append(nodes.schedule(Every(3600)))
    nodes.step(10)
    assert len(nodes.runs) == 1


def test_ticks_write_only_at_a_new_slot() -> None:
    nodes = Nodes(1, Every(60), FakeClock(at("2025-01-01T00:00:00")))
    nodes.step()
    before = nodes.store.writes
    for _ in range(50):
        nodes.schedules[0].tick(nodes.clock())
    assert nodes.store.writes == before


def test_a_failure_is_on_record_and_the_next_slot_runs() -> None:
    nodes = Nodes(1, Every(60), FakeClock(at("2025-01-01T00:00:00")))
    assert last_run(nodes.store, "test.work") is None
    nodes.error = EcluseError("No room.", code="test.full")
    with capture_logs() as logs:
        nodes.step()
    now = at("2025-01-01T00:00:00")
    assert last_run(nodes.store, "test.work") == LastRun(now, now, "test.full: No room.")
    assert [entry["event"] for entry in logs] == ["schedule.failed"]
    assert nodes.store.table["test.work@2025-01-01T00:00:00Z"].state is JobState.DONE
    nodes.error = None
    nodes.step(60)
    assert last_run(nodes.store, "test.work") == LastRun(nodes.clock(), nodes.clock())


def test_a_database_that_is_away_is_tried_again_within_the_slot() -> None:
    nodes = Nodes(1, Every(3600), FakeClock(at("2025-01-01T00:00:00")))
    nodes.error = StoreUnavailable("Away.")
    nodes.step()
    assert nodes.store.table["test.work@2025-01-01T00:00:00Z"].state is JobState.DUE
    nodes.error = None
    nodes.step(10)
    assert len(nodes.runs) == 2


def test_a_tick_that_failed_is_made_up_for() -> None:
    nodes = Nodes(1, Every(60), FakeClock(at("2025-01-01T00:00:00")))
    nodes.store.down = True
    with pytest.raises(StoreUnavailable):
        nodes.schedules[0].tick(nodes.clock())
    nodes.store.down = False
    nodes.step()
    assert len(nodes.runs) == 1


def test_done_jobs_are_forgotten_after_a_week() -> None:
    nodes = Nodes(1, Every(3600), FakeClock(at("2025-01-01T00:00:00")))
    nodes.step()
    for _ in range(8 * 24 + 3):
        nodes.step(3600)
    kept = [key for key in nodes.store.table if key.startswith("test.work")]
    assert len(kept) in (7 * 24 + 1, 7 * 24 + 2)
