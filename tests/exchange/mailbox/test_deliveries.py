"""The account channel: documents are put out once, under names of their own, and confirmed when they were read."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests.support.tree_worlds import BIG, FACTS, RealWorld, assert_tidy, at, get, names, put

from ecluse.engine.runner import Runner
from ecluse.evidence.states import verify_states
from ecluse.exchange.actions import give_up, resend
from ecluse.exchange.deliver import handlers
from ecluse.exchange.mailbox.channel import NoAccount, safe_name
from ecluse.exchange.mailbox.expiry import expire
from ecluse.exchange.receipts import OVERDUE_RESENDS, mark_overdue
from ecluse.exchange.tree import Denied, NoSuchPath
from ecluse.model.files import FileState
from ecluse.model.nouns import Delivery, Message, Receipt
from ecluse.model.paths import BadPath, VirtualPath
from ecluse.model.states import DeliveryState, MessageState


def state(real: RealWorld, delivery: Delivery) -> DeliveryState:
    found = real.hub.store.read(lambda view: view.delivery(delivery.id))
    assert found is not None
    return found.state


def receipts(real: RealWorld, message: Message) -> list[Receipt]:
    return real.hub.store.read(lambda view: view.receipts(message.id))


def test_a_pick_up_confirms_with_a_receipt_of_facts(real: RealWorld) -> None:
    tree = real.open()
    message, delivery = real.send(("invoice.xml", BIG))
    real.deliver(message, delivery)
    assert state(real, delivery) is DeliveryState.SENT
    assert get(tree, "/outbound/invoice.xml") == BIG
    assert state(real, delivery) is DeliveryState.CONFIRMED
    [receipt] = receipts(real, message)
    assert (receipt.kind, receipt.verdict, receipt.positive) == ("file", "picked-up", True)
    facts = msgspec.json.decode(receipt.body)
    digest = sha256(BIG).hexdigest()
    assert facts["documents"] == [{"name": "invoice.xml", "size": len(BIG), "sha256": digest}]
    assert facts["folder"] == "/outbound"
    assert facts["picked_up"].endswith("Z")
    assert facts.items() >= FACTS.as_dict().items()
    after = real.hub.store.read(lambda view: view.message(message.id))
    assert after is not None
    assert after.state is MessageState.DELIVERED
    assert_tidy(real)


def test_every_document_of_a_message_is_picked_up_before_it_is_confirmed(real: RealWorld) -> None:
    tree = real.open(remove_after_pickup=True)
    message, delivery = real.send(("a.txt", b"a"), ("b.txt", b"bb"), ("a.txt", b"ccc"))
    real.deliver(message, delivery)
    assert names(tree, "/outbound") == ["a-2.txt", "a.txt", "b.txt"]
    for name in ("b.txt", "a.txt"):
        get(tree, f"/outbound/{name}")
        assert state(real, delivery) is DeliveryState.SENT
    assert get(tree, "/outbound/a-2.txt") == b"ccc"
    assert state(real, delivery) is DeliveryState.CONFIRMED
    [receipt] = receipts(real, message)
    assert [d["size"] for d in msgspec.json.decode(receipt.body)["documents"]] == [1, 2, 3]
    assert names(tree, "/outbound") == []


def test_a_repeated_attempt_puts_nothing_out_twice(real: RealWorld) -> None:
    tree = real.open()
    message, delivery = real.send(("a.txt", b"a"), ("b.txt", b"b"))
    for _ in range(3):
        real.deliver(message, delivery)
    assert names(tree, "/outbound") == ["a.txt", "b.txt"]
    get(tree, "/outbound/a.txt")
    get(tree, "/outbound/b.txt")
    assert len(receipts(real, message)) == 1
    real.deliver(message, delivery)  # a person had it sent again
    states = {row.state for row in real.hub.store.read(lambda view: view.delivery_files(delivery.id))}
    assert states == {FileState.WAITING}
    with pytest.raises(Denied):
        tree.remove(at("/outbound/a.txt"))
    get(tree, "/outbound/a.txt")
    get(tree, "/outbound/b.txt")
    assert len(receipts(real, message)) == 2
    assert state(real, delivery) is DeliveryState.CONFIRMED


def test_a_document_that_was_removed_is_put_out_anew(real: RealWorld) -> None:
    tree = real.open()
    message, delivery = real.send(("a.txt", b"a"))
    real.deliver(message, delivery)
    get(tree, "/outbound/a.txt")
    tree.remove(at("/outbound/a.txt"))
    real.deliver(message, delivery)
    assert names(tree, "/outbound") == ["a.txt"]
    with pytest.raises(Denied):
        tree.remove(at("/outbound/a.txt"))


def test_a_name_that_waits_is_never_taken_from_its_document(real: RealWorld) -> None:
    tree = real.open()
    for number in range(25):
        real.deliver(*real.send(("stock.csv", b"%d" % number), replace=number % 2 == 0))
    found = names(tree, "/outbound")
    assert len(found) == 25
    assert found[:2] == ["stock-10.csv", "stock-11.csv"]
    assert {"stock.csv", "stock-19.csv"} <= set(found)
    contents = sorted(int(get(tree, f"/outbound/{name}")) for name in found)
    assert contents == list(range(25))


def test_what_was_picked_up_makes_place_where_that_is_agreed(real: RealWorld) -> None:
    tree = real.open()
    real.deliver(*real.send(("stock.csv", b"old")))
    get(tree, "/outbound/stock.csv")
    real.deliver(*real.send(("stock.csv", b"kept apart")))
    real.deliver(*real.send(("stock.csv", b"new"), replace=True))
    assert names(tree, "/outbound") == ["stock-2.csv", "stock.csv"]
    assert get(tree, "/outbound/stock.csv") == b"new"
    assert get(tree, "/outbound/stock-2.csv") == b"kept apart"


def test_a_target_has_its_folder(real: RealWorld) -> None:
    tree = real.open()
    real.deliver(*real.send(("a", b"a"), folder="2026/may"))
    real.deliver(*real.send(("b", b"b"), folder="2026"))
    assert names(tree, "/outbound") == ["2026"]
    assert names(tree, "/outbound/2026") == ["b", "may"]
    assert get(tree, "/outbound/2026/may/a") == b"a"
    for folder in ("../inbound", "b/c/../../..", "2026/b"):
        with pytest.raises(BadPath):
            real.deliver(*real.send(("a", b"a"), folder=folder))
    get(tree, "/outbound/2026/b")
    tree.remove(at("/outbound/2026/b"))
    with pytest.raises(Denied):
        tree.remove_folder(at("/outbound/2026"))
    tree.remove(at("/outbound/2026/may/a"))
    tree.remove_folder(at("/outbound/2026/may"))
    tree.remove_folder(at("/outbound/2026"))
    assert names(tree, "/outbound") == []


def test_a_quota_never_stops_a_delivery(real: RealWorld) -> None:
    tree = real.open(quota="1 KiB", files=1)
    put(tree, "/inbound/a", bytes(1000))
    real.deliver(*real.send(("big", BIG)))
    assert get(tree, "/outbound/big") == BIG
    assert tree.space().used > tree.space().total


def test_without_an_account_there_is_no_folder(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "partner", lambda id: _WithoutAccount())
    with pytest.raises(NoAccount):
        real.channel.deliver(*real.send(("a", b"a")), None)


class _WithoutAccount:
    class settings:
        account = None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("order.xml", "order.xml"),
        ("", "document"),
        ("con", "_con"),
        ("a/b\\c:d.txt", "a_b_c_d.txt"),
        ("..", "document"),
        ("trailing. ", "trailing"),
        ("tab\there\0", "tabhere"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("x" * 300, "x" * 255),
        ("\u00e9" * 200, "\u00e9" * 127),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_any_name_becomes_one_that_is_safe(given: str, kept: str) -> None:
    assert safe_name(given) == kept
    assert VirtualPath.parse("/" + kept).names == (kept,)


# --- with the chamber's own jobs -------------------------------------------------------------------------------


class Bench:
    """Does what the chamber's runner and its schedule do."""

    def __init__(self, real: RealWorld) -> None:
        hub = real.hub
        jobs = handlers(hub, {"account": real.channel}, lambda message: None)
        self._hub = hub
        self._runner = Runner(hub.store, "one", hub.clock, hub.entropy, jobs, workers=1)

    def run(self, days: float = 0) -> None:
        self._hub.clock.forward(days * 86_400)  # type: ignore[attr-defined]
        expire(self._hub)
        mark_overdue(self._hub)
        while self._runner.run_due():
            pass


