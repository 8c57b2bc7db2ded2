"""Small facts of the hub that change: one row each, of a shape that belongs to the room that keeps it."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.model.basics import Instant

__all__ = ["MAX_BODY", "Record"]

MAX_BODY: Final = 1 << 22
"""Octets of a record's body. Most take a few hundred; a proposal carries the files that it would change."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a room remembers: a proposal, a finding, the state of a rotation.

    Attributes:
        kind: The room's word for such facts (``proposal``).
        key: Its name, unique in its kind.
        at: When it was last written.
        body: The fact, in the room's own JSON; opaque here.
        owner: Whom it is about: a partner's id; empty for the hub.
        state: The room's word for where it is in its life.
        due: When somebody has to look at it again; ``None`` where nobody has to.
        revision: How often it was written, counted by the store.
    """

    kind: str
    key: str
    at: Instant
    body: bytes
    owner: str = ""
    state: str = ""
    due: Instant | None = None
    revision: int = 0
