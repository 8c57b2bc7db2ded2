"""How often something may happen whose number strangers decide."""

from __future__ import annotations

import threading

from ecluse.model.basics import Instant

__all__ = ["Allowance"]


class Allowance:
    """So many at once, and one more every so often. Any thread may ask.

    Args:
        most: At once.
        every: Seconds for one more.
    """

    def __init__(self, most: int, every: float) -> None:
        self._most = most
        self._every = int(every * 1_000_000)
        self._left = most
        self._since = Instant(0)
        self._passed_over = 0
        self._lock = threading.Lock()

    def take(self, now: Instant) -> int | None:
        """``None`` where there is none left; else how many were told so since the last one that was not."""
        with self._lock:
            if now < self._since:
                self._since = now  # the clock was set back
            more = (now - self._since) // self._every
            if more:
                self._left = min(self._most, self._left + more)
                self._since = Instant(self._since + more * self._every)
            if not self._left:
                self._passed_over += 1
                return None
            self._left -= 1
            passed_over, self._passed_over = self._passed_over, 0
            return passed_over
