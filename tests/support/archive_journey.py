"""Deposit, hold and disposal by a hub that may end at any call, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from tests.support.archives import INVOICE, ArchiveWorld, profile
from tests.support.crashes import Journey, Tell, Told
from tests.support.postgres import PostgresServer
from tests.support.power import CALLS

from ecluse.archive import destroying
from ecluse.archive.clock import confirm_clock
from ecluse.archive.copies import BytesCopy, finish_erasures, pending_erasures
from ecluse.archive.deposit import body_of
from ecluse.archive.disposal import approve, disposals, propose
from ecluse.archive.holding import all_holds, place_hold
from ecluse.archive.holds import Criteria, obstacles
from ecluse.archive.place import FolderSecond
from ecluse.archive.statement import check_statement
from ecluse.blobs.local import LocalPlace
from ecluse.errors import EcluseError
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import MessageId
from ecluse.store.postgres import writers
from ecluse.store.sqlite.connection import key_path

__all__ = ["MUTANTS", "After", "ArchiveJourney", "PostgresArchiveJourney"]

LARGE = b"#" * 40_000 + INVOICE
YEARS = 3 * 366 * 86_400
DONE = ("accepted", "accepted", "accepted", "deposited", "copied", "held", "approved", "destroyed")
"""What is told on a journey on which all is well."""


def open_world(folder: Path, start: str = "2026-04-01", url: str = "") -> ArchiveWorld:
    """The hub of the journey."""
    world = ArchiveWorld(folder, url=url, start=start, seed=b"journey", invoices=profile(retention="1y"))
    world.hub.vault.place = LocalPlace(folder / "blobs")
    world.hub.copies.add(BytesCopy(world.hub.vault.place))
    world.second = FolderSecond("far", folder / "far")
    world.hub.copies.add(world.second)
    # The first thing that a hub does when it starts: a deletion that was cut off is finished with it. Its writer has a
    # thread from then on.
    world.hub.store.write(lambda tx: tx.beat("test", world.clock()))
    return world


class ArchiveJourney(Journey):
    """An archive's documents from their coming to their end, by an archive that is right or one of :data:`MUTANTS`."""

    def prepare(self, folder: Path) -> None:
        """An archive with nothing in it."""
        folder.mkdir()
        self.open(folder).close()

    def open(self, folder: Path, start: str = "2026-04-01") -> ArchiveWorld:
        """The hub that is in a folder."""
        return open_world(folder, start)

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """See the base class."""
        world = self.open(folder)
        if self.mutant:
            MUTANTS[self.mutant](world)
        return lambda tell: journey(world, tell)

    def check_told(self, told: Sequence[Told]) -> None:
        """Each step, also of a hub that is wrong."""
        assert tuple(each.step.partition(" ")[0] for each in told) == DONE

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """Open what is left, check it, and go on."""
        world = self.open(folder, "2029-06-01")
        try:
            After(self, world, folder, told).check()
        finally:
            world.close()

    def subjects(self, folder: Path, kind: str) -> list[str]:
        """Subjects of all events of a kind, as they stand in the database."""
        with contextlib.closing(sqlite3.connect(folder / "state.db")) as raw:
            return [row[0] for row in raw.execute("SELECT subject FROM events WHERE kind = ?", (kind,))]

    def keys(self, folder: Path) -> set[str]:
        """Ids of all keys, likewise."""
        with contextlib.closing(sqlite3.connect(key_path(folder / "state.db"))) as raw:
            return {row[0] for row in raw.execute("SELECT id FROM blob_keys")}

    def key_files(self, folder: Path) -> list[bytes]:
        """All that the files hold which keys are in, or were."""
        return [path.read_bytes() for path in folder.iterdir() if path.is_file()]


