"""Nodes that are killed for real: another claim does the job again, and its result is recorded once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.children import ROOT, child_env

from ecluse.model.basics import Instant, system_clock
from ecluse.model.nouns import Job, JobState
from ecluse.store.open import open_store
from ecluse.store.port import Store

WORKER = "tests.support.job_worker"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:{tmp_path / 'hub.db'}", node="test")
    store.migrate()
    yield store
    store.close()


class Node:
    """A node in a process of its own."""

    def __init__(self, folder: Path, name: str, pause: float, lease: float = 1.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(folder / "hub.db"), name, str(pause), str(lease)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_env(),
            cwd=ROOT,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        self.process.communicate(timeout=10)


def add(store: Store, *keys: str) -> None:
    for key in keys:
        job = Job(key=key, kind="work", lane="", payload=b"{}", due=Instant(system_clock()))
        store.write(lambda tx, job=job: tx.add_job(job))


def wait_until_done(store: Store, count: int) -> None:
    end = time.monotonic() + 120
    while True:
        jobs = store.read(lambda view: view.jobs())
        if sum(job.state is JobState.DONE for job in jobs) == count:
            return
        assert time.monotonic() < end, jobs
        time.sleep(0.02)


def results(store: Store, key: str) -> list[str]:
    return (store.read(lambda view: view.setting(f"result.{key}")) or b"").decode().split()


def test_killed_in_mid_job_then_restarted(tmp_path: Path, store: Store) -> None:
    node = Node(tmp_path, "one", pause=30)
    add(store, "a", "b")
    assert {node.line(), node.line()} == {"a", "b"}
    node.send(signal.SIGKILL)
    node.process.wait()
    again = Node(tmp_path, "one", pause=0)
    wait_until_done(store, 2)
    again.end()
    for key in ("a", "b"):
        assert results(store, key) == ["one:2"]
    effects = (tmp_path / "hub.db.effects").read_text().splitlines()
    assert sorted(effects) == ["a one", "a one", "b one", "b one"]


def test_a_node_that_was_frozen_past_its_lease_records_nothing(tmp_path: Path, store: Store) -> None:
    frozen = Node(tmp_path, "frozen", pause=0.5)
    add(store, "a")
    assert frozen.line() == "a"
    frozen.send(signal.SIGSTOP)
    other = Node(tmp_path, "other", pause=0)
    wait_until_done(store, 1)
    frozen.send(signal.SIGCONT)
    time.sleep(0.8)
    frozen.end()
    other.end()
    assert results(store, "a") == ["other:2"]


def test_killed_again_and_again_every_job_is_recorded_once(tmp_path: Path, store: Store) -> None:
    keys = [f"j{number}" for number in range(12)]
    add(store, *keys)
    for pause in (0.05, 0.02, 0.08):
        node = Node(tmp_path, "one", pause=pause, lease=0.4)
        time.sleep(0.12)
        node.send(signal.SIGKILL)
        node.process.wait()
    last = Node(tmp_path, "two", pause=0, lease=0.4)
    wait_until_done(store, 12)
    last.end()
    assert [len(results(store, key)) for key in keys] == [1] * 12
