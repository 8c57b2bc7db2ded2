"""The PostgreSQL server of these tests."""

from __future__ import annotations

from tests.support.postgres import postgres_server

__all__ = ["postgres_server"]
