"""Journeys that end at any call that changes what is kept: killed there, refused there, or without power.

A :class:`Journey` is what a process does with a hub, and what must hold of what it leaves. :class:`Crashes` has it made
with all well, under strace, which gives its :class:`Point` s; then again with a fault at one of them. A
:class:`Recording` is rebuilt as a power cut may have left its disk. What is left is checked each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, TypeAlias, TypeVar

import pytest
from tests.support.power import CALLS, HOWS, RECORDING, Change, Disk, State, check_states, record

from ecluse.errors import EcluseError

__all__ = ["FAULTS", "Crashes", "Journey", "Point", "Recording", "Tell", "Told", "base", "sample"]

FAULTS: Final = {"kill": "signal=KILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
PATIENCE: Final = 60
"""Seconds for a step of a journey, on a machine that does much else."""
_MEMORY: Final = Path("/dev/shm")
_HEX: Final = re.compile(r"[0-9a-z]{27}|[0-9a-f]{16}")
_STRAY: Final = "raised what is none of the hub's errors:"
T = TypeVar("T")


class Told(NamedTuple):
    """A step that was acknowledged, and when."""

    at: float
    step: str


Tell: TypeAlias = Callable[[str], None]
"""Says that a step was acknowledged."""


class Point(NamedTuple):
    """One call: the thread that makes it, its name, the how-manieth of that name it is in it, and on what."""

    thread: str
    call: str
    number: int
    path: str


class Journey:
    """What a process does, and what must hold of what it leaves.

    Args:
        mutant: What the hub does wrong on purpose; empty where it is right.

    Attributes:
        calls: Those that change what is kept, for strace.
    """

    calls = CALLS

    def __init__(self, mutant: str = "") -> None:
        self.mutant = mutant

    def prepare(self, folder: Path) -> None:
        """Make the hub in a new folder. Done once: each journey begins with a copy."""
        raise NotImplementedError

    def copy(self, prepared: Path, folder: Path) -> None:
        """Make another hub like the one that was prepared."""
        shutil.copytree(prepared, folder)

    def clear(self, folder: Path) -> None:
        """Delete a hub."""
        shutil.rmtree(folder)

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """Open the hub, in the journey's process, and give the journey.

        Threads that are there by then have points of their own. What others do counts where the power goes; no fault
        is put into it.
        """
        raise NotImplementedError

    def place(self, folder: Path, line: str) -> str | None:
        """What a line of strace tells a change of; ``None`` where it is no change of what is kept."""
        if str(folder) not in line or (line.startswith("openat(") and "O_CREAT" not in line):
            return None
        found = re.search(re.escape(str(folder)) + r'([^">]*)', line)
        return _HEX.sub("#", found[1]) if found else ""

    def check_told(self, told: Sequence[Told]) -> None:
        """That is what is told on a journey on which all is well."""
        raise NotImplementedError

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """All that must hold of what is left in a folder."""
        raise NotImplementedError


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder for journeys, in memory where there is some: no power cut but ours will come."""
    folder = tempfile.mkdtemp(prefix="crashes-", dir=_MEMORY if _MEMORY.is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder)


