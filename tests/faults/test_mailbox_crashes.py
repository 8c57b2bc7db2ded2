"""A partner's folders at every call that changes the disk: killed there, or refused, nothing acknowledged is lost.

What is left is opened again each time: a half file is never a document, a document is never there twice, every row
has its bytes, and the client goes on where it was.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from tests.support.children import needs_strace
from tests.support.mailbox_journey import After, Child, prepare
from tests.support.power import CALLS, Disk, record

SAMPLE = 36
"""Points of a journey and a fault in an ordinary run; `make soak` takes them all."""
STATES = 30
"""Disks after a power cut, likewise."""
FAULTS = {"kill": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
HOWS = ("dropped", "kept", "torn")

_MEMORY = Path("/dev/shm")
_HEX = re.compile(r"[0-9a-z]{27}|[0-9a-f]{16}")


class Point(NamedTuple):
    """One call: the thread that makes it, its name, the how-manieth of that name it is in it, and on what."""

    thread: str
    call: str
    number: int
    path: str


@pytest.fixture
def base() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="mailbox-", dir=_MEMORY if _MEMORY.is_dir() else None)
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
    prepare(folder)
    child = Child(folder, mutant)
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
                found = re.search(re.escape(str(folder)) + r'([^">]*)', line)
                points.append(Point(name, call, counts[call], _HEX.sub("#", found[1]) if found else ""))
    if not mutant:
        assert len(child.told) == 11
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
    prepare(folder)
    try:
        child = Child(folder, mutant)
        log = base / "strace"
        inject = f"inject={point.call}:{FAULTS[fault]}:when={point.number}"
        tracer = attach(child.threads[point.thread], log, "-e", f"trace={point.call}", "-e", inject)
        child.run()
        wait(tracer)
        after = After(folder, child.told)
        try:
            after.check()
        finally:
            after.close()
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
    """Rebuild the disk at moments of a journey, open it, and check; give the number of disks."""
    folder, before = base / "disk", base / "before"
    prepare(folder)
    child = Child(folder)
    shutil.copytree(folder, before)  # its files are open by now
    logs = {name: base / f"{name}.power" for name in child.threads}
    options = ("-xx", "-ttt", "-s", "1000000", "-e", f"trace={CALLS}")
    tracers = [attach(thread, logs[name], *options) for name, thread in child.threads.items()]
    child.run()
    for tracer in tracers:
        wait(tracer)
    changes = record(folder, logs.values())
    moments = [
        index for index, change in enumerate(changes) if change.call in ("fsync", "link", "rename", "unlink")
    ]
    if count is not None:
        moments = [moments[index * len(moments) // count] for index in range(count)]
    random = Random(seed)
    disk, played, states = Disk(folder, before), 0, 0
    for moment in moments:
        while played < moment:
            disk.play(changes[played])
            played += 1
        now = changes[moment].at
        for how in HOWS if count is None else [HOWS[states % 3]]:
            left = base / "left"
            disk.rebuild(left, how, random)
            after = After(left, [told for told in child.told if told.at < now])
            try:
                after.check()
            except AssertionError as error:
                raise AssertionError(f"power cut at change {moment}, {how}: {error}") from error
            finally:
                after.close()
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
    ("mutant", "call", "said"),
    [
        ("told before the commit", ("writer", "pwrite64"), "lost: taken"),
        ("bytes after the row", ("writer", "fdatasync"), "without its bytes"),
        ("a half is whole", ("main", "link"), "is not what was sent"),
    ],
)
def test_a_wrong_hub_is_found(base: Path, mutant: str, call: tuple[str, str], said: str) -> None:
    points = [point for point in points_of(base, mutant) if (point.thread, point.call) == call]
    assert points
    assert any(said in failure(base, point, mutant) for point in sample(points, 24))


def failure(base: Path, point: Point, mutant: str) -> str:
    try:
        run(base, point, "kill", mutant)
    except AssertionError as error:
        return str(error)
    return ""
