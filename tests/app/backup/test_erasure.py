"""What was erased stays erased, whatever backup is restored."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.backups import World, content

from ecluse.app.backup.errors import KeysLost, KeysOlder
from ecluse.app.backup.keep import prune
from ecluse.app.backup.keys import newest_index, read_keys
from ecluse.app.backup.run import open_site
from ecluse.app.backup.sealing import PrivateKeys
from ecluse.app.opening import open_node
from ecluse.archive.copies import finish_erasures
from ecluse.archive.shredding import BYTES, DataClass, Reason, family_of, shred
from ecluse.blobs.port import BlobMissing
from ecluse.model.basics import MessageId
from ecluse.store.port import Tx
from ecluse.trust.settings.backup import Keep


def erase(world: World, id: MessageId, classes: frozenset[DataClass] = BYTES) -> None:
    """The hub deletes the bytes of a message, or what else of it."""
    hub = world.node.hub

    def work(tx: Tx) -> None:
        message = tx.message(id)
        assert message is not None
        shred(
            tx,
            hub,
            family_of(tx, message),
            reason=Reason.DATA_SUBJECT,
            actor="operator:test",
            at=hub.clock(),
            classes=classes,
        )

    world.node.store.write(work)


def copied_keys(world: World) -> set[str]:
    """Ids of the keys in the copy, as whoever holds the private key reads them."""
    site = open_site(world.node)
    index = newest_index(site.keys, [open_site(world.node).key])
    assert index is not None
    return {id for id, _ in read_keys(site.keys, index, PrivateKeys(world.private))}


def blobs_of(world: World, id: MessageId) -> set[str]:
    message = world.node.store.read(lambda view: view.message(id))
    assert message is not None
    return {part.blob for part in message.parts}


@pytest.mark.parametrize("size", [100, 60_000])
def test_an_old_backup_does_not_bring_a_document_back(tmp_path: Path, size: int) -> None:
    with World(tmp_path) as world:
        gone, kept = world.message(b"g" * size, 1), world.message(b"k" * size, 2)
        world.seal()
        old = world.backup().manifest
        erase(world, gone)
        world.seal()
        world.backup()
        result = world.restore(tmp_path / "again", backup=old.id)
        assert result.ok, result.as_dict()
        assert result.erased == 1
        with open_node(tmp_path / "again") as node:
            message = node.store.read(lambda view: view.message(gone))
            assert message is not None
            assert message.shredded
            kinds = [each.event.kind for each in node.store.read(lambda view: view.events(gone))]
            assert "message.shredded" in kinds
            with pytest.raises(BlobMissing):
                content(node, gone)
            assert content(node, kept) == b"k" * size


def test_the_copy_follows_an_erasure_without_a_backup(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        gone, kept = world.message(b"g" * 60_000, 1), world.message(b"k" * 60_000, 2)
        world.backup()
        assert blobs_of(world, gone) | blobs_of(world, kept) <= copied_keys(world)
        theirs = blobs_of(world, gone)
        erase(world, gone)
        assert finish_erasures(world.node.hub, world.node.store, world.node.hub.copies) == 1
        assert not copied_keys(world) & theirs
        assert blobs_of(world, kept) <= copied_keys(world)
        # Of the state that had it nothing is left in the place.
        assert len([each for each in (tmp_path / "keys").rglob("i*") if each.is_file()]) == 1
        sealed = sum(each.is_file() for each in (tmp_path / "keys").rglob("k0*"))
        index = newest_index(open_site(world.node).keys, [open_site(world.node).key])
        assert index is not None
        assert sealed == len(index.shards)
        assert world.restore(tmp_path / "again").erased == 1


def test_pruning_deletes_the_bytes_that_nothing_opens(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        gone, kept = world.message(b"g" * 60_000, 1), world.message(b"k" * 60_000, 2)
        world.backup()
        (theirs,) = blobs_of(world, gone)
        (ours,) = blobs_of(world, kept)
        erase(world, gone)
        site = open_site(world.node)
        assert prune(site, Keep(), dry_run=True)["blobs"] == 1
        assert theirs in set(site.place.ids("b"))
        assert prune(site, Keep())["blobs"] == 1
        assert set(site.place.ids("b")) == {ours}


def test_lost_keys_do_not_empty_the_copy(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        id = world.message(b"k" * 60_000, 1)
        world.backup()
        before = copied_keys(world)
        world.node.store.write(lambda tx: tx.forget_keys(blobs_of(world, id)))  # what no deletion does
        with pytest.raises(KeysLost) as caught:
            world.backup()
        assert next(iter(blobs_of(world, id))) in caught.value.cause
        assert copied_keys(world) == before
        # The backup was made all the same, and with the copy all of it comes back.
        result = world.restore(tmp_path / "again")
        assert result.ok
        with open_node(tmp_path / "again") as node:
            assert content(node, id) == b"k" * 60_000


def test_an_older_copy_of_the_keys_is_not_taken_unasked(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.message(b"k" * 60_000, 1)
        world.backup()
        stale = {each: each.read_bytes() for each in (tmp_path / "keys").rglob("*") if each.is_file()}
        world.message(b"l" * 60_000, 2)
        world.backup()
        for each in (tmp_path / "keys").rglob("*"):
            if each.is_file():
                each.unlink()
        for path, data in stale.items():
            path.write_bytes(data)
        with pytest.raises(KeysOlder):
            world.restore(tmp_path / "again")
        assert not (tmp_path / "again").exists()
        assert world.restore(tmp_path / "again", accept_older_keys=True).erased == 1


def test_what_was_blanked_in_rows_is_blanked_again(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        id, other = world.message(b"of a person", 1), world.message(b"of another", 2)
        world.seal()
        old = world.backup().manifest
        erase(world, id, frozenset({DataClass.NAMES}))
        assert finish_erasures(world.node.hub, world.node.store, world.node.hub.copies) == 1
        assert world.restore(tmp_path / "again", backup=old.id).ok
        with open_node(tmp_path / "again") as node:
            message = node.store.read(lambda view: view.message(id))
            assert message is not None
            assert message.parts[0].name == ""
            assert content(node, id) == b"of a person"
            kept = node.store.read(lambda view: view.message(other))
            assert kept is not None
            assert kept.parts[0].name == "2.edi"
        # Once no backup is older, nothing of it needs to be told.
        world.backup()
        prune(open_site(world.node), Keep(last=1, daily=0, weekly=0, monthly=0))
        world.backup()
        assert not [each for each in (tmp_path / "keys").rglob("e0*") if each.is_file()]
