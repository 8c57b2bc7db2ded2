"""A deletion, as a backup that is older is told of it."""

from __future__ import annotations

import msgspec

from ecluse.model.basics import Instant, MessageId

__all__ = ["Erased"]


class Erased(msgspec.Struct, frozen=True):
    """One deletion, as the log tells of it.

    Attributes:
        message: Whose.
        at: When.
        classes: What of it.
        reason: Why.
        because: What it rests on.
    """

    message: MessageId
    at: Instant
    classes: tuple[str, ...]
    reason: str
    because: str = ""
