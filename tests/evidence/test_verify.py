"""Tampering with a real database, a column at a time: all is found, and the first bad thing is named."""

from __future__ import annotations

import shutil
import sqlite3
import tracemalloc
from pathlib import Path

import psycopg
import pytest
from tests.support.logs import KEY, ORIGIN, PRIVATE, FakeClock, write_events

from ecluse.evidence import verify
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.record import decode_leaf, encode_leaf
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.states import verify_states
from ecluse.evidence.verify import Verdict, verify_log
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction, Event, Message
from ecluse.model.states import MessageState
from ecluse.store.postgres import PostgresStore
from ecluse.store.sqlite import SqliteStore
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import TreeHead, sign_head

STEPS = (5, 9, 1, 11, 17)  # 43 records, a checkpoint after each step
SIZE = sum(STEPS)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    store = SqliteStore(folder / "hub.db")
    store.migrate()
    clock, held = FakeClock(), HeldCheckpoints(folder / "checkpoints")
    one = Sequencer(store, clock, KEY, PRIVATE.sign, held=held)
    for seed, count in enumerate(STEPS):
        write_events(store, count, clock, seed=seed)
        one.seal()
        one.checkpoint()
    store.close()
    return folder


@pytest.fixture
def folder(original, tmp_path) -> Path:
    for file in original.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path


