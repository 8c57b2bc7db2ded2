"""Dates in HTTP (RFC 9110 section 5.6.7)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

__all__ = ["http_date"]


def http_date(text: str) -> int | None:
    """Microseconds since 1970; ``None`` where it is no date."""
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1_000_000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
