"""Handing in files, once: for a partner by one of its channels, or for a flow."""

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
from ecluse.exchange.handin import HandIn, hand_in, hand_in_for
from ecluse.exchange.inspect import HEAD_LIMIT, Inspector
from ecluse.exchange.target import Target
from ecluse.model.basics import PartnerId, new_id
from ecluse.model.nouns import Direction, Message
from ecluse.store.port import Conflict
from ecluse.trust.directory import PartnerView
from ecluse.trust.settings.fields import octets

__all__ = [
    "KeyTaken",
    "NoWay",
    "Sent",
    "UnreadableFile",
    "chunks_of",
    "guess_type",
    "send_files",
    "send_to_flow",
]

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


class NoWay(EcluseError):
    """Nothing can be sent to a partner, or not by the channel that was asked for."""

    code = "send.no-channel"
    fault = Fault.USAGE
    remedy = "Look at `ecluse partner show`; add a channel to the partner's file, or choose one that it has."


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
            "protocol": message.protocol,
            "flow": message.flow,
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
    channel: str | None = None,
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
        key: Makes the protocol's id, so that a second call with it finds the first message.
        channel: Kind of the channel; by default the first of the partner's that leads to them.
        actor: Who sends.
        progress: Called with (octets read, in all).

    Raises:
        PartnerRefused: There is no such partner, or it is not active.
        NoWay: No channel leads to them, or not that one.
        UnreadableFile, NothingToSend, DocumentTooLarge, KeyTaken: Nothing was kept.
    """
    view = node.directory.check_active(node.directory.partner(partner))
    kind = _kind(node, view, channel)
    pace = _Pace(progress)
    documents = [_document(path, content_type, pace) for path in files]
    pace.total = _check_size(view, files, kind)
    protocol_id = _protocol_id(node, view, kind, key)
    if key is not None and (first := _first(node, Direction.OUT, view.id, protocol_id)) is not None:
        return _repeated(first, files, key)
    try:
        message = hand_in(
            node.hub,
            view.id,
            f"{kind}:{view.id}",
            documents,
            subject=subject,
            protocol=kind,
            protocol_id=protocol_id,
            wire=b"{}" if kind == "as2" else Target().encode(),
            actor=actor,
        )
    except Conflict:
        first = _first(node, Direction.OUT, view.id, protocol_id)
        if key is None or first is None:
            raise
        return _repeated(first, files, key)
    return Sent(message, repeated=False)


def send_to_flow(
    node: Node,
    flow: str,
    files: Sequence[Path],
    *,
    subject: str = "",
    content_type: str | None = None,
    key: str | None = None,
    actor: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sent:
    """Keep files as one message for a flow, which sends them on. Arguments as of :func:`send_files`.

    Raises:
        NoWay: There is no such flow, or it takes its documents elsewhere.
        NotForFlow: It does not take these.
        UnreadableFile, NothingToSend, DocumentTooLarge, KeyTaken: Nothing was kept.
    """
    plan = node.hub.flows().get(flow)
    if plan is None or plan.kind:
        raise NoWay(
            f"There is no flow {flow}."
            if plan is None
            else f"The flow {flow} takes nothing from applications.",
            remedy="Look at `ecluse flow list`; a flow for applications has no channel in [from].",
        )
    pace = _Pace(progress)
    documents = [_document(path, content_type, pace) for path in files]
    pace.total = _size_of(files)
    name = _digest(f"{flow}\0{key}") if key is not None else new_id("m", node.hub.clock(), node.hub.entropy)
    protocol_id = f"flow:{flow}/{name}"
    nobody = PartnerId("")
    if key is not None and (first := _first(node, Direction.IN, nobody, protocol_id)) is not None:
        return _repeated(first, files, key)
    try:
        message = hand_in_for(
            node.hub, plan, documents, subject=subject, protocol_id=protocol_id, actor=actor
        )
    except Conflict:
        first = _first(node, Direction.IN, nobody, protocol_id)
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
    return HandIn(path.name, content_type or guess_type(path, head), pace.of(chunks_of(path)))


def chunks_of(path: Path) -> Iterator[bytes]:
    """The octets of a file. Raises :class:`UnreadableFile`."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_STEP):
                yield chunk
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from None


def _kind(node: Node, view: PartnerView, wanted: str | None) -> str:
    """By which kind of channel to send."""
    if wanted is not None and wanted not in view.channels:
        ways = ", ".join(view.channels) or "none"
        raise NoWay(f"Nothing is exchanged with {view.name} by {wanted}; its channels are: {ways}.")
    for kind in (wanted,) if wanted is not None else view.channels:
        leads = kind != "as2" or view.as2.url is not None
        if leads and kind in node.channels:
            return kind
    raise NoWay(f"No channel leads to {view.name}.")


def _check_size(view: PartnerView, files: Sequence[Path], kind: str) -> int:
    """Octets of all files together, where the partner takes as many."""
    size = _size_of(files)
    if kind == "as2" and size > octets(view.as2.max_size):
        raise DocumentTooLarge(f"{size} octets are more than {view.name} takes ({view.as2.max_size}).")
    return size


def _size_of(files: Sequence[Path]) -> int:
    """Octets of all files together."""
    if len(files) > MAX_DOCUMENTS:
        raise DocumentTooLarge(
            f"A message has {MAX_DOCUMENTS} documents at most.", remedy="Send several messages."
        )
    try:
        return sum(path.stat().st_size for path in files)
    except OSError as error:
        raise UnreadableFile(f"A file can't be read: {error.strerror}.") from None


def _protocol_id(node: Node, view: PartnerView, kind: str, key: str | None) -> str:
    name = (
        _digest(f"{view.id}\0{key}") if key is not None else new_id("m", node.hub.clock(), node.hub.entropy)
    )
    return message_id_for(name, view.our_id) if kind == "as2" else f"{kind}:{view.id}/{name}"


def _digest(key: str) -> str:
    # A key may hold what a protocol's id can't, and need not be shown to the partner.
    return f"k{sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:40]}"


def _first(node: Node, direction: Direction, partner: PartnerId, protocol_id: str) -> Message | None:
    return node.store.read(lambda view: view.find_message(direction, partner, protocol_id))


def _repeated(first: Message, files: Sequence[Path], key: str) -> Sent:
    digests = []
    for path in files:
        digest = sha256()
        for chunk in chunks_of(path):
            digest.update(chunk)
        digests.append(digest.hexdigest())
    if digests != [part.sha256 for part in first.parts]:
        raise KeyTaken(f"The key {key!r} stands for other documents, sent as {first.id}.")
    return Sent(first, repeated=True)
