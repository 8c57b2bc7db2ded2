"""Failures that fade: each counts one, and the limit's worth of them is forgotten in one window."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["MAX_SUBJECTS", "Scores"]

MAX_SUBJECTS: Final = 65_536
"""Subjects that are remembered; the one that failed longest ago goes first. About 15 MB."""


class Scores:
    """Scores by subject. For one thread at a time.

    Args:
        limit: The score that is too much.
        window: Seconds in which a score of ``limit`` fades to nothing.
    """

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._fading = limit / window
        self._scores: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def score(self, subject: str, now: float) -> float:
        """The present score."""
        value, at = self._scores.get(subject, (0.0, now))
        return max(0.0, value - (now - at) * self._fading)

    def add(self, subject: str, now: float) -> bool:
        """Count a failure; true where that is the one too many, which also begins the count anew."""
        value = self.score(subject, now) + 1
        if value > self._limit - 0.5:  # what faded since the first one must not ask for one more
            self._scores.pop(subject, None)
            return True
        self._scores[subject] = (value, now)
        self._scores.move_to_end(subject)
        if len(self._scores) > MAX_SUBJECTS:
            self._scores.popitem(last=False)
        return False

    def forget(self, subject: str) -> None:
        """A success: what failed before is forgiven."""
        self._scores.pop(subject, None)
