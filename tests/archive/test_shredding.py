"""Crypto-shredding: what is deleted is gone from every file, with its event, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import psycopg
import pytest
from tests.support.flow_worlds import EDIFACT, World, flow
from tests.support.postgres import PostgresServer, postgres_server

from ecluse.archive.classes import DataClass
from ecluse.archive.copies import ERASURE, CopyUnknown, finish_erasures, forsake, pending_erasures
from ecluse.archive.holds import Criteria, Hold, hold_record
from ecluse.archive.shredding import Kept, Reason, family_of, shred
from ecluse.archive.superseded import superseded
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.flows.retain import retain
from ecluse.exchange.settle import seal_anew
from ecluse.model.nouns import Message
from ecluse.store.port import StoreUnavailable, Tx

__all__ = ["postgres_server"]

KEEP = '[retention]\npayload = "30d"\n'
SFTP = 'channel = "sftp:cedar"'
SECRET = EDIFACT * 60 + b"Jane Doe, 4 Mill Lane"


class FakeCopy:
    """A copy of keys that may be out of reach."""

    def __init__(self, name: str = "elsewhere") -> None:
        self.name = name
        self.away = False
        self.forgot: list[str] = []

    def forget(self, ids: Sequence[str]) -> None:
        if self.away:
            raise StoreUnavailable("The copy is out of reach.")
        self.forgot += ids


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def one(flows: dict[str, str], url: str = "") -> World:
        world = World(tmp_path, flows, url=url)
        hub = world.hub
        hub.vault = Vault(LocalPlace(tmp_path / "blobs"), hub.vault.wrap, hub.entropy, hub.clock, 1024)
        hub.__post_init__()
        worlds.append(world)
        return world

    yield one
    for world in worlds:
        world.close()


def files_with(folder: Path, *needles: bytes) -> list[str]:
    """Files anywhere below that have one of some octets."""
    found = []
    for path in folder.rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue
        if any(needle in data for needle in needles):
            found.append(str(path.relative_to(folder)))
    return sorted(found)


def blobs_of(world: World, id: str) -> set[str]:
    root = world.message(id)
    family = [root, *world.children(root)]
    return {part.blob for each in family for part in each.parts} | {each.wire_blob for each in family} - {""}


def data_of(world: World, id: str, kind: str) -> list[dict[str, object]]:
    events = world.hub.store.read(lambda view: view.events(id))
    return [msgspec.json.decode(decode_leaf(e.leaf).data) for e in events if e.event.kind == kind]


def erase(world: World, message: Message, classes: frozenset[DataClass] = frozenset(DataClass)) -> int:
    def work(tx):  # type: ignore[no-untyped-def]
        family = family_of(tx, tx.message(message.id))
        return shred(
            tx,
            world.hub,
            family,
            reason=Reason.DATA_SUBJECT,
            actor="operator:test",
            at=world.clock(),
            classes=classes,
        )

    return world.hub.store.write(work)


def arrived(world: World, data: bytes = SECRET, name: str = "payslip-jane-doe.edi") -> Message:
    message = world.arrive(data, name=name)
    world.work()
    return world.message(message.id)


def test_no_file_of_the_hub_has_the_key_or_the_bytes(make: Callable[..., World], tmp_path: Path) -> None:
    world = make({"x": flow(SFTP, 'channel = "s3:elm"\npack = "gzip"') + KEEP})
    message = arrived(world)
    hub = world.hub
    blobs = blobs_of(world, message.id)
    keys = [key for blob in blobs if (key := hub.store.read(lambda view, b=blob: view.blob_key(b)))]  # type: ignore[misc]
    assert len(keys) == len(blobs) >= 2
    assert any("keys" in name for name in files_with(tmp_path, *keys))
    places = [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert set(places) & blobs
    world.clock.forward(31 * 86400)
    assert retain(hub).deleted == 1
    assert finish_erasures(hub, hub.store, hub.copies) == 1
    assert files_with(tmp_path, *keys) == []
    assert not {path.name for path in (tmp_path / "blobs").rglob("*")} & blobs
    for each in (message, *world.children(message)):
        (told,) = data_of(world, each.id, "message.shredded")
        assert told["reason"] == "retention"
        assert told["whole"] is True
        (everywhere,) = data_of(world, each.id, "message.erased-everywhere")
        assert everywhere["copies"] == ["bytes", "keys"]
        assert everywhere["deleted"] == world.message(each.id).shredded
    assert hub.store.read(lambda view: pending_erasures(view)) == []


def test_names_leave_every_file_and_the_message_stays_what_it_was(
    make: Callable[..., World], tmp_path: Path
) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    message = arrived(world)
    assert files_with(tmp_path, b"payslip-jane-doe", b"PAYSLIP-JANE-DOE")
    assert erase(world, message) == 2
    assert finish_erasures(world.hub, world.hub.store, world.hub.copies) == 1
    assert files_with(tmp_path, b"payslip-jane-doe", b"Mill Lane") == []
    after = world.message(message.id)
    assert after.shredded
    assert (after.subject, after.reference, after.parts[0].name) == ("", "", "")
    assert after.parts[0].sha256 == message.parts[0].sha256
    assert world.hub.store.read(lambda view: view.messages(search="payslip")) == []
    assert erase(world, after) == 0


def test_a_hold_keeps_all_and_says_so(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    message = arrived(world)
    hold = Hold("h1", world.clock(), "operator:test", "A dispute.", "4711/26", Criteria(partner="birch"))
    world.hub.store.write(lambda tx: tx.add_record(hold_record(hold)))
    with pytest.raises(Kept, match="hold h1") as kept:
        erase(world, message)
    assert kept.value.obstacles[0].reference == "h1"
    world.clock.forward(31 * 86400)
    done = retain(world.hub)
    assert (done.deleted, done.kept) == (0, 1)
    assert not world.message(message.id).shredded
    world.hub.store.write(lambda tx: tx.drop_record("hold", "h1"))
    assert retain(world.hub).deleted == 0
    world.clock.forward(86400)
    assert retain(world.hub).deleted == 1


def test_wire_bytes_that_hold_the_document_keep_it(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    message = arrived(world)
    whole = msgspec.structs.replace(world.message(message.id), wire_blob=message.parts[0].blob)
    world.hub.store.write(lambda tx: tx.update_message(whole))
    assert erase(world, message, frozenset({DataClass.PAYLOAD})) == 0
    with world.hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == SECRET
    assert erase(world, message, frozenset({DataClass.PAYLOAD, DataClass.WIRE})) == 2


def test_a_copy_out_of_reach_is_asked_until_it_has_let_go(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    copy = FakeCopy()
    copy.away = True
    world.hub.copies.add(copy)
    message = arrived(world)
    erase(world, message)
    hub = world.hub
    assert finish_erasures(hub, hub.store, hub.copies) == 0
    ((_, pending),) = hub.store.read(pending_erasures)
    assert pending.waiting == ("elsewhere",)
    assert "store.unavailable" in pending.error["elsewhere"]
    assert data_of(world, message.id, "message.erased-everywhere") == []
    copy.away = False
    assert finish_erasures(hub, hub.store, hub.copies) == 0  # not due yet
    world.clock.forward(61)
    assert finish_erasures(hub, hub.store, hub.copies) == 1
    assert set(copy.forgot) == blobs_of(world, message.id)
    (everywhere,) = data_of(world, message.id, "message.erased-everywhere")
    assert everywhere["copies"] == ["bytes", "elsewhere", "keys", "rows"]


def test_a_copy_that_nobody_knows_any_more_is_waited_for(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    world.hub.copies.add(FakeCopy())
    erase(world, arrived(world))
    world.hub.copies.remove("elsewhere")
    assert finish_erasures(world.hub, world.hub.store, world.hub.copies) == 0
    ((_, pending),) = world.hub.store.read(pending_erasures)
    assert "archive.copy-unknown" in pending.error["elsewhere"]


def test_two_nodes_write_the_event_once(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    message = arrived(world)
    erase(world, message)
    hub = world.hub
    again: list[int] = []

    class Meanwhile(FakeCopy):
        def forget(self, ids: Sequence[str]) -> None:
            hub.copies.remove(self.name)
            hub.copies.add(FakeCopy(self.name))
            again.append(finish_erasures(hub, hub.store, hub.copies))

    hub.copies.add(Meanwhile("bytes"))
    assert finish_erasures(hub, hub.store, hub.copies) + again[0] == 1
    assert len(data_of(world, message.id, "message.erased-everywhere")) == 1


def test_a_deletion_that_fails_leaves_nothing_behind(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    message = arrived(world)

    class Stopped(EcluseError):
        pass

    def work(tx):  # type: ignore[no-untyped-def]
        family = family_of(tx, tx.message(message.id))
        shred(tx, world.hub, family, reason=Reason.RETENTION, actor="hub", at=world.clock())
        raise Stopped("in between")

    with pytest.raises(Stopped):
        world.hub.store.write(work)
    assert not world.message(message.id).shredded
    assert data_of(world, message.id, "message.shredded") == []
    assert world.hub.store.read(lambda view: view.records(ERASURE)) == []
    with world.hub.document(message.parts[0]) as document:
        assert b"".join(document.chunks()) == SECRET


@pytest.mark.peer("postgresql")
def test_the_table_of_keys_is_rewritten(make: Callable[..., World], postgres_server: PostgresServer) -> None:
    world = make({"x": flow(SFTP) + KEEP}, postgres_server.new_database())
    messages = [arrived(world, SECRET + b"%d" % n, f"{n}.edi") for n in range(8)]
    hub = world.hub
    keys = [
        key
        for message in messages
        for blob in blobs_of(world, message.id)
        if (key := hub.store.read(lambda view, b=blob: view.blob_key(b)))  # type: ignore[misc]
    ]
    for message in messages:
        erase(world, message)
    assert finish_erasures(hub, hub.store, hub.copies) == 8
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    left = files_with(postgres_server.data, *keys)
    assert all(name.startswith("pg_wal/") for name in left), left


def test_a_copy_that_was_destroyed_is_waited_for_no_longer(make: Callable[..., World]) -> None:
    world = make({"x": flow(SFTP) + KEEP})
    hub = world.hub
    hub.copies.add(FakeCopy())
    message = arrived(world)
    erase(world, message)
    with pytest.raises(CopyUnknown, match="is configured"):
        forsake(hub, hub.store, hub.copies, "elsewhere", actor="operator:test", reason="gone")
    hub.copies.remove("elsewhere")
    assert finish_erasures(hub, hub.store, hub.copies) == 0
    assert forsake(hub, hub.store, hub.copies, "elsewhere", actor="operator:test", reason="shredded") == 1
    assert finish_erasures(hub, hub.store, hub.copies) == 1
    (everywhere,) = data_of(world, message.id, "message.erased-everywhere")
    assert everywhere["destroyed"] == ["elsewhere"]
    with pytest.raises(CopyUnknown, match="Nothing waits"):
        forsake(hub, hub.store, hub.copies, "elsewhere", actor="operator:test", reason="again")


def test_bytes_that_were_sealed_anew_are_held_too(make: Callable[..., World]) -> None:
    world = make({})
    message = world.send(SECRET)
    writer = world.hub.vault.create()
    writer.write(SECRET)
    sealed = writer.finish()
    refused = msgspec.structs.replace(message, wire_blob=sealed.row.id)

    def keep(tx: Tx) -> None:
        tx.add_blob(sealed.row, sealed.wrapped_key)
        tx.update_message(refused)

    world.hub.store.write(keep)
    hold = Hold("h1", world.clock(), "operator:ann", "A claim.", "4711/26", Criteria(partner="birch"))
    world.hub.store.write(lambda tx: tx.add_record(hold_record(hold)))
    world.hub.store.write(lambda tx: seal_anew(world.hub, tx, message.id, "their key is new"))

    def left() -> bool:
        return world.hub.store.read(lambda view: view.blob_key(sealed.row.id)) is not None

    assert world.message(message.id).wire_blob == ""
    assert left()
    world.hub.store.write(lambda tx: tx.drop_record("hold", "h1"))
    erase(world, message)
    assert not left()
    assert world.hub.store.read(lambda view: superseded(view, message.id)) == set()
