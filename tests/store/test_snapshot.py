"""Snapshots: of one moment, while others write; back into an empty database, the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.postgres import PostgresServer

from ecluse.model.basics import Instant
from ecluse.model.nouns import BlobRow
from ecluse.store.open import load_snapshot, open_store
from ecluse.store.port import Store, StoreUnavailable
from ecluse.store.snapshot import BadSnapshot, DatabaseNotEmpty, cut_rows

NOW = Instant(1_790_000_000_000_000)


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=50))
def test_rows_come_back(rows: list[bytes]) -> None:
    assert b"".join(cut_rows(rows)) == b"".join(rows)


def test_a_row_that_comes_between_moves_few_cuts() -> None:
    rows = [os.urandom(200) for _ in range(20_000)]
    before = set(cut_rows(rows))
    after = set(cut_rows([*rows[:9000], b"between", *rows[9000:]]))
    assert len(before) > 15
    assert len(after - before) <= 3


def other(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if url.startswith("sqlite:"):
        return f"sqlite:{tmp_path}/other.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def put(store: Store, number: int, size: int = 100) -> None:
    id = f"b{number:026}"
    row = BlobRow(id, size, bytes(32), b"x" * size if size < 1000 else None, NOW)
    store.write(lambda tx: tx.add_blob(row, bytes([number % 256]) * 40))


def test_it_comes_back(store: Store, url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for number in range(20):
        put(store, number, 100 if number % 2 else 5000)
    store.write(lambda tx: tx.append_event("e1", "k", "s", NOW, b"leaf"))
    target = other(url, tmp_path, request)
    with store.snapshot() as taken:
        put(store, 99)  # afterwards
        assert [id for id, _ in taken.placed()] == [f"b{number:026}" for number in range(0, 20, 2)]
        assert len(taken.view.blobs_before("", 100)) == 20
        streams = [(name, list(chunks)) for name, chunks in taken.streams()]
        kind = taken.kind
    load_snapshot(target, kind, [(name, lambda chunks=chunks: iter(chunks)) for name, chunks in streams])  # type: ignore[misc]
    again = open_store(target, node="again")
    try:
        assert again.pending_migrations() == []
        assert len(again.read(lambda view: view.blobs_before("", 100))) == 20
        assert again.read(lambda view: view.keys_from("", 100)) == [], "keys are in no snapshot"
        again.write(lambda tx: tx.put_keys({f"b{3:026}": bytes(40)}))
        assert again.read(lambda view: view.blob_key(f"b{3:026}")) == bytes(40)
        assert [leaf for _, leaf in again.read(lambda view: view.unsealed(10))] == [b"leaf"]
        # Numbers that the database gives go on behind those that are taken.
        again.write(lambda tx: tx.append_event("e2", "k", "s", NOW, b"next"))
        assert [leaf for _, leaf in again.read(lambda view: view.unsealed(10))] == [b"leaf", b"next"]
    finally:
        again.close()
    with pytest.raises(DatabaseNotEmpty):
        load_snapshot(target, kind, [(name, lambda chunks=chunks: iter(chunks)) for name, chunks in streams])  # type: ignore[misc]
    assert not list(tmp_path.glob(".*part*"))


def test_keys_come_page_by_page(store: Store) -> None:
    for number in range(5):
        put(store, number)
    first = store.read(lambda view: view.keys_from("", 3))
    assert [id for id, _ in first] == [f"b{number:026}" for number in range(3)]
    rest = store.read(lambda view: view.keys_from(first[-1][0], 3))
    assert [id for id, _ in rest] == [f"b{number:026}" for number in (3, 4)]


def test_writers_do_not_wait_and_do_not_make_it_begin_anew(store: Store) -> None:
    for number in range(50):
        put(store, number, 900)
    stop = threading.Event()
    written = []

    def write() -> None:
        number = 1000
        while not stop.is_set():
            put(store, number)
            written.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with store.snapshot() as taken:
                count = len(taken.view.blobs_before("", 100_000))
                before = len(written)
                for _, chunks in taken.streams():
                    for _ in chunks:
                        pass
                assert len(taken.view.blobs_before("", 100_000)) == count
                assert len(written) >= before
    finally:
        stop.set()
        writer.join()
    assert written


def test_garbage_is_no_snapshot(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    target = other(url, tmp_path, request)
    kind = target.partition(":")[0]
    name = "database" if kind == "sqlite" else "schema"
    for streams in ([], [(name, lambda: iter([b"garbage" * 1000]))], [("else", lambda: iter([]))]):
        with pytest.raises((BadSnapshot, StoreUnavailable)):
            load_snapshot(target, kind, streams)
        if kind == "sqlite":
            for file in tmp_path.glob("other*.db"):
                file.unlink()
    with pytest.raises(BadSnapshot):
        load_snapshot(target, "sqlite" if kind != "sqlite" else "postgresql", [])
