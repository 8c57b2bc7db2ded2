"""Keys that are durable before their blobs are begun, where the key store is a file of its own.

A key must be durable before the row of its blob is. With a key made when its blob is, that is one more wait for the
disk in every transaction; of keys laid in stock, many are made durable by one. There are some while blobs come one
after the other; what is left is dropped when it is old.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from typing import Final, NamedTuple

from ecluse.blobs.keywrap import KeyWrap
from ecluse.blobs.sealed import KEY_SIZE
from ecluse.errors import EcluseError
from ecluse.model.basics import Clock, Entropy, Instant, new_id

__all__ = ["KeyStock", "Ready"]

ENOUGH: Final = 128
"""Keys in stock at most: some milliseconds of work to make, ten kilobytes on disk."""
LOW: Final = 64
"""Keys below which more are laid in."""
BUSY: Final = 16
"""Blobs within :data:`WINDOW` that make it worth it."""
WINDOW: Final = 1_000_000
"""Microseconds."""
OLD: Final = 3600 * 1_000_000
"""Microseconds after which a key is not used any more: a blob's id tells its age to the sweep."""


class Ready(NamedTuple):
    """A key in stock.

    Attributes:
        id: Of the blob that it is for.
        created: When it was made.
        key: 32 octets.
        wrapped: The same, wrapped; durable under ``id``.
    """

    id: str
    created: Instant
    key: bytes
    wrapped: bytes


class KeyStock:
    """May be used from any thread.

    Args:
        wrap: Wraps the keys.
        entropy: Source of keys and ids.
        clock: Time of the ids.
        keep: Makes wrapped keys durable, by id; its future is done then.
        drop: Deletes such keys, in its own time.
    """

    def __init__(
        self,
        wrap: KeyWrap,
        entropy: Entropy,
        clock: Clock,
        keep: Callable[[Mapping[str, bytes]], Future[None]],
        drop: Callable[[Collection[str]], object],
    ) -> None:
        self._wrap = wrap
        self._entropy = entropy
        self._clock = clock
        self._keep = keep
        self._drop = drop
        self._lock = threading.Lock()
        self._ready: deque[Ready] = deque()
        self._filling = False
        self._since = Instant(0)
        self._count = 0

    def take(self) -> Ready | None:
        """A key for a new blob; ``None`` where there is none at the moment: then the caller makes one."""
        now = self._clock()
        with self._lock:
            if not 0 <= now - self._since < WINDOW:
                self._since, self._count = now, 0
            self._count += 1
            old = []
            while self._ready and not 0 <= now - self._ready[0].created < OLD:
                old.append(self._ready.popleft().id)
            taken = self._ready.popleft() if self._ready else None
            fill = self._count >= BUSY and len(self._ready) < LOW and not self._filling
            self._filling = self._filling or fill
        try:
            if old:
                self._drop(old)
            if fill:
                self._fill(now)
        except EcluseError:
            self._filling = False  # the database is away: who keeps the blob will tell
        return taken

    def _fill(self, now: Instant) -> None:
        made = []
        for _ in range(ENOUGH - LOW):
            key = self._entropy(KEY_SIZE)
            made.append(Ready(new_id("b", now, self._entropy), now, key, self._wrap.wrap(key)))

        def kept(future: Future[None]) -> None:
            with self._lock:
                self._filling = False
                if not future.cancelled() and future.exception() is None:
                    self._ready += made

        self._keep({each.id: each.wrapped for each in made}).add_done_callback(kept)
