"""What the archive keeps: one row for each document, one for each blob that a document stands on."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction

__all__ = ["ArchiveId", "ArchiveState", "Archived", "ArchivedBytes", "BytesState"]

ArchiveId = NewType("ArchiveId", str)
"""The hub's id of one archived document (``a…``)."""


class ArchiveState(StrEnum):
    """Where an archived document is in its life. What is disposed never comes back."""

    KEPT = "kept"
    DAMAGED = "damaged"
    DISPOSED = "disposed"


class BytesState(StrEnum):
    """What the last look at archived bytes found."""

    SOUND = "sound"
    DAMAGED = "damaged"
    GONE = "gone"


class Archived(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document in the archive. What it is (message, part, blob, digest, size) never changes.

    Attributes:
        id: The hub's id.
        message: The message that carried it.
        part: Which document of the message, from 0.
        blob: The blob that holds its octets.
        partner: From whom or for whom.
        direction: Of the message.
        flow: Of the message; empty where it has none.
        type: What it is in business: ``order``, ``despatch-advice``, ``invoice``, ``credit-note``, ``payment``,
            ``receipt``, ``contract``, ``other``; empty where nothing was recognised.
        reference: Its own number; empty where it says none.
        refs: What it refers to, as pairs of type and number (``("order", "4711")``).
        day: Its own date, ISO 8601; empty where it says none.
        amount: Its total in minor units of ``currency``; ``None`` where it says none.
        currency: ISO 4217; empty likewise.
        deposited: When it was put into the archive.
        profile: The archive profile that governs it.
        starts: When its retention began; ``None`` while the event that begins it has not happened.
        ends: When its retention ends; ``None`` while it has not begun, or where it never ends.
        state: See :class:`ArchiveState`.
        sha256: Of the document, 32 octets.
        size: Octets of the document.
        body: What else the archive knows of it, a JSON object of its own; opaque here.
    """

    id: ArchiveId
    message: MessageId
    part: int
    blob: str
    partner: PartnerId
    direction: Direction
    deposited: Instant
    profile: str
    sha256: bytes
    size: int
    flow: str = ""
    type: str = ""
    reference: str = ""
    refs: tuple[tuple[str, str], ...] = ()
    day: str = ""
    amount: int | None = None
    currency: str = ""
    starts: Instant | None = None
    ends: Instant | None = None
    state: ArchiveState = ArchiveState.KEPT
    body: bytes = b"{}"


class ArchivedBytes(msgspec.Struct, frozen=True, omit_defaults=True):
    """One blob that archived documents stand on, and what care was taken of it.

    Attributes:
        blob: Its id.
        state: See :class:`BytesState`.
        due: When it is to be looked at; ``None`` once it is gone.
        size: Octets as they lie sealed; 0 until they were measured.
        sealed: SHA-256 of the sealed octets, 32; empty until they were measured.
        copied: When the second copy was last seen whole; ``None`` while there is none.
        place: Name of the second place that holds it; empty likewise.
        locked: Until when that place lets nobody delete it; ``None`` where it does not lock.
        checked: When both copies were last read; ``None`` while that never was.
    """

    blob: str
    state: BytesState = BytesState.SOUND
    due: Instant | None = None
    size: int = 0
    sealed: bytes = b""
    copied: Instant | None = None
    place: str = ""
    locked: Instant | None = None
    checked: Instant | None = None
