"""How fast a partner's transfers may go."""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

from ecluse.channels.sftp.server.operations import Operations

__all__ = ["Pace"]

AHEAD = 1.0
"""Seconds of the rate that may be taken at once."""


class Pace:
    """The rate of all sessions of one partner together.

    Args:
        rate: Octets a second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free = time.monotonic() - AHEAD
        self._counted: WeakKeyDictionary[Operations, int] = WeakKeyDictionary()

    def wait(self, operations: Operations) -> float:
        """Seconds to wait for what was moved since the last call; 0 or less where there is no need to."""
        with self._lock:
            moved = operations.received + operations.sent
            taken = moved - self._counted.get(operations, 0)
            self._counted[operations] = moved
            now = time.monotonic()
            self._free = max(self._free, now - AHEAD) + taken / self._rate
            return self._free - now
