"""Handing in files for a partner over AS2, once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ecluse.app.node import Node
from ecluse.channels.as2.sender import message_id_for
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.inspect import HEAD_LIMIT, Inspector
from ecluse.model.basics import new_id
from ecluse.model.nouns import Direction, Message
from ecluse.store.port import Conflict
from ecluse.trust.directory import PartnerView
from ecluse.trust.fields import octets

__all__ = ["KeyTaken", "Sent", "UnreadableFile", "guess_type", "send_files"]

MAX_DOCUMENTS: Final = 100
"""Documents of one message: more than any product is known to take as one multipart."""
_STEP: Final = 1 << 20

_TYPES: Final = {"edifact": "application/edifact", "x12": "application/edi-x12", "pdf": "application/pdf"}


class UnreadableFile(EcluseError):
    """A file to be sent is missing, is no plain file, or can't be read."""

    code = "send.unreadable-file"
    fault = Fault.USAGE
    remedy = "Give the paths of plain files that the hub's user may read."


class DocumentTooLarge(EcluseError):
    """A message would be larger than the partner takes."""

    code = "send.too-large"
    fault = Fault.USAGE
    remedy = "Raise [as2] max_size in the partner's file once they agree, or send less at once."


class KeyTaken(EcluseError):
    """The same key was used before, for other documents."""

    code = "send.key-taken"
    fault = Fault.USAGE
    remedy = "Give each sending a key of its own, such as the number of the order."


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a command to send.

    Attributes:
        message: The message, durable.
        repeated: It was there already, under the same key: nothing was sent.
    """

    message: Message
    repeated: bool

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        message = self.message
        return {
            "id": message.id,
            "partner": message.partner,
            "protocol_id": message.protocol_id,
            "repeated": self.repeated,
            "state": message.state.value,
            "reference": message.reference,
            "documents": [
                {
                    "name": part.name,
                    "size": part.size,
                    "sha256": part.sha256,
                    "content_type": part.content_type,
                }
                for part in message.parts
            ],
        }


def send_files(
    node: Node,
    partner: str,
    files: Sequence[Path],
    *,
    subject: str = "",
    content_type: str | None = None,
    key: str | None = None,
    actor: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sent:
    """Keep files as one message for a partner, and have it delivered.

    Args:
        node: The hub.
        partner: Its id.
        files: At least one; read in one pass, a megabyte at a time.
        subject: For the partner to read.
        content_type: Of every file; by default by what each holds.
        key: Makes the Message-ID, so that a second call with it finds the first message.
        actor: Who sends.
        progress: Called with (octets read, in all).

    Raises:
        PartnerRefused: There is no such partner, or it is not active.
        UnreadableFile, NothingToSend, DocumentTooLarge, KeyTaken: Nothing was kept.
    """
    view = node.directory.check_active(node.directory.partner(partner))
    pace = _Pace(progress)
    documents = [_document(path, content_type, pace) for path in files]
    pace.total = _check_size(view, files)
    message_id = _message_id(node, view, key)
    if key is not None and (first := _first(node, view, message_id)) is not None:
        return _repeated(first, files, key)
    try:
        message = hand_in(
            node.hub,
            view.id,
            f"as2:{view.id}",
            documents,
            subject=subject,
            protocol="as2",
            protocol_id=message_id,
            actor=actor,
        )
    except Conflict:
        first = _first(node, view, message_id)
        if key is None or first is None:
            raise
        return _repeated(first, files, key)
    return Sent(message, repeated=False)


def guess_type(path: Path, head: bytes) -> str:
    """Media type of a document: by its first octets, then by its name."""
    inspector = Inspector("")
    inspector.feed(head)
    kind = inspector.kind
    if kind.startswith("xml"):
        return "application/xml"
    return _TYPES.get(kind) or (
        "application/xml" if path.suffix.lower() == ".xml" else "application/octet-stream"
    )


class _Pace:
    """Counts the octets that pass."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress
        self._done = 0
        self.total = 0

    def of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            self._done += len(chunk)
            self._progress(self._done, self.total)


def _document(path: Path, content_type: str | None, pace: _Pace) -> HandIn:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not path.is_file():
                raise UnreadableFile(f"{path} is no plain file.")
            head = file.read(HEAD_LIMIT)
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from None
    return HandIn(path.name, content_type or guess_type(path, head), pace.of(_chunks(path)))


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_STEP):
                yield chunk
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from None


def _check_size(view: PartnerView, files: Sequence[Path]) -> int:
    """Octets of all files together, where the partner takes as many."""
    if len(files) > MAX_DOCUMENTS:
        raise DocumentTooLarge(
            f"A message has {MAX_DOCUMENTS} documents at most.", remedy="Send several messages."
        )
    try:
        size = sum(path.stat().st_size for path in files)
    except OSError as error:
        raise UnreadableFile(f"A file can't be read: {error.strerror}.") from None
    if size > octets(view.as2.max_size):
        raise DocumentTooLarge(f"{size} octets are more than {view.name} takes ({view.as2.max_size}).")
    return size


def _message_id(node: Node, view: PartnerView, key: str | None) -> str:
    if key is None:
        return message_id_for(new_id("m", node.hub.clock(), node.hub.entropy), view.our_id)
    # A digest: a key may hold what a Message-ID can't, and need not be shown to the partner.
    digest = sha256(f"{view.id}\0{key}".encode("utf-8", "surrogateescape")).hexdigest()
    return message_id_for(f"k{digest[:40]}", view.our_id)


def _first(node: Node, view: PartnerView, message_id: str) -> Message | None:
    return node.store.read(lambda tx: tx.find_message(Direction.OUT, view.id, message_id))


def _repeated(first: Message, files: Sequence[Path], key: str) -> Sent:
    digests = []
    for path in files:
        digest = sha256()
        for chunk in _chunks(path):
            digest.update(chunk)
        digests.append(digest.hexdigest())
    if digests != [part.sha256 for part in first.parts]:
        raise KeyTaken(f"The key {key!r} stands for other documents, sent as {first.id}.")
    return Sent(first, repeated=True)
