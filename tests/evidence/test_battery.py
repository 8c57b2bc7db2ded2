"""The tamper battery of the database, the blobs and the tiles.

Somebody has the disk and no keys: each class of octets that evidence or documents depend on is altered, deleted,
reordered, replayed, truncated or swapped between messages, and `ecluse log verify` or `ecluse doctor` names it.
Somebody has the log's signing key too and writes the whole log anew: its witnesses notice. What can't be noticed stands
here with why; docs/how-to/when-the-log-breaks.md tells the same to operators.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.logs import FakeClock, write_events
from tests.support.tampering import Disk, TamperedHub, Tampering
from tests.support.witnesses import FakeLog, FakeWitness

from ecluse.evidence.errors import RolledBack
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.witness.check import verify_cosignatures
from ecluse.evidence.witness.service import witnessed
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import open_checkpoint
from ecluse.wire.tlog.errors import BadProof
from ecluse.wire.tlog.tiles import tiles_of, verify_tiles
from ecluse.wire.tlog.witness import AddCheckpoint


def flip(data: bytes, place: int = -1) -> bytes:
    """One bit of one octet."""
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def alter(table: str, column: str, where: str = "1", value: object = None) -> Callable[[Disk], None]:
    """Alter one column of one row: another value, or one bit."""

    def work(disk: Disk) -> None:
        row, before = disk.one(f"SELECT rowid, {column} FROM {table} WHERE {where} LIMIT 1")
        after = value if value is not None else flip(before) if isinstance(before, bytes) else None
        if after is None:
            after = before + 1 if isinstance(before, int) else f"{before}x"
        disk.run(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", after, row)

    return work


def alter_keyed(table: str, key: str, column: str, where: str = "1") -> Callable[[Disk], None]:
    """The same for a table without row ids."""

    def work(disk: Disk) -> None:
        row, before = disk.one(f"SELECT {key}, {column} FROM {table} WHERE {where} LIMIT 1")
        after = flip(before) if isinstance(before, bytes) else f"{before}x"
        disk.run(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", after, row)

    return work


def delete(table: str, where: str = "1", key: str = "rowid") -> Callable[[Disk], None]:
    return lambda disk: disk.run(
        f"DELETE FROM {table} WHERE {key} = (SELECT {key} FROM {table} WHERE {where} ORDER BY {key} DESC LIMIT 1)"
    )


def swap(table: str, key: str, column: str, where: str = "1") -> Callable[[Disk], None]:
    return lambda disk: disk.swap(table, key, column, where)


def truncate_log(disk: Disk) -> None:
    """The newest ten records go, as if they had never been: the rows, the hashes, the checkpoints."""
    (size,) = disk.one("SELECT size FROM log_head")
    assert isinstance(size, int)
    new = size - 10
    disk.run("DELETE FROM events WHERE place >= ?", new)
    for level in range(20):
        disk.base.execute("DELETE FROM log_nodes WHERE level = ? AND place >= ?", (level, new >> level))
    disk.run("DELETE FROM checkpoints WHERE size > ?", new)
    disk.run("UPDATE log_head SET size = ?", new)


def rewrite_log(disk: Disk) -> None:
    """One record is altered, and every hash above it is made again: all fits but the signatures."""
    place, leaf = disk.one("SELECT place, leaf FROM events WHERE kind = 'message.delivered' LIMIT 1")
    assert isinstance(leaf, bytes)
    disk.run(
        "UPDATE events SET leaf = ? WHERE place = ?",
        leaf.replace(b'"deliveries":1', b'"deliveries":2'),
        place,
    )
    leaves = [
        bytes(row[0]) for row in disk.all("SELECT leaf FROM events WHERE place IS NOT NULL ORDER BY place")
    ]  # type: ignore[arg-type]
    for (level, index), value in merkle.Frontier().extend(map(merkle.leaf_hash, leaves)).items():
        disk.base.execute(
            "UPDATE log_nodes SET hash = ? WHERE level = ? AND place = ?", (value, level, index)
        )


def replay_leaf(disk: Disk) -> None:
    """One record takes the place of another."""
    first, second = disk.all("SELECT place, leaf FROM events WHERE place IS NOT NULL ORDER BY place LIMIT 2")
    disk.run("UPDATE events SET leaf = ? WHERE place = ?", first[1], second[0])


def swap_places(disk: Disk) -> None:
    first, second = disk.all("SELECT seq, place FROM events WHERE place IS NOT NULL ORDER BY place LIMIT 2")
    disk.run("UPDATE events SET place = -1 WHERE seq = ?", first[0])
    disk.run("UPDATE events SET place = ? WHERE seq = ?", first[1], second[0])
    disk.run("UPDATE events SET place = ? WHERE seq = ?", second[1], first[0])


def swap_parts(disk: Disk) -> None:
    disk.swap("messages", "id", "parts", "direction = 'in'")


def other_digest(disk: Disk) -> None:
    """The digest of a document, in its message's row."""
    id, parts = disk.one("SELECT id, parts FROM messages WHERE direction = 'out' LIMIT 1")
    assert isinstance(parts, bytes)
    facts = msgspec.json.decode(parts)
    facts[0]["sha256"] = "0" * 64
    disk.run("UPDATE messages SET parts = ? WHERE id = ?", msgspec.json.encode(facts), id)