def tamper(folder: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    database = sqlite3.connect(folder / "hub.db")
    changed = [database.execute(statement, values).rowcount for statement in statements]
    assert all(changed)
    database.commit()
    database.close()


def verdict(folder: Path, *, held: bool = False) -> Verdict:
    store = SqliteStore(folder / "hub.db")
    try:
        return verify_log(store, [KEY], held=HeldCheckpoints(folder / "checkpoints") if held else ())
    finally:
        store.close()


def test_what_nobody_touched_is_right(folder):
    seen = []
    store = SqliteStore(folder / "hub.db")
    result = verify_log(
        store, [KEY], lambda *at: seen.append(at), held=HeldCheckpoints(folder / "checkpoints")
    )
    root = Sequencer(store, FakeClock(), KEY, PRIVATE.sign).check()[0].root
    store.close()
    assert result == Verdict(True, SIZE, SIZE, root.hex(), len(STEPS), SIZE, 0)
    assert seen[-1] == (SIZE, SIZE)
    assert result.as_dict()["problem"] is None


def test_an_empty_log_is_right(tmp_path):
    store = SqliteStore(tmp_path / "hub.db")
    store.migrate()
    result = verify_log(store, [KEY])
    store.close()
    assert (result.ok, result.size, result.root) == (True, 0, merkle.EMPTY_ROOT.hex())


def test_waiting_records_are_counted(folder):
    store = SqliteStore(folder / "hub.db")
    write_events(store, 4, FakeClock(), seed=99)
    result = verify_log(store, [KEY])
    store.close()
    assert (result.ok, result.pending) == (True, 4)


@pytest.mark.parametrize(
    ("statement", "code", "index", "differs"),
    [
        ("UPDATE events SET id = 'e0' WHERE place = 7", "record-altered", 7, "id"),
        ("UPDATE events SET at = at + 1 WHERE place = 0", "record-altered", 0, "at"),
        ("UPDATE events SET kind = 'message.delivered' WHERE place = 42", "record-altered", 42, "kind"),
        ("UPDATE events SET subject = 'm' WHERE place = 20", "record-altered", 20, "subject"),
        (
            "UPDATE events SET leaf = CAST(replace(leaf, 'birch', 'aster') AS BLOB) WHERE place = 13",
            "record-altered",
            13,
            "leaf",
        ),
        ("UPDATE events SET leaf = x'00' WHERE place = 3", "record-altered", 3, "leaf"),
        ("UPDATE events SET leaf = x'' WHERE place = 3", "record-altered", 3, "leaf"),
        ("UPDATE events SET place = NULL WHERE place = 11", "record-missing", 11, "index"),
        ("UPDATE events SET place = 43 WHERE place = 11", "record-extra", 43, "index"),
        ("UPDATE events SET place = -1 WHERE place = 11", "record-missing", 11, "index"),
        ("DELETE FROM events WHERE place = 0", "record-missing", 0, "index"),
        ("DELETE FROM events WHERE place = 30", "record-missing", 30, "index"),
        ("DELETE FROM events WHERE place = 42", "record-missing", 42, "index"),
        ("DELETE FROM events", "record-missing", 0, "index"),
        (
            "UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 0 AND place = 9",
            "record-altered",
            9,
            "leaf",
        ),
        ("DELETE FROM log_nodes WHERE level = 0 AND place = 9", "record-altered", 9, "hash"),
        ("UPDATE log_nodes SET hash = x'' WHERE level = 0 AND place = 9", "record-altered", 9, "hash"),
        (
            "UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 3 AND place = 2",
            "tree-altered",
            16,
            "hash",
        ),
        ("UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 5", "tree-altered", 0, "hash"),
        ("DELETE FROM log_nodes WHERE level = 1 AND place = 20", "tree-altered", 40, "hash"),
        ("UPDATE log_nodes SET level = 9 WHERE level = 5", "tree-altered", 43, "hash"),
        ("UPDATE log_nodes SET place = 43 WHERE level = 0 AND place = 42", "tree-altered", 43, "hash"),
        ("INSERT INTO log_nodes VALUES (0, 43, zeroblob(32))", "tree-altered", 43, "hash"),
        ("UPDATE log_head SET size = 44", "record-missing", 43, "index"),
        ("UPDATE log_head SET size = 42", "record-extra", 42, "index"),
        ("UPDATE log_head SET size = 0", "record-extra", 0, "index"),
        ("UPDATE checkpoints SET size = 16 WHERE size = 15", "checkpoint-bad", 16, "size"),
        ("UPDATE checkpoints SET size = 99 WHERE size = 43", "log-truncated", 43, "size"),
        ("UPDATE checkpoints SET root = zeroblob(32) WHERE size = 14", "checkpoint-bad", 14, "root"),
        ("UPDATE checkpoints SET note = x'00' WHERE size = 26", "checkpoint-bad", 26, "note"),
        (
            "UPDATE checkpoints SET note = CAST(replace(note, '26' || char(10), '27' || char(10)) AS BLOB)"
            " WHERE size = 26",
            "checkpoint-bad",
            26,
            "note",
        ),
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 14) WHERE size = 26",
            "checkpoint-bad",
            26,
            "size",
        ),
        ("UPDATE checkpoints SET at = 0 WHERE size = 26", "checkpoint-bad", 26, "at"),
    ],
)
def test_one_change_is_found_and_named(folder, statement, code, index, differs):
    tamper(folder, statement)
    result = verdict(folder)
    assert not result.ok
    assert result.problem is not None
    assert (result.problem.code, result.problem.index, result.problem.differs) == (code, index, differs)
    assert result.verified <= SIZE
    if code == "record-altered" and differs not in ("id",):
        assert result.problem.event.startswith("e")
    assert str(index) in result.problem.cause or result.problem.event


def test_records_that_changed_places_are_found(folder):
    tamper(
        folder,
        "UPDATE events SET place = 1000 WHERE place = 4",
        "UPDATE events SET place = 4 WHERE place = 5",
        "UPDATE events SET place = 5 WHERE place = 1000",
    )
    result = verdict(folder)
    assert result.problem is not None
    assert (result.problem.code, result.problem.index) == ("record-altered", 4)
    assert result.verified == 4


@pytest.mark.parametrize("size", [5, 14, 43])
def test_a_deleted_checkpoint_is_missed_by_the_copy_outside(folder, size):
    tamper(folder, "DELETE FROM checkpoints WHERE size = ?", values=(size,))
    assert verdict(folder).ok
    result = verdict(folder, held=True)
    assert result.problem is not None
    assert (result.problem.code, result.problem.index, result.problem.differs) == (
        "checkpoint-bad",
        size,
        "row",
    )


def test_a_copy_outside_that_was_tampered_with_is_found(folder):
    file = folder / "checkpoints"
    whole = file.read_bytes()
    notes = list(HeldCheckpoints(file))
    file.write_bytes(whole.replace(b"\n26\n", b"\n27\n"))
    assert verdict(folder, held=True).problem.code == "held-bad"
    file.write_bytes(b"".join(note + b"\n" for note in notes[::-1]))
    assert verdict(folder, held=True).problem.differs == "order"
    forged = sign_head(TreeHead(ORIGIN, SIZE, b"\x01" * 32), KEY, PRIVATE.sign)
    file.write_bytes(b"".join(note + b"\n" for note in [*notes[:-1], forged]))
    assert verdict(folder, held=True).problem.differs == "root"


