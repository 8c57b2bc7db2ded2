"""A partner's client and its folders on a disk that may end at any call: what the client was told, and the checks.

:class:`After` opens what is left and tries it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.support.crashes import Journey, Tell, Told
from tests.support.tree_worlds import RealWorld, assert_tidy, at, begin, every_file, get, names, put

from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import Vault
from ecluse.errors import EcluseError
from ecluse.evidence.states import verify_states
from ecluse.exchange.hub import Hub
from ecluse.exchange.tree import Denied, NameExists, Tree
from ecluse.model.basics import Instant, system_entropy
from ecluse.model.files import FileState
from ecluse.model.nouns import Direction
from ecluse.model.states import DeliveryState
from ecluse.store.open import open_store

__all__ = ["DOCUMENTS", "MUTANTS", "After", "MailboxJourney"]

BIG: Final = bytes(range(256)) * 48
"""Larger than what rides in a row."""
SMALL: Final = b"<Order/>"
DOCUMENTS: Final = {
    "/inbound/big": BIG,
    "/inbound/small": SMALL,
    "/inbound/renamed": BIG[::-1],
    "/inbound/resumed": BIG + SMALL + BIG,
    "/inbound/synced": BIG + BIG[1:],
}
"""What becomes a message, whole, or not at all."""
INVOICE: Final = BIG[7:]


def _clock() -> Instant:
    return Instant(time.time_ns() // 1000)


def open_world(folder: Path) -> RealWorld:
    """The folders over a database and a place in ``folder``."""
    store = open_store(f"sqlite:{folder}/hub.db", node="one")
    vault = Vault(LocalPlace(folder / "blobs"), AesKeyWrap(bytes(32)), system_entropy, _clock, 4096)
    return RealWorld(Hub(store, vault, _clock, system_entropy, "one"))


class MailboxJourney(Journey):
    """What the partner's client does in its folders, with a hub that is right or one of :data:`MUTANTS`."""

    def prepare(self, folder: Path) -> None:
        """A hub with one document that waits for the partner."""
        folder.mkdir()
        store = open_store(f"sqlite:{folder}/hub.db", node="one")
        store.migrate()
        store.close()
        world = open_world(folder)
        world.offer("invoice", INVOICE)
        world.hub.store.close()

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """See the base class."""
        world = open_world(folder)
        world.hub.store.write(lambda tx: tx.put_setting("warm", b""))  # the writer's thread is there then
        if self.mutant:
            MUTANTS[self.mutant](world)
        return lambda tell: journey(world, tell)

    def check_told(self, told: Sequence[Told]) -> None:
        """Each step of a hub that is right."""
        assert self.mutant or len(told) == 11

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """Open what is left, and try it."""
        after = After(folder, told)
        try:
            after.check()
        finally:
            after.close()


def journey(world: RealWorld, tell: Tell) -> None:
    """What the partner's client does. A step that fails is not acknowledged, and the next one is tried."""
    tree = world.open()

    def step(name: str, *works: Callable[[], object]) -> None:
        try:
            for work in works:
                work()
        except EcluseError:
            return
        tell(name)

    step("taken /inbound/big", lambda: put(tree, "/inbound/big", BIG))
    step("taken /inbound/small", lambda: put(tree, "/inbound/small", SMALL))
    step("temporary /inbound/renamed.part", lambda: put(tree, "/inbound/renamed.part", BIG[::-1]))
    step("taken /inbound/renamed", lambda: tree.rename(at("/inbound/renamed.part"), at("/inbound/renamed")))
    step("cut", lambda: begin(tree, "/inbound/resumed", BIG).suspend())
    step("taken /inbound/resumed", lambda: resume(tree, "/inbound/resumed"))
    writer = tree.write(at("/inbound/synced"))
    step("half /inbound/synced", lambda: writer.write(0, BIG), writer.sync)
    step("taken /inbound/synced", lambda: writer.write(len(BIG), BIG[1:]), writer.commit)
    step("cut", lambda: begin(tree, "/inbound/never", BIG).suspend())
    step("picked up /outbound/invoice", lambda: get(tree, "/outbound/invoice"))
    step("removed /inbound/big", lambda: tree.remove(at("/inbound/big")))
    world.hub.store.close()


def resume(tree: Tree, path: str) -> None:
    """Go on where the last session was cut, or begin."""
    data = DOCUMENTS[path]
    writer = tree.write(at(path), resume=True)
    writer.write(writer.size, data[writer.size :])
    writer.commit()


def _before_the_commit(world: RealWorld) -> None:
    """Says that it is done when it is queued."""
    store = world.hub.store
    write = store.write

    class Hasty:
        def __init__(self, work: object) -> None:
            self.work = work

    def hasty(work):  # type: ignore[no-untyped-def]
        if "Upload._last_unit" not in work.__qualname__:
            return write(work)
        store.submit(lambda tx: (time.sleep(0.02), work(tx)))
        return []

    store.write = hasty  # type: ignore[method-assign]


