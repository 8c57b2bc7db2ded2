"""Finding archived documents, in both databases."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
import pytest
from tests.support.nouns import NOW, archived, message

from ecluse.archive.search import BadQuery, Place, Query, search, search_all
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.nouns import Direction
from ecluse.store.archive_numbers import numbers, searched
from ecluse.store.port import Store

DRAW = random.Random(3)
ROWS = [
    archived(
        f"a{n:04}",
        message=f"m{n}",
        blob=f"b{n}",
        partner=DRAW.choice(["birch", "cedar"]),
        direction=DRAW.choice([Direction.IN, Direction.OUT]),
        deposited=NOW + n,
        profile=DRAW.choice(["invoices", "orders"]),
        type=DRAW.choice(["invoice", "order", ""]),
        reference=DRAW.choice(["", f"RE-2026-{n:05}", f"{n}"]),
        refs=DRAW.choice([(), (("order", f"PO/{n // 5}"),), (("invoice", f"{n - 1}"), ("own", f"X{n}"))]),
        day=DRAW.choice(["", "2025-11-30", "2026-01-02", "2026-03-31"]),
        amount=DRAW.choice([None, n * 100, 4242_00]),
        currency=DRAW.choice(["", "EUR"]),
        state=DRAW.choice([ArchiveState.KEPT, ArchiveState.KEPT, ArchiveState.DAMAGED]),
    )
    for n in range(200)
]


@pytest.fixture
def full(store: Store) -> Store:
    store.write(lambda tx: [tx.add_archived(row, ()) for row in ROWS])
    return store


def expected(query: Query) -> list[str]:
    """The same by hand."""
    found = [row for row in ROWS if _answers(row, query)]
    return [row.id for row in sorted(found, key=lambda row: (row.day, row.id), reverse=True)]


def _answers(row: Archived, query: Query) -> bool:
    for name in ("partner", "direction", "type", "profile", "state", "currency"):
        asked = getattr(query, name)
        if asked and str(getattr(row, name)) != asked:
            return False
    known = numbers(row)
    own = {number for number, kind in known if kind.startswith("own:")}
    invoices = {number for number, kind in known if kind in ("own:invoice", "invoice", "text")}
    for asked, pool in (
        (query.reference, own),
        (query.number, {n for n, _ in known}),
        (query.invoice, invoices),
    ):
        text = searched(asked.removesuffix("*"))
        hit = any(n.startswith(text) if asked.endswith("*") else n == text for n in pool)
        if asked and not hit:
            return False
    if query.text and not any(number.startswith(searched(query.text)) for number, _ in known):
        return False
    if query.since and not row.day >= query.since:
        return False
    if query.until and not (row.day and row.day[: len(query.until)] <= query.until):
        return False
    if query.least is not None and not (row.amount is not None and row.amount >= query.least):
        return False
    return query.most is None or (row.amount is not None and row.amount <= query.most)


ASKED: dict[str, list[Any]] = {
    "partner": ["birch", "nobody"],
    "direction": ["in"],
    "type": ["invoice"],
    "profile": ["orders"],
    "state": ["kept", "damaged"],
    "currency": ["EUR"],
    "reference": ["re-2026-00007", "RE-2026*", "x8"],
    "number": ["PO/3", "po*"],
    "invoice": ["41"],
    "text": ["0001", "2026"],
    "since": ["2026"],
    "until": ["2026-01", "2026-03-31"],
    "least": [1000],
    "most": [424200],
}


def ids(store: Store, query: Query, **paging: Any) -> list[str]:
    return [row.id for row in store.read(lambda view: search(view, query, limit=500, **paging)).found]


def test_every_condition_alone_and_in_pairs(full: Store) -> None:
    single = [{name: value} for name, values in ASKED.items() for value in values]
    asked = [
        *single,
        *({**a, **b} for a, b in itertools.combinations(single, 2) if not a.keys() & b.keys()),
        {},
    ]
    for conditions in asked:
        query = Query(**conditions)
        assert ids(full, query) == expected(query), conditions


@pytest.mark.parametrize("many", [15, 1000])
def test_what_many_answer_to_is_read_in_the_order_of_days(
    full: Store, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr("ecluse.archive.search._FEW", 2)
    monkeypatch.setattr("ecluse.archive.search._LOOKS", (1, 3))
    monkeypatch.setattr("ecluse.archive.search._MANY", many)
    test_every_condition_alone_and_in_pairs(full)


def test_pages_follow_one_another(full: Store) -> None:
    for query in (Query(), Query(partner="birch"), Query(text="2026"), Query(least=0), Query(number="po*")):
        found, place = [], None
        while True:
            page = full.read(lambda view, query=query, place=place: search(view, query, after=place, limit=7))  # type: ignore[misc]
            found += [row.id for row in page.found]
            if page.next is None:
                break
            place = Place.parse(str(page.next))
        assert found == expected(query)
        assert full.read(lambda view, query=query: [row.id for row in search_all(view, query)]) == found  # type: ignore[misc]


def test_what_is_known_later_is_found_and_what_was_wrong_is_not(store: Store) -> None:
    row = archived(type="order", reference="4711", refs=(("contract", "K-9"),))
    store.write(lambda tx: tx.add_archived(row, ()))
    assert ids(store, Query(number="k-9")) == ["a1"]
    later = msgspec.structs.replace(row, type="invoice", reference="4712", refs=(("order", "4711"),))
    store.write(lambda tx: tx.update_archived(later))
    assert ids(store, Query(number="k-9")) == []
    assert ids(store, Query(reference="4711")) == []
    assert ids(store, Query(number="4711")) == ids(store, Query(invoice="4712")) == ["a1"]
    assert store.read(lambda view: view.archive_kinds("4711", 9)) == [("order", "a1")]


@pytest.mark.parametrize("query", [Query(since="last year"), Query(until="2026-1"), Query(number="*")])
def test_what_can_not_be_searched_by_is_said(store: Store, query: Query) -> None:
    with pytest.raises(BadQuery):
        store.read(lambda view: search(view, query))


@pytest.mark.parametrize("text", ["", "2026-01-01", "x/a1", "2026-01-01/b1", "2026-01-01/a" + "1" * 99])
def test_a_place_that_is_none(text: str) -> None:
    with pytest.raises(BadQuery):
        Place.parse(text)


@pytest.mark.parametrize(
    ("number", "ends"),
    [
        ("RE-2026-000118", {"2026-000118", "000118", "118"}),
        ("4711", set()),
        ("0004711", {"4711"}),
        ("LS-88+1", {"88+1"}),
    ],
)
def test_a_number_is_found_from_each_of_its_words_on(number: str, ends: set[str]) -> None:
    found = numbers(archived(type="invoice", reference=number))
    assert found == {(number.casefold(), "own:invoice"), *((end, "word") for end in ends)}


def test_what_is_read_in_the_order_of_messages(store: Store) -> None:
    for n in (3, 1, 2):
        sent = message(f"m{n}", protocol_id=f"p{n}")
        row = archived(f"a{n}", message=f"m{n}", blob=f"b{n}")
        more = archived(f"a{n}x", message=f"m{n}", blob=f"b{n}", part=1)
        store.write(
            lambda tx, m=sent, r=row, o=more: (
                tx.add_message(m),
                tx.add_archived(r, ()),
                tx.add_archived(o, ()),
            )
        )  # type: ignore[misc]
    assert store.read(lambda view: view.archive_messages("", 2)) == ["m1", "m2"]
    assert store.read(lambda view: view.archive_messages("m2", 2)) == ["m3"]
    assert [each.id for each in store.read(lambda view: view.messages_between("m1", "m3", 9))] == ["m2"]
    assert [each.id for each in store.read(lambda view: view.archived_between("m1", "m3"))] == [
        "a2",
        "a2x",
        "a3",
        "a3x",
    ]
    assert [each.id for each in store.read(lambda view: view.archive_from("a1", 3))] == ["a1x", "a2", "a2x"]
    assert [*store.read(lambda view: view.archived_in(["a1", "a9"]))] == ["a1"]  # type: ignore[list-item]