def test_a_rewritten_record_with_all_its_hashes_is_caught_by_the_signature(folder):
    """Who holds the database, but not the key, mends the tree after changing a record."""
    database = sqlite3.connect(folder / "hub.db")
    (leaf,) = database.execute("SELECT leaf FROM events WHERE place = 8").fetchone()
    event = decode_leaf(leaf)
    forged = encode_leaf(
        Event(event.id, event.at, "message.rejected", event.subject, event.data), b"\x00" * 16
    )
    database.execute("UPDATE events SET leaf = ?, kind = 'message.rejected' WHERE place = 8", (forged,))
    leaves = [row[0] for row in database.execute("SELECT leaf FROM events ORDER BY place")]
    nodes = merkle.Frontier().extend(map(merkle.leaf_hash, leaves))
    database.executemany(
        "UPDATE log_nodes SET hash = ? WHERE level = ? AND place = ?",
        [(value, *node) for node, value in nodes.items()],
    )
    database.commit()
    database.close()
    result = verdict(folder)
    assert result.problem is not None
    assert (result.problem.code, result.problem.index) == ("checkpoint-bad", 14)
    assert (result.signed, result.checkpoints) == (5, 1)  # up to here it is right, so the lie is in 5 to 13
    store = SqliteStore(folder / "hub.db")
    with pytest.raises(RolledBack):
        Sequencer(store, FakeClock(), KEY, PRIVATE.sign).check()
    store.close()


def test_a_log_cut_to_an_earlier_size_is_caught_by_its_checkpoints(folder):
    tamper(
        folder,
        "DELETE FROM events WHERE place >= 40",
        "UPDATE log_head SET size = 40",
        "DELETE FROM log_nodes WHERE ((place + 1) << level) > 40",
    )
    result = verdict(folder)
    assert result.problem is not None
    assert (result.problem.code, result.verified) == ("log-truncated", 40)
    tamper(folder, "DELETE FROM checkpoints WHERE size > 40")
    assert verdict(folder).ok
    assert verdict(folder, held=True).problem.code == "log-truncated"


def test_a_log_that_grows_meanwhile_is_right(folder):
    store = SqliteStore(folder / "hub.db")
    clock, held = FakeClock(1_800_000_000_000_000), HeldCheckpoints(folder / "checkpoints")
    one = Sequencer(store, clock, KEY, PRIVATE.sign, held=held)

    def grow(done: int, total: int) -> None:
        write_events(store, 3, clock, seed=1000 + done)
        one.seal()
        one.checkpoint()

    result = verify_log(store, [KEY], grow, held=held)
    assert (result.problem, result.size) == (None, SIZE)
    assert verify_log(store, [KEY], held=held).size > SIZE
    store.close()


def test_a_head_that_is_signed_meanwhile_is_not_missed(folder):
    store = SqliteStore(folder / "hub.db")
    clock, held = FakeClock(1_800_000_000_000_000), HeldCheckpoints(folder / "checkpoints")
    one = Sequencer(store, clock, KEY, PRIVATE.sign, held=held)
    write_events(store, 3, clock, seed=1000)
    one.seal()

    def notes():
        yield from list(held)
        # All that the database had was read by then.
        one.checkpoint()
        yield held.newest()

    result = verify_log(store, [KEY], held=notes())
    store.close()
    assert (result.problem, result.signed) == (None, SIZE + 3)


@pytest.mark.parametrize("batch", [2, 3, 5])
def test_any_batch_gives_the_same_verdict(folder, monkeypatch, batch):
    whole = verdict(folder, held=True)
    monkeypatch.setattr(verify, "_BATCH", batch)
    assert verdict(folder, held=True) == whole
    tamper(folder, "INSERT INTO checkpoints SELECT size, root, note, at + 1 FROM checkpoints WHERE size = 26")
    assert verdict(folder).checkpoints == whole.checkpoints + 1
    tamper(folder, "UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 3 AND place = 2")
    assert verdict(folder).problem.index == 16


