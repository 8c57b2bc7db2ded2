"""Deposits into the application's folder, many at once: each with its own fence, events and end."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.support.hubs import FakeClock, bare_hub
from tests.support.tree_worlds import RealWorld, put

from ecluse.channels.folder.channel import FolderChannel
from ecluse.channels.folder.inbox import file_name
from ecluse.engine.runner import GROUP, Runner
from ecluse.evidence.states import verify_states
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.deposit import deposits
from ecluse.model.states import DeliveryState, MessageState


class World:
    """A hub that took some uploads, and its runner of deposits."""

    def __init__(self, folder: Path, count: int) -> None:
        self.clock = FakeClock()
        self.hub = bare_hub(folder, self.clock, inbox="folder:inbox")
        self.inbox = folder / "inbox"
        real = RealWorld(self.hub)
        tree = real.open()
        for number in range(count):
            put(tree, f"/inbound/{number}.txt", b"document %d" % number)
        self.messages = real.messages()
        channels = {"folder": FolderChannel(self.hub, self.inbox)}
        self.runner = Runner(
            self.hub.store,
            "n",
            self.clock,
            self.hub.entropy,
            {"deposit": handlers(self.hub, channels, lambda message: None)["deposit"]},
            workers=2 * GROUP,
            lane_limit=2 * GROUP,
            together=deposits(self.hub, channels, lambda message: None),
            on_bury=buried(self.hub),
        )

    def claim(self) -> list:
        return self.runner._claim(GROUP)

    def run(self, contexts: list) -> None:
        assert self.runner._together is not None
        self.runner._run_together(contexts, self.runner._together)

    def path(self, number: int) -> Path:
        return self.inbox / "birch" / file_name(self.messages[number], 0)

    def state(self, number: int) -> tuple[MessageState, DeliveryState]:
        def look(view):
            message = view.message(self.messages[number].id)
            [delivery] = view.deliveries(message.id)
            return message.state, delivery.state

        return self.hub.store.read(look)

    def kinds(self, number: int) -> list[str]:
        events = self.hub.store.read(lambda view: view.events(self.messages[number].id))
        return [each.event.kind for each in events]


DONE = (MessageState.DELIVERED, DeliveryState.CONFIRMED)


def test_many_are_deposited_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, 20)
    folders = []
    monkeypatch.setattr("ecluse.durable.writing.sync_folder", folders.append)
    world.run(world.claim())
    assert folders.count(str(world.inbox / "birch")) == 1
    for number in range(20):
        assert world.path(number).read_bytes() == b"document %d" % number
        assert world.state(number) == DONE
        assert world.kinds(number) == [
            "message.accepted",
            "delivery.attempted",
            "delivery.confirmed",
            "message.delivered",
        ]
        [receipt] = world.hub.store.read(lambda view: view.receipts(world.messages[number].id))  # noqa: B023
        assert receipt.positive
    assert world.claim() == []
    assert world.runner.running == []
    assert list(verify_states(world.hub.store)) == []


def test_one_that_fails_takes_none_with_it(tmp_path: Path) -> None:
    world = World(tmp_path, 3)
    (world.inbox / "birch").mkdir(parents=True)
    world.path(1).write_bytes(b"somebody's")
    world.path(2).write_bytes(b"document 2")  # an attempt that was cut after its link
    world.run(world.claim())
    assert world.state(0) == world.state(2) == DONE
    assert world.state(1) == (MessageState.ACCEPTED, DeliveryState.WAITING)
    assert world.kinds(1)[-2:] == ["delivery.attempted", "delivery.retried"]
    assert world.path(1).read_bytes() == b"somebody's"
    world.path(1).unlink()
    world.clock.forward(3600)
    world.run(world.claim())
    assert world.state(1) == DONE


def test_a_folder_that_does_not_sync_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, 3)
    contexts = world.claim()
    (world.inbox / "birch").mkdir(parents=True)
    real = os.fsync

    def failing(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EIO, "I/O error")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr("ecluse.durable.files.os.fsync", failing)
        world.run(contexts)
    assert [world.state(number)[1] for number in range(3)] == [DeliveryState.WAITING] * 3
    assert os.listdir(world.inbox / "birch") == []
    world.clock.forward(3600)
    world.run(world.claim())
    assert [world.state(number) for number in range(3)] == [DONE] * 3


def test_a_lost_job_records_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    late = world.claim()
    world.clock.forward(3600)
    again = world.claim()
    assert len(again) == 2
    world.run(again)
    kinds = world.kinds(0)
    world.run(late)
    assert [str(context.outcome) for context in late] == ["lost", "lost"]
    assert world.kinds(0) == kinds
    assert world.state(0) == world.state(1) == DONE


def test_a_running_node_deposits_what_comes(tmp_path: Path) -> None:
    world = World(tmp_path, 150)
    world.runner.start()
    try:
        with world.runner._change:
            assert world.runner._change.wait_for(lambda: world.runner._running, 10)
            assert world.runner._change.wait_for(
                lambda: not world.runner._running and len(os.listdir(world.inbox / "birch")) == 150, 30
            )
    finally:
        assert world.runner.stop(10)
    assert {world.state(number) for number in range(150)} == {DONE}
