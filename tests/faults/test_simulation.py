"""Three hubs in one thread with a clock, a wire and a fuse of ours: whatever is lost, late, doubled or cut off, every
document that was handed in arrives once or is answered for, and nobody's answer changes.

Aster exchanges with Birch (receipts come later) and with Cedar (receipts on the same connection). A rule does one
thing that a user, a partner, a clock or bad luck may do. After each of them the invariants hold; at the end the wire
heals, the clock goes on, and everything must come to its end.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.support.logs import FakeClock, seeded_entropy
from tests.support.sites import Died, Headers, Site, content_of, walls, watch, whole
from tests.support.wrong_hubs import done_before_the_effect, no_fence

from ecluse.blobs.memory import MemoryPlace
from ecluse.channels.as2 import sender
from ecluse.channels.as2.receiver import Receiver
from ecluse.channels.http.errors import Doubtful, Interrupted
from ecluse.channels.http.exchange import Reply
from ecluse.exchange.actions import NotNow, give_up, resend
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Direction, JobState
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Conflict

EXAMPLES, SOAK_EXAMPLES = 200, 3000
STEPS = 6
"""Rules of an example, beside the busy hours: a busy hour is many."""
START = 1_800_000_000_000_000  # within the certificates' windows
MINUTE = 60_000_000
LEASE_AND_MORE = 25_000_000
FATES = ("lost", "answer lost", "late", "twice", "damaged", "fine")
ROADS = (("aster", "birch"), ("birch", "aster"), ("aster", "cedar"), ("cedar", "aster"))
ENDS = {
    DeliveryState.CONFIRMED,
    DeliveryState.REFUSED,
    DeliveryState.DEAD,
    DeliveryState.OVERDUE,
    DeliveryState.GIVEN_UP,
}

SEEDS = st.integers(0, 2**32 - 1)
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
    meddled: bool = False
    acting: int = 0
    starts: int = 0
    unwritten: list[Callable[[], object]] = field(default_factory=list)


class ThreeHubs(RuleBasedStateMachine):
    """The world, and the rules by which it is moved."""

    ran = 0
    wrong: ClassVar[list[str]] = []
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        type(self).ran += 1
        base = tempfile.mkdtemp(prefix="sim-", dir=_MEMORY if _MEMORY.is_dir() else None)
        self.base = Path(base)
        self.wrong.clear()
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
        if house.meddled and name == "delivered:as2":
            house.meddled = False
            self.seen["meddled"] += 1
            for other in self.houses:
                if other != house.name:
                    self.living(other, Site.work)
            self.resend(house.name, force=True)

    def up(self, house: House) -> Site:
        """The site; started again where it died."""
        if house.site is None:
            house.dead, house.fuse, house.stall, house.meddled = False, None, False, False
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
        if house.dead:
            raise Died("gone")
        return house.site

    def bury(self, house: House) -> None:
        house.unwritten.clear()
        if house.acting:
            house.dead = True  # its next step ends it
        elif house.site is not None:
            house.site.close()
            house.site = None

    def living(self, name: str, act: Callable[[Site], object]) -> bool:
        """Let a site act; false where it died of it."""
        house = self.houses[name]
        try:
            site = self.up(house)
            house.acting += 1
            try:
                act(site)
            finally:
                house.acting -= 1
        except Died:
            self.bury(house)
            return False
        return True

    # Rules

    @initialize(seed=SEEDS)
    def a_busy_morning(self, seed: int) -> None:
        """So that no example is empty."""
        self.busy(Random(seed), 12)

    @rule(seed=SEEDS)
    def a_busy_hour(self, seed: int) -> None:
        """Many things, drawn from a seed: chance is a better enemy than the shortest example that comes to mind."""
        self.busy(Random(seed), 5)

    def busy(self, dice: Random, count: int) -> None:
        names = sorted(self.houses)
        for _ in range(count):
            name = dice.choice(names)
            match dice.choices(range(8), (5, 10, 1, 2, 2, 1, 1, 1))[0]:
                case 0:
                    roads = [dice.choice(ROADS) for _ in range(dice.randint(1, 3))]
                    self.hand_in(roads, dice.choice((200, 200, 20_000)))
                case 1:
                    fates = [dice.choice(FATES) for _ in range(3)]
                    fuse = dice.choice((None, None, dice.randrange(40)))
                    self.work(name, fates, fuse, dice.random() < 0.3, dice.random() < 0.1)
                case 2:
                    self.light_the_fuse(name, dice.randrange(12))
                case 3:
                    self.a_late_request_arrives(dice.randrange(10))
                case 4:
                    self.time_passes(dice.choice((0.1, 0.5, 2, 31)))
                case 5:
                    self.look_for_overdue(name)
                case 6:
                    self.kill(name)
                case 7:
                    self.resend(name, dice.random() < 0.5)
            self.nothing_is_stuck_doubled_or_claimed_without_proof()

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
        meddled=st.booleans(),
    )
    def work(self, name: str, fates: list[str], fuse: int | None, overtaken: bool, meddled: bool) -> None:
        """A hub does what is due, over a wire with these fates.

        It may be killed after so many steps; or stand still before an effect until its lease is over and another
        node has done the same work; or the partner's receipt comes before our own request has ended, and a person
        sends the message again at that moment.
        """
        site = self.up(self.houses[name])
        house = self.houses[name]
        house.fuse, house.stall, house.meddled = fuse, overtaken, meddled
        self.fates = list(fates)
        if self.living(name, lambda _: site.work()):
            house.fuse, house.stall, house.meddled = None, False, False
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

    @rule(name=NAMES, force=st.booleans())
    def resend(self, name: str, force: bool) -> None:
        """A person has everything sent again that may be."""
        self.decide(name, lambda hub, id: resend(hub, id, actor="operator:test", reason="try", force=force))

    @rule(name=NAMES)
    def give_up(self, name: str) -> None:
        """A person gives up what goes out and is not over."""
        self.decide(name, lambda hub, id: give_up(hub, id, actor="operator:test", reason="enough"))

    def decide(self, name: str, act: Callable[[Hub, MessageId], object]) -> None:
        for message in self.up(self.houses[name]).messages(Direction.OUT):
            with contextlib.suppress(NotNow):
                self.living(name, lambda site, id=message.id: act(site.hub, id))

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
        assert self.wrong == []

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
            house.fuse, house.stall, house.meddled = None, False, False
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
        assert self.wrong == []

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
    ThreeHubs.wrong = watch(monkeypatch.setattr)


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
            report_multiple_bugs=False,
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

Set = Callable[[Any, str, Any], None]


def acknowledged_before_the_commit(patch: Set) -> None:
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

    patch(Intake, "_submit", early)


def a_fresh_answer_for_a_duplicate(patch: Set) -> None:
    """Each repetition is answered anew, with the right words and other bytes."""
    settle = Receiver._kept

    async def anew(self: Receiver, intake: Intake, future: Any) -> Kept | Duplicate:
        outcome = await settle(self, intake, future)
        return Kept(outcome.message) if isinstance(outcome, Duplicate) else outcome

    patch(Receiver, "_kept", anew)


@pytest.mark.parametrize(
    "mutant",
    [no_fence, done_before_the_effect, acknowledged_before_the_commit, a_fresh_answer_for_a_duplicate],
)
def test_a_wrong_hub_is_found(mutant: Callable[[Set], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        simulate(EXAMPLES)
