"""Crypto-shredding: the one way in which the bytes of a message are deleted.

Every blob is sealed under a key of its own. Deleting the key is deleting the bytes, wherever copies of them are. In one
transaction what stands in the way is asked for, the rows and the keys of the blobs are deleted, receipts and names are
blanked where they go too, the messages are marked, and the event says when, why and by whom; what copies of keys and
bytes have to follow is written down with it (:mod:`ecluse.archive.copies`). So there is never a deletion without its
event, nor an event without its deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from ecluse.archive.blanking import blank
from ecluse.archive.classes import DataClass
from ecluse.archive.copies import ROWS, Copies, Erasure, Teller, note_erasure
from ecluse.archive.holds import Obstacle, obstacles
from ecluse.archive.superseded import KIND as SUPERSEDED
from ecluse.archive.superseded import superseded
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import Json
from ecluse.model.basics import Instant, MessageId, iso
from ecluse.model.nouns import Message
from ecluse.store.port import Tx, View

__all__ = ["BYTES", "DataClass", "Kept", "Reason", "Shredder", "family_of", "shred", "what_keeps"]


class Kept(EcluseError):
    """Something stands in the way of the deletion: a hold, or a retention that has not ended."""

    code = "archive.kept"
    fault = Fault.PERMANENT
    remedy = (
        "`ecluse retention show MESSAGE` says what keeps it; a hold is ended with `ecluse archive release`."
    )

    def __init__(self, message: MessageId, why: Sequence[Obstacle]) -> None:
        """Keep what stands in the way as :attr:`obstacles`."""
        first = why[0]
        until = f", until {iso(first.until)}" if first.until is not None else ""
        more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
        super().__init__(f"{message} is kept by {first.kind} {first.reference}{until}: {first.reason}{more}.")
        self.message = message
        self.obstacles = tuple(why)


class Reason(StrEnum):
    """Why bytes are deleted."""

    RETENTION = "retention"
    DISPOSAL = "disposal"
    DATA_SUBJECT = "data-subject"


BYTES: Final = frozenset({DataClass.PAYLOAD, DataClass.WIRE})
"""What has keys."""


class Shredder(Teller, Protocol):
    """Who deletes (the hub): writes events, and knows the copies."""

    @property
    def copies(self) -> Copies:
        """What a deletion has to reach."""


def family_of(view: View, root: Message) -> list[Message]:
    """A message and all that flows made of it, which share bytes. In a transaction they don't change until its end."""
    family, left = [root], [root.id]
    while left:
        for child in view.children(left.pop()):
            held = view.message(child.id)
            if held is not None:
                family.append(held)
                left.append(held.id)
    return family


def what_keeps(view: View, family: Iterable[Message]) -> tuple[Obstacle, ...]:
    """What stands in the way of deleting anything of these messages."""
    return tuple(found for each in family for found in obstacles(view, each.id))


def shred(
    tx: Tx,
    shredder: Shredder,
    family: Sequence[Message],
    *,
    reason: Reason,
    actor: str,
    at: Instant,
    classes: frozenset[DataClass] = BYTES,
    because: str = "",
) -> int:
    """Delete the keys of the bytes of messages, in the caller's transaction.

    Args:
        tx: The transaction that read ``family``.
        shredder: The hub.
        family: Everything that shares the bytes, its root first; see :func:`family_of`.
        reason: Why.
        actor: Who; ``hub`` for retention.
        at: When.
        classes: What is deleted. Bytes that hold several classes go with the last of them.
        because: What the deletion rests on, such as the number of a request or certificate; for the event.

    Returns:
        The number of messages of which something was deleted, each with its event; 0 where nothing was left.

    Raises:
        Kept: Something stands in the way; nothing is deleted.
    """
    for each in family:
        why = obstacles(tx, each.id)
        if why:
            raise Kept(each.id, why)
    present = {blob for blob in _blobs(family, BYTES) if tx.blob(blob) is not None}
    going = present & (_blobs(family, classes) - _blobs(family, BYTES - classes))
    if DataClass.WIRE in classes:
        former = {blob for each in family for blob in superseded(tx, each.id)}
        for blob in sorted(former):
            tx.drop_record(SUPERSEDED, blob)
        going |= former
    for blob in sorted(going):
        tx.drop_blob(blob)
    told, blanked = 0, False
    for each in family:
        after, gone = blank(tx, each, classes)
        blanked = blanked or bool(gone)
        own = _blobs((each,), BYTES)
        if own & going:
            gone += [name for name in BYTES if _blobs((each,), frozenset({name})) & going]
        whole = bool(own & going) and not own & (present - going)
        if whole:
            after = msgspec.structs.replace(after, shredded=at)
        if not gone:
            continue
        tx.update_message(after)
        facts: dict[str, Json] = {
            "reason": reason.value,
            "classes": sorted(gone),
            "blobs": len(own & going),
            "whole": whole,
            "flow": each.flow,
            "size": each.size,
            "documents": len(each.parts),
        }
        if because:
            facts["because"] = because
        shredder.event(tx, "message.shredded", each.id, facts, actor=actor, at=at)
        told += 1
    if told:
        copies = [name for name in shredder.copies.names if going or name in shredder.copies.of_rows]
        ids = tuple(each.id for each in family)
        waiting = tuple(name for name in copies if blanked or name != ROWS)
        note_erasure(tx, Erasure(ids, tuple(sorted(going)), reason.value, actor, at, waiting))
    return told


def _blobs(family: Iterable[Message], classes: frozenset[DataClass]) -> set[str]:
    """Blobs that hold something of these classes."""
    found: set[str] = set()
    for each in family:
        if DataClass.PAYLOAD in classes:
            found.update(part.blob for part in each.parts)
        if DataClass.WIRE in classes:
            found.add(each.wire_blob)
    found.discard("")
    return found
