"""The runner, one job at a time under a fake clock: each way that a run can end."""

import pytest
from structlog.testing import capture_logs
from tests.support.jobstore import JobStore
from tests.support.vaults import FakeClock, fake_entropy

from ecluse.engine.context import JobContext, Outcome
from ecluse.engine.retry import Backoff, RetryPolicy
from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.model.nouns import Job, JobState
from ecluse.store.port import Lost

POLICY = RetryPolicy(
    {
        Fault.TRANSIENT: Backoff(10, 100, 3, 1000),
        Fault.PARTNER: Backoff(10, 100, 3, 1000),
        Fault.OURS: Backoff(10, 100, 3, 1000),
        Fault.PERMANENT: Backoff(0, 0, 1, 0),
        Fault.USAGE: Backoff(0, 0, 1, 0),
    }
)


class Bench:
    """A store, a clock, and runners on it."""

    def __init__(self, *, fenced: bool = True) -> None:
        self.store = JobStore(fenced=fenced)
        self.clock = FakeClock()
        self.buried: list[tuple[str, str]] = []

    def runner(self, handler, node: str = "one", **options: object) -> Runner:
        options = {"policy": POLICY, **options}
        return Runner(self.store, node, self.clock, fake_entropy(), {"work": handler}, **options)

    def job(self, key: str = "a") -> Job:
        return self.store.table[key]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def record(job: Job, context: JobContext) -> Outcome:
    return context.finish(lambda tx: tx.record(job.key))


def test_finish_records_the_result_and_the_end_together(bench: Bench) -> None:
    bench.store.add("a", "b")
    assert bench.runner(record).run_due() == 2
    assert bench.store.results == ["a", "b"]
    assert (bench.job().state, bench.job().attempts) == (JobState.DONE, 1)
    assert bench.runner(record).run_due() == 0


def test_what_is_not_due_or_of_another_kind_is_left(bench: Bench) -> None:
    bench.store.add("later", due=bench.clock.now + 5_000_000)
    bench.store.add("other", kind="other")
    runner = bench.runner(record)
    assert runner.run_due() == 0
    bench.clock.forward(5)
    assert runner.run_due() == 1
    assert bench.store.results == ["later"]


def test_a_result_that_fails_leaves_neither_result_nor_end(bench: Bench) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        def work(tx) -> None:
            tx.record("half")
            raise EcluseError("No.", code="test.no", fault=Fault.PARTNER)

        return context.finish(work)

    bench.store.add("a")
    bench.runner(handler).run_due()
    assert bench.store.results == []
    assert (bench.job().state, bench.job().fault, bench.job().error) == (
        JobState.DUE,
        "partner",
        "test.no: No.",
    )


@pytest.mark.parametrize("fault", [Fault.TRANSIENT, Fault.PARTNER, Fault.OURS])
def test_an_error_is_retried_later_and_at_last_buried(bench: Bench, fault: Fault) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        raise EcluseError("No.", code="test.no", fault=fault)

    bench.store.add("a")
    runner = bench.runner(handler, on_bury=lambda tx, job, error: tx.record(f"dead {job.key} {error.code}"))
    for attempt in (1, 2):
        assert runner.run_due() == 1
        assert (bench.job().state, bench.job().attempts) == (JobState.DUE, attempt)
        assert 0 <= bench.job().due - bench.clock.now <= 10_000_000 * attempt
        bench.clock.forward(20)
    assert runner.run_due() == 1
    assert (bench.job().state, bench.job().fault) == (JobState.DEAD, fault.value)
    assert bench.store.results == ["dead a test.no"]
    bench.clock.forward(1e6)
    assert runner.run_due() == 0


@pytest.mark.parametrize("fault", [Fault.PERMANENT, Fault.USAGE])
def test_what_no_retry_helps_is_buried_at_once(bench: Bench, fault: Fault) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        raise EcluseError("Never.", fault=fault)

    bench.store.add("a")
    bench.runner(handler).run_due()
    assert bench.job().state is JobState.DEAD


