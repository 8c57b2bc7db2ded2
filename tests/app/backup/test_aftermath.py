"""Whatever was on its way when the backup was taken stops, and a person lets it go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.backups import World

from ecluse.app.backup.aftermath import RestoredFrom, held, hold, release
from ecluse.app.backup.errors import Restored
from ecluse.app.node import Node
from ecluse.app.settings import apply_files
from ecluse.exchange.flows.state import paused
from ecluse.exchange.route import delivery_job, message_job
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.files import FileRow, FileState
from ecluse.model.nouns import Answer, Delivery, Direction, JobState, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Tx
from ecluse.trust.configuration import read_folder

FLOW = """
name = "Orders"
[from]
channel = "folder:orders"
[[to]]
channel = "as2:mill"
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


def source(node: Node) -> RestoredFrom:
    now = node.hub.clock()
    return RestoredFrom("m1", Instant(now - 3_600_000_000), now, 10)


def delivery_of(node: Node, id: MessageId) -> Delivery:
    (delivery,) = node.store.read(lambda view: view.deliveries(id))
    return delivery


def change(node: Node, delivery: Delivery, **fields: object) -> None:
    node.store.write(lambda tx: tx.update_delivery(msgspec.structs.replace(delivery, **fields)))


def test_what_waits_for_a_receipt_is_not_sent_again_by_itself(world: World) -> None:
    node = world.node
    id = world.message(b"sent")
    change(node, delivery_of(node, id), state=DeliveryState.SENT, receipt_due=Instant(node.hub.clock() + 1))
    counts = hold(node, source(node))
    assert counts["deliveries"] == 1
    after = delivery_of(node, id)
    assert (after.state, after.reason_code, after.receipt_due) == (DeliveryState.DEAD, Restored.code, None)
    message = node.store.read(lambda view: view.message(id))
    assert message is not None
    assert (message.state, message.reason_code) == (MessageState.FAILED, Restored.code)


def test_what_ended_stays_as_it_is(world: World) -> None:
    node = world.node
    ended = [world.message(b"ended"), world.message(b"given up")]
    change(node, delivery_of(node, ended[0]), state=DeliveryState.CONFIRMED)
    change(node, delivery_of(node, ended[1]), state=DeliveryState.GIVEN_UP)
    before = [delivery_of(node, id) for id in ended]
    assert hold(node, source(node))["deliveries"] == 0
    assert [delivery_of(node, id) for id in ended] == before


def test_a_job_that_ran_when_the_backup_was_taken_stops_too(world: World) -> None:
    node = world.node
    id = world.message(b"running")
    delivery = delivery_of(node, id)
    key = delivery_job(delivery, node.hub.clock()).key
    node.store.write(lambda tx: tx.claim_job(key, "burnt", node.hub.clock(), 3_600_000_000))
    change(node, delivery, state=DeliveryState.SENDING, attempts=1)
    assert hold(node, source(node))["deliveries"] == 1
    job = node.store.read(lambda view: view.job(key))
    assert job is not None
    assert job.state is JobState.DEAD
    assert delivery_of(node, id).state is DeliveryState.DEAD


def test_what_a_partner_had_to_pick_up_is_taken_in(world: World) -> None:
    node = world.node
    id = world.message(b"to be picked up")
    delivery = delivery_of(node, id)
    change(node, delivery, state=DeliveryState.SENT, channel="account:mill")
    now = node.hub.clock()
    row = FileRow(
        PartnerId("mill"),
        "/outbound",
        "a.edi",
        "f1",
        FileState.WAITING,
        15,
        now,
        message=id,
        delivery=delivery.id,
    )
    node.store.write(lambda tx: tx.add_file(row))
    hold(node, source(node))
    assert node.store.read(lambda view: view.files(PartnerId("mill"), "/outbound")) == []
    assert delivery_of(node, id).state is DeliveryState.DEAD


def test_what_was_not_opened_or_answered_waits(world: World) -> None:
    node = world.node
    now = node.hub.clock()
    template = node.store.read(lambda view: view.message(world.message(b"x")))
    assert template is not None
    incoming = msgspec.structs.replace(
        template,
        id=MessageId(node.hub.new_id("m")),
        direction=Direction.IN,
        protocol_id="<in@mill.example>",
        state=MessageState.RECEIVED,
        parts=(),
        wire_blob=template.parts[0].blob,
    )
    answered = msgspec.structs.replace(
        incoming,
        id=MessageId(node.hub.new_id("m")),
        protocol_id="<2@mill.example>",
        state=MessageState.DELIVERED,
    )

    def work(tx: Tx) -> None:
        for message in (incoming, answered):
            tx.add_message(message)
        tx.add_job(message_job("open", incoming))
        tx.put_answer(Answer(answered.id, 200, (), b"", True, now, "http://127.0.0.1:9/mdn"))
        tx.add_job(message_job("answer", answered))

    node.store.write(work)
    assert hold(node, source(node))["answers"] == 2
    after = node.store.read(lambda view: view.message(incoming.id))
    assert after is not None
    assert (after.state, after.reason_code) == (MessageState.QUARANTINED, Restored.code)
    assert hold(node, source(node)) == {"messages": 0, "deliveries": 0, "answers": 0, "flows": 0}, (
        "once is enough"
    )
    told = release(node, messages=[incoming.id], actor="operator:test", reason="it was not opened before")
    assert told["released"] == [incoming.id]
    state = node.store.read(lambda view: view.message(incoming.id))
    assert isinstance(state, Message)
    assert state.state is MessageState.RECEIVED


def test_flows_that_collect_are_paused_and_go_on_together(world: World) -> None:
    node = world.node
    (node.folder / "flows").mkdir(exist_ok=True)
    (node.folder / "flows" / "orders.toml").write_text(FLOW)
    toml = node.folder / "ecluse.toml"
    toml.write_text(toml.read_text() + '\n[folders.orders]\npath = "orders"\ncreate = true\n')
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="a flow")
    assert hold(node, source(node))["flows"] == 1
    assert node.store.read(lambda view: paused(view, "orders")) is not None
    assert held(node)["flows"] == ["orders"]
    assert release(node, flows=True, actor="operator:test", reason="compared")["flows"] == ["orders"]
    assert node.store.read(lambda view: paused(view, "orders")) is None


def test_a_partners_messages_go_on_together(world: World) -> None:
    node = world.node
    ids = {world.message(bytes([number])) for number in range(3)}
    hold(node, source(node))
    assert {each["id"] for each in held(node)["messages"]} == ids
    assert release(node, partner="birch", actor="operator:test", reason="none")["released"] == []
    told = release(node, partner="mill", actor="operator:test", reason="Mill has none of them")
    assert set(told["released"]) == ids
    assert {delivery_of(node, id).state for id in ids} == {DeliveryState.WAITING}
    told = release(node, messages=[MessageId("m0")], actor="operator:test", reason="no such")
    assert told["failed"][0]["id"] == "m0"
