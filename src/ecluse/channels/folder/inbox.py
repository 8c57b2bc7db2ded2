"""The application's folder: received documents, each a file that appears whole under a name the hub chose.

A file is named ``<message id>-<file name>`` in a folder of its partner's: an attempt that is repeated finds its own
file there, and nothing that a partner sends can replace another document or leave the folder.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from ecluse.blobs.durable import NameTaken, disk_errors, make_folder, write_new
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes
from ecluse.model.nouns import Message, Part

__all__ = ["Inbox", "file_name"]

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

    def deliver(self, message: Message) -> Outcome:
        """Write each document durably under its own name; one that is there already was written before."""
        folder = self._folder / message.partner
        make_folder(folder)
        names = []
        for number, part in enumerate(message.parts):
            path = folder / file_name(message, number)
            with self._hub.document(part) as document:
                try:
                    write_new(path, document.chunks(_STEP))
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


def _digest(path: Path) -> str:
    digest = sha256()
    with disk_errors(path), path.open("rb") as file:
        while chunk := file.read(_STEP):
            digest.update(chunk)
    return digest.hexdigest()
