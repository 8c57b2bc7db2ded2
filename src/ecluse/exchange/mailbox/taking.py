"""INTAKE and KEEP of an uploaded file: the document becomes a message in the transaction that keeps its row."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ecluse.exchange.inspect import Inspector
from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.route import assigned, route_inbound
from ecluse.model.basics import Instant, MessageId
from ecluse.model.files import FileRow
from ecluse.model.nouns import BlobRow, Direction, Message, Part
from ecluse.model.states import MessageState
from ecluse.store.port import Tx

__all__ = ["PROTOCOL", "Uploaded", "message_of", "take"]

PROTOCOL: Final = "account"

_TYPES: Final = {
    "edifact": "application/edifact",
    "x12": "application/edi-x12",
    "xml": "application/xml",
    "json": "application/json",
    "pdf": "application/pdf",
    "zip": "application/zip",
    "gzip": "application/gzip",
}


class Uploaded(msgspec.Struct, frozen=True):
    """Kept as the ``wire`` facts of an uploaded message.

    Attributes:
        folder: The folder that it was uploaded into, from the account's root on (``inbound``).
        path: The same with its name.
        via: Protocol of the session.
        user: Who was logged in.
    """

    folder: str
    path: str
    via: str
    user: str


def message_of(session: Session, file: FileRow, blob: BlobRow, inspector: Inspector, at: Instant) -> Message:
    """The message that an upload becomes: accepted, or quarantined where inspection stops it.

    Args:
        session: Who uploaded it.
        file: Its row; its id is the protocol's id.
        blob: Its octets, digested.
        inspector: Has seen its head.
        at: When.
    """
    problem = inspector.problem()
    kind = inspector.kind
    folder = file.folder.lstrip("/")
    wire = Uploaded(folder, f"{folder}/{file.name}", session.facts.protocol, session.facts.user)
    part = Part(
        blob=blob.id,
        offset=0,
        size=blob.size,
        sha256=blob.sha256.hex(),
        content_type=_TYPES.get(kind.partition(":")[0], "application/octet-stream"),
        name=file.name,
        kind=kind,
    )
    message = Message(
        id=MessageId(session.hub.new_id("m")),
        direction=Direction.IN,
        partner=session.partner,
        protocol=PROTOCOL,
        protocol_id=file.id,
        state=MessageState.ACCEPTED if problem is None else MessageState.QUARANTINED,
        created=at,
        updated=at,
        subject=file.name,
        reference=inspector.reference,
        parts=(part,),
        wire=msgspec.json.encode(wire),
        reason_code=problem.code if problem else "",
        reason=problem.reason if problem else "",
        config_version=session.hub.config_version(),
    )
    return assigned(session.hub, message) if problem is None else message


def take(session: Session, tx: Tx, message: Message) -> None:
    """Keep the message, its event and its route.

    Args:
        session: Who uploaded it.
        tx: The transaction that keeps its row and its blob.
        message: Made by :func:`message_of`.
    """
    tx.add_message(message)
    data: dict[str, Any] = {
        "direction": "in",
        "partner": message.partner,
        "protocol": PROTOCOL,
        "protocol_id": message.protocol_id,
        "config": message.config_version,
        "documents": [part.kind for part in message.parts],
        "sha256": [part.sha256 for part in message.parts],
        "size": message.size,
        **session.facts.as_dict(),
    }
    if message.flow:
        data["flow"] = message.flow
    if message.reason_code:
        data["reason"] = message.reason_code
    session.hub.event(tx, f"message.{message.state.value}", message.id, data, at=message.updated)
    if message.state is MessageState.ACCEPTED:
        route_inbound(session.hub, tx, message)
    else:
        session.hub.settled(tx, message)
