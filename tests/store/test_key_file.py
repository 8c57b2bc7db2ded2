"""Keys apart: durable before their rows, gone for good with them, whatever interrupts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.support.nouns import blob
from tests.support.postgres import PostgresServer

from ecluse.store.open import open_store
from ecluse.store.port import Store, StoreUnavailable
from ecluse.store.sqlite.keys import KeyFile

KEY = b"wrapped-key-of-b1-" + b"k" * 30


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    opened.migrate()
    return opened


def kept(folder: Path) -> bool:
    """Whether any octet of the key is in any file of the folder."""
    return any(KEY in file.read_bytes() for file in folder.iterdir())


def in_main_file(folder: Path) -> bool:
    return any(KEY in file.read_bytes() for file in folder.glob("hub.db*"))


def test_a_key_never_touches_the_main_file(store: Store, tmp_path: Path) -> None:
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    store.close()
    assert kept(tmp_path)
    assert not in_main_file(tmp_path)


def test_a_dropped_key_is_in_no_file_when_the_drop_is_acknowledged(store: Store, tmp_path: Path) -> None:
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    store.write(lambda tx: tx.add_blob(blob("b2"), b"other" * 8))
    assert kept(tmp_path)
    store.write(lambda tx: tx.drop_blob("b1"))
    assert not kept(tmp_path)
    assert store.read(lambda view: view.blob_key("b2")) == b"other" * 8
    store.close()


def test_a_key_is_durable_before_its_row(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    add = KeyFile.add

    def spy(self: KeyFile, keys: dict[str, bytes]) -> None:
        add(self, keys)
        counts = []
        for name, table in (("hub-keys.db", "blob_keys"), ("hub.db", "blobs")):
            connection = sqlite3.connect(tmp_path / name)
            counts.append(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
            connection.close()
        seen.append((counts[0], counts[1]))

    monkeypatch.setattr(KeyFile, "add", spy)
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    assert seen == [(1, 0)]
    store.close()


def test_no_row_without_its_key(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: KeyFile, keys: dict[str, bytes]) -> None:
        raise StoreUnavailable("The key file is full.")

    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "add", full)
        with pytest.raises(StoreUnavailable, match="key file"):
            store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    assert store.read(lambda view: view.blob("b1")) is None
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    assert store.read(lambda view: view.blob_key("b1")) == KEY
    store.close()


def test_a_drop_that_was_interrupted_is_finished_at_the_next_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(self: KeyFile, ids: Iterable[str]) -> None:
        raise StoreUnavailable("The power went.")

    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "drop", crash)
        store.write(lambda tx: tx.drop_blob("b1"))
        store.close()
    assert kept(tmp_path)
    again = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    assert again.read(lambda view: view.blob_key("b1")) is None
    again.write(lambda tx: tx.put_setting("a", b"1"))
    assert not kept(tmp_path)
    again.close()
    connection = sqlite3.connect(tmp_path / "hub.db")
    assert connection.execute("SELECT count(*) FROM key_drops").fetchone() == (0,)
    connection.close()


def test_a_drop_that_failed_is_tried_again_after_the_next_commit(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: KeyFile, ids: Iterable[str]) -> None:
        raise StoreUnavailable("The disk is full.")

    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "drop", full)
        store.write(lambda tx: tx.drop_blob("b1"))
        assert kept(tmp_path)
    assert store.read(lambda view: view.blob_key("b1")) is None
    store.write(lambda tx: tx.put_setting("a", b"1"))
    assert not kept(tmp_path)
    store.close()


def test_a_restored_main_file_does_not_bring_a_key_back(store: Store, tmp_path: Path) -> None:
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    backup = sqlite3.connect(tmp_path / "backup.db")
    source = sqlite3.connect(tmp_path / "hub.db")
    source.backup(backup)
    source.close()
    backup.close()
    store.write(lambda tx: tx.drop_blob("b1"))
    store.close()
    for side in tmp_path.glob("hub.db*"):
        side.unlink()
    (tmp_path / "backup.db").rename(tmp_path / "hub.db")
    restored = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    assert restored.read(lambda view: (view.blob("b1"), view.blob_key("b1"))) == (blob("b1"), None)
    restored.close()


@pytest.mark.peer("postgresql")
def test_keys_have_a_schema_of_their_own(postgres_server: PostgresServer) -> None:
    store = open_store(postgres_server.new_database(), node="one")
    store.migrate()
    store.write(lambda tx: tx.add_blob(blob("b1"), KEY))
    with store._connector.connect() as connection:  # type: ignore[attr-defined]
        where = connection.execute(
            "SELECT schemaname FROM pg_tables WHERE tablename IN ('blob_keys', 'blobs') ORDER BY tablename"
        ).fetchall()
        assert where == [("ecluse_keys",), ("ecluse",)]
        connection.execute("DELETE FROM ecluse.blobs")
    assert store.read(lambda view: view.blob_key("b1")) is None
    store.close()
