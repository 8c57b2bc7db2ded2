"""Messages, deliveries, receipts, answers, events, jobs, blobs: the rows of the hub, frozen."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId
from ecluse.model.states import DeliveryState, MessageState

__all__ = [
    "Answer",
    "Beside",
    "BlobRow",
    "Checkpoint",
    "ConfigVersion",
    "Delivery",
    "Direction",
    "Event",
    "Job",
    "JobState",
    "LoggedEvent",
    "Message",
    "Part",
    "Receipt",
]


class Direction(StrEnum):
    """Which way a message goes: it came to us (for the application, or for a flow), or it leaves."""

    IN = "in"
    OUT = "out"


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document of a message: a range of a blob.

    Attributes:
        blob: Id of the blob that holds it.
        offset: First octet in the blob's clear text.
        size: Octets.
        sha256: Hex digest of the document.
        content_type: Media type with parameters, as declared.
        name: Safe file name; empty where none was given.
        kind: What inspection found it to be (``edifact``, ``xml:Invoice``, ``unknown``...); empty where nothing
            was looked at.
    """

    blob: str
    offset: int
    size: int
    sha256: str
    content_type: str = "application/octet-stream"
    name: str = ""
    kind: str = ""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One document (or one set of attachments) on its way through the hub, with one id, once.

    Attributes:
        id: The hub's id.
        direction: In or out.
        partner: Who it is from or for; empty while an unknown sender's message is only recorded as rejected.
        protocol: ``as2``; ``local`` for what an application handed in.
        protocol_id: The protocol's own id (AS2: Message-ID with its brackets, verbatim).
        state: See :mod:`ecluse.model.states`.
        created: When it was first recorded.
        updated: When its state last changed.
        subject: As given.
        reference: The document's own number (an order's, an invoice's), where inspection found one.
        parts: The documents, in order. Empty until opened.
        wire_blob: Inbound: the bytes as received, or the exact signed bytes; outbound: the sealed bytes.
        wire: The protocol's own facts (headers, protections found or applied, MICs...), JSON object as bytes.
        reason_code: Why it is rejected, quarantined, failed or given up; empty otherwise.
        reason: The same in one sentence.
        config_version: Number of the configuration version that governed it.
        origin: The message that a flow made this one of; empty where it came from outside.
        relay: The delivery of ``origin`` that this message carries out; empty likewise.
        flow: The flow that it came for, or was made by; empty where there is none. Of several, the first.
        shredded: When its bytes were deleted; 0 while they are kept.
    """

    id: MessageId
    direction: Direction
    partner: PartnerId
    protocol: str
    protocol_id: str
    state: MessageState
    created: Instant
    updated: Instant
    subject: str = ""
    reference: str = ""
    parts: tuple[Part, ...] = ()
    wire_blob: str = ""
    wire: bytes = b"{}"
    reason_code: str = ""
    reason: str = ""
    config_version: int = 0
    origin: MessageId = MessageId("")
    relay: DeliveryId = DeliveryId("")
    flow: str = ""
    shredded: Instant = Instant(0)

    @property
    def size(self) -> int:
        """Octets of all documents together."""
        return sum(part.size for part in self.parts)


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message to one channel.

    Attributes:
        id: The hub's id.
        message: Which message.
        partner: For whom; empty for the hub's own application folder.
        channel: Channel kind and name (``as2:birch``, ``folder:inbox``).
        state: See :mod:`ecluse.model.states`.
        attempts: How many attempts were begun.
        created: When it was decided.
        updated: When it last changed.
        receipt_due: When a receipt of record that is still to come is overdue, or ``None``.
        reason_code: Why the last attempt failed, or it was given up.
        reason: The same in one sentence, and what to do about it in another.
        flow: The flow that relays it: another message is made of this one and sent; empty where this one is.
        target: Which of the flow's targets.
        order_key: Deliveries of one flow, target and key are done in order; empty where order does not matter.
    """

    id: DeliveryId
    message: MessageId
    partner: PartnerId
    channel: str
    state: DeliveryState
    attempts: int
    created: Instant
    updated: Instant
    receipt_due: Instant | None = None
    reason_code: str = ""
    reason: str = ""
    flow: str = ""
    target: int = 0
    order_key: str = ""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other side's answer of record, kept with its exact bytes.

    Attributes:
        id: The hub's id.
        delivery: What it answers.
        message: The message of that delivery.
        kind: ``mdn``, ``http``, ``file``...
        positive: True where it confirms the delivery.
        verdict: Stable word: ``confirmed``, ``negative``, ``mic-mismatch``, ``not-authentic``...
        headers: The exact header block.
        body: The exact bytes.
        received: When.
    """

    id: str
    delivery: DeliveryId
    message: MessageId
    kind: str
    positive: bool
    verdict: str
    headers: bytes
    body: bytes
    received: Instant


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Our protocol answer to an inbound message, byte for byte as sent and as it will be sent again.

    Attributes:
        message: What it answers.
        status: HTTP status (or the protocol's like).
        headers: Pairs, in order.
        body: Exact bytes.
        positive: False for a refusal.
        return_to: Where an asynchronous answer goes; empty for a synchronous one.
        created: When it was made.
    """

    message: MessageId
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    positive: bool
    created: Instant
    return_to: str = ""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fact in the life of a message, partner, key or setting: appended, never changed.

    Attributes:
        id: The hub's id (sorts by time).
        at: When.
        kind: Dotted, past tense: ``message.accepted``, ``delivery.attempted``, ``config.applied``.
        subject: Id of what it is about (message id, partner id...).
        data: JSON object as bytes; holds no payload, no secret, and personal data only as commitments.
        actor: ``hub``, ``partner:birch`` or ``operator:name``.
        node: Which node recorded it.
    """

    id: str
    at: Instant
    kind: str
    subject: str
    data: bytes = b"{}"
    actor: str = "hub"
    node: str = ""


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event with its place in the log.

    Attributes:
        event: The fact.
        leaf: The canonical bytes that are hashed as a leaf (with their salt).
        index: Place in the Merkle tree, or ``None`` until sealed.
        beside: The values that stand in the leaf as commitments alone, with their salts, as JSON; empty where there are
            none, or none any more.
    """

    event: Event
    leaf: bytes
    index: int | None
    beside: bytes = b""


