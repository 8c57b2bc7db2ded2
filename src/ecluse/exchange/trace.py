"""The life of one message, gathered for one screen: what, who, when, how it ended, and where it is proven.

What a flow made of a message is of the same life: asked for either, it is told as one, from what came on.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ecluse.archive.commitments import revealed
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.actions import NoSuchMessage
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Answer, Delivery, LoggedEvent, Message, Receipt
from ecluse.store.port import Store, View

__all__ = ["Branch", "Step", "Trace", "trace"]


class Step(msgspec.Struct, frozen=True):
    """One event of the life.

    Attributes:
        at: RFC 3339, UTC.
        kind: As in the log.
        actor: Who did it.
        node: On which node.
        data: The event's facts.
        message: Whose event it is, of those whose life this is.
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
    message: str = ""


class Branch(msgspec.Struct, frozen=True):
    """A message that a flow made of the one that the life is of.

    Attributes:
        message: The message.
        wire: Its protocol's facts.
        deliveries: Its deliveries.
        receipts: What the other side answered.
    """

    message: Message
    wire: dict[str, Any]
    deliveries: list[Delivery]
    receipts: list[Receipt]


class Trace(msgspec.Struct, frozen=True):
    """Everything that is known of one message.

    Attributes:
        message: The message.
        wire: The protocol's facts.
        deliveries: Its deliveries.
        receipts: What the other side answered.
        answer: What we answered, or ``None``.
        steps: Its events and those of its branches, in order.
        checkpoint_size: Leaves under the newest signed checkpoint: a step whose index is below is proven.
        branches: What flows made of it.
        asked: Id of the message that was asked for: this one, or one of its branches.
    """

    message: Message
    wire: dict[str, Any]
    deliveries: list[Delivery]
    receipts: list[Receipt]
    answer: Answer | None
    steps: list[Step]
    checkpoint_size: int
    branches: list[Branch] = []
    asked: str = ""

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
            "origin": message.origin or None,
            "flow": message.flow or None,
            "shredded": iso(message.shredded) if message.shredded else None,
            "asked": self.asked or message.id,
            "documents": [msgspec.to_builtins(part) for part in message.parts],
            "wire": self.wire,
            "deliveries": [_delivery(delivery) for delivery in self.deliveries],
            "receipts": [_receipt(receipt) for receipt in self.receipts],
            "children": [
                {
                    "id": each.message.id,
                    "relay": each.message.relay,
                    "flow": each.message.flow,
                    "partner": each.message.partner,
                    "protocol": each.message.protocol,
                    "protocol_id": each.message.protocol_id,
                    "state": each.message.state.value,
                    "reason_code": each.message.reason_code,
                    "reason": each.message.reason,
                    "documents": [msgspec.to_builtins(part) for part in each.message.parts],
                    "deliveries": [_delivery(delivery) for delivery in each.deliveries],
                    "receipts": [_receipt(receipt) for receipt in each.receipts],
                }
                for each in self.branches
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


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "flow": delivery.flow or None,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "updated": iso(delivery.updated),
        "receipt_due": iso(delivery.receipt_due) if delivery.receipt_due else None,
        "reason_code": delivery.reason_code,
        "reason": delivery.reason,
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return {
        "kind": receipt.kind,
        "positive": receipt.positive,
        "verdict": receipt.verdict,
        "received": iso(receipt.received),
        "sha256": sha256(receipt.body).hexdigest(),
    }


def trace(store: Store, id: MessageId, *, whole: bool = True) -> Trace:
    """Gather the life of a message.

    Args:
        store: The database.
        id: Which message.
        whole: Of a message that a flow made, the life of the one that came, with everything that was made of it.

    Raises:
        NoSuchMessage: There is none.
    """

    def gather(view: View) -> Trace:
        message = view.message(id)
        if message is None:
            raise NoSuchMessage(f"There is no message {id}.")
        if whole and message.origin:
            message = view.message(message.origin) or message
        children = view.children(message.id) if whole else []
        checkpoint = view.last_checkpoint()
        steps = [(logged, each.id) for each in (message, *children) for logged in view.events(each.id)]
        # Each subject's are in order; ids tell the order among them as the clocks of the nodes do.
        steps.sort(key=lambda step: (step[0].event.at, step[0].event.id))
        return Trace(
            message=message,
            wire=msgspec.json.decode(message.wire),
            deliveries=view.deliveries(message.id),
            receipts=view.receipts(message.id),
            answer=view.answer(message.id),
            steps=[_step(logged, of) for logged, of in steps],
            checkpoint_size=checkpoint.size if checkpoint else 0,
            branches=[
                Branch(
                    child,
                    msgspec.json.decode(child.wire),
                    view.deliveries(child.id),
                    view.receipts(child.id),
                )
                for child in children
            ],
            asked=id,
        )

    return store.read(gather)


def _step(logged: LoggedEvent, of: str) -> Step:
    event = decode_leaf(logged.leaf)
    return Step(
        at=iso(event.at),
        kind=event.kind,
        actor=event.actor,
        node=event.node,
        data=revealed(logged),
        index=logged.index,
        id=event.id,
        message=of,
    )
