"""Two nodes relay at once, on both databases: nothing twice, nothing stuck, order kept, one of two same contents."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.flow_worlds import World, flow
from tests.support.postgres import postgres_server

from ecluse.exchange.actions import give_up
from ecluse.exchange.flows import state
from ecluse.model.basics import system_clock
from ecluse.model.nouns import JobState
from ecluse.model.states import DeliveryState, MessageState

__all__ = ["postgres_server"]

SFTP, S3 = 'channel = "sftp:cedar"', 'channel = "s3:elm"'


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:{tmp_path}/state.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_database()
    one = World(tmp_path, url=url, clock=system_clock)
    yield one
    one.close()


def work(world: World, patience: float = 40) -> None:
    """Two nodes do what is due, until nothing is."""
    runners = [world.new_runner(f"n{number}") for number in range(2)]
    for runner in runners:
        runner.start()
    end = time.monotonic() + patience
    try:
        while any(each.state in (JobState.DUE, JobState.RUNNING) for each in jobs(world)):
            assert time.monotonic() < end, [each for each in jobs(world) if each.state is not JobState.DONE]
            time.sleep(0.02)
    finally:
        for runner in runners:
            runner.stop()


def jobs(world: World) -> list[object]:
    return [
        each
        for each in world.hub.store.read(lambda view: view.jobs(limit=1000))
        if each.state is not JobState.DONE
    ]


def test_every_target_once_and_every_parent_settled(world: World) -> None:
    world.apply({"x": flow(SFTP, S3 + '\npack = "gzip"', 'channel = "folder:a"\nname = "{counter:4}"')})
    messages = [world.arrive(f"document {number}".encode()) for number in range(25)]
    work(world)
    for kind in ("sftp", "s3", "folder"):
        assert len(world.arrived(kind)) == 25
    names = Counter(name for _, name, _ in world.arrived("folder"))
    assert sorted(names) == [f"{number:04}" for number in range(1, 26)], "no number twice, none left out"
    for message in messages:
        assert world.message(message.id).state is MessageState.DELIVERED
        assert [each.state for each in world.deliveries(message)] == [DeliveryState.CONFIRMED] * 3
        assert len(world.children(message)) == 3


def test_order_of_each_key(world: World) -> None:
    world.apply({"x": flow(SFTP, source='channel = "as2:*"', order='key = "{partner}"')})
    for number in range(12):
        for partner in ("birch", "elm"):
            world.arrive(f"{partner} {number:02}".encode(), partner=partner)
    work(world)
    for partner in ("birch", "elm"):
        came = [data for _, _, data in world.arrived("sftp") if data.startswith(partner.encode())]
        assert came == [f"{partner} {number:02}".encode() for number in range(12)]


def test_of_the_same_content_at_once_one_goes_on(world: World) -> None:
    world.apply({"x": flow(SFTP, duplicates='action = "skip"')})
    messages = [world.arrive(b"the same") for _ in range(10)]
    work(world)
    assert len(world.arrived("sftp")) == 1
    states = Counter(world.message(message.id).state for message in messages)
    assert states == {MessageState.DELIVERED: 1, MessageState.GIVEN_UP: 9}


def test_pausing_and_giving_up_while_it_works(world: World) -> None:
    world.apply({"x": flow(SFTP, S3)})
    messages = [world.arrive(f"document {number}".encode()) for number in range(12)]
    state.pause(world.hub, "x", actor="operator:test", reason="wait")
    work(world)
    assert world.arrived("sftp") == []
    give_up(world.hub, messages[0].id, actor="operator:test", reason="no")
    assert state.resume(world.hub, "x", actor="operator:test", reason="go") == 22
    work(world)
    assert len(world.arrived("sftp")) == len(world.arrived("s3")) == 11
    assert world.message(messages[0].id).state is MessageState.GIVEN_UP
