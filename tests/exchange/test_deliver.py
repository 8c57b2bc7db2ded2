from __future__ import annotations

import msgspec
import pytest
from tests.support.hubs import FakeClock, bare_hub

from ecluse.engine.retry import Backoff, RetryPolicy
from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.states import verify_states
from ecluse.exchange.actions import NoSuchMessage, NotNow, give_up, resend
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.handin import HandIn, NothingToSend, hand_in
from ecluse.exchange.port import Awaiting, Confirmed, ReceiptBytes, Refused, Sealed
from ecluse.exchange.receipts import OVERDUE_RESENDS, late_receipt, mark_overdue
from ecluse.exchange.trace import trace
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Conflict

ORDER = b"UNB+UNOC:3+ASTER+BIRCH'UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'"
GOOD = ReceiptBytes("mdn", "ok", b"h", b"signed receipt")
BAD = ReceiptBytes("mdn", "negative", b"h", b"no")


class Away(EcluseError):
    code = "test.away"
    fault = Fault.TRANSIENT


class ScriptedChannel:
    """Does what the script says, an entry an attempt, and keeps the bytes that each attempt sent."""

    kind = "as2"

    def __init__(self, *script):
        self.script = list(script)
        self.sent = []
        self.seals = 0

    def seal(self, message, documents, write):
        self.seals += 1
        for document in documents:
            for chunk in document.chunks(5):
                write(bytes(octet ^ 0x55 for octet in chunk))
        return Sealed(msgspec.json.encode({"seal": self.seals}), {"encrypt": "x"})

    def deliver(self, message, delivery, sealed):
        self.sent.append((message.protocol_id, message.wire, b"".join(sealed.chunks())))
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    def open_received(self, message):
        raise AssertionError

    def send_answer(self, message, answer):
        raise AssertionError


class World:
    def __init__(self, folder, *script, attempts=5):
        self.clock = FakeClock()
        self.hub = bare_hub(folder, self.clock)
        self.channel = ScriptedChannel(*script)
        policy = RetryPolicy(
            {**RetryPolicy().backoffs, Fault.TRANSIENT: Backoff(base=10, cap=60, attempts=attempts, age=1e9)}
        )
        work = handlers(self.hub, {"as2": self.channel}, lambda message: policy)
        self.runner = Runner(
            self.hub.store, "n", self.clock, self.hub.entropy, work, on_bury=buried(self.hub)
        )

    def send(self, protocol_id="<m1@aster>", data=ORDER):
        documents = [HandIn("orders.edi", "application/edifact", [data])]
        return hand_in(
            self.hub,
            PartnerId("birch"),
            "as2:birch",
            documents,
            subject="s",
            protocol="as2",
            protocol_id=protocol_id,
        )

    def run(self, times=1):
        for _ in range(times):
            self.runner.run_due()
            self.clock.forward(61)

    def message(self, id):
        return self.hub.store.read(lambda view: view.message(id))

    def delivery(self, id):
        return self.hub.store.read(lambda view: view.deliveries(id))[0]

    def kinds(self, id):
        return [decode_leaf(entry.leaf).kind for entry in self.hub.store.read(lambda view: view.events(id))]

    def states(self, id):
        return self.message(id).state, self.delivery(id).state


@pytest.fixture
def world(tmp_path):
    worlds = []

    def make(*script, **options):
        worlds.append(World(tmp_path, *script, **options))
        return worlds[-1]

    yield make
    for made in worlds:
        assert list(verify_states(made.hub.store)) == []
        made.hub.store.close()


def test_confirmed_at_once(world):
    w = world(Confirmed(GOOD))
    message = w.send()
    assert (message.reference, message.state) == ("4711", MessageState.ACCEPTED)
    w.run()
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)
    assert w.kinds(message.id) == [
        "message.accepted",
        "message.sealed",
        "delivery.attempted",
        "delivery.confirmed",
        "message.delivered",
    ]
    [receipt] = w.hub.store.read(lambda view: view.receipts(message.id))
    assert (receipt.body, receipt.positive) == (b"signed receipt", True)
    shown = trace(w.hub.store, message.id).as_dict()
    assert shown["state"] == "delivered"
    assert shown["receipts"][0]["verdict"] == "ok"
    assert [step["kind"] for step in shown["events"]] == w.kinds(message.id)


def test_retried_with_the_same_bytes_and_id(world):
    w = world(Away("no line"), Away("no line"), Confirmed(GOOD))
    message = w.send()
    w.run(3)
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)
    assert w.channel.seals == 1
    assert len(set(w.channel.sent)) == 1, "every attempt sends the same id, headers and bytes"
    assert w.delivery(message.id).attempts == 3


