"""What lies in a partner's folders: a row for every name, and no octets."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId

__all__ = ["FileRow", "FileState", "Segment"]


class FileState(StrEnum):
    """What a name in a partner's folder stands for.

    ``partial`` is a half upload that was cut off, kept aside to be resumed; ``temporary`` a whole one under a name
    that is not a document's; ``taken`` a whole one that became a message. ``waiting`` is a document that the partner
    has to pick up, ``picked-up`` one that it has, ``receipt`` a receipt for it, ``folder`` a folder.
    """

    PARTIAL = "partial"
    TEMPORARY = "temporary"
    TAKEN = "taken"
    WAITING = "waiting"
    PICKED_UP = "picked-up"
    RECEIPT = "receipt"
    FOLDER = "folder"


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A blob that holds the next octets of a file.

    Attributes:
        blob: Its id.
        size: Octets.
    """

    blob: str
    size: int


class FileRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One name in one folder of a partner's.

    Attributes:
        partner: Whose.
        folder: Canonical path of the folder (``/inbound``).
        name: The name in it.
        id: The hub's id (``f…``): another one when something else takes its place.
        state: What it stands for.
        size: Octets.
        modified: When it was last written, as its owner says.
        message: The message whose document it is; empty where there is none.
        part: Number of the document in that message, from 0.
        delivery: The delivery that put it out; empty for what came from the partner.
        segments: Blobs of its own that hold its octets, in order; empty for a message's document.
        expires: When it goes; ``None`` where it stays.
        content: All of a small file of ours, which has no segments then; empty elsewhere.
    """

    partner: PartnerId
    folder: str
    name: str
    id: str
    state: FileState
    size: int
    modified: Instant
    message: MessageId = MessageId("")
    part: int = 0
    delivery: DeliveryId = DeliveryId("")
    segments: tuple[Segment, ...] = ()
    expires: Instant | None = None
    content: bytes = b""

    @property
    def path(self) -> str:
        """Its canonical path."""
        return f"{self.folder.rstrip('/')}/{self.name}"