def copy_receipt(disk: Disk) -> None:
    """A receipt of one message, put beside those of another."""
    first, second = disk.all("SELECT id, message FROM receipts ORDER BY id LIMIT 2")
    columns = "delivery, kind, positive, verdict, headers, body, received"
    disk.run(
        f"INSERT INTO receipts (id, message, {columns}) SELECT ?, ?, {columns} FROM receipts WHERE id = ?",
        "r" + "0" * 26, second[1], first[0],
    )  # fmt: skip


def swap_key(disk: Disk) -> None:
    (one, a), (two, b) = disk.keys.execute("SELECT id, wrapped FROM blob_keys ORDER BY id LIMIT 2").fetchall()
    disk.keys.execute("UPDATE blob_keys SET wrapped = ? WHERE id = ?", (b, one))
    disk.keys.execute("UPDATE blob_keys SET wrapped = ? WHERE id = ?", (a, two))


def alter_key(disk: Disk) -> None:
    id, wrapped = disk.keys.execute("SELECT id, wrapped FROM blob_keys LIMIT 1").fetchone()
    disk.keys.execute("UPDATE blob_keys SET wrapped = ? WHERE id = ?", (flip(wrapped), id))


def delete_key(disk: Disk) -> None:
    disk.keys.execute("DELETE FROM blob_keys WHERE id = (SELECT id FROM blob_keys LIMIT 1)")


def file(work: Callable[[Path], None], number: int = 0) -> Callable[[Disk], None]:
    return lambda disk: work(disk.blob_files()[number])


def swap_files(disk: Disk) -> None:
    first, second, *_ = disk.blob_files()
    one, two = first.read_bytes(), second.read_bytes()
    for path, data in ((first, two), (second, one)):
        path.chmod(0o600)
        path.write_bytes(data)


def write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def copy_cosignature(disk: Disk) -> None:
    """What a witness signed of one checkpoint, put in the place of another's."""
    first, second = disk.all(
        "SELECT key, body FROM records WHERE kind = 'cosignature' ORDER BY key DESC LIMIT 2"
    )
    disk.run("UPDATE records SET body = ? WHERE kind = 'cosignature' AND key = ?", second[1], first[0])


def forge_record(disk: Disk) -> None:
    """A record that nobody made, waiting for its place."""
    columns = "id, at, kind, subject"
    disk.run(
        f"INSERT INTO events ({columns}, leaf) SELECT 'e' || substr(id, 2, 25) || '0', at, kind, subject, leaf "
        "FROM events WHERE kind = 'key.used' LIMIT 1"
    )


def blank_settings(disk: Disk) -> None:
    disk.run("UPDATE settings SET value = X'31' WHERE name = 'log.verified'")


def sql(statement: str) -> Callable[[Disk], None]:
    return lambda disk: disk.run(statement)


def in_text(table: str, key: str, column: str, where: str, old: str, new: str) -> Callable[[Disk], None]:
    """Replace a piece of text in octets."""

    def work(disk: Disk) -> None:
        row, before = disk.one(f"SELECT {key}, {column} FROM {table} WHERE {where} LIMIT 1")
        assert isinstance(before, bytes)
        assert old.encode() in before
        disk.run(
            f"UPDATE {table} SET {column} = ? WHERE {key} = ?",
            before.replace(old.encode(), new.encode()),
            row,
        )

    return work


def exchange_chunks(path: Path) -> None:
    """Two sealed pieces of a blob change places: 16 KiB and a tag of 16 octets each, after a head of 72."""
    data = path.read_bytes()
    write(path, data[:72] + data[16472:32872] + data[72:16472] + data[32872:])


