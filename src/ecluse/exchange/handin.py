"""INTAKE and KEEP of what an application hands in: for a partner, with one delivery; or for a flow, with its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ecluse.blobs.vault import Sealed
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.hub import Hub, left_nothing
from ecluse.exchange.inspect import Inspector
from ecluse.exchange.route import add_delivery, route_inbound
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction, Message, Part
from ecluse.model.states import MessageState
from ecluse.store.port import Tx

__all__ = ["HandIn", "NotForFlow", "NothingToSend", "hand_in", "hand_in_for"]


class NothingToSend(EcluseError):
    """No document was handed in, or an empty one."""

    code = "exchange.nothing-to-send"
    fault = Fault.USAGE
    remedy = "Give at least one file that is not empty."


class NotForFlow(EcluseError):
    """A flow does not take what was handed in for it."""

    code = "flow.refused"
    fault = Fault.USAGE
    remedy = "Look at what the flow takes with `ecluse flow show`, or try it with `ecluse flow test`."


@dataclass(frozen=True, slots=True)
class HandIn:
    """One document that an application hands in.

    Attributes:
        name: File name for the partner.
        content_type: Media type.
        chunks: Its octets.
    """

    name: str
    content_type: str
    chunks: Iterable[bytes]


def hand_in(
    hub: Hub,
    partner: PartnerId,
    channel: str,
    documents: Iterable[HandIn],
    *,
    subject: str = "",
    protocol: str,
    protocol_id: str,
    wire: bytes = b"{}",
    actor: str = "hub",
) -> Message:
    """Keep the documents, and have them delivered.

    Args:
        hub: What the chamber shares.
        partner: For whom.
        channel: By which channel (``as2:birch``).
        documents: One or several, in order.
        subject: For the partner to read.
        protocol: The channel's protocol.
        protocol_id: The id that every attempt will carry; unique for the partner.
        wire: The protocol's facts, a JSON object.
        actor: Who hands it in.

    Returns:
        The message, durable.

    Raises:
        NothingToSend: There is no document, or one is empty.
        Conflict: The protocol id was used before.
    """

    def made(kept: _Kept, now: Instant) -> Message:
        return Message(
            id=MessageId(hub.new_id("m")),
            direction=Direction.OUT,
            partner=partner,
            protocol=protocol,
            protocol_id=protocol_id,
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            subject=subject,
            reference=kept.reference,
            parts=tuple(kept.parts),
            wire=wire,
            config_version=hub.config_version(),
        )

    return _keep(hub, documents, made, lambda tx, message: add_delivery(hub, tx, message, channel), actor)


def hand_in_for(
    hub: Hub,
    plan: FlowPlan,
    documents: Iterable[HandIn],
    *,
    subject: str = "",
    protocol_id: str,
    actor: str = "hub",
) -> Message:
    """Keep the documents, and have a flow send them on.

    Args:
        hub: What the chamber shares.
        plan: The flow.
        documents: One or several, in order.
        subject: For who gets them to read.
        protocol_id: Unique among what was handed in.
        actor: Who hands it in.

    Returns:
        The message, durable.

    Raises:
        NotForFlow: The flow does not take it. Nothing was kept.
        NothingToSend: There is no document, or one is empty.
        Conflict: The protocol id was used before.
    """

    def made(kept: _Kept, now: Instant) -> Message:
        message = Message(
            id=MessageId(hub.new_id("m")),
            direction=Direction.IN,
            partner=PartnerId(""),
            protocol="local",
            protocol_id=protocol_id,
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            subject=subject,
            reference=kept.reference,
            parts=tuple(kept.parts),
            config_version=hub.config_version(),
            flow=plan.id,
        )
        why = plan.refusal(message)
        if why:
            raise NotForFlow(f"The flow {plan.id} does not take it: {why}.")
        return message

    return _keep(hub, documents, made, lambda tx, message: route_inbound(hub, tx, message), actor)


def _keep(
    hub: Hub,
    documents: Iterable[HandIn],
    made: Callable[[_Kept, Instant], Message],
    route: Callable[[Tx, Message], object],
    actor: str,
) -> Message:
    kept = _Kept()
    end: Future[None] | None = None
    try:
        for document in documents:
            kept.add(hub, document)
        if not kept.parts:
            raise NothingToSend("There is no document to send.")
        now = hub.clock()
        message = made(kept, now)

        def work(tx: Tx) -> None:
            tx.add_message(message)
            for sealed in kept.sealed:
                tx.add_blob(sealed.row, sealed.wrapped_key)
            hub.event(
                tx,
                "message.accepted",
                message.id,
                {
                    "direction": message.direction.value,
                    "partner": message.partner,
                    "protocol": message.protocol,
                    "protocol_id": message.protocol_id,
                    "config": message.config_version,
                    **({"flow": message.flow} if message.flow else {}),
                    "documents": kept.kinds,
                    "sha256": [part.sha256 for part in message.parts],
                    "size": message.size,
                },
                actor=actor,
                at=now,
            )
            route(tx, message)

        end = hub.store.submit(work)
        end.result()
    except BaseException:
        # A commit that was not waited for, or is in doubt, may have kept them: the sweep knows.
        if end is None or left_nothing(end):
            for sealed in kept.sealed:
                hub.vault.discard(sealed)
        raise
    return message


@dataclass(slots=True)
class _Kept:
    """What was written of the documents so far."""

    sealed: list[Sealed] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    reference: str = ""

    def add(self, hub: Hub, document: HandIn) -> None:
        """Keep one document; nothing of it is left where that fails."""
        inspector = Inspector(document.content_type)
        with hub.vault.create() as writer:
            for chunk in document.chunks:
                inspector.feed(chunk)
                writer.write(chunk)
            if writer.size == 0:
                raise NothingToSend(f"{document.name or 'A document'} is empty.")
            sealed = writer.finish()
        self.sealed.append(sealed)
        self.kinds.append(inspector.kind)
        self.reference = self.reference or inspector.reference
        row = sealed.row
        self.parts.append(
            Part(row.id, 0, row.size, row.sha256.hex(), document.content_type, document.name, inspector.kind)
        )
