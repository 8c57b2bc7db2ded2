"""The folder receipts: what became of a document, for the partner that it came from."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests.support.tree_worlds import RealWorld, assert_tidy, at, get, names, put

from ecluse.exchange.actions import give_up
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.exchange.mailbox.expiry import expire
from ecluse.exchange.mailbox.receipts import FORMAT, receipt_writer
from ecluse.exchange.port import ReceiptBytes
from ecluse.exchange.receipts import record_receipt
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Message
from ecluse.trust.errors import PartnerRefused

MDN = ReceiptBytes("mdn", "confirmed", b"Content-Type: multipart/report\r\n", b"signed by Cedar")


@pytest.fixture
def world(real: RealWorld) -> RealWorld:
    real.hub.inbox = "folder:inbox"
    real.hub.settled = receipt_writer(real.hub, lambda: real)  # type: ignore[arg-type,return-value]
    return real


def answer(world: RealWorld, message: Message, receipt: ReceiptBytes, *, positive: bool) -> None:
    def work(tx: Any) -> None:
        [delivery] = tx.deliveries(message.id)
        code = "" if positive else "as2.refused"
        record_receipt(world.hub, tx, delivery, receipt, positive=positive, code=code)

    world.hub.store.write(work)


def read(world: RealWorld, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.json.decode(get(world.open(), f"/receipts/{name}"))
    assert facts["format"] == FORMAT
    return facts


def test_a_delivered_upload_has_its_receipt_and_the_exact_mdn(world: RealWorld) -> None:
    tree = world.open()
    put(tree, "/inbound/order.xml", b"<Order/>")
    assert names(tree, "/receipts") == []
    [message] = world.messages()
    answer(world, message, MDN, positive=True)
    mark = message.id[-8:]
    assert names(tree, "/receipts") == [f"order.xml.{mark}.mdn", f"order.xml.{mark}.receipt.json"]
    exact = MDN.headers + b"\r\n" + MDN.body
    assert get(tree, f"/receipts/order.xml.{mark}.mdn") == exact
    facts = read(world, f"order.xml.{mark}.receipt.json")
    digest = sha256(b"<Order/>").hexdigest()
    assert (facts["message"], facts["state"]) == (message.id, "delivered")
    assert facts["documents"] == [{"name": "order.xml", "size": 8, "sha256": digest}]
    [went] = facts["went"]
    assert went.items() >= {"by": "folder", "state": "confirmed", "verdict": "confirmed"}.items()
    assert went["sha256"] == sha256(exact).hexdigest()
    assert "reason" not in facts
    assert_tidy(world)


def test_a_failure_is_told_and_then_what_came_of_it(world: RealWorld) -> None:
    tree = world.open()
    put(tree, "/inbound/order.xml", b"<Order/>")
    [message] = world.messages()
    answer(world, message, ReceiptBytes("http", "negative", b"", b"no"), positive=False)
    [name] = names(tree, "/receipts")
    facts = read(world, name)
    assert (facts["state"], facts["reason"], facts["went"][0]["state"]) == (
        "failed",
        "as2.refused",
        "refused",
    )
    answer(world, message, MDN, positive=True)
    assert len(names(tree, "/receipts")) == 2
    assert read(world, name)["state"] == "delivered"
    assert_tidy(world)


@pytest.mark.parametrize("path", ["/inbound/x", "/inbound/x.tmp"])
def test_what_waits_for_a_person_is_told_at_once(world: RealWorld, path: str) -> None:
    tree = world.open()
    put(tree, path, b"MZ program")
    if path.endswith(".tmp"):
        assert names(tree, "/receipts") == []
        tree.rename(at(path), at("/inbound/x"))
    [name] = names(tree, "/receipts")
    facts = read(world, name)
    assert (facts["state"], facts["reason"], facts["went"]) == ("quarantined", "inspect.program", [])
    [message] = world.messages()
    give_up(world.hub, message.id, actor="operator:test", reason="a virus, says Jo")
    facts = read(world, name)
    assert (facts["state"], facts["reason"]) == ("given-up", "exchange.given-up")
    assert "Jo" not in str(facts)


def test_what_came_another_way_has_a_receipt_too(world: RealWorld) -> None:
    intake = Intake(world.hub, Arrival(PartnerId("birch"), "as2", "<1@birch>"))
    intake.begin_document("application/octet-stream", "con?.xml")
    intake.document_data(b"MZ", in_exact=False)
    intake.end_document(None)
    outcome = intake.accept(b"{}", {}, None).result()
    assert isinstance(outcome, Kept)
    [name] = names(world.open(), "/receipts")
    assert name == f"con_.xml.{outcome.message.id[-8:]}.receipt.json"
    assert read(world, name)["state"] == "quarantined"


def test_receipts_are_agreed(world: RealWorld) -> None:
    tree = world.open(receipts=False)
    put(tree, "/inbound/x", b"MZ")
    assert names(tree, "/receipts") == []


def test_who_is_unknown_gets_none(world: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = world.open()

    def nobody(id: str) -> Any:
        raise PartnerRefused("There is no such partner.")

    monkeypatch.setattr(world, "partner", nobody)
    put(tree, "/inbound/x", b"MZ")
    assert names(tree, "/receipts") == []


def test_receipts_go_with_their_time_or_by_the_partners_hand(world: RealWorld) -> None:
    tree = world.open(keep_outbound="2d")
    for name in ("a", "b"):
        put(tree, f"/inbound/{name}", b"MZ" + name.encode())
    first, second = names(tree, "/receipts")
    tree.remove(at(f"/receipts/{first}"))
    assert names(tree, "/receipts") == [second]
    world.hub.clock.forward(3 * 86_400)  # type: ignore[attr-defined]
    expire(world.hub)
    assert names(tree, "/receipts") == []
    assert_tidy(world)


def test_a_long_name_has_a_receipt(world: RealWorld) -> None:
    tree = world.open()
    put(tree, "/inbound/" + "é" * 127, b"MZ")
    [name] = names(tree, "/receipts")
    assert len(name.encode()) <= 255
    assert name.endswith(".receipt.json")
    assert read(world, name)["documents"][0]["name"] == "é" * 127
