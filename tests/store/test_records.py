"""What both stores promise of records: a key is taken once, pages are in order, who wrote last is known."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.nouns import NOW

from ecluse.model.records import MAX_BODY, Record
from ecluse.store.port import Conflict, Store


def record(key: str = "a", **changes: Any) -> Record:
    fields: dict[str, Any] = {"kind": "proposal", "at": NOW, "body": b"{}"}
    return Record(key=key, **{**fields, **changes})


def found(store: Store, key: str = "a", kind: str = "proposal") -> Record | None:
    return store.read(lambda view: view.record(kind, key))


def keys(store: Store, kind: str = "proposal", **conditions: Any) -> list[str]:
    return [each.key for each in store.read(lambda view: view.records(kind, **conditions))]


def test_a_record_comes_back_with_every_field(store: Store) -> None:
    full = record("é/1", body=b"\0\xff", owner="birch", state="pending", due=NOW + 1)
    store.write(lambda tx: (tx.add_record(full), tx.put_record(record())))
    assert found(store, "é/1") == Record(*[*map(full.__getattribute__, full.__struct_fields__[:-1]), 1])
    assert found(store) == record(revision=1)
    assert found(store, kind="finding") is found(store, "b") is None


def test_a_key_is_added_once(store: Store) -> None:
    store.write(lambda tx: tx.add_record(record()))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.add_record(record(body=b"[]")))
    store.write(lambda tx: tx.add_record(record(kind="finding")))
    assert found(store) == record(revision=1)


def test_what_is_put_takes_the_place_of_what_was_there(store: Store) -> None:
    store.write(lambda tx: tx.put_record(record(owner="birch", state="open", due=NOW)))
    store.write(lambda tx: tx.put_record(record(body=b"[]")))
    assert found(store) == record(body=b"[]", revision=2)


def test_only_who_read_the_latest_replaces_it(store: Store) -> None:
    store.write(lambda tx: tx.add_record(record()))
    read = found(store)
    assert read is not None
    store.write(lambda tx: tx.replace_record(read, record(state="approved")))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.replace_record(read, record(state="refused")))
    assert found(store) == record(state="approved", revision=2)
    store.write(lambda tx: tx.drop_record("proposal", "a"))
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.replace_record(record(revision=2), record()))
    assert found(store) is None
    store.write(lambda tx: tx.drop_record("proposal", "a"))


def test_pages_are_in_order_and_of_their_owner_and_state(store: Store) -> None:
    rows = [
        record("c", owner="birch", state="open"),
        record("a", owner="birch"),
        record("B", owner="cedar", state="open"),
        record("b", state="open"),
        record("a", kind="finding", owner="birch", state="open"),
    ]
    store.write(lambda tx: [tx.add_record(each) for each in rows])
    assert keys(store) == ["B", "a", "b", "c"]
    assert keys(store, limit=2) == ["B", "a"]
    assert keys(store, after="a") == ["b", "c"]
    assert keys(store, owner="birch") == ["a", "c"]
    assert keys(store, owner="") == ["b"]
    assert keys(store, state="open") == ["B", "b", "c"]
    assert keys(store, owner="birch", state="open", after="a", limit=1) == ["c"]


def test_what_is_due_comes_longest_due_first(store: Store) -> None:
    rows = [record("a", due=NOW + 2), record("b", due=NOW), record("c", due=NOW + 3), record("d")]
    store.write(lambda tx: [tx.add_record(each) for each in rows])
    due = store.read(lambda view: view.records_due("proposal", NOW + 2, 10))
    assert [each.key for each in due] == ["b", "a"]
    assert store.read(lambda view: view.records_due("proposal", NOW + 3, 1))[0].key == "b"
    assert store.read(lambda view: view.records_due("finding", NOW + 9, 10)) == []


def test_text_that_no_database_holds_is_found_by_the_same_text(store: Store) -> None:
    store.write(lambda tx: tx.add_record(record("a\0b", owner="x\ud800")))
    again = found(store, "a\0b")
    assert again is not None
    assert again.key == "a\u2400b"
    assert keys(store, owner="x\ud800") == ["a\u2400b"]


def test_a_body_has_its_limit(store: Store) -> None:
    with pytest.raises(ValueError, match="octets"):
        store.write(lambda tx: tx.put_record(record(body=bytes(MAX_BODY + 1))))
    assert found(store) is None
