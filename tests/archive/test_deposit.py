"""Deposit: every document with its evidence, once, and with a receipt that stands by itself."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.support.archives import INVOICE, ArchiveWorld, drop_bytes, instant, profile

from ecluse.archive.deposit import (
    NotNow,
    begin_retention,
    body_of,
    decline,
    deposit,
    note_message,
    refused_messages,
)
from ecluse.archive.holds import obstacles
from ecluse.archive.room import NoProfile
from ecluse.archive.shredding import Kept, Reason, shred
from ecluse.archive.statement import BadStatement, Statement, check_statement
from ecluse.blobs.vault import BlobDamaged
from ecluse.model.archive import ArchiveState
from ecluse.model.nouns import Direction
from ecluse.model.states import MessageState
from ecluse.store.port import WriteOnce
from ecluse.wire.tlog.errors import BadSignature

replace = msgspec.structs.replace


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = ArchiveWorld(tmp_path)
    yield made
    made.close()


def test_what_comes_in_is_archived_with_what_it_says_of_itself(world: ArchiveWorld) -> None:
    row = world.archived(INVOICE)
    assert row.sha256 == sha256(INVOICE).digest()
    assert (row.type, row.reference, row.day, row.amount, row.currency) == (
        "invoice",
        "R-4711",
        "2026-03-15",
        12050,
        "EUR",
    )
    assert row.refs == (("order", "4711"),)
    assert (row.starts, row.ends) == (instant("2026-04-01"), instant("2036-04-02"))
    assert (row.profile, row.partner, row.state) == ("invoices", "birch", ArchiveState.KEPT)
    [(kind, facts)] = world.events(row.id)
    assert kind == "archive.deposited"
    receipt = body_of(row).receipt
    assert receipt is not None
    assert facts["receipt"] == receipt.digest
    assert facts["sha256"] == row.sha256.hex()
    assert "R-4711" not in str(facts)


def test_the_receipt_stands_by_itself(world: ArchiveWorld) -> None:
    row = world.archived(INVOICE)
    receipt = body_of(row).receipt
    assert receipt is not None
    said = check_statement(receipt, world.note_key)
    assert said["id"] == row.id
    assert said["sha256"] == row.sha256.hex()
    assert said["submitter"] == "partner:birch"
    assert said["profile"]["retention"] == "10y"
    assert said["record"] == {"log": "aster.example/log", "kind": "archive.deposited", "subject": row.id}
    with pytest.raises(BadStatement):
        check_statement(Statement(receipt.text.replace("10y", "1y"), receipt.note), world.note_key)
    with pytest.raises(BadSignature):
        check_statement(Statement(receipt.text, receipt.note.replace("deposit", "destruct")), world.note_key)


def test_every_document_of_a_message_is_archived_once(world: ArchiveWorld) -> None:
    message = world.came(INVOICE, b"%PDF-1.7 drawing")
    assert world.work() == 1
    assert [row.part for row in world.rows(message)] == [0, 1]
    assert world.work() == 0
    world.hub.store.write(lambda tx: note_message(world.room, tx, message))
    assert world.work() == 0
    assert deposit(world.room, message.id, "", actor="operator:anne") == world.rows(message)
    assert len(world.rows(message)) == 2


def test_until_it_is_archived_nothing_of_it_is_deleted(world: ArchiveWorld) -> None:
    message = world.came()

    def delete(tx) -> None:  # type: ignore[no-untyped-def]
        found = tx.message(message.id)
        shred(tx, world.hub, [found], reason=Reason.RETENTION, actor="hub", at=world.clock())

    with pytest.raises(Kept):
        world.hub.store.write(delete)
    world.work()
    with pytest.raises(Kept):
        world.hub.store.write(delete)
    with pytest.raises(WriteOnce):
        world.hub.store.write(lambda tx: tx.drop_blob(message.parts[0].blob))
    assert [each.kind for each in world.hub.store.write(lambda tx: obstacles(tx, message.id))] == [
        "retention"
    ]


def test_octets_that_changed_meanwhile_are_not_archived(world: ArchiveWorld) -> None:
    message = world.came()
    drop_bytes(world, message.parts[0].blob)
    with pytest.raises(BlobDamaged):
        world.work()
    assert world.rows(message) == []


def test_what_goes_out_is_archived_once_it_is_confirmed(world: ArchiveWorld) -> None:
    message = world.came()
    world.work()
    out = replace(
        message, id="m-out", direction=Direction.OUT, protocol_id="<out@aster>", state=MessageState.SEALED
    )
    world.hub.store.write(lambda tx: tx.add_message(out))
    world.hub.store.write(lambda tx: note_message(world.room, tx, out))
    assert world.work() == 0
    done = replace(out, state=MessageState.DELIVERED)
    world.hub.store.write(lambda tx: (tx.update_message(done), note_message(world.room, tx, done)))
    assert world.work() == 1
    (row,) = world.rows(out)
    assert row.direction is Direction.OUT


def test_a_flow_s_profile_comes_before_the_partner_s_and_that_before_the_hub_s(world: ArchiveWorld) -> None:
    book = world.book
    message = replace(world.came(), flow="orders")
    assert book.governing(message) == "invoices"
    partner = type(book)(book.settings, book.profiles, {}, {"birch": "contracts"})
    assert partner.governing(message) == "contracts"
    flow = type(book)(book.settings, book.profiles, {"orders": "orders"}, {"birch": "contracts"})
    assert flow.governing(message) == "orders"


def test_nothing_is_archived_without_a_profile(tmp_path: Path) -> None:
    world = ArchiveWorld(tmp_path, orders=profile())
    world.book = type(world.book)(replace(world.book.settings, profile=None), world.book.profiles)
    message = world.came()
    assert world.work() == 0
    with pytest.raises(NoProfile):
        deposit(world.room, message.id, "", actor="operator:anne")
    (row,) = deposit(world.room, message.id, "orders", actor="operator:anne")
    assert body_of(row).submitter == "operator:anne"
    assert world.hub.store.write(lambda tx: obstacles(tx, message.id))
    world.close()


def test_a_format_that_is_not_taken_waits_for_a_decision(world: ArchiveWorld) -> None:
    world.change(formats=("pdf", "edifact"))
    message = world.came()
    out = replace(
        message, id="m-out", direction=Direction.OUT, protocol_id="<o@a>", state=MessageState.DELIVERED
    )
    world.hub.store.write(lambda tx: (tx.add_message(out), note_message(world.room, tx, out)))
    world.work()
    assert world.rows(out) == []
    (refused,) = world.hub.store.read(refused_messages)
    assert refused.message == out.id
    assert "xml:Invoice" in refused.reason
    assert world.kinds(out.id) == ["archive.refused"]
    assert [each.kind for each in world.hub.store.write(lambda tx: obstacles(tx, out.id))] == ["deposit"]
    with pytest.raises(NotNow):
        deposit(world.room, out.id, "invoices", actor="operator:anne")
    (row,) = deposit(world.room, out.id, "invoices", actor="operator:anne", waive="agreed with the auditor")
    assert "agreed" in body_of(row).waived
    assert world.hub.store.read(refused_messages) == []


def test_somebody_may_decline(world: ArchiveWorld) -> None:
    world.change(formats=("pdf",))
    message = world.came()
    out = replace(
        message, id="m-out", direction=Direction.OUT, protocol_id="<o@a>", state=MessageState.DELIVERED
    )
    world.hub.store.write(lambda tx: (tx.add_message(out), note_message(world.room, tx, out)))
    world.work()
    decline(world.room, out.id, actor="operator:anne", reason="a drawing, kept elsewhere")
    assert world.hub.store.write(lambda tx: obstacles(tx, out.id)) == ()
    assert world.kinds(out.id) == ["archive.refused", "archive.declined"]
    with pytest.raises(NotNow):
        decline(world.room, out.id, actor="operator:anne", reason="again")


def test_an_event_begins_the_retention_once(tmp_path: Path) -> None:
    world = ArchiveWorld(tmp_path, invoices=profile(begins="event", retention="5y"))
    row = world.archived()
    assert (row.starts, row.ends) == (None, None)
    after = begin_retention(world.room, row.id, "2028-06-30", actor="operator:anne", reason="contract ended")
    assert (after.starts, after.ends) == (instant("2028-06-30"), instant("2033-07-01"))
    assert world.row(row) == after
    assert world.kinds(row.id)[-1] == "archive.started"
    with pytest.raises(NotNow):
        begin_retention(world.room, row.id, "2020-01-01", actor="operator:anne", reason="sooner")
    world.close()
