"""What stands in the way of a deletion: holds, and the retention that a profile asks for."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.model.basics import Instant, MessageId
from ecluse.store.port import View

__all__ = ["Obstacle", "obstacles"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why a message's bytes must stay.

    Attributes:
        kind: ``hold``, ``retention``...
        reference: Which one.
        reason: In one sentence.
        until: When it ends; ``None`` where nobody knows yet.
    """

    kind: str
    reference: str
    reason: str
    until: Instant | None


def obstacles(view: View, message: MessageId) -> tuple[Obstacle, ...]:
    """What keeps a message's bytes; none where they may go."""
    return ()
