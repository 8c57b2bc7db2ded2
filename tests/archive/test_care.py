"""Care: the second copy, looks that find damage, and repair from the other place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.archives import INVOICE, ArchiveWorld, FakeSecond, drop_bytes, instant, profile

from ecluse.archive.care import CARE_SETTING, Seen, known_blobs, look_after
from ecluse.archive.holding import place_hold, release_hold
from ecluse.archive.holds import Criteria
from ecluse.archive.place import FolderSecond
from ecluse.blobs.port import BlobUnavailable
from ecluse.model.archive import ArchiveState, BytesState

LARGE = b"x" * 5000 + INVOICE
"""Above the limit of what rides in a row."""
DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    made = ArchiveWorld(tmp_path)
    yield made
    made.close()


def care_of(world: ArchiveWorld, row: Any) -> Any:
    found = world.hub.store.read(lambda view: view.archive_bytes(row.blob))
    assert found is not None
    return found


@pytest.mark.parametrize("document", [INVOICE, LARGE], ids=["in its row", "in the place"])
def test_the_first_look_makes_the_second_copy_and_reads_it_back(world: ArchiveWorld, document: bytes) -> None:
    row = world.archived(document)
    (look,) = world.care()
    assert (look.primary, look.copied, look.repaired, look.lost) == (Seen.SOUND, True, (), False)
    kept = care_of(world, row)
    assert (kept.place, kept.state, kept.copied) == ("far", BytesState.SOUND, kept.checked)
    assert document[:50] not in world.second.held[row.blob], "it is sealed there too"
    assert world.kinds(row.id) == ["archive.deposited", "archive.copied"]
    assert world.care() == []
    period = 90 * DAY * 1_000_000
    assert period * 9 // 10 <= kept.due - kept.checked <= period


@pytest.mark.parametrize("document", [INVOICE, LARGE], ids=["in its row", "in the place"])
def test_the_first_copy_is_repaired_from_the_second(world: ArchiveWorld, document: bytes) -> None:
    row = world.archived(document)
    world.care()
    drop_bytes(world, row.blob)
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert (look.primary, look.second, look.repaired) == (Seen.DAMAGED, Seen.SOUND, ("primary",))
    assert world.kinds(row.id)[-2:] == ["archive.damaged", "archive.repaired"]
    with world.hub.blob(row.blob) as blob:
        assert b"".join(blob.chunks()) == document
    assert world.row(row).state is ArchiveState.KEPT


def test_a_first_copy_that_is_gone_comes_back(world: ArchiveWorld) -> None:
    row = world.archived(LARGE)
    world.care()
    world.hub.vault.place.delete(row.blob)
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert (look.primary, look.repaired) == (Seen.MISSING, ("primary",))
    with world.hub.blob(row.blob) as blob:
        assert b"".join(blob.chunks()) == LARGE


@pytest.mark.parametrize("hurt", ["changed", "gone"])
def test_the_second_copy_is_repaired_from_the_first(world: ArchiveWorld, hurt: str) -> None:
    row = world.archived()
    world.care()
    whole = world.second.held[row.blob]
    if hurt == "changed":
        world.second.held[row.blob] = whole[:-1] + bytes([whole[-1] ^ 1])
    else:
        del world.second.held[row.blob]
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert look.second is (Seen.DAMAGED if hurt == "changed" else Seen.MISSING)
    assert look.repaired == ("far",)
    assert world.second.held[row.blob] == whole
    assert world.kinds(row.id)[-2:] == ["archive.damaged", "archive.repaired"]


def test_what_can_not_be_repaired_is_told_once_and_looked_at_daily(world: ArchiveWorld) -> None:
    row = world.archived()
    world.care()
    drop_bytes(world, row.blob)
    world.second.held[row.blob] = b"nothing of it"
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert look.lost
    assert world.row(row).state is ArchiveState.DAMAGED
    assert world.kinds(row.id).count("archive.damaged") == 1
    world.clock.forward(DAY + 1)
    (again,) = world.care()
    assert again.lost
    assert world.kinds(row.id).count("archive.damaged") == 1


def test_what_comes_back_is_no_longer_damaged(world: ArchiveWorld) -> None:
    row = world.archived()
    world.care()
    whole = world.second.held[row.blob]
    drop_bytes(world, row.blob)
    world.second.held.clear()
    world.clock.forward(91 * DAY)
    world.care()
    assert world.row(row).state is ArchiveState.DAMAGED
    world.second.held[row.blob] = whole  # somebody found a tape
    world.clock.forward(DAY + 1)
    (look,) = world.care()
    assert look.repaired == ("primary",)
    assert world.row(row).state is ArchiveState.KEPT


def test_octets_that_were_sealed_anew_are_not_those_that_were_archived(world: ArchiveWorld) -> None:
    """Whoever has the key could write another document: its row and the log's record of the deposit do not fit."""
    row = world.archived(LARGE)
    world.care()
    blob, key = world.hub.store.read(lambda view: (view.blob(row.blob), view.blob_key(row.blob)))
    assert blob is not None
    assert key is not None
    from ecluse.blobs.sealed import Sealer

    sealer = Sealer(world.hub.vault.wrap.unwrap(key), bytes(24), row.blob)
    forged = sealer.header + sealer.seal(LARGE.replace(b"120.50", b"920.50")) + sealer.finish()
    world.hub.vault.place.delete(row.blob)
    writer = world.hub.vault.place.create(row.blob)
    writer.write(forged)
    writer.commit()
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert (look.primary, look.repaired) == (Seen.DAMAGED, ("primary",))