@pytest.fixture
def bench(real: RealWorld) -> Bench:
    return Bench(real)


def test_the_chamber_delivers_once_and_is_told(real: RealWorld, bench: Bench) -> None:
    tree = real.open()
    message, delivery = real.send(("a", b"a"))
    bench.run()
    assert state(real, delivery) is DeliveryState.SENT
    assert get(tree, "/outbound/a") == b"a"
    assert state(real, delivery) is DeliveryState.CONFIRMED
    assert list(verify_states(real.hub.store)) == []
    assert [kind for kind, _ in real.events("document.picked-up")] == [message.id]


def test_what_nobody_picks_up_is_overdue_and_waits_on(real: RealWorld, bench: Bench) -> None:
    tree = real.open(keep_outbound="2d")
    _, delivery = real.send(("a", b"a"))
    for _ in range(OVERDUE_RESENDS):
        bench.run()
        assert state(real, delivery) is DeliveryState.SENT
        bench.run(days=2.1)
    assert state(real, delivery) is DeliveryState.OVERDUE
    bench.run(days=30)
    assert names(tree, "/outbound") == ["a"]
    get(tree, "/outbound/a")
    assert state(real, delivery) is DeliveryState.CONFIRMED
    bench.run(days=3)
    assert names(tree, "/outbound") == []
    assert_tidy(real)


