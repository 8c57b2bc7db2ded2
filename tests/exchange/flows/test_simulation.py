"""A hub that collects and relays, killed between any two steps: every document arrives once at every target.

Files lie at a partner's server in memory; a flow collects them, opens them (gzip), and sends them to two targets. A
rule does one thing that the partner, a person, a clock or bad luck may do. At the end the world heals, time goes on,
and everything must have come to its end.
"""

from __future__ import annotations

import gzip
import itertools
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.support.flow_worlds import World, flow
from tests.support.wrong_hubs import no_fence

from ecluse.exchange import actions
from ecluse.exchange.actions import NotNow, resend
from ecluse.exchange.flows import collect, relay, state
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.flows.tend import keep_running, let_go_on
from ecluse.exchange.remote import RemoteFile
from ecluse.model.nouns import Direction, JobState
from ecluse.model.states import DeliveryState, MessageState

EXAMPLES = 100
STEPS = 5
SEEDS = st.integers(0, 2**32 - 1)
FLOW = flow(
    'channel = "s3:elm"\nname = "{stem}{suffix}"',
    'channel = "folder:archive"\nname = "{counter:6}.gz"\npack = "gzip"',
    source='channel = "sftp:cedar"\nstable = "1s"\nparallel = 1\nevery = "10s"',
    open='unpack = "gzip"',
)
LEASE_AND_MORE = 25.0

Set = Callable[[Any, str, Any], None]


class Died(BaseException):
    """The process ended here. No handler of the hub's catches this."""


