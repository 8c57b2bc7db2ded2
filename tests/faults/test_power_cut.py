"""The power goes at any moment: what was acknowledged is there, whole, and nothing that was sent is sent otherwise.

A journey is traced with all bytes. Then the disk is rebuilt as it may have been left at each of its syncs and changes
of names: with everything dropped that was not synced, with all of it, and with some sectors of it. From each of these
disks a hub is started.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import power
from tests.support.children import needs_strace
from tests.support.exchange_bench import JOURNEYS, Bench
from tests.support.power import RECORDING, Disk, State, record
from tests.support.remote_site import Nursery
from tests.support.sites import Headers, Site, content_of, walls, whole

from ecluse.channels.as2 import sender
from ecluse.channels.http.errors import Doubtful
from ecluse.channels.http.exchange import Reply
from ecluse.model.basics import Instant
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState, MessageState

STATES = 100
"""Disks of a journey in an ordinary run; `make soak` takes them all, and tears them ten times."""

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "post", sender.post)


@pytest.fixture
def base() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="power-", dir=_MEMORY if _MEMORY.is_dir() else None)
    yield Path(folder)
    shutil.rmtree(folder)


class Recorder(Bench):
    """A journey whose every word on the wire is kept with its time."""

    def __init__(self, base: Path, journey: str) -> None:
        super().__init__(base, journey)
        self.handed: list[tuple[float, str]] = []
        self.posted: list[tuple[float, str, bytes, Reply | None]] = []
        """What Aster posted: when its first byte could be seen, to which URL, the body, and the answer."""
        self.got: list[tuple[float, Headers, bytes, Reply]] = []
        """What Aster answered: when that could be seen, to what."""

    def post(self, url: str, headers: Headers, body: Any, **more: object) -> Reply:
        begun = time.time()
        data = whole(body)
        to_aster = "aster.example" in url
        reply = super().post(url, headers, data, **more)
        if to_aster:
            self.got.append((time.time(), headers, data, reply))
        else:
            self.posted.append((begun, url, data, reply))
        return reply

    def hand_in(self) -> None:
        before = set(self.acknowledged)
        super().hand_in()
        ours = {label for label, one, _, _ in self.roads if one == "aster"}
        self.handed += [(time.time(), label) for label in (self.acknowledged - before) & ours]


class Recording:
    """A journey of a hub in a process of its own, with all that it did to its disk."""

    def __init__(self, nursery: Nursery, base: Path, journey: str, mutant: str = "") -> None:
        bench = Recorder(base / "bench", journey)
        self.bench = bench
        self.root = bench.folders["aster"]
        self.before = base / "before"
        shutil.copytree(self.root, self.before)
        aster = nursery.site("aster", self.root, bench.clock(), mutant=mutant)
        # The process is there, and so are its write-ahead logs; what it has written is its first change.
        logs = [base / f"{name}.strace" for name in aster.threads]
        tracers = [_trace(thread, log) for thread, log in zip(aster.threads.values(), logs, strict=True)]
        shutil.rmtree(self.before)
        shutil.copytree(self.root, self.before)
        aster.post, aster.clock = bench.post, bench.clock
        bench.sites["aster"] = aster
        bench.rounds()
        aster.close()
        for tracer in tracers:
            tracer.wait(20)
        self.changes = record(self.root, logs)
        self.ended = bench.clock()
        for site in bench.sites.values():
            site.close()

    def cuts(self) -> list[int]:
        """Before and after every sync and every change of a name."""
        whens = set()
        for number, change in enumerate(self.changes):
            if change.call != "write":
                whens |= {number, number + 1}
        return sorted(whens)


def _trace(thread: int, log: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["strace", "-y", *RECORDING, "-p", str(thread), "-o", str(log)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "attached" in process.stderr.readline()
    return process


class After:
    """The hub that is started from what a power cut left.

    Args:
        recording: What was before.
        folder: The disk.
        at: When the power went.
    """

    def __init__(self, recording: Recording, folder: Path, at: float) -> None:
        bench = recording.bench
        self.roads = bench.roads
        self.handed = [label for when, label in bench.handed if when < at]
        self.got = [entry for entry in bench.got if entry[0] < at]
        self.sent: dict[str, set[bytes]] = defaultdict(set)
        """What the partner may have seen of each message or receipt."""
        self.replies: dict[str, Reply | None] = {}
        for when, _, body, reply in bench.posted:
            if when < at:
                self.sent[self._id(body)].add(body)
            self.replies[self._id(body)] = reply
        self.now = recording.ended
        sender.post = self.post  # type: ignore[assignment]
        self.site = Site(walls()["aster"], folder, clock=self.clock)

    def clock(self) -> Instant:
        self.now = Instant(self.now + 1000)
        return self.now

    @staticmethod
    def _id(body: bytes) -> str:
        """What a body is about: the message that a receipt answers, else the very bytes."""
        found = Bench.original_of(body)
        return found.decode() if found else f"message of {len(body)}"

    def post(self, url: str, headers: Headers, body: Any, **_: object) -> Reply:
        data = whole(body)
        name = self._id(data)
        self.sent[name].add(data)
        reply = self.replies.get(name)
        if reply is None or (Bench.is_message(headers) and len(self.sent[name]) > 1):
            raise Doubtful("Nobody answers.")
        return reply

    def check(self) -> None:
        """All that was acknowledged before the cut is there, and stays as it was."""
        site = self.site
        assert site.raw.check() == [], "the database is damaged"
        site.sequencer.check()
        stuck = list(site.stuck())
        assert stuck == [], f"stuck for ever: {stuck}"
        subjects = {message.subject for message in site.messages(Direction.OUT)}
        assert set(self.handed) <= subjects, "lost what was acknowledged to the application"
        kept = {message.protocol_id for message in site.messages(Direction.IN)}
        for _, headers, _, _ in self.got:
            if Bench.is_message(headers):
                assert dict(headers).get("Message-ID") in kept, "lost what was acknowledged to the partner"
        self.check_applications()
        self.check_answers(unopened=True)
        for _ in range(2):
            site.work()
            site.look_for_overdue()
            self.now = Instant(self.now + 40 * 60_000_000)
        site.work()
        self.check_answers()
        site.work()
        changed = [name for name, bodies in self.sent.items() if len(bodies) > 1]
        assert changed == [], f"sent again with other bytes: {changed}"
        self.check_applications(at_last=True)
        stuck = list(site.stuck())
        assert stuck == [], f"stuck for ever: {stuck}"
        site.seal_log()
        verdict = site.verify()
        assert verdict.ok, verdict.problem

    def check_answers(self, *, unopened: bool = False) -> None:
        """Whatever is repeated gets the answer that it got; while the first is ``unopened``, it may be told to wait."""
        for _, headers, body, reply in self.got:
            again = self.site.receive(headers, body)
            if unopened and again.status == 503 and again.header("retry-after"):
                continue
            assert (again.status, again.body) == (reply.status, reply.body), "another answer than before"

    def check_applications(self, *, at_last: bool = False) -> None:
        """Every document of a message that is delivered is in the inbox, whole, once."""
        contents = self.site.inbox_contents()
        for message in self.site.messages(Direction.IN):
            ((label, _, _, size),) = [road for road in self.roads if road[0] == message.subject]
            count = contents.count(content_of(label, size))
            assert count <= 1, f"{label} came {count} times"
            if message.state is MessageState.DELIVERED or at_last:
                assert count == 1, f"{label} came {count} times"
            if at_last:
                assert self.site.delivery_of(message).state is DeliveryState.CONFIRMED


def check_states(recording: Recording, base: Path, count: int | None, tears: int = 1) -> int:
    """Start a hub from ``count`` of the states, evenly chosen (all by default); give their number."""
    hows = [("dropped", 0), ("kept", 0), *(("torn", number) for number in range(tears))]
    wanted = [State(cut, *how) for cut in recording.cuts() for how in hows]
    if count is not None:
        # The stride shares no factor with the number of ways, so that each of them gets its turn.
        stride = max(1, len(wanted) // count)
        wanted = wanted[:: stride + (stride % len(hows) == 0)]

    def check(folder: Path, at: float) -> None:
        after = After(recording, folder, at)
        try:
            after.check()
        finally:
            after.site.close()

    disk = Disk(recording.root, recording.before)
    return power.check_states(disk, recording.changes, wanted, base, check)


@needs_strace
@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_power_goes(nursery: Nursery, base: Path, journey: str) -> None:
    recording = Recording(nursery, base / "well", journey)
    count = check_states(recording, base, STATES)
    print(f"{journey}: {count} disks of {len(recording.cuts()) * 3}, {len(recording.changes)} changes")
    assert count >= STATES // 2


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_power_goes_at_every_moment(nursery: Nursery, base: Path, journey: str) -> None:
    recording = Recording(nursery, base / "well", journey)
    print(f"{journey}: {check_states(recording, base, None, tears=10)} disks")


@needs_strace
@pytest.mark.parametrize(
    "mutant, journey",
    [("files not synced", "receive"), ("commits not synced", "receive"), ("commits not synced", "send")],
)
def test_a_wrong_hub_is_found(nursery: Nursery, base: Path, mutant: str, journey: str) -> None:
    recording = Recording(nursery, base / "well", journey, mutant)
    with pytest.raises(AssertionError):
        check_states(recording, base, None)