def test_memory_stays_flat(tmp_path):
    store = SqliteStore(tmp_path / "hub.db")
    store.migrate()
    clock = FakeClock()
    one = Sequencer(store, clock, KEY, PRIVATE.sign)
    peaks = []
    for count in (3000, 12_000):
        write_events(store, count, clock, seed=count)
        while one.seal():
            pass
        one.checkpoint()
        tracemalloc.start()
        assert verify_log(store, [KEY]).ok
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    store.close()
    assert peaks[1] < peaks[0] * 1.3


@pytest.mark.peer("postgresql")
def test_changes_in_postgresql_are_found_too(postgres):
    url = postgres.new_database()
    store = PostgresStore(url, node="n1", password=None)
    store.migrate()
    clock = FakeClock()
    one = Sequencer(store, clock, KEY, PRIVATE.sign)
    for seed, count in enumerate(STEPS):
        write_events(store, count, clock, seed=seed)
        one.seal()
        one.checkpoint()
    found = []
    tables = ("events", "log_nodes", "log_head", "checkpoints")
    with psycopg.connect(url, autocommit=True) as database:
        for table in tables:
            database.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        for statement in (
            "SELECT 1",
            "UPDATE events SET kind = 'x' WHERE place = 7",
            "UPDATE events SET leaf = leaf || '\\x20' WHERE place = 7",
            "DELETE FROM events WHERE place = 7",
            "UPDATE log_nodes SET hash = sha256(hash) WHERE level = 2 AND place = 3",
            "DELETE FROM log_nodes WHERE level = 0 AND place = 7",
            "UPDATE log_head SET size = size - 1",
            "UPDATE checkpoints SET root = sha256(root) WHERE size = 26",
            "UPDATE checkpoints SET note = note || '\\x0a' WHERE size = 26",
        ):
            database.execute(statement)
            problem = verify_log(store, [KEY]).problem
            found.append((problem.code, problem.index, problem.differs) if problem else None)
            for table in tables:
                database.execute(f"DELETE FROM {table}")
                database.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}")
    assert verify_log(store, [KEY]).ok
    store.close()
    assert found == [
        None,
        ("record-altered", 7, "kind"),
        ("record-altered", 7, "leaf"),
        ("record-missing", 7, "index"),
        ("tree-altered", 12, "hash"),
        ("record-altered", 7, "hash"),
        ("record-extra", 42, "index"),
        ("checkpoint-bad", 26, "root"),
        ("checkpoint-bad", 26, "note"),
    ]


class TestStates:
    def message(self, number: int, state: MessageState) -> Message:
        return Message(
            MessageId(f"m3-{number}"),
            Direction.IN,
            PartnerId("birch"),
            "as2",
            f"<{number}@birch>",
            state,
            Instant(1),
            Instant(1),
        )

    def test_rows_are_held_against_their_last_record(self, tmp_path):
        store = SqliteStore(tmp_path / "hub.db")
        store.migrate()
        clock = FakeClock()
        count = 450
        for number in range(count):
            store.write(lambda tx, n=number: tx.add_message(self.message(n, MessageState.DELIVERED)))
        write_events(store, count, clock, seed=3, kind="message.accepted")
        write_events(store, count - 1, clock, seed=3, kind="message.delivered")
        write_events(store, count, clock, seed=3, kind="message.receipt-kept")
        problems = list(verify_states(store))
        assert [(problem.code, problem.differs) for problem in problems] == [("state-differs", "state")]
        assert f"m3-{count - 1}" in problems[0].cause
        sequencer = Sequencer(store, clock, KEY, PRIVATE.sign)
        while sequencer.seal():
            pass
        store.close()
        # Who turns the order of the rows round does not turn the order of the tree.
        tamper(tmp_path, "UPDATE events SET seq = -seq")
        store = SqliteStore(tmp_path / "hub.db")
        assert len(list(verify_states(store))) == 1
        store.write(lambda tx: tx.add_message(self.message(count, MessageState.ACCEPTED)))
        assert [problem.code for problem in verify_states(store)][:1] == ["state-unrecorded"]
        store.close()
