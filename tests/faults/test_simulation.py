"""Three hubs in one thread with a clock, a wire and a fuse of ours: whatever is lost, late, doubled or cut off, every
document that was handed in arrives once or is answered for, and nobody's answer changes.

Aster exchanges with Birch (receipts come later) and with Cedar (receipts on the same connection). A rule does one
thing that a user, a partner, a clock or bad luck may do. After each of them the invariants hold; at the end the wire
heals, the clock goes on, and everything must come to its end.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.support import sites
from tests.support.logs import FakeClock, seeded_entropy
from tests.support.sites import Died, Headers, Site, content_of, walls, whole

from ecluse.blobs.memory import MemoryPlace
from ecluse.channels.as2 import sender
from ecluse.channels.as2.receiver import Receiver
from ecluse.channels.http.errors import Doubtful, Interrupted
from ecluse.channels.http.exchange import Reply
from ecluse.engine.context import JobContext
from ecluse.exchange.deliver import Attempt
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.model.nouns import Direction, JobState
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Conflict
from ecluse.store.sqlite import verbs

EXAMPLES, SOAK_EXAMPLES = 300, 3000
STEPS = 25
START = 1_800_000_000_000_000  # within the certificates' windows
MINUTE = 60_000_000
LEASE_AND_MORE = 25_000_000
FATES = ("lost", "answer lost", "late", "twice", "damaged", "fine")
ROADS = (("aster", "birch"), ("birch", "aster"), ("aster", "cedar"), ("cedar", "aster"))
ENDS = {DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.DEAD, DeliveryState.OVERDUE}

NAMES = st.sampled_from(("aster", "birch", "cedar"))

_MEMORY = Path("/dev/shm")
_ORIGINAL = re.compile(rb"Original-Message-ID:\s*(<[^>]+>)", re.I)
_PROCESSED = re.compile(rb"Disposition:[^\r\n]*;\s*processed\r\n", re.I)


@dataclass
class House:
    """A site, its fuse, and what outlives its process."""

    name: str
    folder: Path
    place: MemoryPlace = field(default_factory=MemoryPlace)
    site: Site | None = None
    fuse: int | None = None
    dead: bool = False
    stall: bool = False
    starts: int = 0
    unwritten: list[Callable[[], object]] = field(default_factory=list)


class ThreeHubs(RuleBasedStateMachine):
    """The world, and the rules by which it is moved."""

    ran = 0
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        type(self).ran += 1
        base = tempfile.mkdtemp(prefix="sim-", dir=_MEMORY if _MEMORY.is_dir() else None)
        self.base = Path(base)
        self.clock = FakeClock(START)
        self.entropy = seeded_entropy(7)
        self.labels = itertools.count(1)
        self.handed: dict[str, tuple[str, str]] = {}
        self.fates: list[str] = []
        self.late: list[tuple[str, Headers, bytes]] = []
        self.answers: dict[tuple[str, bytes], set[bytes]] = defaultdict(set)
        self.houses = {
            name: House(name, wall.copy(self.base / name)) for name, wall in sorted(walls().items())
        }
        for house in self.houses.values():
            house.place.fault = lambda step, id, house=house: self.step(house, f"blob:{step}")
        sender.post = self.post  # type: ignore[assignment]

    # The wire

    def post(self, url: str, headers: Headers, body: Any, **_: object) -> Reply:
        """What the AS2 channel posts by."""
        target = url.split("//")[1].split(".")[0]
        data = whole(body)
        self.note_answer(data)
        fate = self.fates.pop(0) if self.fates else "fine"
        self.seen[f"request {fate}"] += 1
        match fate:
            case "lost":
                raise Interrupted("The line broke.")
            case "late":
                self.late.append((target, headers, data))
                raise Doubtful("No answer came in time.")
            case "answer lost":
                self.arrive(target, headers, data)
                raise Doubtful("The line broke before the answer.")
            case "damaged":
                at = len(data) // 2
                return self.arrive(target, headers, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            case "twice":
                self.arrive(target, headers, data)
        return self.arrive(target, headers, data)

    def arrive(self, target: str, headers: Headers, data: bytes) -> Reply:
        house = self.houses[target]
        try:
            reply = self.up(house).receive(headers, data)
        except Died:
            self.bury(house)
            raise Doubtful("The other side went away.") from None
        self.note_answer(reply.body)
        return reply

    def note_answer(self, body: bytes) -> None:
        original, good = _ORIGINAL.search(body), _PROCESSED.search(body)
        if original and good:
            self.answers["mdn", original[1]].add(body)

    # Life and death

    def step(self, house: House, name: str) -> None:
        """One step of a hub: here it dies, or is overtaken by another node of its own."""
        if house.dead:
            raise Died(name)
        if house.unwritten:
            house.unwritten.pop(0)()
        if house.fuse is not None and name != "read":
            house.fuse -= 1
            if house.fuse < 0:
                house.dead = True
                self.seen["killed"] += 1
                house.unwritten.clear()
                raise Died(name)
        if house.stall and name.startswith("deliver"):
            house.stall = False
            self.seen["overtaken"] += 1
            self.clock.now += LEASE_AND_MORE
            assert house.site is not None
            house.site.new_runner(f"{house.name}-twin").run_due(3)

    def up(self, house: House) -> Site:
        """The site; started again where it died."""
        if house.site is None:
            house.dead, house.fuse, house.stall = False, None, False
            house.place.unfinished.clear()
            house.starts += 1
            house.site = Site(
                walls()[house.name],
                house.folder,
                clock=self.clock,
                entropy=self.entropy,
                step=lambda name: self.step(house, name),
                place=house.place,
                inline_limit=256,
                name=f"{house.name}-{house.starts}",
            )
            # Mutants find their house by its hub.
            _HOUSES[id(house.site.hub)] = house
        return house.site

    def bury(self, house: House) -> None:
        house.unwritten.clear()
        if house.site is not None:
            house.site.close()
            house.site = None

    def living(self, name: str, act: Callable[[Site], object]) -> bool:
        """Let a site act; false where it died of it."""
        house = self.houses[name]
        try:
            act(self.up(house))
        except Died:
            self.bury(house)
            return False
        return True

    # Rules

    @rule(roads=st.lists(st.sampled_from(ROADS), min_size=1, max_size=3), size=st.sampled_from([200, 20_000]))
    def hand_in(self, roads: list[tuple[str, str]], size: int) -> None:
        """Applications hand documents in, and do it again where they don't know whether one was taken."""
        for road in roads:
            self.hand_in_one(road, size)

    def hand_in_one(self, road: tuple[str, str], size: int) -> None:
        one, other = road
        label = f"{one[0]}{next(self.labels)}"
        while True:
            try:
                if self.living(one, lambda site: site.send(other, content_of(label, size), label)):
                    break
            except Conflict:
                break
        self.handed[label] = road
        self.seen["documents"] += 1

    @rule(
        name=NAMES,
        fates=st.lists(st.sampled_from(FATES), min_size=2, max_size=4),
        fuse=st.none() | st.integers(0, 30),
        overtaken=st.booleans(),
    )
    def work(self, name: str, fates: list[str], fuse: int | None, overtaken: bool) -> None:
        """A hub does what is due, over a wire with these fates.

        It may be killed after so many steps; or stand still before an effect until its lease is over and another
        node has done the same work.
        """
        site = self.up(self.houses[name])
        house = self.houses[name]
        house.fuse, house.stall = fuse, overtaken
        self.fates = list(fates)
        if self.living(name, lambda _: site.work()):
            house.fuse, house.stall = None, False
        self.fates = []

    @rule(name=NAMES, steps=st.integers(0, 12))
    def light_the_fuse(self, name: str, steps: int) -> None:
        """After so many more steps, whoever makes it take them, the process is killed."""
        self.up(self.houses[name])
        self.houses[name].fuse = steps

    @rule(name=NAMES)
    def kill(self, name: str) -> None:
        self.bury(self.houses[name])

    @rule(which=st.integers(0, 9))
    def a_late_request_arrives(self, which: int) -> None:
        """Requests that were given up arrive in any order; nobody waits for the answer."""
        if self.late:
            target, headers, data = self.late.pop(which % len(self.late))
            try:
                self.arrive(target, headers, data)
            except Doubtful:
                pass

    @rule()
    def late_requests_vanish(self) -> None:
        self.late.clear()

    @rule(minutes=st.sampled_from([0.1, 0.5, 2, 31, 300]))
    def time_passes(self, minutes: float) -> None:
        self.clock.now += int(minutes * MINUTE)

    @rule(name=NAMES)
    def look_for_overdue(self, name: str) -> None:
        self.living(name, Site.look_for_overdue)

    @rule(name=NAMES)
    def seal_the_log(self, name: str) -> None:
        self.living(name, Site.seal_log)

    # What always holds

    @invariant()
    def nothing_is_stuck_doubled_or_claimed_without_proof(self) -> None:
        for house in self.houses.values():
            if house.site is None or house.unwritten:
                continue
            with Undisturbed(house):
                assert list(house.site.stuck(blobs=False)) == []
                self.check_inbox(house)
        self.check_answers()

    def check_inbox(self, house: House) -> None:
        site = house.site
        assert site is not None
        contents = Counter(site.inbox_contents())
        doubled = [data[:60] for data, count in contents.items() if count > 1]
        assert doubled == [], "delivered twice"
        whole_documents = {content_of(label, size) for label in self.handed for size in (200, 20_000)}
        assert not set(contents) - whole_documents, "delivered what nobody sent"
        for message in site.messages(Direction.IN):
            if message.state is MessageState.DELIVERED:
                assert any(message.subject.encode() in data[:80] for data in contents), "delivered to nobody"

    def check_answers(self) -> None:
        changed = [original for original, bodies in self.answers.items() if len(bodies) > 1]
        assert changed == [], "a second answer that is not the first"

    def check_end(self, label: str, road: tuple[str, str]) -> None:
        one, other = (self.up(self.houses[name]) for name in road)
        (message,) = [found for found in one.messages(Direction.OUT) if found.subject == label]
        delivery = one.delivery_of(message)
        assert delivery.state in ENDS, f"{label} never ends: {delivery.state}"
        count = sum(label.encode() + b"'" in data[:80] for data in other.inbox_contents())
        assert count <= 1
        self.seen[f"ended {delivery.state}"] += 1
        if delivery.state is DeliveryState.CONFIRMED:
            assert count == 1, f"{label} is confirmed, and the application has {count}"

    # The end

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            for house in self.houses.values():
                self.bury(house)
            shutil.rmtree(self.base, ignore_errors=True)
            _HOUSES.clear()

    def settle(self) -> None:
        self.fates = []
        for house in self.houses.values():
            house.fuse, house.stall = None, False
        self.late_requests_vanish()
        for name in self.houses:
            self.bury(self.houses[name])
        for _ in range(60):
            for name in self.houses:
                self.living(name, Site.work)
            for name in self.houses:
                self.living(name, Site.look_for_overdue)
            if all(self.quiet(house) for house in self.houses.values()):
                break
            self.clock.now += 20 * MINUTE
        for label, road in self.handed.items():
            self.check_end(label, road)
        for house in self.houses.values():
            site = self.up(house)
            assert list(site.stuck()) == []
            self.check_inbox(house)
            site.seal_log()
            verdict = site.verify()
            assert verdict.ok, verdict.problem
            assert verdict.pending == 0
        self.check_answers()

    def quiet(self, house: House) -> bool:
        """Nothing is under way, and nothing is waited for."""
        site = self.up(house)
        live = {JobState.DUE, JobState.RUNNING}
        waited_for = (
            site.delivery_of(message).state is DeliveryState.SENT for message in site.messages(Direction.OUT)
        )
        jobs = site.raw.read(lambda view: view.jobs(limit=1))
        return not any(job.state in live for job in jobs) and not any(waited_for)


