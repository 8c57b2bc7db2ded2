"""The application's folder: received documents, each a file that appears whole under a name the hub chose.

A file is named ``<message id>-<file name>`` in a folder of its partner's: an attempt that is repeated finds its own
file there, and nothing that a partner sends can replace another document or leave the folder.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from ecluse.blobs.durable import NameTaken, disk_errors, drop_parts, make_folder, write_new
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes
from ecluse.model.nouns import Message, Part

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

    def deliver(self, message: Message, *, again: bool = False) -> Outcome:
        """Write each document durably under its own name; one that is there already was written before.

        Args:
            message: Whose.
            again: It was attempted before, so that something unfinished may lie there.
        """
        folder = self._folder / message.partner
        make_folder(folder)
        work = work_of(message)
        if again:
            _drop_parts(folder, work)
        names = []
        for number, part in enumerate(message.parts):
            path = folder / file_name(message, number)
            with self._hub.document(part) as document:
                try:
                    write_new(path, document.chunks(_STEP), work=work)
                except NameTaken:
                    if _digest(path) != part.sha256:
                        raise SomebodysFile(f"The inbox has another file named {path.name}.") from None
            names.append(path.name)
        return Confirmed(ReceiptBytes("file", "written", body="\n".join(names).encode()))


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