def _bytes_after_the_row(world: RealWorld) -> None:
    """Lets the bytes of a blob become durable when something else is written next."""
    place, create = world.hub.vault.place, world.hub.vault.place.create
    late: list[Callable[[], None]] = []

    def creating(id):  # type: ignore[no-untyped-def]
        while late:
            late.pop()()
        writer = create(id)

        class Lazy:
            write, abort = writer.write, lambda self: None

            def commit(self) -> None:
                late.append(writer.commit)

        return Lazy()

    place.create = creating  # type: ignore[method-assign]


def _half_is_whole(world: RealWorld) -> None:
    """Takes what was cut off for a document."""
    from ecluse.exchange.mailbox.upload import Upload

    Upload.suspend = Upload.commit  # type: ignore[method-assign]


MUTANTS: Final[dict[str, Callable[[RealWorld], None]]] = {
    "told before the commit": _before_the_commit,
    "bytes after the row": _bytes_after_the_row,
    "a half is whole": _half_is_whole,
}


class After:
    """The hub that is opened on what was left.

    Args:
        folder: The disk.
        told: What the client was told before.
    """

    def __init__(self, folder: Path, told: Sequence[Told]) -> None:
        self.world = open_world(folder)
        self.told = {each.step for each in told}

    def check(self) -> None:
        """What was acknowledged is there, what is there is whole, and the client can go on."""
        world = self.world
        store = world.hub.store
        assert store.check() == []
        self._check_documents(at_last=False)
        self._check_folders()
        self._go_on()
        self._check_documents(at_last=True)
        assert list(verify_states(store)) == []
        world.hub.vault.sweep(
            lambda after, limit: store.read(lambda view: view.blobs_before(after, limit)), grace=-10
        )
        assert_tidy(world)
        rows = every_file(world.hub)
        used = store.read(lambda view: view.file_usage("birch"))  # type: ignore[arg-type]
        assert used == (sum(row.size for row in rows), len(rows))

    def _check_documents(self, *, at_last: bool) -> None:
        found: dict[str, int] = {}
        try:
            documents = self.world.documents()
        except BlobMissing as error:
            raise AssertionError(f"a message without its bytes: {error}") from error
        for path, data in documents:
            # A document under its temporary name's path would be one that was taken too early.
            assert DOCUMENTS.get(path) == data, f"{path} is not what was sent"
            found[path] = found.get(path, 0) + 1
        for path, count in found.items():
            assert count == 1, f"{path} came {count} times"
        for step in self.told:
            if step.startswith("taken "):
                assert step.removeprefix("taken ") in found, f"lost: {step}"
        if at_last:
            assert set(found) == set(DOCUMENTS)

    def _check_folders(self) -> None:
        tree = self.world.open()
        there = {row.path: row for row in every_file(self.world.hub)}
        for path, row in there.items():
            if row.state is not FileState.WAITING:
                try:
                    assert len(self.world.octets(path)) == row.size
                except BlobMissing as error:
                    raise AssertionError(f"{path} without its bytes: {error}") from error
        if "half /inbound/synced" in self.told:
            assert there["/inbound/synced"].size >= len(BIG), "lost what was made durable"
        if "temporary /inbound/renamed.part" in self.told:
            assert {"/inbound/renamed.part", "/inbound/renamed"} & set(there), "lost what waits for its name"
        if "removed /inbound/big" in self.told:
            assert "/inbound/big" not in there
        [message] = self.world.hub.store.read(lambda view: view.messages(direction=Direction.OUT))
        [delivery] = self.world.hub.store.read(lambda view: view.deliveries(message.id))
        if "picked up /outbound/invoice" in self.told:
            assert delivery.state is DeliveryState.CONFIRMED, "lost a pick-up"
        assert get(tree, "/outbound/invoice") == INVOICE

    def _go_on(self) -> None:
        """The client tries again what it was not told of; a file that is there it leaves alone."""
        tree = self.world.open()
        taken = {path for path, _ in self.world.documents()}
        for path, data in DOCUMENTS.items():
            if path in taken:
                continue
            part = f"{path}.part"
            if part.rpartition("/")[2] in names(tree, "/inbound"):
                try:
                    tree.rename(at(part), at(path))
                    continue
                except Denied:
                    pass  # a half one
            try:
                resume(tree, path)
            except NameExists:
                raise AssertionError(f"{path} is listed as taken, and is no message") from None
            assert get(tree, path) == data

    def close(self) -> None:
        """Let the files go."""
        self.world.hub.store.close()
