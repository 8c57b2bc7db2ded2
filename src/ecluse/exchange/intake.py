"""INTAKE and KEEP, inbound: what a channel opened becomes a message, once, together with its answer.

A channel makes an :class:`Intake` when it knows whom a message claims to be from, writes the documents into it
as they are opened, and ends it with exactly one of :meth:`Intake.accept`, :meth:`Intake.reject`,
:meth:`Intake.receive` or :meth:`Intake.discard`. Nothing is released to anybody before ``accept`` is durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.archive.superseded import supersede
from ecluse.blobs.behind import Behind
from ecluse.blobs.vault import Sealed, VaultWriter
from ecluse.exchange.hub import Hub, left_nothing
from ecluse.exchange.inspect import Inspector
from ecluse.exchange.route import assigned, message_job, route_inbound
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Answer, Direction, Message, Part
from ecluse.model.states import MessageState, check_move
from ecluse.store.port import Conflict, Tx
from ecluse.wire.smime.headers import field_block

__all__ = ["Arrival", "Duplicate", "Intake", "Kept", "Outgrown", "Reply"]

_REJECTED_SUBJECT: Final = 1000
"""Characters of a rejected message's subject that are kept: anybody may have written it."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of an inbound message before its body.

    Attributes:
        partner: Whose message it claims to be, and is allowed to be.
        protocol: ``as2``...
        protocol_id: The protocol's own id, verbatim.
        subject: As given.
        facts: What of the connection belongs into the log (address, TLS version...).
        return_to: Where the answer is asked for on a connection of its own; empty where it is not.
        flow: The flow that it was collected for; empty where it came by itself.
    """

    partner: PartnerId
    protocol: str
    protocol_id: str
    subject: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    return_to: str = ""
    flow: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A protocol answer, before it belongs to a message; see :class:`ecluse.model.nouns.Answer`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    return_to: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The message is durable in its new state, and so is its answer."""

    message: Message


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The message was here before: answer with what was answered then.

    Attributes:
        message: The first one.
        answer: Its stored answer; ``None`` while it is still being opened.
    """

    message: Message
    answer: Answer | None


class Outgrown(Exception):
    """An intake that was to stay within its row did not: a small body may inflate to a large document.

    No fault, and never shown: the same body is opened again where it may be large.
    """


@dataclass(slots=True)
class _OpenDocument:
    content_type: str
    name: str
    inspector: Inspector
    size: int = 0
    writer: VaultWriter | None = None
    digest: Any = field(default_factory=sha256)
    digesting: Behind = field(init=False)

    def __post_init__(self) -> None:
        self.digesting = Behind(self.digest.update)


class Intake:
    """One inbound message on its way in. Used by one thread at a time.

    Args:
        hub: What the chamber shares.
        arrival: Whose message it is.
        message: The message that was kept before it was opened, where this opens it; else ``None``.
        within_row: Raise :class:`Outgrown` rather than touch the place of large blobs, which may take long.
        unopened: The exact octets are digested on their way: no MIC is going to be.
    """

    def __init__(
        self,
        hub: Hub,
        arrival: Arrival,
        message: Message | None = None,
        *,
        within_row: bool = False,
        unopened: bool = False,
    ) -> None:
        """Begin; nothing is written yet."""
        self.hub = hub
        self.arrival = arrival
        self.id = message.id if message else MessageId(hub.new_id("m"))
        self._before = message
        self._within_row = within_row
        self._unopened = unopened
        self._exact: VaultWriter | None = None
        self._exact_offset = 0
        self._document: _OpenDocument | None = None
        self._documents: list[tuple[_OpenDocument, Part | None]] = []
        self._sealed: list[Sealed] = []
        self._submitted: tuple[Sealed, ...] = ()
        self._ending: tuple[Message, Answer | None, dict[str, Any]] | None = None
        self._end: Future[Kept | Duplicate] | None = None

    def exact(self, data: bytes) -> None:
        """Keep octets of the wire exactly as they are: what was signed, or the body as received."""
        if self._exact is None:
            # The protocol's own digest (the MIC) is over these octets already.
            self._exact = self.hub.vault.create(digest=self._unopened)
        self._write(self._exact, data)
        self._exact_offset += len(data)

    def begin_document(self, content_type: str, name: str) -> None:
        """A document begins."""
        self._document = _OpenDocument(content_type, name, Inspector(content_type))

    def document_data(self, data: bytes, *, in_exact: bool) -> None:
        """Octets of the document; ``in_exact`` where the same octets stand in the exact ones."""
        document = self._document
        assert document is not None, "data outside a document"
        document.size += len(data)
        document.inspector.feed(data)
        if in_exact:
            document.digesting.feed(data)
        else:
            if document.writer is None:
                document.writer = self.hub.vault.create()
            self._write(document.writer, data)

    def _write(self, writer: VaultWriter, data: bytes) -> None:
        if self._within_row and writer.size + len(data) > self.hub.vault.inline_limit:
            raise Outgrown
        writer.write(data)

    @property
    def kind(self) -> str:
        """What the document that has begun is, by what of it was seen."""
        assert self._document is not None, "outside a document"
        return self._document.inspector.kind

    def end_document(self, offset: int | None) -> None:
        """The document ends; ``offset`` is where it stands in the exact octets, ``None`` where it doesn't."""
        document = self._document
        assert document is not None, "no document to end"
        self._document = None
        document.digesting.finish()
        part = Part(
            blob="",
            offset=offset or 0,
            size=document.size,
            sha256=document.digest.hexdigest(),
            content_type=document.content_type,
            name=document.name,
            kind=document.inspector.kind,
        )
        if offset is None and document.writer is None:
            document.writer = self.hub.vault.create()
        if document.writer is not None:
            sealed = document.writer.finish()
            self._sealed.append(sealed)
            part = msgspec.structs.replace(part, blob=sealed.row.id, offset=0, sha256=sealed.row.sha256.hex())
        self._documents.append((document, part))

    def _finish_exact(self) -> str:
        if self._exact is None:
            return ""
        sealed = self._exact.finish()
        self._exact = None
        self._sealed.append(sealed)
        return sealed.row.id

    def accept(self, wire: bytes, facts: Mapping[str, Any], reply: Reply | None) -> Future[Kept | Duplicate]:
        """Keep the documents and the positive answer; route, or quarantine what inspection stops.

        Args:
            wire: The protocol's facts, a JSON object.
            facts: What of them belongs into the log.
            reply: The positive answer; ``None`` where the protocol's own return is all the answer there is.

        Returns:
            Done when it is durable. It may fail with :class:`~ecluse.store.port.Conflict` where a twin was
            faster: then call :meth:`again`.
        """
        wire_blob = self._finish_exact()
        parts = tuple(
            part if part.blob else msgspec.structs.replace(part, blob=wire_blob)
            for _, part in self._documents
            if part is not None
        )
        held = [(d.inspector.problem(), d) for d, _ in self._documents]
        problem = next((p for p, _ in held if p is not None), None)
        reference = next((r for d, _ in self._documents if (r := d.inspector.reference)), "")
        message = self._message(
            MessageState.ACCEPTED if problem is None else MessageState.QUARANTINED,
            reference=reference,
            parts=parts,
            wire_blob=wire_blob,
            wire=wire,
            reason_code=problem.code if problem else "",
            reason=problem.reason if problem else "",
        )
        kinds = [part.kind for part in parts]
        message = assigned(self.hub, message)
        code, reason = self.hub.unfit(message) if problem is None else ("", "")
        if code:
            message = msgspec.structs.replace(
                message, state=MessageState.QUARANTINED, reason_code=code, reason=reason
            )
        return self._submit(message, reply, positive=True, facts={**facts, "documents": kinds})

    def reject(
        self, wire: bytes, facts: Mapping[str, Any], reply: Reply, code: str, reason: str
    ) -> Future[Kept | Duplicate]:
        """Keep the refusal and its answer, and none of the bytes. The same protocol id may come again."""
        self.discard()
        message = self._message(MessageState.REJECTED, wire=wire, reason_code=code, reason=reason)
        message = msgspec.structs.replace(message, subject=message.subject[:_REJECTED_SUBJECT])
        return self._submit(message, reply, positive=False, facts=facts)

    def receive(self, wire: bytes) -> Future[Kept | Duplicate]:
        """Keep the exact octets unopened, and have them opened by a job."""
        wire_blob = self._finish_exact()
        message = self._message(MessageState.RECEIVED, wire_blob=wire_blob, wire=wire)
        row = next((sealed.row for sealed in self._sealed if sealed.row.id == wire_blob), None)
        facts = (
            {"wire_sha256": row.sha256.hex(), "wire_size": row.size} if row is not None and row.sha256 else {}
        )
        return self._submit(message, None, positive=False, facts=facts)

    def _message(self, state: MessageState, **facts: Any) -> Message:
        now = self.hub.clock()
        return Message(
            id=self.id,
            direction=Direction.IN,
            partner=self.arrival.partner,
            protocol=self.arrival.protocol,
            protocol_id=self.arrival.protocol_id,
            state=state,
            created=self._before.created if self._before else now,
            updated=now,
            subject=self.arrival.subject,
            config_version=self.hub.config_version(),
            flow=self.arrival.flow,
            **facts,
        )

    def _submit(
        self, message: Message, reply: Reply | None, *, positive: bool, facts: Mapping[str, Any]
    ) -> Future[Kept | Duplicate]:
        answer = None
        if reply is not None:
            answer = Answer(
                message=message.id,
                status=reply.status,
                headers=reply.headers,
                body=reply.body,
                positive=positive,
                created=message.updated,
                return_to=reply.return_to,
            )
        # From here on they are the transaction's: only its end tells whether they may be deleted.
        self._submitted, self._sealed = tuple(self._sealed), []
        self._ending = message, answer, _event_data(message, self.arrival, answer, facts)
        return self.again()

    def _keep(self, tx: Tx) -> Kept | Duplicate:
        assert self._ending is not None, "it is submitted with its end"
        message, answer, data = self._ending
        if self._before is None:
            # A refusal takes no id, so that nothing but a look finds what was kept under it before.
            first = self._kept_before(tx, message) if message.state is MessageState.REJECTED else None
            if first is None:
                try:
                    tx.add_message(message)
                except Conflict:
                    first = self._kept_before(tx, message)
                    if first is None:
                        raise
            if first is not None:
                return self._duplicate(tx, first)
        else:
            current = tx.message(message.id)
            if current is None or current.state is not MessageState.RECEIVED:
                return Duplicate(current or message, tx.answer(message.id))
            check_move(current.state, message.state)
            tx.update_message(message)
            if current.wire_blob and current.wire_blob != message.wire_blob:
                supersede(tx, message.id, current.wire_blob, message.updated)
        for sealed in self._submitted:
            tx.add_blob(sealed.row, sealed.wrapped_key)
        self.hub.event(tx, f"message.{message.state.value}", message.id, data, at=message.updated)
        if answer is not None:
            tx.put_answer(answer)
            if answer.return_to:
                tx.add_job(message_job("answer", message))
        if message.state is MessageState.ACCEPTED:
            route_inbound(self.hub, tx, message)
        elif message.state is MessageState.RECEIVED:
            tx.add_job(message_job("open", message))
        else:
            self.hub.settled(tx, message)
        return Kept(message)

    def again(self) -> Future[Kept | Duplicate]:
        """Submit the same end once more, after a :class:`~ecluse.store.port.Conflict` or an outage."""
        self._end = self.hub.store.submit(self._keep)
        return self._end

    @staticmethod
    def _kept_before(tx: Tx, message: Message) -> Message | None:
        first = tx.find_message(Direction.IN, message.partner, message.protocol_id)
        return None if first is None or first.state is MessageState.REJECTED else first

    def _duplicate(self, tx: Tx, first: Message) -> Duplicate:
        answer = tx.answer(first.id)
        self.hub.event(
            tx, "message.duplicate", first.id, {"protocol_id": first.protocol_id, **self.arrival.facts}
        )
        return_to = self.arrival.return_to
        if answer is not None and answer.body and return_to:
            # The same answer, to where it is asked for now: the first time may have asked otherwise.
            if answer.return_to != return_to:
                answer = msgspec.structs.replace(answer, return_to=return_to)
                tx.put_answer(answer)
            job = message_job("answer", first)
            if not tx.wake_job(job.key, self.hub.clock()):
                tx.add_job(job)
        return Duplicate(first, answer)

    def discard(self) -> None:
        """Leave none of the bytes that no message has: after a rejection, a duplicate or a failure. Never raises.

        What was submitted is deleted only where that is known to have kept nothing. Where it is not known, the
        sweep finds what is left.
        """
        for writer in (self._exact, self._document.writer if self._document else None):
            if writer is not None:
                writer.abort()
        if self._document is not None:
            self._document.digesting.cancel()
        self._exact = self._document = None
        if self._end is not None and _kept_nothing(self._end):
            self._sealed += self._submitted
            self._submitted = ()
        for sealed in self._sealed:
            self.hub.vault.discard(sealed)
        self._sealed.clear()
        self._documents.clear()


def _kept_nothing(end: Future[Kept | Duplicate]) -> bool:
    return left_nothing(end) or (
        end.done() and end.exception() is None and isinstance(end.result(), Duplicate)
    )


def _event_data(
    message: Message, arrival: Arrival, answer: Answer | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "direction": "in",
        "partner": message.partner,
        "protocol": message.protocol,
        "protocol_id": message.protocol_id,
        "config": message.config_version,
        **arrival.facts,
        **facts,
    }
    if message.flow:
        data["flow"] = message.flow
    if message.parts:
        data["sha256"] = [part.sha256 for part in message.parts]
        data["size"] = message.size
    if message.reason_code:
        data["reason"] = message.reason_code
    if answer is not None:
        data["answer_sha256"] = sha256(answer.body).hexdigest()
        data["answer_headers_sha256"] = sha256(field_block(answer.headers)).hexdigest()
        data["answer_positive"] = answer.positive
    return data