_HOUSES: dict[int, House] = {}


class Undisturbed:
    """A look at a hub that is no step of it."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __enter__(self) -> None:
        self._before = (self._house.fuse, self._house.stall)
        self._house.fuse, self._house.stall = None, False

    def __exit__(self, *_: object) -> None:
        self._house.fuse, self._house.stall = self._before


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "post", sender.post)
    sites.watch_moves(monkeypatch.setattr)


def simulate(examples: int, *, shrink: bool = False) -> int:
    """Run so many examples; give the number that ran."""
    before = ThreeHubs.ran
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    run_state_machine_as_test(
        ThreeHubs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return ThreeHubs.ran - before


def test_everything_arrives_once_or_is_answered_for() -> None:
    ran = simulate(EXAMPLES, shrink=True)
    print(f"{ran} examples of up to {STEPS} steps: {dict(sorted(ThreeHubs.seen.items()))}")
    assert ran >= EXAMPLES


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_everything_arrives_once_or_is_answered_for_at_length() -> None:
    assert simulate(SOAK_EXAMPLES, shrink=True) >= SOAK_EXAMPLES


# The mutants


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Whoever once had a job may record its end."""
    for verb in ("finish_job", "retry_job", "bury_job"):
        fence = "owner = ? AND fence = ? AND state = 'running'"
        assert fence in verbs.SQL[verb]
        patch.setitem(verbs.SQL, verb, verbs.SQL[verb].replace(fence, "? IS NOT NULL AND ? IS NOT NULL"))


