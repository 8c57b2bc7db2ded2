"""How much a client may send ahead: more over a long line, within a budget of memory for all of them."""

from __future__ import annotations

from typing import Final

__all__ = ["LARGEST", "USUAL", "Windows"]

USUAL: Final = 2 << 20
"""Octets; OpenSSH's own. On a short line more is slower: queues grow past the caches."""
LARGEST: Final = 32 << 20
"""Octets: 640 MB/s at 50 ms."""
SMALLEST: Final = 256 << 10
"""Octets that are given once the budget is used up."""
BUDGET: Final = 1 << 30
"""Octets of all windows together: what clients could make the listener hold, if they all tried."""
RATE: Final = 600_000_000
"""Octets a second that a window should allow: about what one connection can do here."""


class Windows:
    """The windows of one listener. For its event loop alone."""

    def __init__(self) -> None:
        self._given = 0

    def give(self, round_trip: float | None) -> int:
        """The window of a channel; give it back with :meth:`take_back`.

        Args:
            round_trip: Seconds, as measured on the connection; ``None`` where it was not.
        """
        wanted = USUAL if round_trip is None else min(LARGEST, max(USUAL, int(round_trip * RATE)))
        window = wanted if self._given + wanted <= BUDGET else SMALLEST
        self._given += window
        return window

    def take_back(self, window: int) -> None:
        """A channel is gone."""
        self._given -= window