def test_a_row_that_was_changed_in_the_database_does_not_fit_the_log(tmp_path: Path) -> None:
    import sqlite3

    world = ArchiveWorld(tmp_path)
    row = world.archived()
    world.care()
    world.close()
    with sqlite3.connect(tmp_path / "state.db") as raw:
        raw.execute("DROP TRIGGER archive_written_once")
        raw.execute("UPDATE archive SET size = size - 1")
    world = ArchiveWorld(tmp_path, start="2026-08-01")
    look = look_after(world.room, row.blob)
    assert look is not None
    assert look.primary is Seen.DAMAGED
    world.close()


def test_a_place_that_is_away_is_tried_again(world: ArchiveWorld) -> None:
    row = world.archived()
    world.second.away = BlobUnavailable("The share is not mounted.")
    assert world.care() == []
    assert b"not mounted" in (world.hub.store.read(lambda view: view.setting(CARE_SETTING)) or b"")
    assert care_of(world, row).copied is None
    world.second.away = None
    assert world.care() == []
    world.clock.forward(16 * 60)
    (look,) = world.care()
    assert look.copied
    assert world.hub.store.read(lambda view: view.setting(CARE_SETTING)) == b""


def test_without_a_second_place_looks_find_damage_all_the_same(tmp_path: Path) -> None:
    world = ArchiveWorld(tmp_path, invoices=profile(copy=None))
    row = world.archived()
    (look,) = world.care()
    assert (look.primary, look.second) == (Seen.SOUND, Seen.NONE)
    drop_bytes(world, row.blob)
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert look.lost
    world.close()


def test_a_copy_is_locked_until_the_retention_ends_and_longer_where_that_moves(tmp_path: Path) -> None:
    world = ArchiveWorld(tmp_path, invoices=profile(write_once=True))
    world.second = FakeSecond(locks=True)
    row = world.archived()
    world.care()
    assert world.second.until[row.blob] == instant("2036-04-02") == care_of(world, row).locked
    later = msgspec.structs.replace(world.row(row), ends=instant("2040-01-01"))
    world.hub.store.write(lambda tx: tx.update_archived(later))
    world.clock.forward(91 * DAY)
    world.care()
    assert world.second.until[row.blob] == instant("2040-01-01")
    world.close()


def test_a_hold_is_set_at_the_place_too_and_released_there(tmp_path: Path) -> None:
    world = ArchiveWorld(tmp_path, invoices=profile(write_once=True))
    world.second = FakeSecond(locks=True)
    row = world.archived()
    world.care()
    assert world.second.holding == set()
    hold = place_hold(
        world.room, Criteria(partner="birch"), reason="a dispute", reference="TC 1", actor="operator:anne"
    )
    assert len(world.care()) == 1
    assert world.second.holding == {row.blob}
    release_hold(world.room, hold.id, reason="settled", actor="operator:anne")
    assert len(world.care()) == 1
    assert world.second.holding == set()
    world.close()


def test_a_folder_is_a_second_place(world: ArchiveWorld, tmp_path: Path) -> None:
    world.second = FolderSecond("far", tmp_path / "far")
    row = world.archived(LARGE)
    (look,) = world.care()
    assert look.copied
    (path,) = (tmp_path / "far").rglob(row.blob)
    path.write_bytes(b"spoiled")
    world.clock.forward(91 * DAY)
    (look,) = world.care()
    assert look.repaired == ("far",)
    assert path.stat().st_size > len(LARGE)
    world.second.forget([row.blob, "b0"])
    assert not path.exists()


def test_a_look_stops_when_it_is_told_to(world: ArchiveWorld) -> None:
    from ecluse.archive.care import look_at_due

    for _ in range(3):
        world.archived()
    answers = iter([True, False])
    assert len(list(look_at_due(world.room, lambda octets: None, lambda: next(answers)))) == 1
    assert len(world.care()) == 2


def test_the_sweep_leaves_what_the_archive_stands_on(world: ArchiveWorld) -> None:
    row = world.archived(LARGE)
    known = world.hub.store.read(lambda view: known_blobs(view, "", 10))
    assert row.blob in known
    store, sweep = world.hub.store, world.hub.vault.sweep
    world.clock.forward(30 * DAY)
    # Even where its row were gone: an orphan is what the archive does not know either.
    assert (
        world.hub.vault.sweep(
            lambda after, limit: store.read(lambda view: view.archive_bytes_before(after, limit))
        )
        == 0
    )
    assert sweep(lambda after, limit: []) == 1
