"""A bell: whoever waits for work is woken, also when it rang between the last look and the wait."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection

__all__ = ["Bell"]


class Bell:
    """Rung from any thread, waited for by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: dict[tuple[str, ...], threading.Condition] = {}
        self._rings: Counter[str] = Counter()
        self._heard = threading.local()
        self._closed = False

    def ring(self, kinds: Collection[str] = ("",)) -> None:
        """Wake those that wait for one of these; the next such wait of every other thread returns at once.

        Args:
            kinds: Of work. The empty one is whatever anybody waits for.
        """
        with self._lock:
            self._rings.update(kinds)
            for awaited, changed in self._changed.items():
                if not awaited or "" in kinds or any(kind in kinds for kind in awaited):
                    changed.notify_all()

    def wait(self, timeout: float, kinds: tuple[str, ...] = ()) -> bool:
        """True where it rang since this thread last came back from here; false after ``timeout`` seconds.

        Args:
            timeout: Seconds.
            kinds: What to wait for, the same in every call of a thread; anything where there are none.
        """
        with self._lock:
            changed = self._changed.get(kinds)
            if changed is None:
                changed = self._changed[kinds] = threading.Condition(self._lock)
            heard = getattr(self._heard, "rings", 0)
            rang = changed.wait_for(lambda: self._count(kinds) != heard or self._closed, timeout)
            self._heard.rings = self._count(kinds)
            return rang

    def _count(self, kinds: tuple[str, ...]) -> int:
        return sum(self._rings[kind] for kind in (*kinds, "")) if kinds else self._rings.total()

    def close(self) -> None:
        """Wake all, for good: no later wait waits."""
        with self._lock:
            self._closed = True
            for changed in self._changed.values():
                changed.notify_all()
