"""Any sequence of job verbs gives what a few lines of Python over a dictionary give."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace
from tests.support.mutants import without_fence

from ecluse.model.nouns import Job, JobState
from ecluse.store.open import open_store
from ecluse.store.port import Lost, Store

KEYS = [f"k{n}" for n in range(3)]
LANES = ["", "birch", "cedar"]
KINDS = ["deliver", "poll"]
OWNERS = ["one", "two"]


class JobsMachine(RuleBasedStateMachine):
    """The store beside a dictionary."""

    store: Store
    wipe: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000
        self.model: dict[str, Job] = {}
        self.claims: list[Job] = []

    @initialize()
    def start(self) -> None:
        type(self).wipe()

    @rule(
        key=st.sampled_from(KEYS),
        kind=st.sampled_from(KINDS),
        lane=st.sampled_from(LANES),
        wait=st.integers(-3, 5),
    )
    def add(self, key: str, kind: str, lane: str, wait: int) -> None:
        job = Job(key, kind, lane, b"{}", self.now + wait)  # type: ignore[arg-type]
        assert self.store.write(lambda tx: tx.add_job(job)) is (key not in self.model)
        self.model.setdefault(key, job)

    @rule(by=st.integers(1, 6))
    def pass_time(self, by: int) -> None:
        self.now += by

    @rule(
        owner=st.sampled_from(OWNERS),
        lease=st.integers(1, 3),
        limit=st.integers(1, 3),
        kinds=st.lists(st.sampled_from(KINDS), unique=True),
        full=st.lists(st.sampled_from(LANES), unique=True, max_size=2),
    )
    def claim(self, owner: str, lease: int, limit: int, kinds: list[str], full: list[str]) -> None:
        def is_free(job: Job) -> bool:
            due = job.state is JobState.DUE and job.due <= self.now
            left = job.state is JobState.RUNNING and job.lease_until <= self.now
            return (due or left) and (not kinds or job.kind in kinds) and job.lane not in full

        free = sorted(filter(is_free, self.model.values()), key=lambda job: (job.due, job.key))[:limit]
        expected = [
            replace(
                job,
                state=JobState.RUNNING,
                owner=owner,
                lease_until=self.now + lease,
                attempts=job.attempts + 1,
                fence=job.fence + 1,
            )
            for job in free
        ]
        taken = self.store.write(
            lambda tx: tx.claim_jobs(owner, self.now, lease, limit, kinds=kinds, full_lanes=full)  # type: ignore[arg-type]
        )
        assert [(job.due, job) for job in taken] == [(job.due, job) for job in expected]
        self.claims += taken
        self.model.update({job.key: job for job in taken})

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        verb=st.sampled_from(["finish_job", "retry_job", "bury_job", "extend_lease"]),
        wait=st.integers(0, 4),
    )
    def end(self, data: st.DataObject, verb: str, wait: int) -> None:
        job = data.draw(st.sampled_from(self.claims))
        held = self.model.get(job.key)
        holds = (
            held is not None
            and held.state is JobState.RUNNING
            and (held.owner, held.fence) == (job.owner, job.fence)
        )
        values = {
            "finish_job": (),
            "retry_job": (self.now + wait, "transient", "E."),
            "bury_job": ("ours", "E."),
            "extend_lease": (self.now + wait,),
        }[verb]
        try:
            self.store.write(lambda tx: getattr(tx, verb)(job, *values))
            done = True
        except Lost:
            done = False
        assert done is holds
        if held is None or not holds:
            return
        free = replace(held, owner="", lease_until=0)
        self.model[job.key] = {
            "finish_job": replace(free, state=JobState.DONE, fault="", error=""),
            "retry_job": replace(
                free, state=JobState.DUE, due=self.now + wait, fault="transient", error="E."
            ),
            "bury_job": replace(free, state=JobState.DEAD, fault="ours", error="E."),
            "extend_lease": replace(held, lease_until=self.now + wait),
        }[verb]

    @rule(key=st.sampled_from(KEYS))
    def wake(self, key: str) -> None:
        assert self.store.write(lambda tx: tx.wake_job(key, self.now)) is (key in self.model)  # type: ignore[arg-type]
        job = self.model.get(key)
        if job and job.state is not JobState.RUNNING:
            self.model[key] = Job(key, job.kind, job.lane, b"{}", self.now, fence=job.fence)  # type: ignore[arg-type]

    @rule()
    def prune(self) -> None:
        old = [j.key for j in self.model.values() if j.state is JobState.DONE and j.due < self.now - 2]
        assert self.store.write(lambda tx: tx.prune_jobs(self.now - 2, 9)) == len(old)  # type: ignore[arg-type]
        for key in old:
            del self.model[key]

    @invariant()
    def is_as_in_the_model(self) -> None:
        found = {job.key: job for job in self.store.read(lambda view: view.jobs(limit=99))}
        assert found == self.model


@contextlib.contextmanager
def machine(url: str) -> Iterator[type[JobsMachine]]:
    store = open_store(url, node="one")
    store.migrate()

    def wipe() -> None:
        if url.startswith("sqlite:"):
            connection = sqlite3.connect(url.removeprefix("sqlite:"))
            with connection:
                connection.execute("DELETE FROM jobs")
            connection.close()
        else:
            with store._connector.connect() as grown:  # type: ignore[attr-defined]
                grown.execute("DELETE FROM jobs")

    yield type("Machine", (JobsMachine,), {"store": store, "wipe": staticmethod(wipe)})
    store.close()


def profile(examples: int, phases: tuple[Phase, ...] = tuple(Phase)) -> settings:
    return settings(
        max_examples=examples,
        phases=phases,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def test_jobs_are_as_in_the_model(url: str) -> None:
    with machine(url) as own:
        run_state_machine_as_test(own, settings=profile(60))


def test_the_model_finds_a_store_without_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    without_fence(monkeypatch, "finish_job")
    with (
        tempfile.TemporaryDirectory() as folder,
        machine(f"sqlite:{Path(folder)}/hub.db") as own,
        pytest.raises(AssertionError),
    ):
        # It ends with the first that is found; which are tried depends on what else was imported before.
        run_state_machine_as_test(own, settings=profile(5000, (Phase.generate,)))
