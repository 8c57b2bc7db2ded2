"""Deposit, hold and disposal at every call that changes the disk: killed there, refused there, or without power.

Whatever is left: no document without its evidence and no evidence without its document, nothing that was held is
destroyed, no key outlives its deletion, and what was begun is gone on with.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.support.archive_journey import DONE, MUTANTS, After, Nursery, open_world
from tests.support.children import needs_strace
from tests.support.power import CALLS, Disk, record

SAMPLE = 24
"""Calls of a journey and a fault in an ordinary run; `make soak` takes them all."""
STATES = 60
"""Disks after a power cut, likewise."""
FAULTS = {"kill": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
HOWS = ("dropped", "kept", "torn")
_CHANGING = "write,pwrite64,fsync,fdatasync,ftruncate,link,linkat,rename,unlink,unlinkat"
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="archive-", dir=_MEMORY if _MEMORY.is_dir() else None))
    (folder / "origin").mkdir()
    world = open_world(folder / "origin")
    world.hub.store.write(lambda tx: tx.beat("test", world.clock()))
    world.close()
    yield folder
    shutil.rmtree(folder)


def points_of(nursery: Nursery, base: Path, mutant: str = "") -> list[tuple[str, int]]:
    """Calls by name and number in their thread, as a journey on which all is well makes them in its folder."""
    shutil.copytree(base / "origin", base / "well")
    told, logs = nursery.run(base / "well", "-e", f"trace={_CHANGING}", mutant=mutant)
    assert tuple(word for _, word, _ in told) == DONE
    points: dict[tuple[str, int], None] = {}
    for log in logs:
        counts: Counter[str] = Counter()
        for line in log.read_text().splitlines():
            call = line.partition("(")[0]
            counts[call] += 1
            if str(base / "well") in line:
                points[call, counts[call]] = None
    return list(points)


def sample(points: list[tuple[str, int]], count: int | None) -> list[tuple[str, int]]:
    """Evenly, from the first to the last."""
    if count is None or len(points) <= count:
        return points
    return [points[index * len(points) // count] for index in range(count)]


def run(nursery: Nursery, base: Path, point: tuple[str, int], fault: str, mutant: str = "") -> bool:
    """One journey with one fault, and all checks of what is left; true where the fault came."""
    folder = base / "disk"
    call, number = point
    shutil.copytree(base / "origin", folder)
    inject = f"inject={call}:{FAULTS[fault]}:when={number}"
    try:
        told, logs = nursery.run(folder, "-e", f"trace={call}", "-e", inject, mutant=mutant)
        text = "".join(log.read_text() for log in logs)
        after = After(folder, [(word, id) for _, word, id in told])
        try:
            after.check()
        finally:
            after.close()
    finally:
        for left in base.glob("disk*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return "INJECTED" in text or "killed by SIGKILL" in text


def run_all(nursery: Nursery, base: Path, fault: str, count: int | None) -> None:
    points = points_of(nursery, base)
    chosen = sample(points, count)
    came = 0
    for point in chosen:
        try:
            came += run(nursery, base, point, fault)
        except Exception as error:
            raise AssertionError(f"{fault} at {point}: {error!r}") from error
    print(f"{fault}: {came} of {len(chosen)} runs, {len(points)} points")
    assert came >= 0.8 * len(chosen)


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(nursery: Nursery, base: Path, fault: str) -> None:
    run_all(nursery, base, fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(nursery: Nursery, base: Path, fault: str) -> None:
    run_all(nursery, base, fault, None)


def power_cuts(nursery: Nursery, base: Path, count: int | None) -> int:
    """Rebuild the disk at moments of a journey, open it, and check; give the number of disks."""
    root, before = base / "disk", base / "before"
    shutil.copytree(base / "origin", root)
    shutil.copytree(root, before)
    told, logs = nursery.run(root, "-xx", "-ttt", "-s", "4000000", "-e", f"trace={CALLS}")
    assert tuple(word for _, word, _ in told) == DONE
    changes = record(root, logs)
    moments = [number for number, change in enumerate(changes) if change.call != "write"]
    wanted = [(number, how) for number in moments for how in HOWS]
    if count is not None:
        wanted = wanted[:: max(1, len(wanted) // count) | 1]
    disk, played, looked = Disk(root, before), 0, 0
    for number, how in wanted:
        for change in changes[played : number + 1]:
            disk.play(change)
        played = number + 1
        folder = base / f"{number}-{how}"
        disk.rebuild(folder, how, Random(number))
        at = changes[number + 1].at if number + 1 < len(changes) else float("inf")
        looked += 1
        try:
            after = After(folder, [(word, id) for when, word, id in told if when < at])
            try:
                after.check()
            finally:
                after.close()
        except Exception as error:
            raise AssertionError(f"{how} at {number}, {changes[number].call}: {error!r}") from error
        shutil.rmtree(folder)
    return looked


@needs_strace
def test_the_power_goes(nursery: Nursery, base: Path) -> None:
    count = power_cuts(nursery, base, STATES)
    print(f"{count} disks")
    assert count >= STATES // 2


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_goes_at_every_moment(nursery: Nursery, base: Path) -> None:
    print(f"{power_cuts(nursery, base, None)} disks")


def run_points(nursery: Nursery, base: Path, points: list[tuple[str, int]], mutant: str) -> None:
    """Kill a wrong archive at one point after the other."""
    for point in points:
        run(nursery, base, point, "kill", mutant)


@needs_strace
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_archive_is_found(nursery: Nursery, base: Path, mutant: str) -> None:
    points = [
        point for point in points_of(nursery, base, mutant) if point[0] in ("pwrite64", "fdatasync", "fsync")
    ]
    points.sort(key=lambda point: -point[1])  # what these do wrong they do late
    with pytest.raises(AssertionError, match=r"evidence|outlives|goes on deleting"):
        run_points(nursery, base, points[::3], mutant)
