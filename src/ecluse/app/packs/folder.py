"""A message's folder in a pack: files are added to it, and what binds them to the log is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from ecluse.app.node import Node
from ecluse.app.packs.certificates import Shelf
from ecluse.app.packs.notes import Note
from ecluse.app.packs.versions import Versions
from ecluse.archive.classes import DataClass
from ecluse.evidence.pack.container import PackWriter
from ecluse.model.nouns import Checkpoint, Event, Message

__all__ = ["Folder", "Making", "as_json"]


@dataclass(slots=True)
class Making:
    """A pack that is being made.

    Attributes:
        node: The hub.
        writer: The pack.
        checkpoint: What all is proven by.
        shelf: Certificates.
        versions: Configurations.
        documents: Whether documents, and octets that hold them, go in.
        notes: What is missing so far.
    """

    node: Node
    writer: PackWriter
    checkpoint: Checkpoint
    shelf: Shelf
    versions: Versions
    documents: bool = True
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Folder:
    """The folder of one message.

    Attributes:
        making: The pack.
        message: Which message.
        events: Its events that were written, in order.
        data: The facts of each of them, as they are recorded.
    """

    making: Making
    message: Message
    events: list[Event] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)

    def path(self, name: str) -> str:
        """Where a file of it stands in the pack."""
        return f"messages/{self.message.id}/{name}"

    def add(self, name: str, role: str, data: bytes, about: str = "") -> str:
        """Write a small file; give its path."""
        path = self.path(name)
        self.making.writer.add(path, role, data, message=self.message.id, about=about)
        return path

    def stream(self, name: str, role: str, chunks: Iterable[bytes], expected: int, about: str = "") -> str:
        """Write a file of any size; give its path."""
        path = self.path(name)
        self.making.writer.stream(path, role, chunks, expected, message=self.message.id, about=about)
        return path

    def note(self, code: str, *values: str) -> None:
        """Say that something is missing."""
        self.making.notes.append(Note(code, self.message.id, values))

    def event_path(self, number: int) -> str:
        """Where an event stands."""
        return self.path(f"events/{number:04d}.tlog-proof")

    def last_of(self, kind: str, member: str) -> dict[str, Any]:
        """The facts of the last event of a kind that says something; empty where there is none."""
        found = [data for event, data in zip(self.events, self.data, strict=True) if event.kind == kind]
        return next((data for data in reversed(found) if member in data), {})

    def erased(self, name: DataClass) -> bool:
        """Whether the log says that what is of a class was erased."""
        return any(name in data.get("classes", ()) for data in self.data)

    def fits(self, member: str, data: bytes) -> bool:
        """Whether a record holds the digest of these octets, or none was made to hold any."""
        told = [each[member] for each in self.data if member in each]
        return not told or sha256(data).hexdigest() in told

    def check_bound(self, name: str, member: str) -> None:
        """Say so where no record holds a digest of a file."""
        if not any(member in data for data in self.data):
            self.note("unbound", name)


def as_json(facts: dict[str, Any]) -> bytes:
    """A JSON file of a pack, for people to read too."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"
