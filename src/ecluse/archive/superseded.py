"""Bytes of a message that others took the place of: a sealing that was refused, an envelope that was opened.

They go at once, unless something keeps the message: then they stay, and go with the message's own bytes.
"""

from __future__ import annotations

from typing import Final

from ecluse.archive.holds import obstacles
from ecluse.model.basics import Instant, MessageId
from ecluse.model.records import Record
from ecluse.store.port import Tx, View

__all__ = ["KIND", "supersede", "superseded"]

KIND: Final = "superseded"
"""Records whose key is a blob, and whose owner is the message that it was of."""


def supersede(tx: Tx, message: MessageId, blob: str, at: Instant) -> None:
    """Let go of a blob of a message that has another one in its place from here on."""
    if tx.archive_holders(blob):
        return  # an archived document stands on it, and its disposal finds it
    if obstacles(tx, message):
        tx.put_record(Record(KIND, blob, at, b"{}", owner=message))
    else:
        tx.drop_blob(blob)


def superseded(view: View, message: MessageId) -> set[str]:
    """The blobs of a message that others took the place of, and that are kept."""
    return {record.key for record in view.records(KIND, owner=message)}
