"""Migrations: applied once, by any number of nodes, and never by the wrong release. URLs and passwords."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.support.postgres import PostgresServer

from ecluse.store.open import open_store
from ecluse.store.port import BadStoreUrl, Store, StoreUnavailable
from ecluse.store.queries import SchemaMismatch, load_queries


def raw(url: str, sql: str) -> None:
    """Change the database behind the store's back."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:"))
        with connection:
            connection.execute(sql)
        connection.close()
    else:
        with psycopg.connect(url, options="-c search_path=ecluse") as grown:
            grown.execute(sql.encode())


def test_migrations_are_applied_once(url: str) -> None:
    store = open_store(url, node="one")
    assert "0001_first" in store.pending_migrations()
    with pytest.raises(SchemaMismatch, match=r"store\.older"):
        store.write(lambda tx: tx.put_setting("a", b"1"))
    with pytest.raises(SchemaMismatch, match=r"store\.older"):
        store.read(lambda view: view.setting("a"))
    assert "0001_first" in store.migrate()
    assert store.pending_migrations() == store.migrate() == []
    store.write(lambda tx: tx.put_setting("a", b"1"))
    store.close()


def test_a_store_sees_what_another_process_migrated(url: str) -> None:
    first, other = open_store(url, node="one"), open_store(url, node="two")
    other.migrate()
    first.write(lambda tx: tx.put_setting("a", b"1"))
    assert other.read(lambda view: view.setting("a")) == b"1"
    first.close()
    other.close()


def test_nodes_that_migrate_at_once_share_the_work(url: str) -> None:
    stores = [open_store(url, node=f"n{n}") for n in range(4)]
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda own=own: applied.append(own.migrate())) for own in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [name for each in applied for name in each]
    assert len(names) == len(set(names))
    assert len(applied) == 4
    assert [own.pending_migrations() for own in stores] == [[]] * 4
    for own in stores:
        own.close()


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        ("store.newer", "INSERT INTO schema_migrations VALUES ('9999_future', 'x', 1)"),
        ("store.edited", "UPDATE schema_migrations SET checksum = 'x'"),
    ],
)
def test_another_release_s_database_is_refused(store: Store, url: str, code: str, sql: str) -> None:
    store.close()
    raw(url, sql)
    with pytest.raises(SchemaMismatch) as caught:
        open_store(url, node="one")
    assert caught.value.code == code


@pytest.mark.parametrize("url", ["", "sqlite:", "mysql://h/d", "hub.db", "postgresql://u:pw-4711@h/d"])
def test_urls_that_name_no_store(url: str) -> None:
    with pytest.raises(BadStoreUrl) as caught:
        open_store(url, node="one")
    assert "pw-4711" not in str(caught.value)


def test_a_url_that_libpq_can_t_read_is_not_quoted() -> None:
    with pytest.raises(BadStoreUrl) as caught:
        open_store("postgresql://u@h:port-pw-4711/d?x=%", node="one")
    assert "pw-4711" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        open_store(f"sqlite:{tmp_path}/nowhere/hub.db", node="one")


def test_what_is_not_a_database_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(f"sqlite:{tmp_path}/hub.db", node="one")


def test_the_files_are_their_owner_s_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    store.migrate()
    store.write(lambda tx: tx.put_setting("a", b"1"))
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert {"hub.db", "hub-keys.db", "hub.db-wal"} <= set(files)
    assert set(files.values()) == {0o600}
    assert store.check() == []
    store.close()


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    store = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    store.migrate()
    store.close()
    with (tmp_path / "hub.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    store = open_store(f"sqlite:{tmp_path}/hub.db", node="one")
    assert any("damaged" in problem for problem in store.check())
    store.close()


@pytest.mark.peer("postgresql")
def test_a_server_that_may_forget_is_reported(postgres_server: PostgresServer) -> None:
    store = open_store(postgres_server.new_database(), node="one")
    assert [problem.split(":")[0] for problem in store.check()] == ["PostgreSQL has fsync = off"]
    store.close()


@pytest.mark.peer("postgresql")
def test_the_password_is_used_and_never_shown(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'pw-4711'")
    rules = postgres_server.data / "pg_hba.conf"
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
    guarded = url.replace("ecluse@", "guarded@")
    with pytest.raises(StoreUnavailable) as caught:
        open_store(guarded, node="one", password="pw-4712")
    shown = [str(caught.value), repr(caught.value)]
    store = open_store(guarded, node="one", password="pw-4711")
    shown += [repr(store), repr(vars(store))]
    store.close()
    assert not any("pw-471" in text for text in shown)


@pytest.mark.peer("postgresql")
def test_synchronous_commit_is_never_left_off(postgres_server: PostgresServer) -> None:
    url = postgres_server.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET synchronous_commit = off")
    store = open_store(url, node="one")
    show: Callable[..., object] = lambda c: c.execute("SHOW synchronous_commit").fetchone()  # noqa: E731
    connection = store._connector.connect()  # type: ignore[attr-defined]
    assert show(connection) == ("on",)
    connection.close()
    store.close()


def test_both_stores_have_the_same_verbs() -> None:
    lite, grown = load_queries("ecluse.store.sqlite"), load_queries("ecluse.store.postgres")
    assert all(lite.values())
    assert all(grown.values())
    assert {name for name in lite if "key_drop" in name} == {
        "add_key_drop",
        "key_drops",
        "key_drops_of",
        "forget_key_drop",
    }
    assert len(set(lite) & set(grown)) > 40