def test_retry_and_bury_record_their_work(bench: Bench) -> None:
    error = EcluseError("No.", fault=Fault.TRANSIENT)

    def handler(job: Job, context: JobContext) -> Outcome:
        if job.key == "b":
            return context.bury(error, lambda tx: tx.record("buried"))
        return context.retry(error, lambda tx: tx.record("again"), dead=lambda tx: tx.record("dead"))

    bench.store.add("a", "b")
    runner = bench.runner(handler)
    for _ in range(4):
        runner.run_due()
        bench.clock.forward(100)
    assert bench.store.results == ["again", "buried", "again", "dead"]
    assert bench.job("a").state is bench.job("b").state is JobState.DEAD


def test_old_work_is_buried_whatever_the_count(bench: Bench) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        return context.retry(EcluseError("No."), since=bench.clock.now - 1001 * 1_000_000)

    bench.store.add("a")
    bench.runner(handler).run_due()
    assert (bench.job().state, bench.job().attempts) == (JobState.DEAD, 1)


def test_a_crash_is_ours_logged_and_retried(bench: Bench) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        raise ZeroDivisionError("secret in the text")

    bench.store.add("a")
    with capture_logs() as logs:
        bench.runner(handler).run_due()
    assert (bench.job().state, bench.job().fault) == (JobState.DUE, "ours")
    assert bench.job().error == "engine.crashed: The handler of work failed with ZeroDivisionError."
    assert [(entry["event"], entry["crash"]) for entry in logs] == [("job.crashed", "ZeroDivisionError")]
    assert "test_runner.py" in logs[0]["trace"]
    assert "secret" not in str(logs)


def test_a_handler_without_an_outcome_is_a_crash(bench: Bench) -> None:
    bench.store.add("a")
    bench.runner(lambda job, context: Outcome.FINISHED).run_due()
    assert (bench.job().state, bench.job().fault) == (JobState.DUE, "ours")


@pytest.mark.parametrize("late", [EcluseError("late"), ValueError("late")])
def test_what_is_raised_after_the_end_changes_nothing(bench: Bench, late: Exception) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        record(job, context)
        raise late

    bench.store.add("a")
    with capture_logs() as logs:
        bench.runner(handler).run_due()
    assert bench.job().state is JobState.DONE
    assert len(logs) == 1


def test_a_job_that_takes_its_process_down_is_buried(bench: Bench) -> None:
    bench.store.add("a")
    for _ in range(POLICY.most_attempts + 20):
        assert bench.runner(record)._claim(1)
        bench.clock.forward(21)
    bench.runner(record).run_due()
    assert (bench.job().state, bench.store.results) == (JobState.DEAD, [])


def test_a_job_whose_end_was_not_taken_is_given_back(bench: Bench) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        bench.store.down = job.attempts == 1
        return record(job, context)

    bench.store.add("a")
    runner = bench.runner(handler)
    with capture_logs():
        [context] = runner._claim(1)
        runner._run(context)
    assert context.outcome is Outcome.UNRECORDED
    assert runner.running == []
    bench.store.down = False
    assert runner.run_due() == 0
    assert bench.job().state is JobState.DUE
    bench.clock.forward(10)  # the first wait of the policy, and half a lease
    assert runner.run_due() == 1
    assert bench.store.results == ["a"]


def test_what_another_claim_has_is_not_given_back(bench: Bench) -> None:
    def handler(job: Job, context: JobContext) -> Outcome:
        bench.store.down = True
        return record(job, context)

    bench.store.add("a")
    slow, quick = bench.runner(handler, "slow"), bench.runner(record, "quick")
    with capture_logs():
        slow._run(slow._claim(1)[0])
    bench.store.down = False
    bench.clock.forward(21)
    [context] = quick._claim(1)
    assert slow.run_due() == 0
    assert bench.job().owner == "quick"
    quick._run(context)
    assert bench.store.results == ["a"]


