"""The application's folder: received documents, each a file that appears whole under a name the hub chose.

A file is named ``<message id>-<file name>`` in a folder of its partner's: an attempt that is repeated finds its own
file there, and nothing that a partner sends can replace another document or leave the folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from ecluse.durable import NameTaken, disk_errors, drop_parts, make_folder, write_together
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes
from ecluse.model.basics import MessageId
from ecluse.model.nouns import BlobRow, Message, Part

__all__ = ["Inbox", "file_name", "work_of"]

_STEP = 1 << 20


class SomebodysFile(EcluseError):
    """A file of this name is there, and it is not this document."""

    code = "folder.name-taken"
    fault = Fault.OURS
    remedy = "Move that file away; the hub tries again."


class Inbox:
    """Puts the documents of a message into the application's folder.

    Args:
        hub: What the chamber shares.
        folder: The inbox; made where it does not exist.
    """

    def __init__(self, hub: Hub, folder: Path) -> None:
        self._hub = hub
        self._folder = folder

    def deliver(
        self, messages: Sequence[Message], again: Collection[MessageId] = ()
    ) -> list[Outcome | EcluseError]:
        """Write every document durably under its own name; one that is there already was written before.

        Args:
            messages: Whose.
            again: Those that were attempted before, so that something unfinished may lie there.

        Returns:
            For each message how it ended, or why it is not there.
        """
        paths: list[tuple[Path, int, int]] = []
        for place, message in enumerate(messages):
            folder = self._folder / message.partner
            paths += [(folder / file_name(message, part), place, part) for part in range(len(message.parts))]
        for folder in {path.parent for path, _, _ in paths}:
            make_folder(folder)
        for message in messages:
            if message.id in again:
                _drop_parts(self._folder / message.partner, work_of(message))
        blobs = [part.blob for message in messages for part in message.parts]
        found = self._hub.store.read(lambda view: view.blobs(blobs))
        errors = write_together(
            (path, self._chunks(messages[place].parts[part], found), work_of(messages[place]))
            for path, place, part in paths
        )
        names: list[list[str]] = [[] for _ in messages]
        failed: dict[int, EcluseError] = {}
        for (path, place, part), error in zip(paths, errors, strict=True):
            if error is not None and not _is_there(path, messages[place].parts[part], error):
                taken = isinstance(error, NameTaken)
                failed[place] = (
                    SomebodysFile(f"The inbox has another file named {path.name}.") if taken else error
                )
            names[place].append(path.name)
        return [
            failed.get(place) or Confirmed(ReceiptBytes("file", "written", body="\n".join(each).encode()))
            for place, each in enumerate(names)
        ]

    def _chunks(self, part: Part, found: Mapping[str, tuple[BlobRow, bytes]]) -> Iterator[bytes]:
        with self._hub.open_blob(found, part.blob) as reader:
            yield from reader.chunks(part.offset, part.size, _STEP)


def _is_there(path: Path, part: Part, error: EcluseError) -> bool:
    """Whether the file that an earlier attempt wrote is in the way."""
    return isinstance(error, NameTaken) and _digest(path) == part.sha256


def file_name(message: Message, number: int) -> str:
    """The hub's own name for a document: unique, sorted by time, at most 200 octets of the partner's name."""
    part: Part = message.parts[number]
    several = f"{number + 1}-" if len(message.parts) > 1 else ""
    name = part.name.encode()[:200].decode("utf-8", "ignore") or "document"
    return f"{message.id}-{several}{name}"


def work_of(message: Message) -> str:
    """What the names of a message's unfinished files say: the end of its id, which differs the most."""
    return message.id[-12:]


def _drop_parts(folder: Path, work: str) -> None:
    with disk_errors(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        drop_parts(handle, work)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    digest = sha256()
    with disk_errors(path), path.open("rb") as file:
        while chunk := file.read(_STEP):
            digest.update(chunk)
    return digest.hexdigest()
