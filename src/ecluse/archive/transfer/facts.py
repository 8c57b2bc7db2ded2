"""What stands in ``message.json`` and ``metadata.json``: all that the hub knows and that is not its own affair.

Names of blobs, versions of the configuration and what is still under way are left out: another hub has its own. Times
are microseconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from ecluse.archive.transfer.layout import FORMAT, BadExport
from ecluse.model.archive import Archived, ArchiveId, ArchiveState
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Answer, Direction, Message, Part
from ecluse.model.states import MessageState
from ecluse.typed import from_json

__all__ = ["AnswerFacts", "DocumentFacts", "MessageFacts", "PartFacts", "encoded", "read_facts"]

T = TypeVar("T")
Whole = Annotated[int, Meta(ge=-(2**62), le=2**62)]
"""A number that both databases hold."""
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

_MARK: Final = "offset"
"""Of the body of an archived document: where it begins in its blob, which is the hub's own affair."""


class PartFacts(msgspec.Struct, frozen=True):
    """One document of the message (see :class:`~ecluse.model.nouns.Part`).

    Attributes:
        size: Octets.
        sha256: In hexadecimal.
        content_type: As declared.
        name: File name.
        kind: As inspection found it.
        wire_offset: Where it begins in ``wire``; ``None`` where it is not in there as it is.
    """

    size: Whole
    sha256: Digest
    content_type: str
    name: str
    kind: str
    wire_offset: Annotated[int, Meta(ge=0, le=2**62)] | None


class AnswerFacts(msgspec.Struct, frozen=True):
    """Our answer; its body is ``protocol/answer.body`` (see :class:`~ecluse.model.nouns.Answer`)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    positive: bool
    created: Whole
    return_to: str


class MessageFacts(msgspec.Struct, frozen=True):
    """``message.json`` (see :class:`~ecluse.model.nouns.Message`)."""

    format: str
    id: str
    direction: Direction
    partner: str
    protocol: str
    protocol_id: str
    state: MessageState
    created: Whole
    updated: Whole
    subject: str
    reference: str
    parts: tuple[PartFacts, ...]
    wire: dict[str, Any]
    reason_code: str
    reason: str
    origin: str
    flow: str
    shredded: Whole
    answer: AnswerFacts | None = None

    def message(self, blobs: list[str], wire_blob: str, origin: str) -> Message:
        """The message as another hub has it: nothing of it is under way there.

        Args:
            blobs: Of each part the blob that holds it, empty where that is destroyed; from its first octet on,
                unless it is the wire's.
            wire_blob: The blob of ``wire``; empty where there is none.
            origin: The message that it was made of, where that hub has it.
        """
        state = self.state
        if state in (MessageState.RECEIVED, MessageState.ACCEPTED, MessageState.SEALED):
            state = MessageState.DELIVERED
        parts = tuple(
            Part(
                blob=blob,
                offset=(part.wire_offset or 0) if blob and blob == wire_blob else 0,
                size=part.size,
                sha256=part.sha256,
                content_type=part.content_type,
                name=part.name,
                kind=part.kind,
            )
            for part, blob in zip(self.parts, blobs, strict=True)
        )
        return Message(
            MessageId(self.id),
            self.direction,
            PartnerId(self.partner),
            self.protocol,
            self.protocol_id,
            state,
            Instant(self.created),
            Instant(self.updated),
            subject=self.subject,
            reference=self.reference,
            parts=parts,
            wire_blob=wire_blob,
            wire=msgspec.json.encode(self.wire),
            reason_code=self.reason_code,
            reason=self.reason,
            origin=MessageId(origin),
            flow=self.flow,
            shredded=Instant(self.shredded),
        )


class DocumentFacts(msgspec.Struct, frozen=True):
    """``metadata.json`` (see :class:`~ecluse.model.archive.Archived`); ``body`` without the place in a blob."""

    format: str
    id: Annotated[str, Meta(pattern="^a[0-9a-z]{8,40}$")]
    message: str
    part: Annotated[int, Meta(ge=0, le=100_000)]
    partner: str
    direction: Direction
    flow: str
    type: str
    reference: str
    refs: tuple[tuple[str, str], ...]
    day: str
    amount: Whole | None
    currency: str
    deposited: Whole
    profile: str
    starts: Whole | None
    ends: Whole | None
    state: ArchiveState
    sha256: Digest
    size: Whole
    body: dict[str, Any]
    lacking: bool = False
    """Its octets could not be read, and are not in the export."""

    def archived(self, blob: str, offset: int) -> Archived:
        """The row of another hub."""
        body = {**self.body, _MARK: offset} if offset else self.body
        return Archived(
            ArchiveId(self.id),
            MessageId(self.message),
            self.part,
            blob,
            PartnerId(self.partner),
            self.direction,
            Instant(self.deposited),
            self.profile,
            bytes.fromhex(self.sha256),
            self.size,
            flow=self.flow,
            type=self.type,
            reference=self.reference,
            refs=self.refs,
            day=self.day,
            amount=self.amount,
            currency=self.currency,
            starts=None if self.starts is None else Instant(self.starts),
            ends=None if self.ends is None else Instant(self.ends),
            state=self.state,
            body=msgspec.json.encode(body),
        )


def message_facts(message: Message, answer: Answer | None, origin: str) -> MessageFacts:
    """The facts of a message; ``origin`` where that is in the archive too."""
    return MessageFacts(
        FORMAT,
        message.id,
        message.direction,
        message.partner,
        message.protocol,
        message.protocol_id,
        message.state,
        message.created,
        message.updated,
        message.subject,
        message.reference,
        tuple(
            PartFacts(
                part.size,
                part.sha256,
                part.content_type,
                part.name,
                part.kind,
                part.offset if message.wire_blob and part.blob == message.wire_blob else None,
            )
            for part in message.parts
        ),
        from_json(message.wire, dict[str, Any]),
        message.reason_code,
        message.reason,
        origin,
        message.flow,
        message.shredded,
        None
        if answer is None
        else AnswerFacts(answer.status, answer.headers, answer.positive, answer.created, answer.return_to),
    )


def document_facts(archived: Archived, *, lacking: bool) -> DocumentFacts:
    """The facts of an archived document."""
    body: dict[str, Any] = msgspec.json.decode(archived.body)
    body.pop(_MARK, None)
    return DocumentFacts(
        FORMAT,
        archived.id,
        archived.message,
        archived.part,
        archived.partner,
        archived.direction,
        archived.flow,
        archived.type,
        archived.reference,
        archived.refs,
        archived.day,
        archived.amount,
        archived.currency,
        archived.deposited,
        archived.profile,
        archived.starts,
        archived.ends,
        archived.state,
        archived.sha256.hex(),
        archived.size,
        body,
        lacking,
    )


def encoded(facts: object) -> bytes:
    """As a file: indented JSON."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def read_facts(path: str, data: bytes, type: type[T]) -> T:
    """The inverse. Raises :class:`BadExport` with the file's path."""
    try:
        found = from_json(data, type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadExport(path, "it is not written as this release reads it.") from None
    if getattr(found, "format", FORMAT) != FORMAT:
        raise BadExport(path, f"it is not of the format {FORMAT}.")
    return found