def sample(among: Sequence[T], count: int | None) -> Sequence[T]:
    """So many, evenly from the first to the last; all of them by default."""
    if count is None or len(among) <= count:
        return among
    return [among[index * len(among) // count] for index in range(count)]


class _Made(NamedTuple):
    """A journey that was made: what it told, and the traces of its threads, by name where they had one at its start."""

    told: list[Told]
    logs: Mapping[str, Path]


class _Process:
    """A forked process that makes a journey once it is let go.

    Args:
        journey: Which.
        folder: Its hub's; the traces lie beside it.
    """

    def __init__(self, journey: Journey, folder: Path) -> None:
        self._folder = folder
        self._read, write = os.pipe()
        go, self._let = os.pipe()
        self._rest = b""
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._let)  # else it would wait for itself, should the test end
            _travel(journey, folder, go, write)
        os.close(write)
        os.close(go)
        self._threads: dict[str, int] = json.loads(self._line() or "{}")
        assert self._threads, "the process ended before its journey"

    def _line(self) -> str:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], PATIENCE)
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                return ""
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def run(self, *options: str, thread: str = "") -> _Made:
        """Let it go under strace, on one thread or on all, and wait for its end."""
        log = self._folder.with_name(f"{self._folder.name}.strace")
        whom = ["-p", str(self._threads[thread])] if thread else ["-ff", "-p", str(self._pid)]
        tracer = subprocess.Popen(
            ["strace", "-yy", *whom, "-o", str(log), *options], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        assert "attached" in line, line
        os.write(self._let, b"go")
        told = []
        while line := self._line():
            at, _, step = line.partition(" ")
            told.append(Told(float(at), step))
        os.close(self._let)
        os.close(self._read)
        # A process of which one thread was killed alone does not end by itself: strace kills the whole process.
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        tracer.wait(PATIENCE)
        tracer.stderr.close()
        stray = [each.step for each in told if each.step.startswith(_STRAY)]
        assert not stray, stray
        if thread:
            return _Made(told, {thread: log})
        names = {str(id): name for name, id in self._threads.items()}
        found = {each.suffix[1:]: each for each in sorted(log.parent.glob(f"{log.name}.*"))}
        return _Made(told, {names.get(id, id): path for id, path in found.items()})


def _travel(journey: Journey, folder: Path, go: int, write: int) -> NoReturn:
    """All that the journey's process does."""

    def tell(step: str) -> None:
        os.write(write, f"{time.time():.6f} {step}\n".encode())

    try:
        travel = journey.begin(folder)
        threads = {each.name: each.native_id for each in threading.enumerate()}
        threads["main"] = threading.get_native_id()  # a fork leaves the one that the main thread had before
        os.write(write, json.dumps(threads).encode() + b"\n")
        if os.read(go, 2):
            with contextlib.suppress(EcluseError):
                travel(tell)
    except BaseException as error:
        if not journey.mutant:
            tell(f"{_STRAY} {error!r}".replace("\n", " "))
    finally:
        os._exit(0)


class Crashes:
    """A journey that is made again and again, each time with another end.

    Args:
        journey: Which.
        base: A folder for it.
    """

    def __init__(self, journey: Journey, base: Path) -> None:
        self._journey = journey
        self._base = base
        self._prepared = base / "prepared"
        journey.prepare(self._prepared)

    @contextlib.contextmanager
    def _start(self, name: str) -> Iterator[tuple[Path, _Process]]:
        """A process that is ready for the journey, in a folder that is cleared afterwards."""
        folder = self._base / name
        self._journey.copy(self._prepared, folder)
        try:
            yield folder, _Process(self._journey, folder)
        finally:
            self._journey.clear(folder)
            for trace in self._base.glob(f"{name}.strace*"):
                trace.unlink()

    def points(self) -> list[Point]:
        """The calls that change what is kept on a journey on which all is well, each thread's in their order."""
        with self._start("well") as (folder, process):
            made = process.run("-s", "4096", "-e", f"trace={self._journey.calls}")
            self._journey.check_told(made.told)
            return [
                point
                for thread, log in made.logs.items()
                if not thread.isdigit()
                for point in self._points(folder, thread, log)
            ]

    def _points(self, folder: Path, thread: str, log: Path) -> Iterator[Point]:
        counts: Counter[str] = Counter()
        for line in log.read_text().splitlines():
            call = line.partition("(")[0]
            counts[call] += 1
            place = self._journey.place(folder, line)
            if place is not None:
                yield Point(thread, call, counts[call], place)

    def run(self, point: Point, fault: str) -> bool:
        """One journey with one fault, and all checks of what is left; true where the fault came."""
        inject = f"inject={point.call}:{FAULTS[fault]}:when={point.number}"
        with self._start("disk") as (folder, process):
            made = process.run("-e", f"trace={point.call}", "-e", inject, thread=point.thread)
            self._journey.check(folder, made.told)
            text = made.logs[point.thread].read_text()
        return "INJECTED" in text or "killed by SIGKILL" in text

    def run_all(
        self, fault: str, count: int | None = None, among: Callable[[Point], bool] = lambda point: True
    ) -> None:
        """A fault at so many of the points, evenly chosen ``among`` these, or at all; most of them have to come."""
        points = [point for point in self.points() if among(point)]
        chosen = sample(points, count)
        came = 0
        for point in chosen:
            try:
                came += self.run(point, fault)
            except Exception as error:
                raise AssertionError(f"{fault} at {point}: {error!r}") from error
        print(f"{fault}: {came} of {len(chosen)} runs, {len(points)} points")
        assert came >= 0.8 * len(chosen)

    def finds(self, said: str, points: Sequence[Point]) -> bool:
        """Whether one of these points, killed there by turns, has a check fail that says so."""
        for point in points:
            try:
                self.run(point, "kill")
            except Exception as error:
                if re.search(said, str(error)):
                    return True
        return False

    def record(self) -> Recording:
        """The journey on which all is well, with all that it does to its disk."""
        with self._start("disk") as (folder, process):
            before = self._base / "before"
            shutil.copytree(folder, before)  # its files are open by now
            made = process.run(*RECORDING)
            self._journey.check_told(made.told)
            disk = Disk(folder, before)
            shutil.rmtree(before)
            changes = record(folder, made.logs.values())
            return Recording(self._journey, self._base, made.told, disk, changes)


class Recording:
    """A journey on which all is well, with all that it did to its disk. It can be rebuilt once.

    Args:
        journey: Which.
        base: A folder to rebuild it in.
        told: What it told.
        disk: As it was before.
        changes: What it did, in order of time.
    """

    def __init__(
        self, journey: Journey, base: Path, told: Sequence[Told], disk: Disk, changes: Sequence[Change]
    ) -> None:
        self._journey = journey
        self._base = base
        self._told = told
        self._disk = disk
        self._changes = changes

    def check(self, count: int | None = None) -> int:
        """Rebuild the disk at so many moments, evenly chosen, in one way each by turns, and in every way at the end; or
        at each moment in every way. Check what is left each time, and give the number of disks.
        """
        end = len(self._changes)
        if count is None:
            wanted = [State(after, how) for after in range(end + 1) for how in HOWS]
        else:
            # What was written since the last sync or name is there or not at each of these, whole or in part.
            kinds = [number for number, change in enumerate(self._changes) if change.call != "write"]
            moments = sample(sorted({after for number in kinds for after in (number, number + 1)}), count)
            wanted = [State(after, HOWS[turn % len(HOWS)]) for turn, after in enumerate(moments)]
            wanted += [State(end, how) for how in HOWS]

        def check(folder: Path, at: float) -> None:
            self._journey.check(folder, [told for told in self._told if told.at < at])

        return check_states(self._disk, self._changes, wanted, self._base, check)
