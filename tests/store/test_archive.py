"""What both stores promise of the archive: written once, found, and kept from deletion."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest
from tests.support.nouns import NOW, SECOND, archived, blob, full_archived

from ecluse.model.archive import ArchivedBytes, ArchiveState, BytesState
from ecluse.model.records import Record
from ecluse.store.archive import HOLD, STANDING
from ecluse.store.port import Conflict, Store, Tx, WriteOnce

replace = msgspec.structs.replace


def add(store: Store, row: Any, *blobs: str) -> None:
    store.write(lambda tx: tx.add_archived(row, blobs))


def ids(store: Store, **conditions: Any) -> list[str]:
    return [each.id for each in store.read(lambda view: view.archive_list(**conditions))]


def test_a_document_comes_back_with_every_field(store: Store) -> None:
    full = full_archived()
    add(store, full, "b9")
    add(store, archived("a2", part=1))
    assert store.read(lambda view: view.archived("a1")) == full
    assert store.read(lambda view: view.archived_of("m1")) == [full, archived("a2", part=1)]
    assert store.read(lambda view: view.archived("a3")) is None
    assert store.read(lambda view: view.archive_blobs_of("a1")) == ["b1", "b9"]
    assert store.read(lambda view: view.archive_holders("b1")) == ["a1", "a2"]


def test_a_document_is_archived_once(store: Store) -> None:
    add(store, archived())
    with pytest.raises(Conflict):
        add(store, archived("a2"))
    assert ids(store) == ["a1"]


def test_what_it_is_does_not_change_and_what_is_known_of_it_may(store: Store) -> None:
    add(store, archived())
    later = full_archived(state=ArchiveState.KEPT, profile="contracts")
    store.write(lambda tx: tx.update_archived(later))
    assert store.read(lambda view: view.archived("a1")) == later
    forged = replace(later, sha256=b"\0" * 32, size=1, blob="b7", message="m7", deposited=NOW - 1)
    store.write(lambda tx: tx.update_archived(forged))
    assert store.read(lambda view: view.archived("a1")) == later
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.update_archived(archived("a9")))


def test_what_was_disposed_of_does_not_come_back(store: Store) -> None:
    add(store, archived())
    gone = archived(state=ArchiveState.DISPOSED)
    store.write(lambda tx: tx.update_archived(gone))
    with pytest.raises(WriteOnce):
        store.write(lambda tx: tx.update_archived(archived()))
    assert store.read(lambda view: view.archived("a1")) == gone


def test_archived_bytes_are_not_deleted_before_all_that_stand_on_them_are_disposed_of(store: Store) -> None:
    store.write(lambda tx: (tx.add_blob(blob("b1"), b"key"), tx.add_blob(blob("b9"), b"key")))
    add(store, archived(), "b9")
    add(store, archived("a2", part=1))

    def drop(tx: Tx) -> None:
        tx.put_setting("half", b"done")
        tx.drop_blob("b1")

    for left in ("a1", "a2"):
        with pytest.raises(WriteOnce):
            store.write(drop)
        row = store.read(lambda view, left=left: view.archived(left))  # type: ignore[misc]
        assert row is not None
        store.write(lambda tx, row=row: tx.update_archived(replace(row, state=ArchiveState.DISPOSED)))  # type: ignore[misc]
    assert store.read(lambda view: view.setting("half")) is None
    assert store.read(lambda view: view.blob_key("b1")) == b"key"
    store.write(drop)
    assert store.read(lambda view: (view.blob("b1"), view.blob_key("b1"))) == (None, None)


def test_pages_are_newest_first(store: Store) -> None:
    rows = [
        archived("a1"),
        archived("a2", message="m2", partner="cedar", type="invoice"),
        archived("a3", message="m3", profile="contracts", state=ArchiveState.DAMAGED),
    ]
    for row in rows:
        add(store, row)
    assert ids(store) == ["a3", "a2", "a1"]
    assert ids(store, before="a3", limit=1) == ["a2"]
    assert ids(store, partner="birch") == ["a3", "a1"]
    assert ids(store, profile="invoices", type="invoice") == ["a2"]
    assert ids(store, state=ArchiveState.DAMAGED) == ["a3"]
    counts = store.read(lambda view: view.archive_counts())
    assert counts == {("invoices", ArchiveState.KEPT): 2, ("contracts", ArchiveState.DAMAGED): 1}


def test_what_ends_is_given_in_order_and_not_what_was_disposed_of(store: Store) -> None:
    ends = {"a1": NOW + SECOND, "a2": NOW, "a3": None, "a4": NOW, "a5": NOW - 1}
    for id, end in ends.items():
        state = ArchiveState.DISPOSED if id == "a5" else ArchiveState.KEPT
        add(store, archived(id, message=id, ends=end, state=state))

    def ending(now: int, after: tuple[int, str] = (0, ""), limit: int = 9) -> list[str]:
        return [each.id for each in store.read(lambda view: view.archive_ending(now, after, limit))]

    assert ending(NOW - 1) == []
    assert ending(NOW) == ["a2", "a4"]
    assert ending(NOW + SECOND, limit=2) == ["a2", "a4"]
    assert ending(NOW + SECOND, (NOW, "a4")) == ["a1"]


def test_care_of_bytes(store: Store) -> None:
    add(store, archived(), "b9")
    add(store, archived("a2", message="m2", blob="b9", deposited=NOW + SECOND))
    assert store.read(lambda view: view.archive_bytes_due(NOW + SECOND, 9)) == [
        ArchivedBytes("b1", due=NOW),
        ArchivedBytes("b9", due=NOW),
    ]
    seen = ArchivedBytes("b1", BytesState.DAMAGED, NOW + 9, 77, b"\x01" * 32, NOW, "vault", NOW + 99, NOW + 1)
    store.write(lambda tx: tx.update_archive_bytes(seen))
    assert store.read(lambda view: view.archive_bytes("b1")) == seen
    assert [each.blob for each in store.read(lambda view: view.archive_bytes_due(NOW + SECOND, 1))] == ["b9"]
    assert [each.blob for each in store.read(lambda view: view.archive_bytes_due(NOW, 9))] == ["b9"]
    assert store.read(lambda view: view.archive_bytes_counts()) == {
        BytesState.DAMAGED: (1, 1, NOW + 1, NOW + 9),
        BytesState.SOUND: (1, 0, None, NOW),
    }
    assert store.read(lambda view: view.archive_bytes("b7")) is None
    with pytest.raises(Conflict):
        store.write(lambda tx: tx.update_archive_bytes(ArchivedBytes("b7")))


def test_small_bytes_are_restored_in_their_row_only(store: Store) -> None:
    store.write(
        lambda tx: (tx.add_blob(blob("b1", inline=b"x"), b"k"), tx.add_blob(blob("b2", inline=None), b"k"))
    )
    assert store.write(lambda tx: [tx.restore_blob(id, b"y") for id in ("b1", "b2", "b3")]) == [
        True,
        False,
        False,
    ]
    row = store.read(lambda view: view.blob("b1"))
    assert row is not None
    assert row.inline == b"y"


def test_a_hold_waits_for_who_deletes_and_the_next_one_sees_it(store: Store, second: Store) -> None:
    reading, go, seen = threading.Event(), threading.Event(), []

    def delete(tx: Tx) -> None:
        before = len(tx.standing_holds())
        reading.set()
        go.wait(60)
        seen.append((before, len(tx.standing_holds())))

    def hold(tx: Tx) -> None:
        tx.lock_holds()
        tx.add_record(Record(HOLD, "h1", NOW, b"{}", state=STANDING))

    deleting = store.submit(delete)
    assert reading.wait(60)
    holding = second.submit(hold)
    threading.Timer(0.2, go.set).start()
    holding.result(10)
    deleting.result(10)
    store.write(lambda tx: seen.append((len(tx.standing_holds()), 1)))
    assert seen == [(0, 0), (1, 1)]
