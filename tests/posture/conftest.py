"""Every test that takes ``store`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.postgres import postgres_server

from ecluse.store.open import open_store
from ecluse.store.port import Store

__all__ = ["postgres_server"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:{tmp_path}/hub.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_database()
    opened = open_store(url, node="one")
    opened.migrate()
    yield opened
    opened.close()
