"""The log's upper floors: both signatures, cosignatures, sealing on both databases, proofs of a large log, a verify.

``ECLUSE_BENCH_RECORDS`` is the size of the log that is verified (a million by default), ``ECLUSE_BENCH_TREE`` that of
the tree that is proven from (ten million): its nodes are made directly, as what sealing leaves behind.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from benchmarks.evidence import DATA, PRIVATE, seconds, write_records
from benchmarks.hubs import place
from benchmarks.limits import Row, row
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from tests.support.postgres import PostgresServer, postgres_binaries

from ecluse.evidence.proof import check_proof, prove
from ecluse.evidence.record import record
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.verify import verify_log
from ecluse.evidence.witness.service import Witness
from ecluse.model.basics import system_clock, system_entropy
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import Store
from ecluse.store.postgres import PostgresStore
from ecluse.store.sqlite import SqliteStore
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, sign_checkpoint
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import NoteKey
from ecluse.wire.tlog.witness import AddCheckpoint

ORIGIN = "hub.aster.example/log"
LATTICE = MLDSA44PrivateKey.generate()
KEY = LogKey(
    NoteKey.of(ORIGIN, PRIVATE.public_key()),
    CosignerKey(ORIGIN, "ml-dsa-44", LATTICE.public_key().public_bytes_raw()),
)
SEALED_LIMIT = 16_000
"""Events a second: the lower of the two figures that the log was chosen by, on SQLite with every fsync made."""
PROOF_LIMIT = 5000
"""Microseconds."""


def signing() -> list[Row]:
    """What the second signature costs, and a cosignature."""
    head = TreeHead(ORIGIN, 1_000_000, b"\7" * 32)
    one = seconds(lambda: sign_checkpoint(head, LogKey(KEY.ed25519), PRIVATE.sign, None, 1), 500)
    both = seconds(lambda: sign_checkpoint(head, KEY, PRIVATE.sign, LATTICE.sign, 1), 100)
    note = sign_checkpoint(head, KEY, PRIVATE.sign, LATTICE.sign, 1)
    opened = seconds(lambda: open_checkpoint(note, [KEY]), 300)
    single = seconds(lambda: open_checkpoint(note, [KEY.ed25519]), 300)
    return [
        row(
            "witness.hybrid-sign",
            both * 1e6,
            "us",
            one * 1e6,
            f"Ed25519 alone; the note has {len(note):,} octets",
        ),
        row("witness.hybrid-check", opened * 1e6, "us", single * 1e6, "Ed25519 alone"),
    ]


def cosigning(folder: Path) -> Row:
    """One request to a witness on SQLite: two signatures checked, a proof, a durable write, two signatures made."""
    store = SqliteStore(folder / "witness.db")
    store.migrate()
    name = "hub.birch.example/witness"
    signers = [
        (CosignerKey(name, "ed25519", PRIVATE.public_key().public_bytes_raw()), PRIVATE.sign),
        (CosignerKey(name, "ml-dsa-44", LATTICE.public_key().public_bytes_raw()), LATTICE.sign),
    ]
    witness = Witness(store, system_clock, signers, lambda: [KEY], lambda *told: None)
    tree, nodes, requests = merkle.Frontier(), {}, []
    for size in range(1, 301):
        nodes.update(tree.extend([sha256(str(size).encode()).digest()]))
        note = sign_checkpoint(TreeHead(ORIGIN, size, tree.root()), KEY, PRIVATE.sign, LATTICE.sign, 1)
        proof = merkle.consistency_proof(size - 1, size, nodes)
        requests.append(AddCheckpoint(size - 1, tuple(proof), note).encode())
    start = time.perf_counter()
    for body in requests:
        if witness.add_checkpoint(body).status != 200:
            raise RuntimeError("the witness refuses")
    each = (time.perf_counter() - start) / len(requests)
    store.close()
    bare = seconds(lambda: (PRIVATE.sign(b"x" * 90), LATTICE.sign(b"x" * 150)), 100)
    return row("witness.cosign", each * 1e6, "us", bare * 1e6, "the two signatures alone")


def sealing(store: Store, name: str, count: int) -> Row:
    """Events a second into the tree, with both signatures at the end."""
    write_records(store, count)
    sequencer = Sequencer(store, system_clock, KEY, PRIVATE.sign, sign_ml_dsa=LATTICE.sign)
    start = time.perf_counter()
    while sequencer.seal():
        pass
    sequencer.checkpoint()
    rate = count / (time.perf_counter() - start)
    return row(
        f"witness.seal-{name}", rate, "events/s", SEALED_LIMIT, "the figure that the log was chosen by"
    )


def large_tree(path: Path, size: int) -> None:
    """The nodes of a tree of ``size`` leaves, with a few records in it, as sealing would have left them."""
    store = SqliteStore(path)
    store.migrate()
    wanted = sorted(random.Random(1).sample(range(size), 200))
    store.write(
        lambda tx: [
            record(
                tx,
                kind="message.accepted",
                subject=f"m{number}",
                at=system_clock(),
                data=DATA,
                entropy=system_entropy,
            )
            for number in range(len(wanted))
        ]
    )
    leaves = dict(
        zip(wanted, (leaf for _, leaf in store.read(lambda view: view.unsealed(len(wanted)))), strict=True)
    )
    store.close()
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    for seq, index in enumerate(wanted, 1):
        base.execute("UPDATE events SET place = ? WHERE seq = ?", (index, seq))
    hashes: list[bytes] | Iterator[bytes]
    hashes = [
        merkle.leaf_hash(leaves[index]) if index in leaves else sha256(index.to_bytes(8, "big")).digest()
        for index in range(size)
    ]
    level = 0
    while hashes:
        rows = ((level, number, value) for number, value in enumerate(hashes))
        base.executemany("INSERT INTO log_nodes (level, place, hash) VALUES (?, ?, ?)", rows)
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        hashes = [sha256(b"\1" + left + right).digest() for left, right in pairs]
        level += 1
    base.execute("UPDATE log_head SET size = ?", (size,))
    base.execute("COMMIT")
    base.close()


def proving(folder: Path, size: int) -> list[Row]:
    """A proof from a large log, made and checked."""
    path = folder / "large.db"
    large_tree(path, size)
    store = SqliteStore(path)
    head = store.read(
        lambda view: TreeHead(ORIGIN, size, merkle.root(size, view.log_nodes(merkle.cover(0, size))))
    )
    note = sign_checkpoint(head, KEY, PRIVATE.sign, LATTICE.sign, 1)
    store.write(lambda tx: tx.add_checkpoint(Checkpoint(size, head.root, note, system_clock())))
    indexes = [each.index for each in store.read(lambda view: view.events_from(0, 200))]
    times = []
    for index in indexes:
        start = time.perf_counter()
        text = prove(store, index or 0, with_record=True)
        times.append(time.perf_counter() - start)
    times.sort()
    check_proof(text, None, [KEY])
    old = size // 3
    start = time.perf_counter()
    proof = store.read(
        lambda view: merkle.consistency_proof(old, size, view.log_nodes(merkle.consistency_nodes(old, size)))
    )
    consistency = time.perf_counter() - start
    store.close()
    words = f"the goal; of {size:,} events, {len(times)} at random"
    slow = times[len(times) * 95 // 100]
    return [
        row(
            "witness.prove-large",
            times[len(times) // 2] * 1e6,
            "us",
            PROOF_LIMIT,
            f"{words}, the median",
            1.0,
        ),
        row("witness.prove-large-slow", slow * 1e6, "us", PROOF_LIMIT, f"{words}, 19 of 20 are faster", 1.0),
        row(
            "witness.consistency", consistency * 1e6, "us", PROOF_LIMIT, f"the goal; {len(proof)} hashes", 1.0
        ),
    ]


def verifying(folder: Path, count: int) -> list[Row]:
    """A whole verify: wall time, and CPU time a record."""
    store = SqliteStore(folder / "whole.db")
    store.migrate()
    write_records(store, count)
    sequencer = Sequencer(store, system_clock, KEY, PRIVATE.sign, sign_ml_dsa=LATTICE.sign)
    while sequencer.seal():
        pass
    sequencer.checkpoint()
    start, cpu = time.perf_counter(), time.process_time()
    verdict = verify_log(store, [KEY])
    elapsed, spent = time.perf_counter() - start, time.process_time() - cpu
    if not verdict.ok:
        raise RuntimeError(str(verdict.problem))
    store.close()
    bare = seconds(lambda: (sha256(b"x" * 430).digest(), sha256(b"x" * 65).digest()), 20_000)
    return [
        row("witness.verify", elapsed, "s", count * bare, f"hashing {count:,} records and nodes alone"),
        row("witness.verify-cpu", spent / count * 1e6, "us", bare * 1e6, "hashing a record and a node alone"),
    ]


def run() -> list[Row]:
    """All figures."""
    figures = signing()
    with place() as folder:
        figures.append(cosigning(folder))
        store: Store = SqliteStore(folder / "seal.db")
        store.migrate()
        figures.append(sealing(store, "sqlite", 100_000))
        store.close()
        if postgres_binaries() is not None:
            with PostgresServer() as server:
                store = PostgresStore(server.new_database(), node="n1", password=None)
                store.migrate()
                figures.append(sealing(store, "postgres", 50_000))
                store.close()
        figures += verifying(folder, int(os.environ.get("ECLUSE_BENCH_RECORDS", "1000000")))
        figures += proving(folder, int(os.environ.get("ECLUSE_BENCH_TREE", "10000000")))
    return figures
