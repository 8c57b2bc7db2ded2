"""A message that came is taken by the flows that it fits; what they make of it is sent, and it follows that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.flow_worlds import EDIFACT, World

from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState, MessageState

Make = Callable[..., World]

COLLECTING = """name = "Orders"
[from]
channel = "folder:orders"
[[to]]
channel = "as2:birch"
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    worlds: list[World] = []

    def one(flows: dict[str, str], **more: str) -> World:
        worlds.append(World(tmp_path, flows, **more))
        return worlds[-1]

    yield one
    for world in worlds:
        world.close()


def test_a_file_in_a_folder_reaches_a_partner_once(make: Make) -> None:
    world = make({"orders": COLLECTING})
    world.sources["folder"].put("orders", "order.edi", EDIFACT)
    done = world.collect("orders")
    assert (done.kept, done.failed) == (1, 0)
    assert world.sources["folder"].content("orders", "order.edi") is None
    world.work()
    parent, child = world.messages()
    assert world.arrived("as2") == [("as2:birch", "order.edi", EDIFACT)]
    assert (parent.direction, parent.state, parent.flow) == (Direction.IN, MessageState.DELIVERED, "orders")
    assert (child.direction, child.state, child.flow) == (Direction.OUT, MessageState.DELIVERED, "orders")
    assert (child.origin, child.reference) == (parent.id, "4711")
    (delivery,) = world.deliveries(parent)
    assert delivery.state is DeliveryState.CONFIRMED
    assert child.relay == delivery.id
    assert [part.blob for part in child.parts] == [part.blob for part in parent.parts], "no copy is made"
    assert world.events(parent.id) == [
        "message.accepted",
        "delivery.relayed",
        "delivery.confirmed",
        "message.delivered",
    ]
    assert world.collect("orders").kept == 0
    assert len(world.messages()) == 2
