"""What both stores promise of partners' folders: places are unique, pages are in order, usage is always right."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from tests.support.nouns import NOW

from ecluse.model.files import FileRow, FileState, Segment
from ecluse.store.port import Conflict, Store, Tx


def file(name: str = "a", **changes: Any) -> FileRow:
    fields: dict[str, Any] = {
        "partner": "birch",
        "folder": "/inbound",
        "id": f"f{name}",
        "state": FileState.TAKEN,
        "size": 7,
        "modified": NOW,
    }
    return FileRow(name=name, **{**fields, **changes})


def full_file(**changes: Any) -> FileRow:
    """No field left at its default."""
    fields: dict[str, Any] = {
        "message": "m1",
        "part": 2,
        "delivery": "d1",
        "segments": (Segment("b1", 2**40), Segment("b2", 0)),
        "expires": NOW + 1,
        "size": 2**40,
    }
    return file("ördér.xml", **{**fields, **changes})


def found(store: Store, name: str = "a", folder: str = "/inbound", partner: str = "birch") -> FileRow | None:
    return store.read(lambda view: view.file(partner, folder, name))


def usage(store: Store, partner: str = "birch") -> tuple[int, int]:
    return store.read(lambda view: view.file_usage(partner))


def test_a_file_comes_back_with_every_field(store: Store) -> None:
    store.write(lambda tx: (tx.add_file(full_file()), tx.add_file(file())))
    assert found(store, "ördér.xml") == full_file()
    assert found(store) == file()
    assert found(store, "b") is found(store, folder="/") is found(store, partner="cedar") is None
    both = store.read(lambda view: view.file_and_usage("birch", "/inbound", "ördér.xml"))
    assert both == (full_file(), usage(store))
    assert store.read(lambda view: view.file_and_usage("birch", "/inbound", "b")) == (None, usage(store))
    assert store.read(lambda view: view.file_and_usage("cedar", "/inbound", "a")) == (None, (0, 0))
    assert store.read(lambda view: view.delivery_files("d1")) == [full_file()]
    assert store.read(lambda view: view.delivery_files("")) == []


def test_a_place_is_taken_once(store: Store) -> None:
    store.write(lambda tx: tx.add_file(file()))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_file(file(id="other")))
    store.write(lambda tx: tx.add_file(file(folder="/inbound/x")))
    store.write(lambda tx: tx.add_file(file(partner="cedar")))
    assert found(store) == file()
    assert usage(store) == (14, 2)


def test_a_taken_place_can_be_handled_inside_the_unit(store: Store) -> None:
    store.write(lambda tx: tx.add_file(file()))

    def unit(tx: Tx) -> str:
        try:
            tx.add_file(file(id="other"))
        except Conflict:
            tx.add_file(file("b"))
        there = tx.file("birch", "/inbound", "a")
        return there.id if there else ""

    assert store.write(unit) == "fa"
    assert usage(store) == (14, 2)


def test_a_file_is_replaced_moved_and_dropped_only_where_it_is_that_one(store: Store) -> None:
    store.write(lambda tx: tx.add_file(file()))
    grown = file(id="f2", size=100, state=FileState.PARTIAL)
    store.write(lambda tx: tx.replace_file(file(), grown))
    assert found(store) == grown
    for stale in (
        lambda tx: tx.replace_file(file(), file(size=1)),
        lambda tx: tx.drop_file(file()),
        lambda tx: tx.replace_file(file(), file("c")),
    ):
        with pytest.raises(Conflict):
            store.write(stale)
    moved = msgspec.structs.replace(grown, folder="/other", name="b")
    store.write(lambda tx: tx.replace_file(grown, moved))
    assert found(store) is None
    assert found(store, "b", "/other") == moved
    store.write(lambda tx: tx.add_file(file()))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.replace_file(file(), msgspec.structs.replace(moved, id="f9")))
    assert found(store) == file()
    assert usage(store) == (107, 2)
    store.write(lambda tx: (tx.drop_file(moved), tx.drop_file(file())))
    assert usage(store) == (0, 0)


def test_pages_are_in_order_octet_by_octet(store: Store) -> None:
    names = sorted(["a", "B", "b", "ä", "a b", "a.b", "a-b", "Ω", "10", "9", "😀", "\uffef"], key=str.encode)
    shuffled = random.Random(7).sample(names, len(names))
    store.write(lambda tx: [tx.add_file(file(name)) for name in shuffled])
    store.write(lambda tx: tx.add_file(file("other", folder="/inbound/x")))
    seen: list[str] = []

    def page(after: str) -> list[FileRow]:
        return store.read(lambda view: view.files("birch", "/inbound", after=after, limit=5))

    while found := page(seen[-1] if seen else ""):
        assert len(found) <= 5
        seen += [each.name for each in found]
    assert seen == names


def test_what_expired_comes_longest_first(store: Store) -> None:
    for name, expires in (("a", NOW + 30), ("b", NOW + 10), ("c", None), ("d", NOW + 20)):
        store.write(lambda tx, n=name, e=expires: tx.add_file(file(n, expires=e)))

    def gone(now: int, limit: int = 10) -> list[str]:
        return [each.name for each in store.read(lambda view: view.expired_files(now, limit))]

    assert gone(NOW + 10) == []
    assert gone(NOW + 25) == ["b", "d"]
    assert gone(NOW + 100, 2) == ["b", "d"]


def test_usage_is_the_sum_whatever_happened(store: Store, second: Store) -> None:
    chance = random.Random(3)
    there: dict[str, FileRow] = {}
    for step in range(120):
        name = f"n{chance.randrange(12)}"
        database = chance.choice((store, second))
        after = file(name, id=f"f{step}", size=chance.randrange(10_000))
        before = there.get(name)
        if before is None:
            database.write(lambda tx, after=after: tx.add_file(after))
        elif chance.random() < 0.4:
            database.write(lambda tx, before=before: tx.drop_file(before))
            del there[name]
            continue
        else:
            database.write(lambda tx, pair=(before, after): tx.replace_file(*pair))
        there[name] = after
        if step % 10 == 0:
            with pytest.raises(Conflict):
                database.write(lambda tx: (tx.add_file(file("z")), tx.drop_file(file("nowhere"))))
        expected = sum(each.size for each in there.values()), len(there)
        assert usage(store) == usage(second) == expected
    assert usage(store, "cedar") == (0, 0)
