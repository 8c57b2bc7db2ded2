"""Which documents a hold is about, and what forbids a deletion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.nouns import NOW, archived, full_archived, message

from ecluse.archive.holds import Criteria, Hold, Obstacle, Release, covers, hold_from, hold_record, obstacles
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.nouns import Part
from ecluse.store.open import open_store
from ecluse.store.port import Store

PART = Part("b1", 0, 1, "", name="Été.xml")
MESSAGE = message(subject="Commande 4711", reference="4711", flow="orders", parts=(PART,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    opened.migrate()
    opened.write(lambda tx: tx.add_message(MESSAGE))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(ids=("m1", "m9")),
        Criteria(ids=("a1",)),
        Criteria(partner="birch", direction="in", flow="orders"),
        Criteria(profile="invoices", type="invoice"),
        Criteria(reference="R-2026-é"),
        Criteria(reference="4711", partner="birch"),
        Criteria(since="2025-12-31", until="2025-12-31"),
        Criteria(text="ÉTÉ"),
    ],
)
def test_a_hold_is_about_what_fits(criteria: Criteria) -> None:
    assert covers(criteria, MESSAGE, [full_archived()])


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(),
        Criteria(ids=("m2",)),
        Criteria(ids=("m1",), partner="cedar"),
        Criteria(direction="out"),
        Criteria(flow="invoices"),
        Criteria(profile="contracts"),
        Criteria(type="order"),
        Criteria(reference="R-2026"),
        Criteria(since="2026-01-01"),
        Criteria(until="2025-12-30"),
        Criteria(text="hiver"),
    ],
)
def test_a_hold_is_not_about_what_does_not(criteria: Criteria) -> None:
    assert not covers(criteria, MESSAGE, [full_archived()])


def test_what_is_not_known_of_a_document_does_not_let_it_go() -> None:
    blank = message(reference="")
    assert covers(Criteria(type="invoice", reference="R-1"), blank, [])
    assert covers(Criteria(type="invoice", reference="R-1"), blank, [archived()])
    assert covers(Criteria(since="2026-01-01"), blank, [archived()])
    assert not covers(Criteria(since="2026-01-02"), blank, [archived()])
    assert not covers(Criteria(profile="invoices"), blank, [])


def test_one_document_of_several_that_fits_is_enough() -> None:
    both = [full_archived(type="order", reference="1", refs=()), full_archived("a2", part=1, reference="2")]
    assert covers(Criteria(type="invoice", reference="2"), MESSAGE, both)
    assert not covers(Criteria(type="order", reference="2"), MESSAGE, both)


def test_a_hold_is_kept_whole() -> None:
    hold = Hold("h1", NOW, "operator:anne", "A dispute", "TC 26/17", Criteria(partner="birch"))
    assert hold_from(hold_record(hold)) == hold
    assert hold_record(hold).state == "standing"
    ended = Hold("h1", NOW, "a", "b", "c", Criteria(), Release(NOW + 1, "operator:bea", "It is settled"))
    assert hold_from(hold_record(ended)) == ended
    assert (hold_record(ended).state, hold_record(ended).at) == ("released", NOW + 1)


def add(store: Store, *rows: Archived) -> None:
    store.write(lambda tx: [tx.add_archived(row, ()) for row in rows])


def test_nothing_stands_against_what_is_neither_held_nor_archived(store: Store) -> None:
    assert store.write(lambda tx: obstacles(tx, MESSAGE.id)) == ()
    assert store.write(lambda tx: obstacles(tx, "m9")) == ()


def test_a_hold_stands_until_it_is_released(store: Store) -> None:
    hold = Hold("h1", NOW, "operator:anne", "A dispute.", "TC 26/17", Criteria(partner="birch"))
    store.write(lambda tx: tx.put_record(hold_record(hold)))
    assert store.write(lambda tx: obstacles(tx, MESSAGE.id)) == (
        Obstacle("hold", "h1", "Held for TC 26/17: A dispute.", None),
    )
    released = Hold("h1", NOW, "a", "b", "c", hold.criteria, Release(NOW, "operator:bea", "Settled."))
    store.write(lambda tx: tx.put_record(hold_record(released)))
    assert store.write(lambda tx: obstacles(tx, MESSAGE.id)) == ()


def test_what_is_archived_stays_until_it_is_disposed_of(store: Store) -> None:
    add(
        store, archived(ends=NOW), archived("a2", part=1, state=ArchiveState.DISPOSED), archived("a3", part=2)
    )
    found = store.write(lambda tx: obstacles(tx, MESSAGE.id))
    assert [(each.kind, each.reference, each.until) for each in found] == [
        ("retention", "a1", NOW),
        ("retention", "a3", None),
    ]


def test_many_holds_are_all_asked(store: Store) -> None:
    holds = [
        Hold(f"h{n:04}", NOW, "a", "b", "c", Criteria(ids=("m1",) if n == 1200 else ("m2",)))
        for n in range(1201)
    ]
    store.write(lambda tx: [tx.put_record(hold_record(hold)) for hold in holds])
    assert [each.reference for each in store.write(lambda tx: obstacles(tx, MESSAGE.id))] == ["h1200"]