class Fuse:
    """Burns by a step at each step that outlives the process."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False
        self.stall: int | None = None
        self.overtake: Callable[[], None] = lambda: None

    def step(self, name: str) -> None:
        if self.dead:
            raise Died(name)
        if self.stall is not None:
            self.stall -= 1
            if self.stall < 0:
                self.stall = None
                self.overtake()
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.dead = True
                raise Died(name)


class FusedStore:
    """A store whose every write may be the last thing before the end, or after which the end comes."""

    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def write(self, work: Any) -> Any:
        self._fuse.step("write")
        result = self._store.write(work)
        self._fuse.step("written")
        return result

    def submit(self, work: Any) -> Future[Any]:
        self._fuse.step("submit")
        future = self._store.submit(work)
        future.exception()
        self._fuse.step("submitted")
        return future

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class FusedRemote:
    """A connection likewise."""

    def __init__(self, remote: Any, fuse: Fuse) -> None:
        self._remote = remote
        self._fuse = fuse

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        for chunk in self._remote.read(file):
            self._fuse.step("read")
            yield chunk

    def delete(self, file: RemoteFile) -> None:
        self._fuse.step("delete")
        self._remote.delete(file)
        self._fuse.step("deleted")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._remote.close()


class FusedSource:
    def __init__(self, source: Any, fuse: Fuse) -> None:
        self._source = source
        self._fuse = fuse

    def open(self, name: str) -> Any:
        return FusedRemote(self._source.open(name), self._fuse)


class Hub(RuleBasedStateMachine):
    """The world, and the rules by which it is moved."""

    ran = 0
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        type(self).ran += 1
        memory = Path("/dev/shm")
        self.base = Path(tempfile.mkdtemp(prefix="flows-", dir=memory if memory.is_dir() else None))
        self.fuse = Fuse()
        self.world = World(self.base, {"x": FLOW})
        self.place = self.world.sources["sftp"]
        hub = self.world.hub
        self.store = hub.store
        hub.store = FusedStore(hub.store, self.fuse)  # type: ignore[assignment]
        hub.vault.place.fault = lambda step, id: self.fuse.step(f"blob {step}")  # type: ignore[attr-defined]
        for server in self.world.servers.values():
            genuine = server.deliver
            server.deliver = lambda *args, genuine=genuine: self.deliver(genuine, args)  # type: ignore[method-assign]
        self.numbers = itertools.count(1)
        self.files: dict[str, list[bytes]] = {}
        self.nodes = itertools.count(1)
        self.start()

    def deliver(self, genuine: Any, args: Any) -> Any:
        self.fuse.step("deliver")
        outcome = genuine(*args)
        self.fuse.step("delivered")
        return outcome

    # Life and death

    def start(self) -> None:
        """The process begins: what was only in memory is gone."""
        self.fuse.left, self.fuse.dead, self.fuse.stall = None, False, None
        world = self.world
        world.hub.vault.place.unfinished.clear()  # type: ignore[attr-defined]
        world.collector = Collector(world.hub, lambda kind: FusedSource(self.place, self.fuse))  # type: ignore[arg-type, return-value]
        world.runner = world.new_runner(f"n{next(self.nodes)}")
        keep_running(world.hub)

    def living(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Died:
            self.seen["killed"] += 1
            # Nobody held the lease any more that long: it ends.
            self.world.clock.forward(LEASE_AND_MORE)
            self.start()

    # Rules

    @initialize(seed=SEEDS)
    def a_busy_morning(self, seed: int) -> None:
        """So that no example is empty."""
        self.busy(Random(seed), 12)

    @rule(seed=SEEDS)
    def a_busy_hour(self, seed: int) -> None:
        """Many things, drawn from a seed: chance is a better enemy than the shortest example that comes to mind."""
        self.busy(Random(seed), 6)

    def busy(self, dice: Random, count: int) -> None:
        self.files_come(dice.randint(1, 2))
        for _ in range(count):
            match dice.choices(range(6), (2, 10, 1, 1, 1, 1))[0]:
                case 0:
                    self.files_come(1)
                case 1:
                    fuse = dice.choice([None, dice.randint(0, 30)])
                    stall = dice.choice([None, dice.randint(0, 20)])
                    self.work(fuse, stall, dice.choice([2, 12]))
                case 2:
                    self.deleting_fails(dice.choice(["", "before", "after"]))
                case 3:
                    self.something_breaks(dice.choice(["away", "reading", "target", "well", "well", "well"]))
                case 4:
                    self.a_person_resends()
                case _:
                    self.a_person_pauses(dice.random() < 0.3)

    @rule(count=st.integers(1, 3))
    def files_come(self, count: int) -> None:
        for _ in range(count):
            number = next(self.numbers)
            data = f"document {number} ".encode() * (200 if number % 3 else 1)
            self.files[f"{number}.edi"] = [data]
            self.place.put("cedar", f"{number}.edi.gz", gzip.compress(data, mtime=0))
            self.seen["files"] += 1

    @rule()
    def a_file_is_written_anew(self) -> None:
        for name in sorted(self.files)[-1:]:
            if self.place.content("cedar", f"{name}.gz") is None:
                continue
            data = f"document {name} again {next(self.numbers)}".encode()
            self.files[name].append(data)
            self.place.put("cedar", f"{name}.gz", gzip.compress(data, mtime=0))

    @rule(
        fuse=st.none() | st.integers(0, 25),
        stall=st.none() | st.integers(0, 25),
        seconds=st.sampled_from([2, 12]),
    )
    def work(self, fuse: int | None, stall: int | None, seconds: int) -> None:
        """The hub does what is due; it may be killed after so many steps, or stand still at one until its lease is
        over and another node has done the same work.
        """
        self.world.clock.forward(seconds)
        self.fuse.left, self.fuse.stall = fuse, stall
        self.fuse.overtake = self.overtaken
        self.living(self.world.work)
        self.fuse.left = self.fuse.stall = None

    def overtaken(self) -> None:
        self.seen["overtaken"] += 1
        left, self.fuse.left = self.fuse.left, None
        self.world.clock.forward(LEASE_AND_MORE)
        other = self.world.new_runner(f"n{next(self.nodes)}")
        other.run_due(4)
        self.fuse.left = left

    @rule(what=st.sampled_from(["", "before", "after"]))
    def deleting_fails(self, what: str) -> None:
        self.place.faults.cut_delete = what

    @rule(what=st.sampled_from(["away", "reading", "target", "well"]))
    def something_breaks(self, what: str) -> None:
        self.place.faults.away = what == "away"
        self.place.faults.cut_reading = 1 if what == "reading" else None
        self.world.servers["s3"].away = what == "target"

    @rule(paused=st.booleans())
    def a_person_pauses(self, paused: bool) -> None:
        act = state.pause if paused else state.resume
        act(self.world.hub, "x", actor="operator:test", reason="try")

    @rule()
    def a_person_resends(self) -> None:
        for message in self.world.messages(Direction.IN):
            try:
                resend(self.world.hub, message.id, actor="operator:test", reason="try", force=True)
            except NotNow:
                continue

    @rule()
    def heal(self) -> None:
        self.living(lambda: (keep_running(self.world.hub), let_go_on(self.world.hub)))

    # What always holds

    def contents(self, kind: str) -> Counter[bytes]:
        found = (data for _, _, data in self.world.servers[kind].files)
        return Counter(gzip.decompress(data) if kind == "folder" else data for data in found)

    @invariant()
    def nothing_arrives_twice_or_unsent(self) -> None:
        known = {data for versions in self.files.values() for data in versions}
        for kind in ("s3", "folder"):
            contents = self.contents(kind)
            assert not [data for data, count in contents.items() if count > 1], "delivered twice"
            assert not set(contents) - known, "delivered what nobody sent"

    @invariant()
    def nothing_is_deleted_that_is_not_kept(self) -> None:
        kept = {message.protocol_id.split("#")[0] for message in self.world.messages(Direction.IN)}
        for name in self.files:
            if self.place.content("cedar", f"{name}.gz") is None:
                assert f"sftp:cedar/{name}.gz" in kept, "deleted, and not kept"

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.store.close()
            shutil.rmtree(self.base, ignore_errors=True)

    def settle(self) -> None:
        self.something_breaks("well")
        self.place.faults.cut_delete = ""
        self.fuse.left = self.fuse.stall = None
        self.a_person_pauses(False)
        for _ in range(80):
            self.world.clock.forward(600)
            keep_running(self.world.hub)
            let_go_on(self.world.hub)
            self.world.work()
            if not self.place.places.get("cedar") and self.quiet():
                break
        self.nothing_arrives_twice_or_unsent()
        assert not self.place.places.get("cedar"), "a file is never taken"
        for name, versions in self.files.items():
            for kind in ("s3", "folder"):
                assert self.contents(kind)[versions[-1]] == 1, f"{name} is lost on its way to {kind}"
        for message in self.world.messages():
            assert message.state is MessageState.DELIVERED, f"{message.id} is {message.state}"
            for delivery in self.world.deliveries(message):
                assert delivery.state is DeliveryState.CONFIRMED
            if message.direction is Direction.IN:
                assert len(self.world.children(message)) == 2, "as many children as targets"

    def quiet(self) -> bool:
        jobs = self.store.read(lambda view: view.jobs(limit=1000))
        return not any(
            job.state in (JobState.DUE, JobState.RUNNING) and job.kind != "collect" for job in jobs
        )


def simulate(examples: int, *, shrink: bool = False) -> int:
    before = Hub.ran
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    run_state_machine_as_test(
        Hub,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Hub.ran - before


def test_every_document_arrives_once_at_every_target() -> None:
    ran = simulate(EXAMPLES, shrink=True)
    print(f"{ran} examples of up to {STEPS} steps: {dict(sorted(Hub.seen.items()))}")
    assert ran >= EXAMPLES
    assert Hub.seen["killed"] > EXAMPLES / 4
    assert Hub.seen["overtaken"] > EXAMPLES / 10


# The mutants


def deleted_before_it_is_kept(patch: Set) -> None:
    def take(self: Collector, plan: Any, remote: Any, file: Any, markers: Any, check: Any) -> Any:
        octets = list(remote.read(file))
        self._afterwards(plan, remote, file)
        remote._remote.read = lambda file: iter(octets)
        return self._keep(plan, remote, file, check)

    patch(Collector, "_take", take)


def a_file_has_another_id_each_time(patch: Set) -> None:
    ids = itertools.count()
    genuine = collect.protocol_id_of
    patch(collect, "protocol_id_of", lambda plan, file: f"{genuine(plan, file)}{next(ids)}")


def a_child_has_another_id_each_time(patch: Set) -> None:
    """And the fence does not hold."""
    ids = itertools.count()
    genuine = relay.bundles
    patch(relay, "bundles", lambda leaving, key, *more: genuine(leaving, f"{key}-{next(ids)}", *more))
    patch(relay, "_OVER", frozenset())
    no_fence(patch)


def made_again_when_it_is_sent_again(patch: Set) -> None:
    """A relay that is woken does not look for the children that it made."""
    a_child_has_another_id_each_time(patch)
    for room in (relay, actions):
        patch(room, "brood", lambda view, delivery: [])


@pytest.mark.parametrize(
    "mutant",
    [
        deleted_before_it_is_kept,
        a_file_has_another_id_each_time,
        a_child_has_another_id_each_time,
        made_again_when_it_is_sent_again,
    ],
)
def test_a_wrong_hub_is_found(mutant: Callable[[Set], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        simulate(EXAMPLES)