class Beside(msgspec.Struct, frozen=True):
    """The values that stand in one event as commitments, while they are kept.

    Attributes:
        row: The event's row number.
        id: Its id.
        kind: Its kind.
        subject: What it is about.
        at: When.
        values: JSON: the commitments, each with its salt and its value.
    """

    row: int
    id: str
    kind: str
    subject: str
    at: Instant
    values: bytes


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed head of the log (C2SP tlog-checkpoint).

    Attributes:
        size: Leaves.
        root: 32 octets.
        note: The signed note, UTF-8.
        at: When it was signed.
    """

    size: int
    root: bytes
    note: bytes
    at: Instant


class JobState(StrEnum):
    """Where a job is."""

    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """Durable work: it is done at least once, and its result is recorded once.

    Attributes:
        key: Unique: adding a job whose key exists does nothing.
        kind: Which handler.
        lane: What its concurrency is counted under (a partner), or empty.
        payload: JSON object as bytes for the handler.
        due: Not before this instant.
        state: See :class:`JobState`.
        attempts: Claims so far.
        owner: Node that holds the lease, or empty.
        lease_until: When the lease ends.
        fence: Grows with every claim; a result is recorded only under the fence of its claim.
        fault: Fault class of the last failure, or empty.
        error: One sentence of the last failure, or empty.
    """

    key: str
    kind: str
    lane: str
    payload: bytes
    due: Instant
    state: JobState = JobState.DUE
    attempts: int = 0
    owner: str = ""
    lease_until: Instant = Instant(0)
    fence: int = 0
    fault: str = ""
    error: str = ""


class BlobRow(msgspec.Struct, frozen=True):
    """Where the bytes of a blob are.

    Attributes:
        id: The hub's id.
        size: Octets of clear text.
        sha256: Digest of the clear text, 32 octets; empty where it is kept elsewhere (a message's MIC).
        inline: The sealed bytes of a small blob, or ``None`` where the blob store holds them.
        created: When.
    """

    id: str
    size: int
    sha256: bytes
    inline: bytes | None
    created: Instant


class ConfigVersion(msgspec.Struct, frozen=True):
    """One version of the configuration, as it was applied.

    Attributes:
        number: 1, 2, 3...
        at: When it took effect.
        actor: Who applied it.
        reason: Why.
        files: Relative path to text, for every file.
    """

    number: int
    at: Instant
    actor: str
    reason: str
    files: dict[str, str]
