"""The life of one message, gathered for one screen: what, who, when, how it ended, and where it is proven."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ecluse.evidence.record import decode_leaf
from ecluse.exchange.actions import NoSuchMessage
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Answer, Delivery, LoggedEvent, Message, Receipt
from ecluse.store.port import Store, View

__all__ = ["Step", "Trace", "trace"]


class Step(msgspec.Struct, frozen=True):
    """One event of the life.

    Attributes:
        at: RFC 3339, UTC.
        kind: As in the log.
        actor: Who did it.
        node: On which node.
        data: The event's facts.
        index: Its leaf in the log, or ``None`` while it waits to be sealed.
        id: The event's id.
    """

    at: str
    kind: str
    actor: str
    node: str
    data: dict[str, Any]
    index: int | None
    id: str


class Trace(msgspec.Struct, frozen=True):
    """Everything that is known of one message.

    Attributes:
        message: The message.
        wire: The protocol's facts.
        deliveries: Its deliveries.
        receipts: What the other side answered.
        answer: What we answered, or ``None``.
        steps: Its events in order.
        checkpoint_size: Leaves under the newest signed checkpoint: a step whose index is below is proven.
    """

    message: Message
    wire: dict[str, Any]
    deliveries: list[Delivery]
    receipts: list[Receipt]
    answer: Answer | None
    steps: list[Step]
    checkpoint_size: int

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: instants as RFC 3339, exact bytes as digests."""
        message = self.message
        return {
            "id": message.id,
            "direction": message.direction.value,
            "partner": message.partner,
            "protocol": message.protocol,
            "protocol_id": message.protocol_id,
            "state": message.state.value,
            "subject": message.subject,
            "reference": message.reference,
            "created": iso(message.created),
            "updated": iso(message.updated),
            "reason_code": message.reason_code,
            "reason": message.reason,
            "config_version": message.config_version,
            "documents": [msgspec.to_builtins(part) for part in message.parts],
            "wire": self.wire,
            "deliveries": [
                {
                    "id": delivery.id,
                    "channel": delivery.channel,
                    "state": delivery.state.value,
                    "attempts": delivery.attempts,
                    "updated": iso(delivery.updated),
                    "receipt_due": iso(delivery.receipt_due) if delivery.receipt_due else None,
                    "reason_code": delivery.reason_code,
                    "reason": delivery.reason,
                }
                for delivery in self.deliveries
            ],
            "receipts": [
                {
                    "kind": receipt.kind,
                    "positive": receipt.positive,
                    "verdict": receipt.verdict,
                    "received": iso(receipt.received),
                    "sha256": sha256(receipt.body).hexdigest(),
                }
                for receipt in self.receipts
            ],
            "answer": None
            if self.answer is None
            else {
                "positive": self.answer.positive,
                "status": self.answer.status,
                "created": iso(self.answer.created),
                "asynchronous": bool(self.answer.return_to),
                "sha256": sha256(self.answer.body).hexdigest(),
            },
            "events": [
                {
                    **msgspec.to_builtins(step),
                    "proven": step.index is not None and step.index < self.checkpoint_size,
                }
                for step in self.steps
            ],
        }


def trace(store: Store, id: MessageId) -> Trace:
    """Gather the life of a message.

    Raises:
        NoSuchMessage: There is none.
    """

    def gather(view: View) -> Trace:
        message = view.message(id)
        if message is None:
            raise NoSuchMessage(f"There is no message {id}.")
        checkpoint = view.last_checkpoint()
        return Trace(
            message=message,
            wire=msgspec.json.decode(message.wire),
            deliveries=view.deliveries(id),
            receipts=view.receipts(id),
            answer=view.answer(id),
            steps=[_step(logged) for logged in view.events(id)],
            checkpoint_size=checkpoint.size if checkpoint else 0,
        )

    return store.read(gather)


def _step(logged: LoggedEvent) -> Step:
    event = decode_leaf(logged.leaf)
    return Step(
        at=iso(event.at),
        kind=event.kind,
        actor=event.actor,
        node=event.node,
        data=msgspec.json.decode(event.data),
        index=logged.index,
        id=event.id,
    )
