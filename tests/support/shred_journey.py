"""Documents that are shredded in a child process that may die at any call: what it was told, and the checks.

The child is forked, works through the journey, and says of each step that was acknowledged so, with the time.
:class:`After` looks at what is left as it lies there, then opens it and goes on.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ecluse.archive import copies
from ecluse.archive.classes import DataClass
from ecluse.archive.copies import finish_erasures, pending_erasures
from ecluse.archive.shredding import Reason, family_of, shred
from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import Vault
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Arrival, Intake
from ecluse.model.basics import Instant, MessageId, PartnerId, system_entropy
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.store.open import open_store
from ecluse.store.port import Tx

__all__ = ["MUTANTS", "After", "Child", "Told", "prepare"]

DOCUMENTS: Final = {
    "small-jane-doe": b"<Order/>" * 9,
    "large-jane-doe": bytes(range(256)) * 48,
    "third": b"x" * 9000,
}
"""In a row, and larger than what rides in one."""


FRESH: Final = "fresh"
"""One that comes on the journey: its key is in the write-ahead log when it is deleted."""


class Told(NamedTuple):
    """A step that was acknowledged, and when that could be seen."""

    at: float
    step: str


def _clock() -> Instant:
    return Instant(time.time_ns() // 1000)


def open_hub(folder: Path) -> Hub:
    """The chamber over a database and a place in ``folder``."""
    store = open_store(f"sqlite:{folder}/hub.db", node="one")
    vault = Vault(LocalPlace(folder / "blobs"), AesKeyWrap(bytes(32)), system_entropy, _clock, 4096)
    return Hub(store, vault, _clock, system_entropy, "one")


class Kept(NamedTuple):
    """A document that is there at the beginning."""

    name: str
    id: MessageId
    blob: str
    key: bytes


def prepare(folder: Path) -> list[Kept]:
    """A hub with documents that everything is done with."""
    folder.mkdir()
    store = open_store(f"sqlite:{folder}/hub.db", node="one")
    store.migrate()
    store.close()
    hub = open_hub(folder)
    found = [arrive(hub, name, data) for name, data in DOCUMENTS.items()]
    hub.store.close()
    return found


def arrive(hub: Hub, name: str, data: bytes) -> Kept:
    """A document that came, and that everything is done with."""
    intake = Intake(hub, Arrival(PartnerId("birch"), "as2", f"<{name}@birch>"))
    intake.begin_document("application/octet-stream", name)
    intake.document_data(data, in_exact=False)
    intake.end_document(None)
    message: Message = intake.accept(b"{}", {}, None).result().message
    hub.store.write(
        lambda tx: tx.update_message(msgspec.structs.replace(message, state=MessageState.DELIVERED))
    )
    blob = message.parts[0].blob
    key = hub.store.read(lambda view: view.blob_key(blob))
    assert key is not None
    return Kept(name, message.id, blob, key)


def journey(hub: Hub, kept: Sequence[Kept], told: Callable[[str], None]) -> None:
    """Shred one after the other; have the copies follow. A step that fails is not acknowledged."""

    def one(tx: Tx, id: MessageId) -> int:
        message = tx.message(id)
        assert message is not None
        return shred(
            tx,
            hub,
            family_of(tx, message),
            reason=Reason.RETENTION,
            actor="hub",
            at=hub.clock(),
            classes=frozenset(DataClass),
        )

    with suppress(EcluseError):
        fresh = arrive(hub, FRESH, bytes(9000))
        told(f"arrived {fresh.id} {fresh.blob} {fresh.key.hex()}")
        kept = [*kept, fresh]
    for each in reversed(kept):
        try:
            hub.store.write(lambda tx, id=each.id: one(tx, id))  # type: ignore[misc]
            told(f"shredded {each.name}")
            finish_erasures(hub, hub.store, hub.copies)
        except EcluseError:
            continue
        for other in kept:
            kinds = [logged.event.kind for logged in hub.store.read(lambda view, o=other: view.events(o.id))]  # type: ignore[misc]
            if "message.erased-everywhere" in kinds:
                told(f"erased {other.name}")


class Child:
    """A process that makes the journey once it is let go.

    Args:
        folder: Made by :func:`prepare`.
        kept: What that gave.
        mutant: One of :data:`MUTANTS`, or empty.

    Attributes:
        threads: Ids of its threads, by name.
        told: What it was told.
    """

    def __init__(self, folder: Path, kept: Sequence[Kept], mutant: str = "") -> None:
        self.told: list[Told] = []
        self._read, write = os.pipe()
        self._go, go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _child(folder, kept, mutant, self._go, write)
            finally:
                os._exit(0)
        os.close(write)
        self._let = go
        self._rest = b""
        main, writer = self._line().split()
        self.threads = {"main": int(main), "writer": int(writer)}

    def _line(self) -> str:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], 20)
            data = os.read(self._read, 4096) if ready else b""
            if not data:
                return ""
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def run(self) -> None:
        """Let it go, and wait for its end."""
        os.write(self._let, b"go")
        while line := self._line():
            self.told.append(Told(time.time(), line))
        for handle in (self._let, self._read, self._go):
            os.close(handle)
        # A child whose writer was killed alone does not end by itself: strace kills the whole process.
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _child(folder: Path, kept: Sequence[Kept], mutant: str, go: int, write: int) -> None:
    hub = open_hub(folder)
    hub.store.write(lambda tx: tx.put_setting("warm", b""))  # the writer's thread is there then
    [writer] = [thread for thread in threading.enumerate() if thread.name == "ecluse-writer"]
    os.write(write, f"{threading.get_native_id()} {writer.native_id}\n".encode())
    if mutant:
        MUTANTS[mutant](hub)
    os.read(go, 2)
    journey(hub, kept, lambda step: os.write(write, f"{step}\n".encode()))
    hub.store.close()


def _key_stays(hub: Hub) -> None:
    """Says that keys are gone while they are still to be deleted."""
    hub.store._start_writer()._drop_keys = lambda ids: None  # type: ignore[attr-defined, method-assign]
    copies.OwnKeys.forget = lambda self, ids: None  # type: ignore[method-assign]


def _event_apart(hub: Hub) -> None:
    """Writes the event after the transaction that deletes."""
    event, write = Hub.event, hub.store.write
    late: list[Callable[[Tx], None]] = []

    def later(self, tx, kind, subject, data, *, actor="hub", at=None):  # type: ignore[no-untyped-def]
        late.append(lambda tx: event(self, tx, kind, subject, data, actor=actor, at=at))

    def writing(work):  # type: ignore[no-untyped-def]
        result = write(work)
        while late:
            write(late.pop(0))
        return result

    Hub.event = later  # type: ignore[method-assign]
    hub.store.write = writing  # type: ignore[method-assign]


def _row_stays(hub: Hub) -> None:
    """Deletes the key first, by itself, and then what says so."""
    from ecluse.store.sqlite.verbs import SqliteTx

    keys = hub.store._start_writer()._keys  # type: ignore[attr-defined]
    drop = SqliteTx.drop_blob

    def dropping(self: SqliteTx, id: str) -> None:
        keys.drop([id])
        drop(self, id)

    SqliteTx.drop_blob = dropping  # type: ignore[method-assign]


MUTANTS: Final[dict[str, Callable[[Hub], None]]] = {
    "the key stays": _key_stays,
    "the event apart": _event_apart,
    "the key first": _row_stays,
}


class After:
    """What was left.

    Args:
        folder: The disk.
        kept: What was there at the beginning.
        told: What was acknowledged before.
    """

    def __init__(self, folder: Path, kept: Sequence[Kept], told: Sequence[Told]) -> None:
        self.folder = folder
        self.told = {each.step for each in told}
        came = [step.split() for step in self.told if step.startswith("arrived ")]
        self.kept = [
            *kept,
            *(Kept(FRESH, MessageId(id), blob, bytes.fromhex(key)) for _, id, blob, key in came),
        ]

    def check(self) -> None:
        """Nothing is half deleted, and what was said to be gone is gone."""
        for each in self.kept:
            if f"erased {each.name}" in self.told:
                self._check_gone(each, "as it lies there")
        hub = open_hub(self.folder)
        try:
            hub.store.write(lambda tx: tx.put_setting("warm", b""))  # what was owed is done at the start
            assert hub.store.check() == []
            for each in self.kept:
                self._check_one(hub, each)
            for erasure in hub.store.read(pending_erasures):
                assert not set(erasure[1].done) & set(erasure[1].waiting)
            hub.store.write(_due_now)
            finish_erasures(hub, hub.store, hub.copies)
            assert hub.store.read(pending_erasures) == []
            for each in self.kept:
                if self._shredded(hub, each):
                    assert self._kinds(hub, each).count("message.erased-everywhere") == 1
                    self._check_gone(each, "after all")
        finally:
            hub.store.close()

    def _kinds(self, hub: Hub, each: Kept) -> list[str]:
        return [logged.event.kind for logged in hub.store.read(lambda view: view.events(each.id))]

    def _shredded(self, hub: Hub, each: Kept) -> bool:
        message = hub.store.read(lambda view: view.message(each.id))
        assert message is not None, f"lost: {each.name}"
        return bool(message.shredded)

    def _check_one(self, hub: Hub, each: Kept) -> None:
        shredded = self._shredded(hub, each)
        kinds = self._kinds(hub, each)
        assert shredded or f"shredded {each.name}" not in self.told, f"lost: shredded {each.name}"
        assert kinds.count("message.shredded") == shredded, "a deletion without its event, or the reverse"
        pending = {id for _, erasure in hub.store.read(pending_erasures) for id in erasure.messages}
        everywhere = kinds.count("message.erased-everywhere")
        assert everywhere + (each.id in pending) == shredded, "a deletion that nobody follows up"
        if shredded:
            assert hub.store.read(lambda view: view.blob(each.blob)) is None
            self._check_key(each, "at the next start")
            return
        message = hub.store.read(lambda view: view.message(each.id))
        assert message is not None
        try:
            with hub.document(message.parts[0]) as document:
                data = b"".join(document.chunks())
        except BlobMissing as error:
            raise AssertionError(f"gone without a word: {each.name}: {error}") from error
        assert sha256(data).hexdigest() == message.parts[0].sha256

    def _check_key(self, each: Kept, when: str) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and each.key in path.read_bytes():
                raise AssertionError(f"a key outlives its deletion, {when}: {each.name} in {path.name}")

    def _check_gone(self, each: Kept, when: str) -> None:
        self._check_key(each, when)
        assert not list(self.folder.rglob(each.blob)), f"bytes outlive their deletion, {when}: {each.name}"


def _due_now(tx: Tx) -> None:
    for record in tx.records(copies.ERASURE):
        tx.replace_record(record, msgspec.structs.replace(record, due=Instant(0)))
