"""When a record has to be renewed, and how: pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from ecluse.evidence.longterm.algorithms import HASHES, Algorithms
from ecluse.evidence.longterm.kept import KeptRecord
from ecluse.model.basics import Instant

__all__ = ["Renewal", "due", "holds_until", "next_hash", "renewal_of"]

Renewal = Literal["time-stamp-renewal", "hash-tree-renewal"]

_SHARE: Final = 3
"""A record is renewed in the last third of the time that is left at the latest, however short that is."""


def holds_until(kept: KeptRecord, table: Algorithms) -> Instant:
    """Until when a record proves what it does, if nothing is done: certificates, hashes and signature algorithm."""
    return min(kept.ends, table.end(kept.hash), *map(table.end, kept.algorithms))


def due(kept: KeptRecord, table: Algorithms, before: int) -> Instant:
    """When it has to be renewed.

    Args:
        kept: The record.
        table: When algorithms end.
        before: Microseconds by which the renewal comes ahead of the end.
    """
    until = holds_until(kept, table)
    return Instant(until - min(before, max(0, until - kept.renewed) // _SHARE))


def renewal_of(kept: KeptRecord, table: Algorithms, before: int, now: Instant) -> Renewal:
    """How it has to be renewed: anew over its data where the hash of its chain ends, else over its last time-stamp."""
    return "hash-tree-renewal" if table.end(kept.hash) - before <= now else "time-stamp-renewal"


def next_hash(table: Algorithms, before: int, now: Instant, wanted: Sequence[str] = ()) -> str | None:
    """The hash for a new chain: one that lasts, those that are ``wanted`` first; ``None`` where there is none."""
    for name in (*wanted, *HASHES):
        if table.end(name) - before > now:
            return name
    return None
