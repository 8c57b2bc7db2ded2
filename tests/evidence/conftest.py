"""The stores that a log is tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.logstore import MemoryLog
from tests.support.postgres import PostgresServer, postgres_binaries

from ecluse.store.port import Store
from ecluse.store.postgres import PostgresStore
from ecluse.store.sqlite import SqliteStore


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if postgres_binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with PostgresServer() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.peer("postgresql"))])
def store(request, tmp_path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryLog()
        return
    if request.param == "sqlite":
        database: Store = SqliteStore(tmp_path / "hub.db")
    else:
        url = request.getfixturevalue("postgres").new_database()
        database = PostgresStore(url, node="n1", password=None)
    database.migrate()
    yield database
    database.close()
