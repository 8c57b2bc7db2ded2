"""Documents that are shredded on a disk that may end at any call: what was told, and the checks.

:class:`After` looks at what is left as it lies there, then opens it and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from tests.support.crashes import Journey, Tell, Told

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

__all__ = ["MUTANTS", "After", "ShredJourney"]

DOCUMENTS: Final = {
    "small-jane-doe": b"<Order/>" * 9,
    "large-jane-doe": bytes(range(256)) * 48,
    "third": b"x" * 9000,
}
"""In a row, and larger than what rides in one."""
FRESH: Final = "fresh"
"""One that comes on the journey: its key is in the write-ahead log when it is deleted."""


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


class ShredJourney(Journey):
    """Documents that are shredded one after the other, by a hub that is right or one of :data:`MUTANTS`."""

    def __init__(self, mutant: str = "") -> None:
        super().__init__(mutant)
        self._kept: list[Kept] = []

    def prepare(self, folder: Path) -> None:
        """A hub with documents that everything is done with."""
        folder.mkdir()
        store = open_store(f"sqlite:{folder}/hub.db", node="one")
        store.migrate()
        store.close()
        hub = open_hub(folder)
        self._kept = [arrive(hub, name, data) for name, data in DOCUMENTS.items()]
        hub.store.close()

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """See the base class."""
        hub = open_hub(folder)
        hub.store.write(lambda tx: tx.put_setting("warm", b""))  # the writer's thread is there then
        if self.mutant:
            MUTANTS[self.mutant](hub)
        return lambda tell: journey(hub, self._kept, tell)

    def check_told(self, told: Sequence[Told]) -> None:
        """Each step of a hub that is right."""
        if not self.mutant:
            steps = [each.step for each in told]
            assert steps.count("erased fresh") == 4
            assert len([step for step in steps if step.startswith("shredded")]) == 4

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """Look at what is left, open it, and go on."""
        After(folder, self._kept, told).check()


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


def journey(hub: Hub, kept: Sequence[Kept], tell: Tell) -> None:
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
        tell(f"arrived {fresh.id} {fresh.blob} {fresh.key.hex()}")
        kept = [*kept, fresh]
    for each in reversed(kept):
        try:
            hub.store.write(lambda tx, id=each.id: one(tx, id))  # type: ignore[misc]
            tell(f"shredded {each.name}")
            finish_erasures(hub, hub.store, hub.copies)
        except EcluseError:
            continue
        for other in kept:
            kinds = [logged.event.kind for logged in hub.store.read(lambda view, o=other: view.events(o.id))]  # type: ignore[misc]
            if "message.erased-everywhere" in kinds:
                tell(f"erased {other.name}")
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
