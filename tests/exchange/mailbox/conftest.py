"""Every test that takes ``world`` runs in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from tests.support.tree_worlds import MemoryWorld, World


@pytest.fixture(params=["memory"])
def world(request: pytest.FixtureRequest) -> World:
    return MemoryWorld()
