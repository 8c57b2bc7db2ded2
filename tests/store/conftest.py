"""Every test that takes ``store`` or ``url`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import postgres_server

from ecluse.store.open import open_store
from ecluse.store.port import Store

__all__ = ["postgres_server"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/hub.db"
    return request.getfixturevalue("postgres_server").new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, node="one")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def second(store: Store, url: str) -> Iterator[Store]:
    """The same database, opened by another node."""
    opened = open_store(url, node="two")
    yield opened
    opened.close()