def test_a_lost_lease_drops_the_result_in_silence(bench: Bench) -> None:
    bench.store.add("a")
    slow, quick = bench.runner(record, "slow"), bench.runner(record, "quick")
    [context] = slow._claim(1)
    bench.clock.forward(21)
    assert quick.run_due() == 1
    with capture_logs() as logs:
        slow._run(context)
    assert context.outcome is Outcome.LOST
    assert logs == []
    assert bench.store.results == ["a"]


def test_the_mutant_without_a_fence_records_twice() -> None:
    bench = Bench(fenced=False)
    bench.store.add("a")
    slow, quick = bench.runner(record, "slow"), bench.runner(record, "quick")
    [context] = slow._claim(1)
    bench.clock.forward(21)
    quick.run_due()
    slow._run(context)
    assert bench.store.results == ["a", "a"]


def test_even_under_one_name_the_fence_tells_two_claims_apart(bench: Bench) -> None:
    bench.store.add("a")
    [before] = bench.runner(record)._claim(1)
    bench.clock.forward(21)
    restarted = bench.runner(record)
    assert restarted.run_due() == 1
    with pytest.raises(Lost):
        before.finish()
    assert bench.store.results == ["a"]


def test_the_heart_extends_leases_and_tells_what_is_lost(bench: Bench) -> None:
    bench.store.add("a", "b")
    runner = bench.runner(record)
    mine, lost = runner._claim(2)
    for _ in range(10):
        bench.clock.forward(15)
        runner._extend()
    assert bench.store.beats == {"one": bench.clock.now}
    assert bench.runner(record, "other").run_due() == 0
    stolen = bench.job("b")
    bench.store.write(lambda tx: tx.table.update(b=type(stolen)(**{**asdict(stolen), "fence": 9})))
    runner._extend()
    assert (mine.lost, lost.lost) == (False, True)
    mine.check()
    with pytest.raises(Lost):
        lost.check()


def asdict(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__struct_fields__}


class TestLanes:
    def test_no_lane_gets_more_than_its_limit(self, bench: Bench) -> None:
        for number in range(10):
            bench.store.add(f"birch-{number}", lane="birch", due=number)
            bench.store.add(f"cedar-{number}", lane="cedar", due=100 + number)
            bench.store.add(f"none-{number}", due=200 + number)
        runner = bench.runner(record, lane_limit=3, lane_limits={"cedar": 1})
        contexts = runner._claim(12)
        lanes = [context.job.lane for context in contexts]
        assert (lanes.count("birch"), lanes.count("cedar"), lanes.count("")) == (3, 1, 8)
        assert [context.job.lane for context in runner._claim(9)] == ["", ""]
        runner._run(contexts[0])
        assert [context.job.key for context in runner._claim(9)] == ["birch-3"]

    def test_a_lane_may_have_more_than_the_others(self, bench: Bench) -> None:
        bench.store.add(*"abcdefgh", lane="birch")
        runner = bench.runner(record, lane_limit=2, lane_limits={"birch": 6})
        assert len(runner._claim(20)) == 6

    def test_limits_may_change_at_work(self, bench: Bench) -> None:
        bench.store.add(*"abcdefgh", lane="birch")
        runner = bench.runner(record, lane_limit=2)
        first = runner._claim(20)
        runner.limit_lanes({"birch": 5})
        assert (len(first), len(runner._claim(20))) == (2, 3)
        runner.limit_lanes({"birch": 1})
        for context in first:
            runner._run(context)
        assert runner._claim(20) == []

    def test_oldest_first(self, bench: Bench) -> None:
        for number in (3, 1, 2):
            bench.store.add(f"{number}", due=number)
        bench.runner(record).run_due()
        assert bench.store.results == ["1", "2", "3"]
