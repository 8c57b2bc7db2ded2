"""What there is of one message, written into a pack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from ecluse.app.packs.as2 import wire_of
from ecluse.app.packs.content import write_documents, write_wire
from ecluse.app.packs.folder import Folder, Making, as_json
from ecluse.app.packs.testimony import Testimony
from ecluse.archive.commitments import opened
from ecluse.evidence.pack.proofs import prove_all
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.actions import NoSuchMessage
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Answer, Delivery, Event, LoggedEvent, Message, Receipt
from ecluse.model.states import MessageState
from ecluse.store.port import View

__all__ = ["Packed", "write_message"]


class _Kept(NamedTuple):
    message: Message
    children: list[MessageId]
    deliveries: list[Delivery]
    receipts: list[Receipt]
    answer: Answer | None
    events: list[LoggedEvent]


@dataclass(frozen=True, slots=True)
class Packed:
    """A message that was written.

    Attributes:
        facts: What ``message.json`` says.
        events: Its events, in order.
    """

    facts: dict[str, Any]
    events: list[Event]


def write_message(making: Making, id: MessageId) -> Packed:
    """Write one message.

    Raises:
        NoSuchMessage: There is none of that id.
        NotProvable, BadProof: The log does not bear its events out.
    """
    kept = making.node.store.read(lambda view: _look(view, id))
    folder = Folder(making, kept.message)
    listed, openings = _write_events(folder, kept.events)
    shredded = _shredded(folder)
    if not making.versions.want(kept.message):
        folder.note("no-configuration")
    if kept.message.state is MessageState.REJECTED:
        folder.note("refused")
    wire = wire_of(kept.message)
    testimony = Testimony(folder, wire)
    facts = {
        **_identity(kept.message, kept.children),
        "wire": write_wire(folder, wire),
        "documents": write_documents(folder),
        "receipts": testimony.write_receipts(kept.receipts),
        "answer": testimony.write_answer(kept.answer),
        "mic": testimony.mic(),
        "protections": testimony.protections(),
        "certificates": testimony.certificates(),
        "deliveries": [_delivery(each) for each in kept.deliveries],
        "events": listed,
        "openings": openings,
        "shredded": shredded,
        "withheld": not making.documents,
    }
    folder.add("message.json", "message", as_json(facts))
    return Packed(facts, folder.events)


def _look(view: View, id: MessageId) -> _Kept:
    message = view.message(id)
    if message is None:
        raise NoSuchMessage(f"There is no message {id}.")
    return _Kept(
        message,
        [child.id for child in view.children(id)],
        view.deliveries(id),
        view.receipts(id),
        view.answer(id),
        view.events(id),
    )


def _write_events(folder: Folder, events: list[LoggedEvent]) -> tuple[list[dict[str, Any]], str | None]:
    """Write those under the checkpoint, in order of their place; give their list, and where openings stand."""
    making = folder.making
    records = [each for each in events if each.index is not None and each.index < making.checkpoint.size]
    records.sort(key=lambda each: each.index or 0)
    proofs = making.node.store.read(lambda view: prove_all(view, records, making.checkpoint))
    listed, openings = [], []
    for number, (record, proof) in enumerate(zip(records, proofs, strict=True)):
        event, path = decode_leaf(record.leaf), folder.event_path(number)
        folder.add(f"events/{number:04d}.tlog-proof", "event", proof, about=event.kind)
        folder.events.append(event)
        folder.data.append(msgspec.json.decode(event.data))
        listed.append({"path": path, "index": record.index, "kind": event.kind, "at": iso(event.at)})
        openings += [
            {"event": path, "commitment": commitment, "salt": salt, "value": value}
            for commitment, (salt, value) in opened(record.beside).items()
        ]
    if not openings:
        return listed, None
    return listed, folder.add("openings.json", "openings", as_json({"openings": openings}))


def _shredded(folder: Folder) -> dict[str, Any] | None:
    """When its bytes were deleted, and which record proves it."""
    at = folder.message.shredded
    if not at:
        return None
    numbers = [number for number, event in enumerate(folder.events) if event.kind == "message.shredded"]
    path = folder.event_path(numbers[-1]) if numbers else None
    folder.note("shredded", iso(at), path or "-")
    return {"at": iso(at), "event": path}


def _identity(message: Message, children: list[MessageId]) -> dict[str, Any]:
    return {
        "id": message.id,
        "direction": message.direction.value,
        "partner": message.partner,
        "protocol": message.protocol,
        "protocol_id": message.protocol_id,
        "state": message.state.value,
        "created": iso(message.created),
        "updated": iso(message.updated),
        "subject": message.subject,
        "reference": message.reference,
        "reason_code": message.reason_code,
        "reason": message.reason,
        "flow": message.flow or None,
        "origin": message.origin or None,
        "relay": message.relay or None,
        "children": children,
        "config_version": message.config_version,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "created": iso(delivery.created),
        "updated": iso(delivery.updated),
        "reason_code": delivery.reason_code,
        "reason": delivery.reason,
        "flow": delivery.flow or None,
    }
