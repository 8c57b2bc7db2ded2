"""The log: records, seals, proofs and verification, each beside the bare work that can't be spared."""

from __future__ import annotations

import json
import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from benchmarks.hubs import place
from benchmarks.limits import Row, row
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ecluse.evidence.proof import check_proof, prove
from ecluse.evidence.record import record
from ecluse.evidence.sequencer import BATCH, Sequencer
from ecluse.evidence.verify import verify_log
from ecluse.model.basics import system_clock, system_entropy
from ecluse.store.port import Store, Tx
from ecluse.store.sqlite import SqliteStore
from ecluse.wire.tlog.note import NoteKey

PRIVATE = Ed25519PrivateKey.generate()
KEY = NoteKey.of("hub.aster.example/log", PRIVATE.public_key())
DATA = {
    "partner": "birch",
    "protocol_id": "<20260101.1234@birch.example>",
    "mic": "ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=",
    "algorithms": {"sign": "sha-256", "encrypt": "aes256-gcm"},
    "size": 10_240,
}


def seconds(work: Callable[[], object], times: int) -> float:
    """The best of three, of one."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - start) / times)
    return best


class Nowhere:
    """Takes events and forgets them."""

    def append_event(self, *values: object) -> None:
        pass


def write_records(store: Store, count: int) -> None:
    def work(tx: Tx) -> None:
        for _ in range(min(count, 5000)):
            record(
                tx,
                kind="message.accepted",
                subject=f"m{secrets.token_hex(12)}",
                at=system_clock(),
                data=DATA,
                entropy=system_entropy,
            )

    for _ in range(0, count, 5000):
        store.write(work)


def bare_seal(path: Path, count: int) -> float:
    """Rows and nodes a second in plain SQLite with the same durability, without any hashing."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE e (seq INTEGER PRIMARY KEY, leaf BLOB, place INTEGER);"
        "CREATE TABLE n (level INTEGER, place INTEGER, hash BLOB, PRIMARY KEY (level, place)) WITHOUT ROWID;"
    )
    database.execute("BEGIN")
    database.executemany("INSERT INTO e VALUES (?, ?, NULL)", ((seq, b"x" * 430) for seq in range(count)))
    database.execute("COMMIT")
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "UPDATE e SET place = ? WHERE seq = ?", ((s, s) for s in range(first, first + BATCH))
        )
        for level in (0, 1):
            rows = ((level, place, b"h" * 32) for place in range(first >> level, (first + BATCH) >> level))
            database.executemany("INSERT INTO n VALUES (?, ?, ?)", rows)
        database.execute("COMMIT")
    elapsed = time.perf_counter() - start
    database.close()
    return count / elapsed


def bare_verify(path: Path) -> float:
    """Seconds a record for reading rows and nodes once and hashing each twice."""
    database = sqlite3.connect(path)
    start = time.perf_counter()
    count = 0
    for (leaf,) in database.execute("SELECT leaf FROM events ORDER BY place"):
        sha256(b"\0" + leaf).digest()
        sha256(leaf[:65]).digest()
        count += 1
    for _ in database.execute("SELECT level, place, hash FROM log_nodes"):
        pass
    elapsed = time.perf_counter() - start
    database.close()
    return elapsed / count


def run(count: int = 100_000) -> list[Row]:
    """Figures of a log of ``count`` records."""
    tx = Nowhere()
    now = system_clock()
    one = seconds(
        lambda: record(tx, kind="message.accepted", subject="m1", at=now, data=DATA, entropy=system_entropy),  # type: ignore[arg-type]
        20_000,
    )
    bare = seconds(lambda: (json.dumps(DATA), os.urandom(16), os.urandom(10)), 20_000)
    figures = [row("evidence.record", one * 1e6, "us", bare * 1e6, "JSON and random octets alone")]
    with place() as folder:
        path = folder / "hub.db"
        store = SqliteStore(path)
        store.migrate()
        write_records(store, count)
        sequencer = Sequencer(store, system_clock, KEY, PRIVATE.sign)
        start = time.perf_counter()
        while sequencer.seal():
            pass
        rate = count / (time.perf_counter() - start)
        figures.append(
            row(
                "evidence.seal",
                rate,
                "events/s",
                bare_seal(folder / "bare.db", count),
                "the same rows in plain SQLite, without hashing",
            )
        )
        start = time.perf_counter()
        sequencer.checkpoint()
        signing = time.perf_counter() - start
        figures.append(
            row(
                "evidence.checkpoint",
                signing * 1e6,
                "us",
                seconds(lambda: PRIVATE.sign(b"x" * 90), 500) * 1e6,
                "a signature alone",
            )
        )
        places = random.Random(1)
        text = prove(store, 0)
        proving = seconds(lambda: prove(store, places.randrange(count)), 500)
        reading = seconds(lambda: store.read(lambda view: view.events_from(places.randrange(count), 1)), 500)
        figures.append(
            row("evidence.prove", proving * 1e6, "us", reading * 1e6, f"reading one of {count:,} records")
        )
        leaf = store.read(lambda view: view.events_from(0, 1))[0].leaf
        checking = seconds(lambda: check_proof(text, leaf, [KEY]), 500)
        public, signature = PRIVATE.public_key(), PRIVATE.sign(b"x")
        verifying = seconds(lambda: public.verify(signature, b"x"), 500)
        figures.append(
            row("evidence.check", checking * 1e6, "us", verifying * 1e6, "the check of a signature alone")
        )
        start = time.perf_counter()
        verdict = verify_log(store, [KEY])
        each = (time.perf_counter() - start) / count
        if not verdict.ok:
            raise RuntimeError(str(verdict.problem))
        store.close()
        figures.append(
            row(
                "evidence.verify",
                each * 1e6,
                "us",
                bare_verify(path) * 1e6,
                "reading and hashing each record twice",
            )
        )
    return figures
