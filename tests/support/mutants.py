"""Stores that are wrong on purpose: a test that doesn't fail on them proves nothing."""

from __future__ import annotations

import pytest

from ecluse.store.postgres import verbs as postgres
from ecluse.store.sqlite import verbs as sqlite

__all__ = ["without_fence"]


def without_fence(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """Make a verb of both stores look at the owner only."""
    lite, grown = sqlite.SQL[verb], postgres.COUNTED[verb]
    assert "AND fence = ?" in lite
    assert b"AND fence = %s" in grown
    monkeypatch.setitem(sqlite.SQL, verb, lite.replace("AND fence = ?", "AND ? IS NOT NULL"))
    mutant = grown.replace(b"AND fence = %s", b"AND %s::bigint IS NOT NULL")
    monkeypatch.setitem(postgres.COUNTED, verb, mutant)
