"""Every test that takes ``world`` runs in memory, on SQLite and on PostgreSQL; ``real`` on those two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hubs import FakeClock
from tests.support.postgres import postgres_server
from tests.support.tree_worlds import MemoryWorld, RealWorld, World

from ecluse.blobs.keywrap import AesKeyWrap
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.vault import Vault
from ecluse.exchange.hub import Hub
from ecluse.model.basics import system_entropy
from ecluse.store.open import open_store

__all__ = ["postgres_server"]

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]


def make_hub(request: pytest.FixtureRequest, kind: str, folder: Path) -> Hub:
    url = f"sqlite:{folder}/hub.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_server").new_database()
    store = open_store(url, node="one")
    store.migrate()
    clock = FakeClock()
    vault = Vault(LocalPlace(folder / "blobs"), AesKeyWrap(bytes(32)), system_entropy, clock, 4096)
    return Hub(store, vault, clock, system_entropy, "one")


@pytest.fixture(params=DATABASES)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealWorld]:
    hub = make_hub(request, request.param, tmp_path)
    yield RealWorld(hub)
    hub.store.close()


@pytest.fixture(params=["memory", *DATABASES])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    hub = make_hub(request, request.param, tmp_path)
    yield RealWorld(hub)
    hub.store.close()
