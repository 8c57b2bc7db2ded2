"""The runner with its threads, on SQLite: quick to start, within its limits, in good order to the end."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.jobstore import JobStore

from ecluse.engine.context import JobContext, Outcome
from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, system_clock, system_entropy
from ecluse.model.nouns import Job, JobState
from ecluse.store.open import open_store
from ecluse.store.port import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:{tmp_path / 'hub.db'}", node="one")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def start(store: Store) -> Iterator[Callable[..., Runner]]:
    started: list[Runner] = []

    def start(handler, node: str = "one", **options: object) -> Runner:
        runner = Runner(store, node, system_clock, system_entropy, {"work": handler}, **options)
        runner.start()
        started.append(runner)
        return runner

    yield start
    for runner in started:
        runner.stop(1)


def add(store: Store, *keys: str, lane: str = "", delay: float = 0) -> None:
    due = Instant(system_clock() + int(delay * 1_000_000))

    def work(tx) -> None:
        for key in keys:
            tx.add_job(Job(key=key, kind="work", lane=lane, payload=b"{}", due=due))

    store.write(work)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def done(store: Store) -> int:
    return sum(job.state is JobState.DONE for job in store.read(lambda view: view.jobs(limit=10_000)))


def test_an_added_job_starts_within_milliseconds(store: Store, start: Callable[..., Runner]) -> None:
    began: list[float] = []

    def handler(job: Job, context: JobContext) -> Outcome:
        began.append(time.monotonic())
        return context.finish()

    start(handler)
    time.sleep(0.2)
    waits = []
    for number in range(15):
        add(store, f"j{number}")
        added = time.monotonic()
        wait_until(lambda number=number: len(began) > number)
        waits.append(began[-1] - added)
        time.sleep(0.01)
    assert sorted(waits)[7] < 0.5


def test_a_job_becomes_due_by_time_alone(store: Store, start: Callable[..., Runner]) -> None:
    start(lambda job, context: context.finish())
    add(store, "later", delay=0.4)
    assert done(store) == 0
    wait_until(lambda: done(store) == 1)


def test_many_jobs_on_two_runners_each_once(store: Store, start: Callable[..., Runner]) -> None:
    ran: list[str] = []

    def handler(job: Job, context: JobContext) -> Outcome:
        ran.append(job.key)
        return context.finish()

    keys = [f"j{number:03}" for number in range(300)]
    add(store, *keys[:150])
    start(handler, "one")
    start(handler, "two")
    add(store, *keys[150:])
    wait_until(lambda: done(store) == 300)
    assert sorted(ran) == keys


def test_workers_and_lanes_are_limits(store: Store, start: Callable[..., Runner]) -> None:
    lock, now, most = threading.Lock(), {"": 0, "birch": 0}, {"": 0, "birch": 0, "all": 0}

    def handler(job: Job, context: JobContext) -> Outcome:
        with lock:
            now[job.lane] += 1
            most[job.lane] = max(most[job.lane], now[job.lane])
            most["all"] = max(most["all"], sum(now.values()))
        time.sleep(0.02)
        with lock:
            now[job.lane] -= 1
        return context.finish()

    add(store, *(f"b{number}" for number in range(12)), lane="birch")
    add(store, *(f"n{number}" for number in range(24)))
    start(handler, workers=6, lane_limit=2)
    wait_until(lambda: done(store) == 36)
    assert most["birch"] == 2
    assert most["all"] == 6


def test_a_slow_partner_leaves_workers_for_the_others(store: Store, start: Callable[..., Runner]) -> None:
    release = threading.Event()

    def handler(job: Job, context: JobContext) -> Outcome:
        if job.lane == "birch":
            release.wait(120)
        return context.finish()

    add(store, *(f"b{number}" for number in range(9)), lane="birch")
    runner = start(handler, workers=5, lane_limit=4)
    wait_until(lambda: len(runner.running) == 4)
    add(store, "quick", lane="cedar")
    wait_until(lambda: done(store) == 1)
    release.set()
    wait_until(lambda: done(store) == 10)


def test_a_long_job_keeps_its_lease(store: Store, start: Callable[..., Runner]) -> None:
    ran = []

    def handler(job: Job, context: JobContext) -> Outcome:
        ran.append(job.fence)
        time.sleep(1.0)
        context.check()
        return context.finish()

    add(store, "long")
    start(handler, "one", lease=0.3)
    start(handler, "two", lease=0.3)
    wait_until(lambda: done(store) == 1)
    assert ran == [1]


def test_stop_waits_for_what_runs_and_claims_no_more(store: Store, start: Callable[..., Runner]) -> None:
    stopping = []

    def handler(job: Job, context: JobContext) -> Outcome:
        time.sleep(0.2)
        stopping.append(context.stopping)
        return context.finish()

    add(store, "a", "b", "c", "d")
    runner = start(handler, workers=2)
    wait_until(lambda: len(runner.running) == 2)
    assert runner.stop(5)
    assert done(store) == 2
    assert stopping == [True, True]
    add(store, "e")
    time.sleep(0.1)
    assert runner.running == []
    assert done(store) == 2


def test_stop_leaves_what_does_not_end_to_its_lease(store: Store, start: Callable[..., Runner]) -> None:
    release = threading.Event()

    def handler(job: Job, context: JobContext) -> Outcome:
        if job.fence == 1:
            release.wait(120)
        return context.finish()

    add(store, "a")
    runner = start(handler, lease=0.3)
    wait_until(lambda: len(runner.running) == 1)
    assert not runner.stop(0.1)
    start(handler, "two", lease=0.3)
    wait_until(lambda: done(store) == 1)
    [job] = store.read(lambda view: view.jobs())
    assert job.fence == 2
    release.set()
    wait_until(lambda: not runner.running)


def test_the_node_beats_and_the_tick_ticks(store: Store) -> None:
    ticks: list[Instant] = []
    runner = Runner(store, "one", system_clock, system_entropy, {}, tick=ticks.append, lease=0.3)
    runner.start()
    wait_until(lambda: len(ticks) > 1 and bool(store.read(lambda view: view.nodes())))
    runner.stop()
    [(node, beat)] = store.read(lambda view: view.nodes())
    assert node == "one"
    assert abs(beat - system_clock()) < 5_000_000


def test_a_database_that_comes_back_is_served_again() -> None:
    store = JobStore()
    runner = Runner(
        store, "one", system_clock, system_entropy, {"work": lambda job, context: context.finish()}
    )
    with capture_logs() as logs:
        store.down = True
        runner.start()
        time.sleep(0.1)
        store.down = False
        store.add("a")
        wait_until(lambda: store.table["a"].state is JobState.DONE)
        runner.stop()
    assert {"jobs.unclaimed", "leases.not-extended"} <= {entry["event"] for entry in logs}


def test_a_store_that_fails_in_a_way_nobody_knows_stops_nothing() -> None:
    class Odd(JobStore):
        odd = True

        def write(self, work):
            if self.odd:
                raise RuntimeError("secret")
            return super().write(work)

        def wait_for_jobs(self, timeout, kinds=()):
            if self.odd:
                raise RuntimeError("secret")
            super().wait_for_jobs(timeout, kinds)

    store = Odd()
    runner = Runner(
        store, "one", system_clock, system_entropy, {"work": lambda job, context: context.finish()}, lease=0.3
    )
    with capture_logs() as logs:
        runner.start()
        time.sleep(0.3)
        store.odd = False
        store.add("a")
        wait_until(lambda: store.table["a"].state is JobState.DONE and bool(store.beats))
        runner.stop()
    assert {"jobs.unclaimed", "jobs.unheard", "leases.not-extended"} <= {entry["event"] for entry in logs}
    assert "secret" not in str(logs)


@pytest.mark.parametrize("error", [EcluseError("No.", fault=Fault.TRANSIENT), ZeroDivisionError()])
def test_a_failing_tick_stops_nothing(error: Exception) -> None:
    def tick(now: Instant) -> None:
        raise error

    store = JobStore()
    store.add("a")
    runner = Runner(
        store,
        "one",
        system_clock,
        system_entropy,
        {"work": lambda job, context: context.finish()},
        tick=tick,
    )
    with capture_logs():
        runner.start()
        wait_until(lambda: store.table["a"].state is JobState.DONE)
        runner.stop()
