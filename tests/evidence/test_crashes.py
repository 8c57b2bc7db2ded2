"""Crashes at any point of any order of steps: the next start makes good, and no signed head is denied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.logs import KEY, PRIVATE, FakeClock, write_events
from tests.support.logstore import MemoryLog

from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.verify import verify_log
from ecluse.wire.tlog.checkpoint import open_checkpoint

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone."""


class Plan:
    """Counts writes down; at zero the crash comes, before or after the write took effect."""

    def __init__(self, writes: int, share: float) -> None:
        self.writes = writes
        self.share = share  # of a file's write that reaches the disk; a database's is all or nothing

    def due(self) -> bool:
        self.writes -= 1
        return self.writes < 0


class CrashingStore:
    def __init__(self, log: MemoryLog, plan: Plan) -> None:
        self.read = log.read
        self._log = log
        self._plan = plan

    def write(self, work: Callable[[MemoryLog], T]) -> T:
        if not self._plan.due():
            return self._log.write(work)
        if self._plan.share > 0.5:
            self._log.write(work)
        raise Crash


class CrashingHeld(HeldCheckpoints):
    def __init__(self, path: Path, plan: Plan) -> None:
        super().__init__(path)
        self._plan = plan

    def append(self, note: bytes) -> None:
        if not self._plan.due():
            super().append(note)
            return
        before = self.path.read_bytes() if self.path.exists() else b""
        super().append(note)
        after = self.path.read_bytes()
        self.path.write_bytes(after[: len(before) + round(len(note) * self._plan.share)])
        raise Crash


LIFE = st.tuples(
    st.lists(st.tuples(st.sampled_from(["write", "seal", "sign"]), st.integers(1, 6)), max_size=12),
    st.integers(0, 8),
    st.floats(0, 1),
)


@settings(deadline=None)
@given(st.lists(LIFE, max_size=6))
def test_any_crash_is_made_good_by_the_next_start(lives):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoints"
        log, clock, signed = MemoryLog(), FakeClock(), []

        def live(steps: list[tuple[str, int]], plan: Plan) -> None:
            store, held = CrashingStore(log, plan), CrashingHeld(path, plan)
            one = Sequencer(store, clock, KEY, PRIVATE.sign, held=held)  # type: ignore[arg-type]
            one.check()
            for step, count in steps:
                if step == "write":
                    write_events(log, count, clock, seed=clock.now)  # type: ignore[arg-type]
                elif step == "seal":
                    one.seal(count)
                elif made := one.checkpoint():
                    signed.append(made.note)

        for steps, writes, share in lives:
            try:
                live(steps, Plan(writes, share))
            except Crash:
                continue
        live([("write", 1), *[("seal", 500)] * 2, ("sign", 1)], Plan(1000, 1.0))
        held = HeldCheckpoints(path)
        verdict = verify_log(log, [KEY], held=held)  # type: ignore[arg-type]
        assert verdict.problem is None
        assert verdict.signed == verdict.size == len(log.rows)
        kept = set(held)
        assert kept >= set(signed)
        assert kept == {head.note for head in log.heads}
        sizes = [open_checkpoint(note, [KEY]).size for note in held]
        assert sizes == sorted(set(sizes))


def test_the_plan_does_crash():
    log, clock = MemoryLog(), FakeClock()
    write_events(log, 2, clock)  # type: ignore[arg-type]
    for share, sealed in ((0.0, 0), (1.0, 2)):
        store = CrashingStore(log, Plan(0, share))
        with pytest.raises(Crash):
            Sequencer(store, clock, KEY, PRIVATE.sign).seal()  # type: ignore[arg-type]
        assert log.size == sealed