def test_out_of_attempts_keeps_the_payload_and_can_be_resent(world):
    w = world(*[Away("no line")] * 2, Confirmed(GOOD), attempts=2)
    message = w.send()
    w.run(4)
    assert w.states(message.id) == (MessageState.FAILED, DeliveryState.DEAD)
    assert w.message(message.id).reason_code == "test.away"
    with w.hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == ORDER
    [delivery] = resend(w.hub, message.id, actor="operator:kim", reason="their line is back")
    assert delivery.state is DeliveryState.WAITING
    w.run()
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)
    assert len(set(w.channel.sent)) == 1
    with pytest.raises(NotNow):
        resend(w.hub, message.id, actor="operator:kim", reason="again")


def test_refused_is_not_retried_until_a_person_says_so(world):
    w = world(Refused(BAD, "as2.receipt-negative", "They say no."), Confirmed(GOOD))
    message = w.send()
    w.run(3)
    assert w.states(message.id) == (MessageState.FAILED, DeliveryState.REFUSED)
    assert len(w.channel.sent) == 1
    resend(w.hub, message.id, actor="operator:kim", reason="they mended it")
    w.run()
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)


def test_a_late_receipt_confirms(world):
    w = world()
    w.channel.script = [Awaiting(Instant(w.clock.now + 100_000_000))]
    message = w.send()
    w.run()
    assert w.states(message.id) == (MessageState.SEALED, DeliveryState.SENT)
    assert mark_overdue(w.hub) == 0
    delivery = late_receipt(w.hub, w.delivery(message.id).id, Confirmed(GOOD))
    assert delivery.state is DeliveryState.CONFIRMED
    assert w.message(message.id).state is MessageState.DELIVERED
    late_receipt(w.hub, delivery.id, Confirmed(GOOD))
    late_receipt(w.hub, delivery.id, Refused(BAD, "x", "no"))
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED), (
        "confirmed stays confirmed"
    )
    assert w.kinds(message.id).count("receipt.repeated") == 2


def test_an_overdue_receipt_has_it_sent_again_and_then_waits(world):
    w = world()
    w.channel.script = [Awaiting(Instant(w.clock.now + 1)) for _ in range(OVERDUE_RESENDS)]
    message = w.send()
    for _ in range(OVERDUE_RESENDS):
        w.run()
        assert mark_overdue(w.hub) == 1
    assert w.states(message.id) == (MessageState.SEALED, DeliveryState.OVERDUE)
    assert len(set(w.channel.sent)) == 1
    assert len(w.channel.sent) == OVERDUE_RESENDS
    w.run(2)
    assert len(w.channel.sent) == OVERDUE_RESENDS
    late_receipt(w.hub, w.delivery(message.id).id, Confirmed(GOOD))
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)


def test_given_up_stops_and_a_late_receipt_still_counts(world):
    w = world(Away("no line"))
    message = w.send()
    w.run()
    given = give_up(w.hub, message.id, actor="operator:kim", reason="sent by mail")
    assert given.state is MessageState.GIVEN_UP
    w.run(3)
    assert len(w.channel.sent) == 1
    with w.hub.document(given.parts[0]) as document:
        assert b"".join(document.chunks()) == ORDER
    late_receipt(w.hub, w.delivery(message.id).id, Confirmed(GOOD))
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)
    with pytest.raises(NotNow):
        give_up(w.hub, message.id, actor="operator:kim", reason="again")


def test_a_crash_of_ours_is_retried(world):
    w = world(RuntimeError("a bug"), Confirmed(GOOD))
    message = w.send()
    w.run(3)
    assert w.states(message.id) == (MessageState.DELIVERED, DeliveryState.CONFIRMED)


def test_the_same_protocol_id_is_sent_once(world):
    w = world(Confirmed(GOOD))
    w.send()
    with pytest.raises(Conflict):
        w.send()
    assert len(w.hub.store.read(lambda view: view.messages())) == 1
    assert len(w.hub.store.read(lambda view: view.blobs_before("", 10))) == 1


def test_nothing_and_empty_documents_are_refused(world):
    w = world()
    with pytest.raises(NothingToSend):
        w.send(data=b"")
    with pytest.raises(NothingToSend):
        hand_in(w.hub, PartnerId("birch"), "as2:birch", [], protocol="as2", protocol_id="<x>")
    assert w.hub.store.read(lambda view: view.messages()) == []


def test_unknown_messages_are_named(world):
    w = world()
    for action in (resend, give_up):
        with pytest.raises(NoSuchMessage):
            action(w.hub, MessageId("m0"), actor="operator:kim", reason="x")
    with pytest.raises(NoSuchMessage):
        trace(w.hub.store, MessageId("m0"))
