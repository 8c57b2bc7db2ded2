"""What the open accounts of one node share: room that uploads take before they have a row, and what was read so far.

Nothing here needs to outlive the process: room is counted exactly when an upload is kept, and a document whose
reading was forgotten waits to be picked up as before.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from typing import Final

from ecluse.model.basics import PartnerId

__all__ = ["Desk", "Ranges"]

REMEMBERED: Final = 10_000
"""Documents that were read in part, and are remembered: the oldest are forgotten first."""
MAX_RANGES: Final = 4096
"""Separate pieces of one document that are remembered. A client that reads in order has one; one that downloads
in pieces has some tens."""


class Ranges:
    """Which octets of a document were handed out. Not for several threads at once."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Octets from ``start`` up to ``end`` were."""
        starts, ends = self._starts, self._ends
        if ends and starts[-1] <= start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
            return
        first = bisect_left(ends, start)
        past = first
        while past < len(starts) and starts[past] <= end:
            start, end = min(start, starts[past]), max(end, ends[past])
            past += 1
        starts[first:past], ends[first:past] = [start], [end]
        if len(starts) > MAX_RANGES:
            del starts[0], ends[0]

    def merge(self, other: Ranges) -> None:
        """Those of ``other`` too."""
        for start, end in zip(other._starts, other._ends, strict=True):
            self.add(start, end)

    def cover(self, size: int) -> bool:
        """Whether all of ``size`` octets were."""
        return size == 0 or (self._starts[:1] == [0] and self._ends[0] >= size)


class Desk:
    """May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[PartnerId, list[int]] = {}
        self._read: OrderedDict[str, Ranges] = OrderedDict()

    def take_room(self, partner: PartnerId, octets: int, files: int = 0) -> tuple[int, int]:
        """An upload under way needs so much more (or, below 0, less); give what all those of the partner need."""
        with self._lock:
            taken = self._taken.setdefault(partner, [0, 0])
            taken[0] += octets
            taken[1] += files
            if taken == [0, 0]:
                del self._taken[partner]
            return taken[0], taken[1]

    def note_read(self, file: str, ranges: Ranges, size: int) -> bool:
        """Remember what was handed out of a file (by its id); whether that makes all of it by now."""
        with self._lock:
            known = self._read.pop(file, None) or Ranges()
            known.merge(ranges)
            self._read[file] = known
            if len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
            return known.cover(size)

    def was_read(self, file: str, size: int) -> bool:
        """Whether all of it was handed out, to one session or to several."""
        with self._lock:
            known = self._read.get(file)
            return known is not None and known.cover(size)

    def forget(self, file: str) -> None:
        """It was picked up, or is gone."""
        with self._lock:
            self._read.pop(file, None)