def first_again(data: bytes) -> bytes:
    """The first checkpoint of the file, at its end."""
    return data + data[: data.index(b"\n\n", data.index(b"\n\n") + 2) + 2]


def held(work: Callable[[bytes], bytes]) -> Callable[[Disk], None]:
    return lambda disk: write(disk.held, work(disk.held.read_bytes()))


IN, OUT = "direction = 'in'", "direction = 'out'"
NEWEST = "size = (SELECT max(size) FROM checkpoints)"
OLDEST = "size = (SELECT min(size) FROM checkpoints)"
INLINE = "inline IS NOT NULL"
PLACE = "level * 1000 + place"
ONE_DELIVERY = "(SELECT id FROM deliveries LIMIT 1)"
COSIGNED = "kind = 'cosignature'"
PRESENTED = "It is what people see of a document, and no part of what was exchanged: no record has it."
CUT = "A file that is cut is one that was kept earlier; the next checkpoint goes on from there."
TIMES = "No record has the time of the row's own writing; the record has its own."
NEW = "What waits for its place in the tree is signed by nobody yet: who writes into the database is the hub there."

DISK: tuple[Tampering, ...] = (
    Tampering("events.leaf", "altered", alter("events", "leaf"), "record-altered"),
    Tampering("events.leaf", "replayed", replay_leaf, "record-altered"),
    Tampering("events.leaf", "swapped", swap("events", "seq", "leaf"), "record-altered"),
    Tampering("events.leaf", "truncated", alter("events", "leaf", value=b"{"), "record-altered"),
    Tampering("events.id", "altered", alter("events", "id"), "record-altered"),
    Tampering("events.at", "altered", alter("events", "at"), "record-altered"),
    Tampering("events.kind", "altered", alter("events", "kind"), "record-altered"),
    Tampering("events.subject", "altered", alter("events", "subject"), "record-altered"),
    Tampering("events.beside", "altered", alter("events", "beside", "beside IS NOT NULL"), "value-altered"),
    Tampering("events.place", "reordered", swap_places, "record-altered"),
    Tampering("events", "deleted", delete("events", "place = 5"), "record-missing"),
    Tampering("events", "truncated", truncate_log, "log-truncated"),
    Tampering("events, log_nodes", "altered", rewrite_log, "checkpoint-bad"),
    Tampering("events", "added", forge_record, "", NEW),
    Tampering(
        "log_nodes.hash", "altered", alter_keyed("log_nodes", PLACE, "hash", "level = 0"), "record-altered"
    ),
    Tampering(
        "log_nodes.hash",
        "altered above",
        alter_keyed("log_nodes", PLACE, "hash", "level = 3"),
        "tree-altered",
    ),
    Tampering("log_nodes.hash", "swapped", swap("log_nodes", PLACE, "hash", "level = 1"), "tree-altered"),
    Tampering(
        "log_nodes", "deleted", sql("DELETE FROM log_nodes WHERE level = 2 AND place = 1"), "tree-altered"
    ),
    Tampering("log_head.size", "altered", alter("log_head", "size"), "record-missing"),
    Tampering("log_head.size", "truncated", sql("UPDATE log_head SET size = size - 3"), "record-extra"),
    Tampering(
        "checkpoints.note", "altered", alter_keyed("checkpoints", "size", "note", NEWEST), "checkpoint-bad"
    ),
    Tampering("checkpoints.note", "swapped", swap("checkpoints", "size", "note"), "checkpoint-bad"),
    Tampering(
        "checkpoints.note",
        "truncated",
        sql(f"UPDATE checkpoints SET note = substr(note, 1, 300) WHERE {NEWEST}"),
        "checkpoint-bad",
    ),
    Tampering(
        "checkpoints.root", "altered", alter_keyed("checkpoints", "size", "root", OLDEST), "checkpoint-bad"
    ),
    Tampering(
        "checkpoints.at",
        "altered",
        sql(f"UPDATE checkpoints SET at = at - 86400000000 WHERE {NEWEST}"),
        "checkpoint-bad",
    ),
    Tampering("checkpoints", "deleted", sql(f"DELETE FROM checkpoints WHERE {OLDEST}"), "checkpoint-bad"),
    Tampering("checkpoints", "truncated", sql(f"DELETE FROM checkpoints WHERE {NEWEST}"), "checkpoint-bad"),
    Tampering("held checkpoints", "altered", held(lambda data: flip(data, len(data) // 2)), "held-bad"),
    Tampering("held checkpoints", "deleted", lambda disk: os.unlink(disk.held), "doctor:warning"),
    Tampering("held checkpoints", "reordered", held(first_again), "checkpoint-bad"),
    Tampering("held checkpoints", "truncated", held(lambda data: data[: len(data) // 2]), "", CUT),
    Tampering("messages.state", "altered", alter("messages", "state", IN, "rejected"), "state-differs"),
    Tampering("messages.partner", "altered", alter("messages", "partner", IN), "row-differs"),
    Tampering("messages.direction", "altered", alter("messages", "direction", IN, "out"), "row-differs"),
    Tampering("messages.protocol", "altered", alter("messages", "protocol", OUT), "row-differs"),
    Tampering("messages.protocol_id", "altered", alter("messages", "protocol_id", OUT), "row-differs"),
    Tampering("messages.parts", "altered", other_digest, "row-differs"),
    Tampering("messages.parts", "swapped", swap_parts, "row-differs"),
    Tampering("messages.parts", "truncated", alter("messages", "parts", IN, b"[]"), "row-differs"),
    Tampering("messages.wire", "swapped", swap("messages", "id", "wire", OUT), "row-differs"),
    Tampering("messages.wire", "altered", alter("messages", "wire", IN, b"{}"), "row-differs"),
    Tampering("messages.wire_blob", "swapped", swap("messages", "id", "wire_blob", OUT), "blob-altered"),
    Tampering(
        "messages.wire_blob", "swapped, inbound", swap("messages", "id", "wire_blob", IN), "bytes-altered"
    ),
    Tampering("messages.shredded", "altered", alter("messages", "shredded", IN, 1), "shredding-unrecorded"),
    Tampering("messages", "deleted", delete("messages", OUT), "message-missing"),
    Tampering("messages.subject", "altered", alter("messages", "subject"), "", PRESENTED),
    Tampering("messages.reason", "altered", alter("messages", "reason"), "", PRESENTED),
    Tampering("messages.updated", "altered", alter("messages", "updated"), "", TIMES),
    Tampering(
        "deliveries.state",
        "altered",
        sql(f"UPDATE deliveries SET state = 'given-up' WHERE id = {ONE_DELIVERY}"),
        "delivery-differs",
    ),
    Tampering("deliveries.message", "swapped", swap("deliveries", "id", "message"), "delivery-missing"),
    Tampering(
        "deliveries", "deleted", sql(f"DELETE FROM deliveries WHERE id = {ONE_DELIVERY}"), "delivery-missing"
    ),
    Tampering("receipts.body", "altered", alter("receipts", "body"), "receipt-altered"),
    Tampering("receipts.body", "truncated", alter("receipts", "body", value=b"x"), "receipt-altered"),
    Tampering("receipts.body", "swapped", swap("receipts", "id", "body"), "receipt-altered"),
    Tampering("receipts.headers", "altered", alter("receipts", "headers"), "receipt-altered"),
    Tampering("receipts.message", "swapped", swap("receipts", "id", "message"), "receipt-altered"),
    Tampering("receipts.positive", "altered", alter("receipts", "positive", value=0), "row-differs"),
    Tampering("receipts.verdict", "altered", alter("receipts", "verdict"), "row-differs"),
    Tampering("receipts", "deleted", delete("receipts"), "receipt-missing"),
    Tampering("receipts", "replayed", copy_receipt, "receipt-altered"),
    Tampering("receipts.received", "altered", alter("receipts", "received"), "", TIMES),
    Tampering("answers.body", "altered", alter("answers", "body"), "answer-altered"),
    Tampering("answers.body", "swapped", swap("answers", "message", "body"), "answer-altered"),
    Tampering("answers.headers", "altered", alter("answers", "headers", value=b"[]"), "answer-altered"),
    Tampering("answers.positive", "altered", alter("answers", "positive", value=0), "row-differs"),
    Tampering("answers", "deleted", delete("answers"), "answer-missing"),
    Tampering("blobs.inline", "altered", alter("blobs", "inline", INLINE), "bytes-damaged"),
    Tampering("blobs.inline", "swapped", swap("blobs", "id", "inline", INLINE), "bytes-damaged"),
    Tampering(
        "blobs.inline",
        "truncated",
        sql(
            f"UPDATE blobs SET inline = substr(inline, 1, 100) WHERE id = (SELECT id FROM blobs WHERE {INLINE})"
        ),
        "bytes-damaged",
    ),
    Tampering("blobs.sha256", "altered", alter("blobs", "sha256", "length(sha256) = 32"), "blob-altered"),
    Tampering("blobs.size", "altered", alter("blobs", "size", INLINE), "bytes-damaged"),
    Tampering("blobs", "deleted", delete("blobs"), "blob-missing"),
    Tampering(
        "blob files",
        "altered",
        file(lambda path: write(path, flip(path.read_bytes(), 40_000))),
        "bytes-damaged",
    ),
    Tampering(
        "blob files", "truncated", file(lambda path: write(path, path.read_bytes()[:50_000])), "bytes-damaged"
    ),
    Tampering("blob files", "reordered", file(exchange_chunks), "bytes-damaged"),
    Tampering("blob files", "deleted", file(lambda path: path.unlink()), "bytes-damaged"),
    Tampering("blob files", "swapped", swap_files, "bytes-damaged"),
    Tampering("blob keys", "altered", alter_key, "bytes-damaged"),
    Tampering("blob keys", "swapped", swap_key, "bytes-damaged"),
    Tampering("blob keys", "deleted", delete_key, "blob-missing"),
    Tampering(
        "cosignatures.body",
        "altered",
        in_text("records", "key", "body", COSIGNED, "A", "B"),
        "cosignature-bad",
    ),
    Tampering(
        "cosignatures.body",
        "truncated",
        sql(f"UPDATE records SET body = X'7b' WHERE {COSIGNED}"),
        "cosignature-bad",
    ),
    Tampering("cosignatures", "replayed", copy_cosignature, "cosignature-bad"),
    Tampering("cosignatures", "deleted", sql(f"DELETE FROM records WHERE {COSIGNED}"), "cosignature-missing"),
    Tampering(
        "config_versions.files",
        "altered",
        in_text("config_versions", "number", "files", "number = 2", "BIRCH", "CEDAR"),
        "version-altered",
    ),
    Tampering(
        "config_versions", "deleted", sql("DELETE FROM config_versions WHERE number = 1"), "version-missing"
    ),
    Tampering("config_versions", "swapped", swap("config_versions", "number", "files"), "version-altered"),
)
"""What somebody does who has the disk, the database and the blobs, and no key."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[TamperedHub]:
    made = TamperedHub(tmp_path_factory.mktemp("battery"))
    yield made
    made.close()


def test_the_untouched_hub_is_right(hub):
    assert hub.tamper(lambda disk: None) == set()


@pytest.mark.parametrize("case", DISK, ids=[f"{each.what} {each.how}" for each in DISK])
def test_with_the_disk_and_no_keys(hub, case):
    found = hub.tamper(case.work)
    if case.finds:
        assert case.finds in found
    else:
        assert not found, "it is found after all: say by what"


def test_the_share_is_told(hub, capsys):
    """Prints what the battery came to; every class that can't be found says why."""
    detectable = [each for each in DISK if each.finds]
    assert all(each.why for each in DISK if not each.finds)
    with capsys.disabled():
        kinds = Counter(each.finds for each in detectable)
        print(
            f"\n{len(detectable)} of {len(DISK)} alterations of a hub's disk are found and named:",
            dict(kinds),
        )
        for each in DISK:
            if not each.finds:
                print(f"  not found: {each.what} {each.how}: {each.why}")
    assert len(detectable) / len(DISK) > 0.9


# --- somebody with the log's key ----------------------------------------------------------------------------


def rebuild(log: FakeLog, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Write the whole log anew from changed records, and sign every head of it: it verifies by itself."""
    leaves = change([row.leaf for row in log.store.rows if row.index is not None])
    sizes = [head.size for head in log.store.heads if head.size <= len(leaves)]
    log.store.rows = []
    for leaf in leaves:
        event = decode_leaf(leaf)
        log.store.append_event(event.id, event.kind, event.subject, event.at, leaf)
    log.store.tree, log.store.size, log.store.heads = {}, 0, []
    log.held.path.unlink()
    log.start()
    for size in [*sizes, len(leaves)]:
        while log.store.size < size:
            log.sequencer.seal(size - log.store.size)
        log.sequencer.checkpoint()


def other(leaf: bytes) -> bytes:
    return leaf.replace(b'"partner":"birch"', b'"partner":"cedar"')


REWRITES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a record altered": lambda leaves: [*leaves[:3], other(leaves[3]), *leaves[4:]],
    "a record deleted": lambda leaves: leaves[:3] + leaves[4:],
    "records reordered": lambda leaves: [*leaves[:3], leaves[4], leaves[3], *leaves[5:]],
    "a record replayed": lambda leaves: [*leaves[:5], leaves[2], *leaves[5:]],
    "the log truncated": lambda leaves: leaves[:7],
    "a record added": lambda leaves: [*leaves[:4], other(leaves[4]), *leaves[4:]],
    "all written anew": lambda leaves: [other(leaf) for leaf in leaves],
}


class TestWithTheSigningKey:
    """They rewrite the database and the held file consistently; they have not the witnesses."""

    @pytest.fixture
    def log(self, tmp_path) -> FakeLog:
        log = FakeLog("aster.example/log", tmp_path, FakeClock())
        for count in (4, 6, 2):
            log.grow(count)
        return log

    @pytest.fixture
    def witness(self, log) -> FakeWitness:
        witness = FakeWitness("birch.example/witness", log.clock)
        witness.logs = [log.key]
        log.client(witness).submit()
        return witness

    @pytest.mark.parametrize("name", REWRITES)
    @pytest.mark.parametrize("grown", [0, 9])
    def test_the_witness_notices(self, log, witness, name, grown):
        rebuild(log, REWRITES[name])
        log.store.facts.clear()  # what the witness signed went too
        if grown:
            log.grow(grown)
        assert log.verify().ok, "by itself it is perfect"
        with pytest.raises(RolledBack):
            log.client(witness).look()
        log.start()
        with pytest.raises(RolledBack):
            log.sequencer.checkpoint()

    @pytest.mark.parametrize("name", REWRITES)
    def test_a_cosignature_that_was_left_contradicts_too(self, log, witness, name):
        rebuild(log, REWRITES[name])
        found = [each.code for each in verify_cosignatures(log.store, witness.keys)]  # type: ignore[arg-type]
        assert found
        assert set(found) <= {"cosignature-bad", "cosignature-missing"}

    def test_the_witness_has_proof_of_a_fork(self, log, witness):
        rebuild(log, REWRITES["a record altered"])
        witness.service.add_checkpoint(AddCheckpoint(0, (), log.store.heads[-1].note).encode())
        known = witnessed(witness.store, "aster.example/log")  # type: ignore[arg-type]
        assert known is not None
        assert known.trouble == "forked"

    def test_what_no_witness_has_seen_can_be_rewritten(self, log, witness):
        """What can't be found: the end of the log after the last cosignature, in the hands of who has the key."""
        write_events(log.store, 3, log.clock, seed=99)  # type: ignore[arg-type]
        log.seal()
        log.sequencer.checkpoint()
        rebuild(log, lambda leaves: [*leaves[:12], *map(other, leaves[12:])])
        assert log.client(witness).submit() == 15
        assert log.verify().ok


# --- tiles --------------------------------------------------------------------------------------------------


class TestTiles:
    """Whoever has the tiles and a verified checkpoint finds the first tile that is not the tree's."""

    @pytest.fixture(scope="class")
    def tree(self, tmp_path_factory) -> tuple[FakeLog, dict[str, bytes]]:
        log = FakeLog("aster.example/log", tmp_path_factory.mktemp("tiles"), FakeClock())
        log.grow(600)
        files = {
            tile.path: b"".join(log.store.tree[node] for node in tile.nodes())
            for tile in tiles_of(log.store.size)
        }
        return log, files

    def test_right_tiles_are_right(self, tree):
        log, files = tree
        verify_tiles(open_checkpoint(log.store.heads[-1].note, [log.key]), files.get)

    @pytest.mark.parametrize("how", ["altered", "deleted", "truncated", "swapped", "reordered", "replayed"])
    def test_each_tile(self, tree, how):
        log, files = tree
        head = open_checkpoint(log.store.heads[-1].note, [log.key])
        paths = list(files)
        for number, path in enumerate(paths):
            changed = dict(files)
            data = files[path]
            if how == "altered":
                changed[path] = flip(data, number * 7)
            elif how == "deleted":
                del changed[path]
            elif how == "truncated":
                changed[path] = data[:-32]
            elif how == "swapped":
                changed[path], changed[paths[number - 1]] = files[paths[number - 1]], data
            elif how == "reordered":
                changed[path] = data[32:] + data[:32]
            else:
                changed[path] = data[:32] * (len(data) // 32)
            if changed == files:
                continue  # one hash has no order
            with pytest.raises(BadProof):
                verify_tiles(head, changed.get)
