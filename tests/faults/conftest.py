"""Servers that the suites share."""

from tests.support.postgres import postgres_server

__all__ = ["postgres_server"]