def test_what_was_given_up_goes_with_its_time(real: RealWorld, bench: Bench) -> None:
    tree = real.open(keep_outbound="2d")
    message, delivery = real.send(("a", b"a"))
    bench.run()
    give_up(real.hub, message.id, actor="operator:test", reason="not wanted")
    assert names(tree, "/outbound") == ["a"]
    bench.run(days=3)
    assert names(tree, "/outbound") == []
    assert state(real, delivery) is DeliveryState.GIVEN_UP
    resend(real.hub, message.id, actor="operator:test", reason="wanted after all")
    bench.run()
    assert get(tree, "/outbound/a") == b"a"
    assert state(real, delivery) is DeliveryState.CONFIRMED


def test_a_pick_up_between_the_attempt_and_its_record_counts(
    real: RealWorld, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = real.open(remove_after_pickup=True)
    _, delivery = real.send(("a", b"a"))
    deliver = real.channel.deliver

    def delivering(*known: Any) -> Any:
        outcome = deliver(*known)
        get(tree, "/outbound/a")
        return outcome

    monkeypatch.setattr(real.channel, "deliver", delivering)
    bench.run()
    assert state(real, delivery) is DeliveryState.CONFIRMED
    assert names(tree, "/outbound") == []


def test_a_document_of_a_message_that_is_gone_is_no_file(real: RealWorld) -> None:
    tree = real.open()
    message, delivery = real.send(("a", b"a"))
    real.deliver(message, delivery)
    blob = message.parts[0].blob
    real.hub.store.write(lambda tx: tx.drop_blob(blob))
    with pytest.raises(NoSuchPath):
        tree.read(at("/outbound/a"))
