"""Backups, an erasure and a pruning by a hub that may end at any call, and what must hold of it and its places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from typing import Any, Final

import msgspec
from tests.support.backups import World, content
from tests.support.crashes import Journey, Tell, Told

from ecluse.app.backup import run
from ecluse.app.backup.check import verify
from ecluse.app.backup.chunks import read_table
from ecluse.app.backup.keep import prune
from ecluse.app.backup.manifest import manifests
from ecluse.app.backup.places import KEY_INDEX, KEYS, MANIFEST, PACK, TABLE, Place
from ecluse.app.backup.run import open_site
from ecluse.app.backup.sealing import PrivateKeys, open_object
from ecluse.app.opening import open_node
from ecluse.archive import copies
from ecluse.archive.copies import finish_erasures, pending_erasures
from ecluse.archive.shredding import BYTES, Reason, family_of, shred
from ecluse.durable import files
from ecluse.model.basics import Instant, MessageId
from ecluse.store.port import Tx
from ecluse.trust.settings.backup import Keep

__all__ = ["KILLED", "UNPOWERED", "BackupJourney", "check_whole"]

ONE: Final = Keep(last=1, daily=0, weekly=0, monthly=0)
SIZE: Final = 40_000
"""Octets of a document: larger than what rides in a row."""


def document(number: int) -> bytes:
    """What is in a message."""
    return bytes([number]) * SIZE


class BackupJourney(Journey):
    """A hub that makes backups, right or one of :data:`KILLED` and :data:`UNPOWERED`.

    Args:
        mutant: As of the base class.
        copiers: Threads that copy blobs; one, and each journey makes the same calls in the same threads.
    """

    def __init__(self, mutant: str = "", copiers: int = 1) -> None:
        super().__init__(mutant)
        self._copiers = copiers
        self._first: list[MessageId] = []
        self._backup = ""

    def prepare(self, folder: Path) -> None:
        """A hub with two documents and a backup of them."""
        folder.mkdir()
        with World(folder) as world:
            self._first = [world.message(document(number), number) for number in (1, 2)]
            world.seal()
            self._backup = world.backup().manifest.id

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """See the base class."""
        world = World(folder)
        world.node.store.write(lambda tx: tx.put_setting("warm", b""))  # the writer's thread is there then
        # So are those that copy blobs, each of which may be the one in which the fault comes.
        pool = ThreadPoolExecutor(self._copiers, thread_name_prefix="copier")
        ready = Barrier(self._copiers)
        list(pool.map(lambda _: ready.wait(), range(self._copiers)))
        run.ThreadPoolExecutor = lambda *_, **__: nullcontext(pool)  # type: ignore[assignment, misc]
        if self.mutant:
            {**KILLED, **UNPOWERED}[self.mutant][0](folder)
        return lambda tell: self._journey(world, tell)

    def _journey(self, world: World, tell: Tell) -> None:
        for number in (3, 4, 5):
            tell(f"kept {world.message(document(number), number)} {number}")
        tell(f"made {world.backup().manifest.id}")
        gone = self._first[0]
        blob = blob_of(world, gone)
        world.node.store.write(lambda tx: erase(tx, world, gone))
        finish_erasures(world.node.hub, world.node.store, world.node.hub.copies)
        kinds = [each.event.kind for each in world.node.store.read(lambda view: view.events(gone))]
        if "message.erased-everywhere" in kinds:
            tell(f"erased {blob}")
        tell(f"kept {world.message(document(6), 6)} 6")
        tell(f"made {world.backup().manifest.id}")
        tell("pruning")
        prune(open_site(world.node), ONE)
        tell("pruned")
        world.close()

    def check_told(self, told: Sequence[Told]) -> None:
        """Each step, also of a hub that is wrong."""
        words = [each.step.partition(" ")[0] for each in told]
        assert words == ["kept"] * 3 + ["made", "erased", "kept", "made", "pruning", "pruned"]

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """What was made can be restored from the places alone; nothing half counts; the next run goes on."""
        steps = [each.step.split() for each in told]
        kept = {self._first[1]: 2}
        made: dict[str, dict[MessageId, int]] = {self._backup: dict(kept)}
        for word, *rest in steps:
            if word == "kept":
                kept[MessageId(rest[0])] = int(rest[1])
            elif word == "made":
                made[rest[0]] = dict(kept)
        if ["pruning"] in steps:
            made = dict([made.popitem()])
        erased = [rest[0] for word, *rest in steps if word == "erased"]
        with World(folder) as world:
            self._check_places(world, made, erased)
            self._go_on(world, kept)

    def _check_places(
        self, world: World, made: dict[str, dict[MessageId, int]], erased: Sequence[str]
    ) -> None:
        """As whoever finds them who has nothing else of the hub."""
        place, keys = world.request(world.folder).place, world.request(world.folder).keys
        there = list(place.ids(MANIFEST))
        assert set(made) <= {*there}, "lost: a backup that was made"
        for backup in {max(made), max(there)}:
            restored = world.folder / "restored" / backup
            result = world.restore(restored, backup=backup)
            assert result.ok, f"restored in part: {result.as_dict()}"
            with open_node(restored) as node:
                for id, number in made.get(backup, {}).items():
                    assert content(node, id) == document(number), "restored otherwise than it was"
        for id in keys.ids(KEYS):
            clear = open_object(id, keys.get(id), PrivateKeys(world.private))
            for blob in erased:
                assert blob.encode() not in clear, "a key outlives its deletion, in the copy of the keys"
        assert verify(open_site(world.node), deep=True)["wrong"] == [], "half a backup"

    def _go_on(self, world: World, kept: dict[MessageId, int]) -> None:
        """The next run, and what a serving hub owes."""
        store = world.node.store
        for id, number in kept.items():
            assert content(world.node, id) == document(number), "lost: a document"
        store.write(_due_now)
        finish_erasures(world.node.hub, store, world.node.hub.copies)
        assert store.read(pending_erasures) == []
        backup = world.backup().manifest.id
        prune(open_site(world.node), ONE)
        check_whole(world)
        assert [each.id for each in manifests(open_site(world.node).place, [open_site(world.node).key])] == [
            backup
        ]


def check_whole(world: World) -> None:
    """All backups that are there are whole, and nothing is there that none of them names."""
    site = open_site(world.node)
    assert verify(site, deep=True)["wrong"] == [], "half a backup"
    named: set[str] = set()
    for manifest in manifests(site.place, [site.key]):
        table = read_table(site.place, manifest.table, manifest.table_sha256)
        named |= {manifest.table, *(pack.id for pack in table.packs)}
    assert {id for kind in (PACK, TABLE) for id in site.place.ids(kind)} == named, "left over"
    assert len(list(site.keys.ids(KEY_INDEX))) == 1, "two states of the copy of the keys"
    left = [path for name in ("to", "keys") for path in (world.folder / name).rglob("*.part")]
    assert not left, f"left over: {left}"


def blob_of(world: World, id: MessageId) -> str:
    """Where the document of a message is."""
    message = world.node.store.read(lambda view: view.message(id))
    assert message is not None
    return message.parts[0].blob


def erase(tx: Tx, world: World, id: MessageId) -> None:
    """Delete the bytes of a message."""
    message = tx.message(id)
    assert message is not None
    shred(
        tx,
        world.node.hub,
        family_of(tx, message),
        reason=Reason.DATA_SUBJECT,
        actor="operator:test",
        at=world.node.hub.clock(),
        classes=BYTES,
    )


def _due_now(tx: Tx) -> None:
    for record in tx.records(copies.ERASURE):
        tx.replace_record(record, msgspec.structs.replace(record, due=Instant(0)))


# --- mutants ------------------------------------------------------------------------------------------------


def _manifest_first(folder: Path) -> None:
    """Writes what a manifest names once the manifest is there."""
    put = Place.put
    late: list[tuple[Place, str, bytes]] = []

    def putting(place: Place, id: str, data: bytes) -> None:
        if id.startswith((PACK, TABLE)):
            late.append((place, id, data))
            return
        put(place, id, data)
        while late and id.startswith(MANIFEST):
            put(*late.pop())

    Place.put = putting  # type: ignore[method-assign]
    Place.still_has = lambda *_: None  # type: ignore[method-assign]


def _old_keys_first(folder: Path) -> None:
    """Deletes the former state of the copy of the keys before the new one is there."""
    put = Place.put

    def putting(place: Place, id: str, data: bytes) -> None:
        if id.startswith(KEY_INDEX):
            for other in list(place.ids(KEY_INDEX)):
                place.delete(other)
        put(place, id, data)

    Place.put = putting  # type: ignore[method-assign]


def _keys_stay(folder: Path) -> None:
    """Leaves the keys of an erased document in the copy that it says has followed."""
    from ecluse.app.backup.copy import BackupKeys

    BackupKeys.forget = lambda self, ids: None  # type: ignore[method-assign]


def _not_synced(folder: Path) -> None:
    """Gives objects their names before their bytes are durable."""
    sync = files.NewFile.sync

    def syncing(new: Any) -> None:
        if str(folder / "to") in str(Path(new._path).resolve()):
            new._close()
        else:
            sync(new)

    files.NewFile.sync = syncing  # type: ignore[method-assign]


def _names_not_synced(folder: Path) -> None:
    """Takes a name in a place for durable at once."""
    sync = files.sync_folder

    def syncing(path: Any) -> None:
        if str(folder / "to") not in str(Path(path).resolve()):
            sync(path)

    files.sync_folder = syncing  # type: ignore[assignment]


Mutant = tuple[Callable[[Path], None], str]
"""What it does, and what of it is found."""
KILLED: Final[dict[str, Mutant]] = {
    "the manifest first": (_manifest_first, "is not in|half a backup"),
    "the old keys first": (_old_keys_first, "no copy of the keys"),
    "the keys stay": (_keys_stay, "outlives its deletion"),
}
UNPOWERED: Final[dict[str, Mutant]] = {
    "bytes not synced": (_not_synced, "half a backup|is not the one|can't be read|in part"),
    "names not synced": (_names_not_synced, "lost: a backup|does not hold|is not in|in part"),
}