def done_before_the_effect(patch: pytest.MonkeyPatch) -> None:
    """A delivery's job ends before the delivery is made."""
    run = Attempt.run

    def early(self: Attempt) -> Any:
        context: JobContext = self._context
        outcome = context.finish()

        def record(work: Callable[[Any], None] | None = None) -> Any:
            if work is not None:
                self._hub.store.write(work)
            return outcome

        patch.setattr(context, "finish", record, raising=False)
        return run(self)

    patch.setattr(Attempt, "run", early)


def acknowledged_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """The partner hears that its message is kept while the transaction is still in memory."""
    submit = Intake._submit

    def early(self: Intake, message: Any, reply: Any, **more: Any) -> Future[Kept | Duplicate]:
        house = _HOUSES[id(self.hub)]
        first = self.hub.store.read(
            lambda view: view.find_message(Direction.IN, message.partner, message.protocol_id)
        )
        if self._before is not None or first is not None:
            return submit(self, message, reply, **more)
        house.unwritten.append(lambda: submit(self, message, reply, **more))
        future: Future[Kept | Duplicate] = Future()
        future.set_result(Kept(message))
        return future

    patch.setattr(Intake, "_submit", early)


def a_fresh_answer_for_a_duplicate(patch: pytest.MonkeyPatch) -> None:
    """Each repetition is answered anew, with the right words and other bytes."""
    settle = Receiver._kept

    async def anew(self: Receiver, intake: Intake, future: Any) -> Kept | Duplicate:
        outcome = await settle(self, intake, future)
        return Kept(outcome.message) if isinstance(outcome, Duplicate) else outcome

    patch.setattr(Receiver, "_kept", anew)


@pytest.mark.parametrize(
    "mutant",
    [no_fence, done_before_the_effect, acknowledged_before_the_commit, a_fresh_answer_for_a_duplicate],
)
def test_a_wrong_hub_is_found(mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: Any) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        simulate(EXAMPLES)
