"""Handing in files for a partner over AS2, once; and following what becomes of them."""

from __future__ import annotations

import os
import time
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
from ecluse.model.basics import MessageId, new_id
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Conflict, View
from ecluse.trust.directory import PartnerView
from ecluse.trust.fields import octets

__all__ = ["End", "KeyTaken", "Progress", "Sent", "UnreadableFile", "follow", "guess_type", "send_files"]

MAX_DOCUMENTS: Final = 100
"""Documents of one message: more than any product is known to take as one multipart."""
_STEP: Final = 1 << 20
_LOOK_EVERY: Final = 0.1
"""Seconds between two looks at a message that is followed; a receipt takes a network's round trip at least."""
_SILENT_NODE: Final = 30
"""Seconds without a heartbeat after which a node is taken for stopped; it beats every seven."""

_TYPES: Final = {"edifact": "application/edifact", "x12": "application/edi-x12", "pdf": "application/pdf"}
_ENDED: Final = frozenset(
    {
        DeliveryState.CONFIRMED,
        DeliveryState.REFUSED,
        DeliveryState.DEAD,
        DeliveryState.OVERDUE,
        DeliveryState.GIVEN_UP,
    }
)


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

    Raises:
        PartnerRefused: There is no such partner, or it is not active.
        UnreadableFile, NothingToSend, DocumentTooLarge, KeyTaken: Nothing was kept.
    """
    view = node.directory.check_active(node.directory.partner(partner))
    documents = [_document(path, content_type) for path in files]
    _check_size(view, files)
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


def _document(path: Path, content_type: str | None) -> HandIn:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not path.is_file():
                raise UnreadableFile(f"{path} is no plain file.")
            head = file.read(HEAD_LIMIT)
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from None
    return HandIn(path.name, content_type or guess_type(path, head), _chunks(path))


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_STEP):
                yield chunk
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror}.") from None


def _check_size(view: PartnerView, files: Sequence[Path]) -> None:
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


@dataclass(frozen=True, slots=True)
class Progress:
    """A change of state, as it is seen.

    Attributes:
        after: Seconds since the following began.
        state: The delivery's state.
        text: One sentence.
    """

    after: float
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """How following ended.

    Attributes:
        confirmed: The other side's receipt confirms it.
        message: The message's state.
        delivery: The delivery's state.
        attempts: How many there were.
        code: Why it is not confirmed.
        text: The same in one sentence.
    """

    confirmed: bool
    message: MessageState
    delivery: DeliveryState
    attempts: int
    code: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "confirmed": self.confirmed,
            "state": self.message.value,
            "delivery": self.delivery.value,
            "attempts": self.attempts,
            "reason_code": self.code,
            "reason": self.text,
        }


def follow(node: Node, id: MessageId, patience: float, tell: Callable[[Progress], None]) -> End:
    """Follow an outbound message until it is confirmed, needs a person, or ``patience`` (seconds) is over."""
    begun = time.monotonic()
    seen: tuple[str, int, str] | None = None

    def look(view: View) -> tuple[Message | None, list[Delivery]]:
        return view.message(id), view.deliveries(id)

    while True:
        message, deliveries = node.store.read(look)
        assert message is not None, "a message that was kept stays"
        delivery = deliveries[-1]
        over = time.monotonic() - begun >= patience
        now = (delivery.state.value, delivery.attempts, delivery.reason)
        if now != seen:
            seen = now
            tell(Progress(time.monotonic() - begun, delivery.state.value, _sentence(delivery)))
        if delivery.state in _ENDED or over:
            return _end(node, message, delivery, patience)
        time.sleep(_LOOK_EVERY)


def _sentence(delivery: Delivery) -> str:
    attempt = f", attempt {delivery.attempts}" if delivery.attempts > 1 else ""
    text = {
        DeliveryState.WAITING: "waits to be delivered",
        DeliveryState.SENDING: f"is being sent{attempt}",
        DeliveryState.SENT: "was taken; its receipt is still to come",
        DeliveryState.OVERDUE: "was taken, and its receipt is overdue",
        DeliveryState.CONFIRMED: "is confirmed by the partner's receipt",
        DeliveryState.REFUSED: "was refused",
        DeliveryState.DEAD: "could not be delivered",
        DeliveryState.GIVEN_UP: "was given up",
    }[delivery.state]
    return f"{text}: {delivery.reason}" if delivery.reason else text


def _end(node: Node, message: Message, delivery: Delivery, patience: float) -> End:
    confirmed = delivery.state is DeliveryState.CONFIRMED
    code, text = delivery.reason_code, delivery.reason
    if delivery.state not in _ENDED:
        code, text = (
            "send.timeout",
            f"It {_sentence(delivery)}; {patience:g} s are over, and the hub goes on.",
        )
        if not _serving(node):
            code, text = "send.not-served", "No node serves this hub: start one with `ecluse serve`."
    elif not confirmed and not text:
        text = f"It {_sentence(delivery)}."
    return End(confirmed, message.state, delivery.state, delivery.attempts, code, text)


def _serving(node: Node) -> bool:
    """Whether some node has shown a sign of life lately."""
    now = node.hub.clock()
    beats = node.store.read(lambda view: view.nodes())
    return any(now - at < _SILENT_NODE * 1_000_000 for _, at in beats)
