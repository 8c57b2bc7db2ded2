"""Once, under whatever order of claims, crashes, slow nodes and lapsed leases; the mutant must be found."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.support.jobstore import JobStore
from tests.support.vaults import FakeClock, fake_entropy

from ecluse.engine.context import JobContext, Outcome
from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.model.nouns import Job, JobState

NODES = ("one", "two", "three")


class Hub(RuleBasedStateMachine):
    """Three nodes on one store. A node claims, and much later (or never) its run comes to an end."""

    fenced = True

    def __init__(self) -> None:
        super().__init__()
        self.store = JobStore(fenced=self.fenced)
        self.clock = FakeClock()
        self.fails = False
        self.nodes: dict[str, Runner] = {}
        self.claimed: dict[str, list[JobContext]] = {}
        for node in NODES:
            self.restart(node)

    def work(self, job: Job, context: JobContext) -> Outcome:
        if self.fails:
            raise EcluseError("The line was cut.", fault=Fault.TRANSIENT)
        return context.finish(lambda tx: tx.record(job.key))

    def restart(self, node: str) -> None:
        self.nodes[node] = Runner(self.store, node, self.clock, fake_entropy(), {"work": self.work})
        self.claimed[node] = []

    @rule(key=st.sampled_from("abcd"))
    def add(self, key: str) -> None:
        self.store.add(key, lane=key if key < "c" else "")

    @rule(node=st.sampled_from(NODES), count=st.integers(1, 3))
    def claim(self, node: str, count: int) -> None:
        self.claimed[node] += self.nodes[node]._claim(count)

    @rule(node=st.sampled_from(NODES), fails=st.booleans())
    def end_one(self, node: str, fails: bool) -> None:
        if self.claimed[node]:
            self.fails = fails
            self.nodes[node]._run(self.claimed[node].pop(0))

    @rule(node=st.sampled_from(NODES))
    def beat(self, node: str) -> None:
        self.nodes[node]._extend()

    @rule(seconds=st.sampled_from([1, 19, 21, 10_000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule(node=st.sampled_from(NODES))
    def crash(self, node: str) -> None:
        self.restart(node)

    @invariant()
    def recorded_at_most_once(self) -> None:
        assert len(set(self.store.results)) == len(self.store.results)

    @invariant()
    def done_means_recorded(self) -> None:
        done = {key for key, job in self.store.table.items() if job.state is JobState.DONE}
        assert done == set(self.store.results)

    def teardown(self) -> None:
        self.fails = False
        for node in NODES:
            for late in self.claimed[node]:
                self.nodes[node]._run(late)
        self.recorded_at_most_once()
        for _ in range(2):
            self.clock.forward(100_000)
            self.nodes["one"].run_due()
        assert set(self.store.results) == set(self.store.table)


class Unfenced(Hub):
    fenced = False


ENOUGH = settings(
    max_examples=300, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_every_job_is_recorded_exactly_once() -> None:
    run_state_machine_as_test(Hub, settings=ENOUGH)


def test_the_mutant_without_a_fence_is_found() -> None:
    enough = settings(
        ENOUGH, max_examples=2000, phases=[Phase.generate], report_multiple_bugs=False, derandomize=True
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Unfenced, settings=enough)
