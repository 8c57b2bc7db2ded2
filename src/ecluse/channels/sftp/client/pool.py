"""Connections that are kept for the next delivery, for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from ecluse.channels.sftp.client.connect import Link, open_link
from ecluse.channels.sftp.client.login import Route
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.rate import Rate

__all__ = ["IDLE", "Links"]

IDLE: Final = 60.0
"""Seconds that an idle connection is kept: long enough for a batch, and short enough for the partner's slots."""
MAX_IDLE: Final = 8
"""Idle connections to one server."""


class Links:
    """Idle connections by what they were made for. Its methods are for worker threads.

    Args:
        loop: Runs the connections.
        idle: Seconds that one is kept.
    """

    def __init__(self, loop: LoopThread, idle: float = IDLE) -> None:
        self.loop = loop
        self._idle_seconds = idle
        self._idle: dict[object, list[tuple[Link, asyncio.TimerHandle]]] = {}
        self._rates: dict[object, Rate] = {}

    def rate(self, key: object, rate: int | None) -> Rate:
        """The rate that all connections of one place keep together."""
        return self._rates.setdefault((key, rate), Rate(rate))

    def take(self, key: object, route: Callable[[], Route]) -> Link:
        """An idle connection for ``key``, or a new one. Raises as :func:`open_link` does."""
        link = self.loop.call(self._take(key))
        return link if link is not None else self.loop.call(open_link(route()))

    def give(self, key: object, link: Link) -> None:
        """Leave a connection for others; one that is not whole is closed."""
        self.loop.call(self._give(key, link))

    def drop(self, link: Link) -> None:
        """Close a connection."""
        self.loop.call(_close(link))

    def close(self) -> None:
        """Close all, and end the loop. What is under way fails as if the line were cut."""
        if self.loop.running:
            self.loop.call(self._clear())
        self.loop.close()

    async def _take(self, key: object) -> Link | None:
        idle = self._idle.get(key, [])
        while idle:
            link, timer = idle.pop()
            timer.cancel()
            if link.session.idle:
                return link
            link.close()
        return None

    async def _give(self, key: object, link: Link) -> None:
        idle = self._idle.setdefault(key, [])
        if not link.session.idle or len(idle) >= MAX_IDLE:
            link.close()
            return
        loop = asyncio.get_running_loop()
        idle.append((link, loop.call_later(self._idle_seconds, self._expire, key, link)))

    def _expire(self, key: object, link: Link) -> None:
        left = [entry for entry in self._idle.get(key, []) if entry[0] is not link]
        if left:
            self._idle[key] = left
        else:
            self._idle.pop(key, None)
        link.close()

    async def _clear(self) -> None:
        idle, self._idle = self._idle, {}
        for entries in idle.values():
            for link, timer in entries:
                timer.cancel()
                link.close()


async def _close(link: Link) -> None:
    link.close()
