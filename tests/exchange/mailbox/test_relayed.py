"""From one partner's account to another's, or to another protocol: one trace, and the receipt comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.flow_worlds import EDIFACT, World
from tests.support.tree_worlds import FACTS, account_view, at, get, names, put

from ecluse.exchange.mailbox import open_tree
from ecluse.exchange.mailbox.channel import AccountChannel
from ecluse.exchange.mailbox.receipts import receipt_writer
from ecluse.exchange.port import Confirmed, ReceiptBytes
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState, MessageState

FLOW = """name = "Orders"
[from]
channel = "account:birch"
folder = "{folder}"
[[to]]
channel = "{to}"
"""
MDN = ReceiptBytes("mdn", "confirmed", b"Content-Type: multipart/report\r\n", b"signed by Cedar")


class Both(World):
    """Birch and Cedar have accounts."""

    def __init__(self, folder: Path, to: str, source: str = "inbound") -> None:
        super().__init__(folder, {"orders": FLOW.format(to=to, folder=source)})
        self.servers["account"] = AccountChannel(self.hub, lambda: self)  # type: ignore[assignment,arg-type,return-value]
        self.hub.settled = receipt_writer(self.hub, lambda: self)  # type: ignore[arg-type,return-value]
        self.runner = self.new_runner("test")

    def partner(self, id: str) -> Any:
        return account_view(id)

    def open(self, id: str) -> Any:
        return open_tree(self.hub, account_view(id), FACTS)

    def receipt(self) -> dict[str, Any]:
        tree = self.open("birch")
        [name] = [name for name in names(tree, "/receipts") if name.endswith(".json")]
        facts: dict[str, Any] = msgspec.json.decode(get(tree, f"/receipts/{name}"))
        return facts


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Both]:
    world = Both(tmp_path, "account:cedar")
    yield world
    world.close()


def test_from_one_account_to_another(accounts: Both) -> None:
    supplier, customer = accounts.open("birch"), accounts.open("cedar")
    put(supplier, "/inbound/order.edi", EDIFACT)
    accounts.work()
    assert names(supplier, "/receipts") == []
    assert names(customer, "/outbound") == ["order.edi"]
    assert get(customer, "/outbound/order.edi") == EDIFACT
    parent, child = accounts.messages()
    assert (parent.state, child.state) == (MessageState.DELIVERED, MessageState.DELIVERED)
    assert (child.direction, child.partner, child.origin) == (Direction.OUT, "cedar", parent.id)
    facts = accounts.receipt()
    assert facts["state"] == "delivered"
    [went] = facts["went"]
    assert went.items() >= {"by": "account", "kind": "file", "verdict": "picked-up"}.items()
    assert FACTS.address not in str(facts), "what another partner's server showed is not told"
    assert names(customer, "/receipts") == []


def test_the_exact_mdn_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Both(tmp_path, "as2:cedar")
    monkeypatch.setattr(world.servers["as2"], "deliver", lambda *known: Confirmed(MDN))
    put(world.open("birch"), "/inbound/order.edi", EDIFACT)
    world.work()
    tree = world.open("birch")
    [mdn, _] = names(tree, "/receipts")
    assert mdn.endswith(".mdn")
    assert get(tree, f"/receipts/{mdn}") == MDN.headers + b"\r\n" + MDN.body
    assert world.receipt()["went"][0]["by"] == "as2"
    world.close()


def test_a_refusal_comes_back(tmp_path: Path) -> None:
    world = Both(tmp_path, "as2:cedar")
    far = world.servers["as2"]
    far.refuses = True
    put(world.open("birch"), "/inbound/order.edi.tmp", EDIFACT)
    world.open("birch").rename(at("/inbound/order.edi.tmp"), at("/inbound/order.edi"))
    world.work()
    facts = world.receipt()
    assert (facts["state"], facts["reason"]) == ("failed", "twin.refused")
    assert (facts["went"][0]["state"], facts["went"][0]["verdict"]) == (DeliveryState.REFUSED, "refused")
    world.close()


def test_a_flow_takes_what_lies_in_its_folder(tmp_path: Path) -> None:
    world = Both(tmp_path, "account:cedar", "inbound/orders")
    tree = world.open("birch")
    tree.make_folder(at("/inbound/orders"))
    put(tree, "/inbound/other", b"other")
    put(tree, "/inbound/orders/order.edi", EDIFACT)
    world.work()
    assert names(world.open("cedar"), "/outbound") == ["order.edi"]
    world.close()
