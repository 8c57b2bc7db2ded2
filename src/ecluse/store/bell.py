"""A bell: whoever waits for work is woken, also when it rang between the last look and the wait."""

from __future__ import annotations

import threading

__all__ = ["Bell"]


class Bell:
    """Rung from any thread, waited for by any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = 0
        self._heard = threading.local()
        self._closed = False

    def ring(self) -> None:
        """Wake all that wait; the next wait of every other thread returns at once."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """True where it rang since this thread last came back from here; false after ``timeout`` seconds."""
        with self._changed:
            heard = getattr(self._heard, "rings", 0)
            rang = self._changed.wait_for(lambda: self._rings != heard or self._closed, timeout)
            self._heard.rings = self._rings
            return rang

    def close(self) -> None:
        """Wake all, for good: no later wait waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
