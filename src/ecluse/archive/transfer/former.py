"""Evidence of the hubs that had a message before: kept as it came, and handed on with the next export.

It is one blob of the message's documents in the archive, so that it is looked after as these are, and a record that
says which file lies where in it. A former hub's journal stays checkable with that hub's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ecluse.archive.room import Room
from ecluse.model.basics import MessageId
from ecluse.model.records import Record
from ecluse.typed import json_decoder

__all__ = ["FORMER", "Former", "FormerFile", "former_of", "former_record", "known_former"]

FORMER: Final = "former"
"""Folder of such files, beside those of the hub itself."""
_KIND: Final = "archive-former"


class FormerFile(msgspec.Struct, frozen=True, array_like=True):
    """One file: its name below ``former``, and where it lies in the blob."""

    name: str
    offset: int
    size: int


class Former(msgspec.Struct, frozen=True):
    """What was taken along with a message.

    Attributes:
        manifest: SHA-256 of the manifest of the export that it came with, in hexadecimal.
        origin: The log of the hub that made the export.
        blob: Holds the files; empty where there are none.
        files: In order.
    """

    manifest: str
    origin: str
    blob: str = ""
    files: tuple[FormerFile, ...] = ()


_read = json_decoder(Former).decode


def former_record(former: Former, message: MessageId, partner: str, at: int) -> Record:
    """As it is kept."""
    return Record(_KIND, message, at, msgspec.json.encode(former), owner=partner)  # type: ignore[arg-type]


def known_former(room: Room, message: MessageId) -> Former | None:
    """What came with a message; ``None`` where it was not imported."""
    record = room.hub.store.read(lambda view: view.record(_KIND, message))
    return None if record is None else _read(record.body)


def former_of(room: Room, message: MessageId) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Names and octets of the files that came with a message."""
    former = known_former(room, message)
    if former is None or not former.files:
        return
    with room.hub.blob(former.blob) as reader:
        for file in former.files:
            yield file.name, reader.chunks(file.offset, file.size)
