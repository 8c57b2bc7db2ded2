"""A rate of octets that several connections keep together."""

from __future__ import annotations

import asyncio

__all__ = ["Rate"]


class Rate:
    """At most so many octets a second, a second's worth at once. For the loop's thread alone.

    Args:
        rate: Octets a second; ``None`` for no limit.
    """

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._free = 0.0

    async def take(self, size: int) -> None:
        """Wait until ``size`` more octets may go."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._free = max(self._free, now - 1.0) + size / self._rate
        if self._free > now:
            await asyncio.sleep(self._free - now)
