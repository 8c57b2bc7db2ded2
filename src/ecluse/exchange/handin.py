"""INTAKE and KEEP, outbound: what an application hands in becomes a message with one delivery."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub, left_nothing
from ecluse.exchange.inspect import Inspector
from ecluse.exchange.route import add_delivery
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Direction, Message, Part
from ecluse.model.states import MessageState
from ecluse.store.port import Tx

__all__ = ["HandIn", "NothingToSend", "hand_in"]


class NothingToSend(EcluseError):
    """No document was handed in, or an empty one."""

    code = "exchange.nothing-to-send"
    fault = Fault.USAGE
    remedy = "Give at least one file that is not empty."


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
        actor: Who hands it in.

    Returns:
        The message, durable.

    Raises:
        NothingToSend: There is no document, or one is empty.
        Conflict: The protocol id was used before.
    """
    message_id = MessageId(hub.new_id("m"))
    parts: list[Part] = []
    kept = []
    kinds: list[str] = []
    reference = ""
    end: Future[None] | None = None
    try:
        for document in documents:
            inspector = Inspector(document.content_type)
            writer = hub.vault.create()
            size = 0
            try:
                for chunk in document.chunks:
                    inspector.feed(chunk)
                    writer.write(chunk)
                    size += len(chunk)
                if size == 0:
                    raise NothingToSend(f"{document.name or 'A document'} is empty.")
                sealed = writer.finish()
            except BaseException:
                writer.abort()
                raise
            kept.append(sealed)
            kinds.append(inspector.kind)
            reference = reference or inspector.reference
            parts.append(
                Part(
                    sealed.row.id,
                    0,
                    size,
                    sealed.row.sha256.hex(),
                    document.content_type,
                    document.name,
                )
            )
        if not parts:
            raise NothingToSend("There is no document to send.")
        now = hub.clock()
        message = Message(
            id=message_id,
            direction=Direction.OUT,
            partner=partner,
            protocol=protocol,
            protocol_id=protocol_id,
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            subject=subject,
            reference=reference,
            parts=tuple(parts),
            config_version=hub.config_version(),
        )

        def work(tx: Tx) -> None:
            tx.add_message(message)
            for sealed in kept:
                tx.add_blob(sealed.row, sealed.wrapped_key)
            hub.event(
                tx,
                "message.accepted",
                message.id,
                {
                    "direction": "out",
                    "partner": partner,
                    "protocol": protocol,
                    "protocol_id": protocol_id,
                    "config": message.config_version,
                    "documents": kinds,
                    "sha256": [part.sha256 for part in parts],
                    "size": message.size,
                },
                actor=actor,
                at=now,
            )
            add_delivery(hub, tx, message, channel)

        end = hub.store.submit(work)
        end.result()
    except BaseException:
        # A commit that was not waited for, or is in doubt, may have kept them: the sweep knows.
        if end is None or left_nothing(end):
            for sealed in kept:
                hub.vault.discard(sealed)
        raise
    return message
