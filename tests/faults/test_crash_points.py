"""Every call by which a hub changes its disk is the last one, or fails: nothing is lost, nothing comes twice.

A hub in a process of its own exchanges documents with a partner that is well. First each journey is traced; then it
is made again once for every call that was seen, and at that call the process is killed, or the disk reports an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.children import needs_strace
from tests.support.exchange_bench import JOURNEYS, Bench
from tests.support.remote_site import Nursery, RemoteSite
from tests.support.sites import Died, watch

from ecluse.channels.as2 import sender

SAMPLE = 40
"""Points of a journey and a fault in an ordinary run; `make soak` takes them all."""
CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,link,linkat,rename,unlink,unlinkat,mkdir,openat"
FAULTS = {"kill": "signal=KILL", "EIO": "error=EIO"}

_MEMORY = Path("/dev/shm")
_HEX = re.compile(r"[0-9a-z]{27}|[0-9a-f]{16}")


class Point(NamedTuple):
    """One call: the thread that makes it, its name, the how-manieth of that name it is in it, and on what."""

    thread: str
    call: str
    number: int
    path: str


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sender, "post", sender.post)
    wrong = watch(monkeypatch.setattr)
    yield
    assert wrong == []


@pytest.fixture
def base() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="crash-", dir=_MEMORY if _MEMORY.is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder)


class Tracer:
    """strace on one thread of a process."""

    def __init__(self, thread: int, log: Path, inject: str = "") -> None:
        extra = ["-e", f"inject={inject}"] if inject else []
        calls = inject.split(":")[0] if inject else CALLS
        self._process = subprocess.Popen(
            ["strace", "-y", "-p", str(thread), "-o", str(log), "-e", f"trace={calls}", *extra],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert "attached" in line, line

    def wait(self) -> None:
        self._process.wait(20)
        assert self._process.stderr is not None
        self._process.stderr.close()


def journey_of(bench: Bench, aster: RemoteSite) -> None:
    """All of a journey, in one process of Aster's."""
    aster.post, aster.clock = bench.post, bench.clock
    bench.sites["aster"] = aster
    try:
        bench.rounds()
    except Died:
        pass
    finally:
        aster.close()
        del bench.sites["aster"]


def points_of(nursery: Nursery, base: Path, journey: str) -> list[Point]:
    """The calls that change the disk on a journey on which all is well."""
    bench = Bench(base, journey)
    folder = str(bench.folders["aster"])
    aster = nursery.site("aster", bench.folders["aster"], bench.clock())
    logs = {name: base / f"{name}.strace" for name in aster.threads}
    tracers = [Tracer(thread, logs[name]) for name, thread in aster.threads.items()]
    journey_of(bench, aster)
    for tracer in tracers:
        tracer.wait()
    points = []
    for name, log in logs.items():
        counts: dict[str, int] = {}
        for line in log.read_text().splitlines():
            call = line.split("(", 1)[0]
            counts[call] = counts.get(call, 0) + 1
            if folder in line and (call != "openat" or "O_CREAT" in line):
                path = re.escape(folder)
                found = re.search(path + r'([^">]*)', line)
                points.append(Point(name, call, counts[call], _HEX.sub("#", found[1]) if found else ""))
    bench.recover()
    bench.check()
    bench.close()
    assert bench.failures == []
    return points


def sample(points: list[Point], count: int) -> list[Point]:
    """The first of each kind of call, then others evenly; always the same."""
    first = {(point.thread, point.call, point.path): point for point in reversed(points)}
    kinds = sorted(first.values())
    if len(kinds) >= count:
        return kinds[:: -(-len(kinds) // count)]
    rest = sorted(set(points) - set(kinds))
    return kinds + rest[:: max(1, len(rest) // max(1, count - len(kinds)))][: count - len(kinds)]


def run(nursery: Nursery, base: Path, journey: str, point: Point, fault: str, mutant: str = "") -> bool:
    """One journey with one fault, a restart, and all checks; true where the fault came."""
    base.mkdir()
    bench = Bench(base, journey)
    try:
        aster = nursery.site("aster", bench.folders["aster"], bench.clock(), mutant=mutant)
        log = base / "strace"
        inject = f"{point.call}:{FAULTS[fault]}:when={point.number}"
        tracer = Tracer(aster.threads[point.thread], log, inject)
        journey_of(bench, aster)
        tracer.wait()
        bench.recover()
        bench.check()
        text = log.read_text()
    finally:
        bench.close()
        shutil.rmtree(base)
    return "INJECTED" in text or "killed by SIGKILL" in text


def run_all(nursery: Nursery, base: Path, journey: str, fault: str, count: int | None) -> None:
    points = points_of(nursery, base / "well", journey)
    chosen = points if count is None else sample(points, count)
    came = 0
    for number, point in enumerate(chosen):
        try:
            came += run(nursery, base / str(number), journey, point, fault)
        except AssertionError as error:
            raise AssertionError(f"{fault} at {point}: {error}") from error
    kinds = len({(point.thread, point.call, point.path) for point in chosen})
    print(f"{journey}, {fault}: {came} of {len(chosen)} runs, {kinds} kinds of call, {len(points)} points")
    assert came >= 0.8 * len(chosen)


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_call_may_be_the_last(nursery: Nursery, base: Path, journey: str, fault: str) -> None:
    run_all(nursery, base, journey, fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_call_may_be_the_last_all_of_them(
    nursery: Nursery, base: Path, journey: str, fault: str
) -> None:
    run_all(nursery, base, journey, fault, None)


@needs_strace
@pytest.mark.parametrize(
    "mutant, journey, call",
    [
        ("acknowledged before the commit", "receive", ("writer", "fdatasync")),
        ("done before the effect", "receive", ("main", "link")),
    ],
)
def test_a_wrong_hub_is_found(
    nursery: Nursery, base: Path, mutant: str, journey: str, call: tuple[str, str]
) -> None:
    points = [p for p in points_of(nursery, base / "well", journey) if (p.thread, p.call) == call]
    assert points

    def all_of_them() -> None:
        for number, point in enumerate(points):
            run(nursery, base / str(number), journey, point, "kill", mutant)

    with pytest.raises(AssertionError, match=r"lost|stuck|times|ends"):
        all_of_them()
