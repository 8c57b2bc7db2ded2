"""Shredding at every call that changes the disk: killed there, refused, or the power gone.

A key never outlives a deletion that was acknowledged as complete; there is never an event without the deletion, nor a
deletion without its event; what is left is finished at the next start.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from tests.support.children import needs_strace
from tests.support.power import CALLS, Disk, record
from tests.support.shred_journey import After, Child, prepare

SAMPLE = 30
STATES = 30
FAULTS = {"kill": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
HOWS = ("dropped", "kept", "torn")

_MEMORY = Path("/dev/shm")


class Point(NamedTuple):
    """One call: the thread that makes it, its name, the how-manieth of that name it is in it."""

    thread: str
    call: str
    number: int


@pytest.fixture
def base() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="shred-", dir=_MEMORY if _MEMORY.is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder)


def attach(thread: int, log: Path, *options: str) -> subprocess.Popen[str]:
    tracer = subprocess.Popen(
        ["strace", "-y", "-p", str(thread), "-o", str(log), *options], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    return tracer


def wait(tracer: subprocess.Popen[str]) -> None:
    tracer.wait(20)
    assert tracer.stderr is not None
    tracer.stderr.close()


def points_of(base: Path, mutant: str = "") -> list[Point]:
    """The calls that change the disk on a journey on which all is well."""
    folder = base / "well"
    kept = prepare(folder)
    child = Child(folder, kept, mutant)
    logs = {name: base / f"{name}.strace" for name in child.threads}
    tracers = [attach(thread, logs[name], "-e", f"trace={CALLS}") for name, thread in child.threads.items()]
    child.run()
    for tracer in tracers:
        wait(tracer)
    points = []
    for name, log in logs.items():
        counts: dict[str, int] = {}
        for line in log.read_text().splitlines():
            call = line.split("(", 1)[0]
            counts[call] = counts.get(call, 0) + 1
            if str(folder) in line and (call != "openat" or "O_CREAT" in line):
                points.append(Point(name, call, counts[call]))
    if not mutant:
        steps = [each.step for each in child.told]
        assert steps.count("erased fresh") == 4
        assert len([step for step in steps if step.startswith("shredded")]) == 4
    shutil.rmtree(folder)
    return points


def sample(points: list[Point], count: int | None) -> list[Point]:
    """Evenly, from the first to the last."""
    if count is None or len(points) <= count:
        return points
    return [points[index * len(points) // count] for index in range(count)]


def run(base: Path, point: Point, fault: str, mutant: str = "") -> bool:
    """One journey with one fault, and all checks of what is left; true where the fault came."""
    folder = base / "disk"
    kept = prepare(folder)
    try:
        child = Child(folder, kept, mutant)
        log = base / "strace"
        inject = f"inject={point.call}:{FAULTS[fault]}:when={point.number}"
        tracer = attach(child.threads[point.thread], log, "-e", f"trace={point.call}", "-e", inject)
        child.run()
        wait(tracer)
        After(folder, kept, child.told).check()
        text = log.read_text()
    finally:
        shutil.rmtree(folder)
    return "INJECTED" in text or "killed by SIGKILL" in text


def run_all(base: Path, fault: str, count: int | None) -> None:
    points = points_of(base)
    chosen = sample(points, count)
    came = 0
    for point in chosen:
        try:
            came += run(base, point, fault)
        except AssertionError as error:
            raise AssertionError(f"{fault} at {point}: {error}") from error
    print(f"{fault}: {came} of {len(chosen)} runs, {len(points)} points")
    assert came >= 0.8 * len(chosen)


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(base: Path, fault: str) -> None:
    run_all(base, fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(base: Path, fault: str) -> None:
    run_all(base, fault, None)


def power_cuts(base: Path, count: int | None, seed: int = 7) -> int:
    """Rebuild the disk at moments of a journey, look at it, open it, and check; give the number of disks."""
    folder, before = base / "disk", base / "before"
    kept = prepare(folder)
    child = Child(folder, kept)
    shutil.copytree(folder, before)  # its files are open by now
    logs = {name: base / f"{name}.power" for name in child.threads}
    options = ("-xx", "-ttt", "-s", "1000000", "-e", f"trace={CALLS}")
    tracers = [attach(thread, logs[name], *options) for name, thread in child.threads.items()]
    child.run()
    for tracer in tracers:
        wait(tracer)
    changes = record(folder, logs.values())
    moments = list(range(len(changes) + 1))
    if count is not None:
        moments = [moments[index * len(moments) // count] for index in range(count - 3)] + [len(changes)] * 3
    random = Random(seed)
    disk, played, states = Disk(folder, before), 0, 0
    for moment in moments:
        while played < moment:
            disk.play(changes[played])
            played += 1
        now = changes[moment].at if moment < len(changes) else float("inf")
        for how in HOWS if count is None else [HOWS[states % 3]]:
            left = base / "left"
            disk.rebuild(left, how, random)
            try:
                After(left, kept, [told for told in child.told if told.at < now]).check()
            except AssertionError as error:
                raise AssertionError(f"power cut at change {moment}, {how}: {error}") from error
            shutil.rmtree(left)
            states += 1
    return states


@needs_strace
def test_the_power_may_go_at_any_moment(base: Path) -> None:
    assert power_cuts(base, STATES) == STATES


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_may_go_at_any_moment_all_of_them(base: Path) -> None:
    print(power_cuts(base, None), "disks")


@needs_strace
@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        ("the key stays", "a key outlives its deletion"),
        ("the event apart", "a deletion without its event"),
        ("the key first", "gone without a word"),
    ],
)
def test_a_wrong_hub_is_found(base: Path, mutant: str, said: str) -> None:
    points = [point for point in points_of(base, mutant) if point.thread == "writer"]
    assert points
    assert any(said in failure(base, point, mutant) for point in sample(points, 24))


def failure(base: Path, point: Point, mutant: str) -> str:
    try:
        run(base, point, "kill", mutant)
    except AssertionError as error:
        return str(error)
    return ""