class PostgresArchiveJourney(ArchiveJourney):
    """The same with a database that is a server's: what ends is the hub's process.

    Args:
        server: Which.
        mutant: As of the base class.
    """

    calls = f"{CALLS},sendto,recvfrom"

    def __init__(self, server: PostgresServer, mutant: str = "") -> None:
        super().__init__(mutant)
        self._server = server

    def prepare(self, folder: Path) -> None:
        """See the base class."""
        folder.mkdir()
        (folder / "url").write_text(self._server.new_database())
        self.open(folder).close()

    def copy(self, prepared: Path, folder: Path) -> None:
        """See the base class."""
        super().copy(prepared, folder)
        url = (prepared / "url").read_text()
        self._server.wait_for_nobody(url)
        (folder / "url").write_text(self._server.new_database(like=url))

    def clear(self, folder: Path) -> None:
        """See the base class."""
        self._server.drop_database((folder / "url").read_text())
        super().clear(folder)

    def open(self, folder: Path, start: str = "2026-04-01") -> ArchiveWorld:
        """See the base class."""
        return open_world(folder, start, (folder / "url").read_text())

    def begin(self, folder: Path) -> Callable[[Tell], None]:
        """See the base class."""
        writers.WRITERS = 1  # type: ignore[misc]  # so that each journey sends the same from the same thread
        return super().begin(folder)

    def place(self, folder: Path, line: str) -> str | None:
        """What is sent to the server, too, and what is read of its answers."""
        if line.startswith(("sendto(", "recvfrom(")):
            if f"->127.0.0.1:{self._server.port}]" not in line:
                return None
            return "COMMIT" if "COMMIT" in line else "server"
        return super().place(folder, line)

    def check(self, folder: Path, told: Sequence[Told]) -> None:
        """See the base class."""
        self._server.wait_for_nobody((folder / "url").read_text())
        super().check(folder, told)

    def subjects(self, folder: Path, kind: str) -> list[str]:
        """See the base class."""
        return self._ask(folder, f"SELECT subject FROM ecluse.events WHERE kind = '{kind}'")

    def keys(self, folder: Path) -> set[str]:
        """See the base class."""
        return {*self._ask(folder, "SELECT id FROM ecluse_keys.blob_keys")}

    def key_files(self, folder: Path) -> list[bytes]:
        """Those of the table alone: what the server's write-ahead log holds is the server's."""
        [path] = self._ask(folder, "SELECT pg_relation_filepath('ecluse_keys.blob_keys')")
        return [(self._server.data / path).read_bytes()]

    def _ask(self, folder: Path, question: str) -> list[str]:
        with psycopg.connect((folder / "url").read_text(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")  # so that files can be looked at
            return [str(row[0]) for row in connection.execute(question.encode())]


def journey(world: ArchiveWorld, tell: Tell) -> None:
    """Three documents are deposited and copied; one is held; a disposal takes the others, and keeps that one back."""
    messages = [world.came(LARGE, partner="birch"), world.came(INVOICE), world.came(LARGE, partner="cedar")]
    for message in messages:
        blob = message.parts[0].blob
        key = world.hub.store.read(lambda view, blob=blob: view.blob_key(blob))  # type: ignore[misc]
        tell(f"accepted {message.id} {blob} {key.hex()}")
    world.work()
    tell("deposited")
    world.care()
    tell("copied")
    rows = [world.rows(message)[0] for message in messages]
    for row in rows:
        world.ended(row)
    world.clock.forward(YEARS)
    confirm_clock(world.room, actor="operator:anne", reason="it is so late")
    disposal = propose(world.room, actor="operator:carl", reason="yearly")
    place_hold(
        world.room, Criteria(partner="cedar"), reason="a dispute", reference="TC 1", actor="operator:anne"
    )
    tell(f"held {messages[2].id}")
    for person in (world.anne, world.bea):
        approve(
            world.room,
            disposal.id,
            person.operator.name,
            person.sign(disposal.statement(person.operator.name)),
        )
    tell("approved")
    destroying.run(world.room, disposal.id, actor="operator:anne")
    tell("destroyed")
    world.close()


# --- mutants ------------------------------------------------------------------------------------------------


def _events_apart(world: ArchiveWorld) -> None:
    """What the archive's events tell is done in one transaction, and they are written in the next."""
    late: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    event, write = world.hub.event, world.hub.store.write

    def later(tx: Any, kind: str, *rest: Any, **more: Any) -> None:
        if kind.startswith("archive."):
            late.append(((kind, *rest), more))
        else:
            event(tx, kind, *rest, **more)

    def both(work: Any) -> Any:
        result = write(work)
        due, late[:] = list(late), []
        for rest, more in due:
            write(lambda tx, rest=rest, more=more: event(tx, *rest, **more))
        return result

    object.__setattr__(world.hub, "store", _Wrapped(world.hub.store, both))
    type(world.hub).event = lambda hub, *rest, **more: later(*rest, **more)  # type: ignore[method-assign]


def _keys_later(world: ArchiveWorld) -> None:
    """Documents are marked as disposed of, and their keys are deleted in a transaction of their own."""
    shred, write = destroying.shred, world.hub.store.write
    due: list[tuple[Any, Any]] = []
    destroying.shred = lambda *rest, **more: due.append((rest, more)) or 0  # type: ignore[assignment,func-returns-value]

    def both(work: Any) -> Any:
        result = write(work)
        owed, due[:] = list(due), []
        for rest, more in owed:
            with contextlib.suppress(EcluseError):
                write(lambda tx, rest=rest, more=more: shred(tx, *rest[1:], **more))
        return result

    object.__setattr__(world.hub, "store", _Wrapped(world.hub.store, both))


class _Wrapped:
    """A store with another way to write."""

    def __init__(self, store: Any, write: Any) -> None:
        self._store = store
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


MUTANTS: dict[str, Callable[[ArchiveWorld], None]] = {
    "events apart": _events_apart,
    "keys later": _keys_later,
}


# --- afterwards ---------------------------------------------------------------------------------------------


class After:
    """What a process left that ended at some call.

    Args:
        journey: What it did.
        world: The hub that is opened on it.
        folder: Its folder.
        told: What it had told.
    """

    def __init__(
        self, journey: ArchiveJourney, world: ArchiveWorld, folder: Path, told: Sequence[Told]
    ) -> None:
        self.journey = journey
        self.world = world
        self.folder = folder
        self.told = [each.step.split() for each in told]

    def check(self) -> None:
        """All that must hold, as it was left and once everything was gone on with."""
        self._check_rows()
        self._check_told()
        self._go_on()
        self._check_rows()
        self._check_told()

    def _rows(self) -> list[Archived]:
        return self.world.hub.store.read(lambda view: view.archive_list(limit=100))

    def _check_rows(self) -> None:
        world = self.world
        rows = {row.id: row for row in self._rows()}
        told: dict[str, set[str]] = {}
        for kind in ("archive.deposited", "archive.disposed", "archive.held"):
            told[kind] = self._subjects(kind)
        assert told["archive.deposited"] == {*rows}, (
            "a document without its evidence, or evidence without its document"
        )
        gone = {id for id, row in rows.items() if row.state is ArchiveState.DISPOSED}
        assert told["archive.disposed"] == gone, (
            "destroyed without its evidence, or evidence without destruction"
        )
        holds = {hold.id for hold in world.hub.store.read(lambda view: all_holds(view, released=True))}
        assert told["archive.held"] == holds, "a hold without its evidence, or evidence without its hold"
        keys = self.journey.keys(self.folder)
        for row in rows.values():
            if row.state is ArchiveState.DISPOSED:
                assert row.blob not in keys, "a key outlives its deletion"
                assert "message.shredded" in world.kinds(row.message)
                self._check_bytes_gone(row)
                continue
            receipt = body_of(row).receipt
            assert receipt is not None
            assert check_statement(receipt, world.note_key)["sha256"] == row.sha256.hex()
            with world.hub.blob(row.blob) as blob:
                assert b"".join(blob.chunks()) in (LARGE, INVOICE), "a document is not whole"

    def _check_bytes_gone(self, row: Archived) -> None:
        """Sealed octets may be there still, as long as somebody is noted who goes on deleting them."""
        waiting = self.world.hub.store.read(pending_erasures)
        noted = {blob for _, erasure in waiting for blob in erasure.blobs}
        left = [*(self.folder / "blobs").rglob(row.blob), *(self.folder / "far").rglob(row.blob)]
        assert not left or row.blob in noted, "sealed octets that nobody goes on deleting"

    def _check_told(self) -> None:
        world = self.world
        rows = {row.message: row for row in self._rows()}
        for word, *rest in self.told:
            id = rest[0] if rest else ""
            if word == "accepted":
                message = world.hub.store.read(lambda view, id=id: view.message(MessageId(id)))  # type: ignore[misc]
                assert message is not None, "lost what was acknowledged"
                row = rows.get(message.id)
                if row is None or row.state is not ArchiveState.DISPOSED:
                    why = world.hub.store.write(lambda tx, id=id: obstacles(tx, MessageId(id)))  # type: ignore[misc]
                    assert why, "what is to be archived may be deleted"
            elif word == "deposited":
                assert len(rows) == 3, "a deposit that was told of is lost"
            elif word == "held":
                assert rows[MessageId(id)].state is not ArchiveState.DISPOSED, "what was held is destroyed"
                assert world.hub.store.read(lambda view: all_holds(view, released=False)), "a hold is lost"
            elif word == "approved":
                state, _ = world.hub.store.read(disposals)[0]
                assert state in ("approved", "running", "done"), "an approval is lost"
            elif word == "destroyed":
                state, found = world.hub.store.read(disposals)[0]
                assert state == "done"
                assert found.certificate is not None, "destroyed without a certificate"

    def _go_on(self) -> None:
        """What a hub does that starts again."""
        world = self.world
        world.work()
        world.care()
        confirm_clock(world.room, actor="operator:anne", reason="it is so late")
        for state, found in world.hub.store.read(disposals):
            if state == "running":
                done = destroying.run(world.room, found.id, actor="hub")
                assert done.certificate is not None
                check_statement(done.certificate, world.note_key)
        world.clock.forward(3600)
        finish_erasures(world.hub, world.hub.store, world.hub.copies)
        assert not world.hub.store.read(pending_erasures), "a deletion that never ends"
        gone = {row.message for row in self._rows() if row.state is ArchiveState.DISPOSED}
        keys = [rest for word, *rest in self.told if word == "accepted" and rest[0] in gone]
        for content in self.journey.key_files(self.folder) if keys else ():
            for _, blob, key in keys:
                assert bytes.fromhex(key) not in content, f"a key outlives its deletion in a file: {blob}"

    def _subjects(self, kind: str) -> set[str]:
        """Subjects of events of a kind; of holds, only the holds themselves."""
        found = self.journey.subjects(self.folder, kind)
        subjects = {each for each in found if kind != "archive.held" or each.startswith("h")}
        assert kind == "archive.held" or len(found) == len(subjects), f"{kind} was told twice"
        return subjects
