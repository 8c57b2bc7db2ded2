"""Blanking: what of a message's rows may say something about persons, and how it goes while the rest stays true.

A row keeps what evidence and "once" need: ids, partner, protocol, sizes, digests, states, times, codes. Subject,
reference, file names, sentences, header fields that are no business of the protocol, the bytes of receipts, and what
the log's commitments stand for may go.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from ecluse.archive.classes import DataClass
from ecluse.model.files import FileState
from ecluse.model.nouns import Message
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = ["blank", "has", "nameless"]

_COLLECTED: Final = re.compile(r"^([a-z0-9]{1,16}:[^/]*)/.+#([0-9a-f]{32})$", re.DOTALL)
"""The protocol id of a collected file: channel, path, digest."""

_HEADERS: Final = frozenset(
    {
        "as2-from",
        "as2-to",
        "as2-version",
        "content-length",
        "content-transfer-encoding",
        "date",
        "disposition-notification-options",
        "ediint-features",
        "host",
        "message-id",
        "mime-version",
    }
)
"""Header fields that stay: RFC 4130 and RFC 6017 name them, and nobody writes a name into them."""

_WIRE: Final = frozenset({"path", "user", "subject"})
"""Members of a message's protocol facts that go."""

_GOING: Final = frozenset({FileState.PICKED_UP, FileState.RECEIPT, FileState.TAKEN})
"""Names in partners' folders that are over."""


def nameless(protocol_id: str) -> str:
    """The protocol id of a collected file without its path: its digest tells it from every other one."""
    return _COLLECTED.sub(r"\1/#\2", protocol_id)


def has(view: View, message: Message, name: DataClass) -> bool:
    """Whether something of a class is left of a message's rows (:attr:`DataClass.RECEIPTS`) or bytes."""
    if name is DataClass.RECEIPTS:
        if any(each.body or each.headers for each in view.receipts(message.id)):
            return True
        answer = view.answer(message.id)
        return answer is not None and bool(answer.body or answer.headers)
    if name is DataClass.NAMES:
        return _without_names(message) != message or any(each.beside for each in view.events(message.id))
    if message.shredded:
        return False
    blobs = {part.blob for part in message.parts} if name is DataClass.PAYLOAD else {message.wire_blob}
    return any(view.blob(blob) is not None for blob in blobs - {""})


def blank(tx: Tx, message: Message, classes: frozenset[DataClass]) -> tuple[Message, list[DataClass]]:
    """Blank receipts and names of a message, where they are among ``classes``; give it, and of which there was any."""
    wanted: tuple[DataClass, ...] = (DataClass.RECEIPTS, DataClass.NAMES)
    done = [name for name in wanted if name in classes and has(tx, message, name)]
    if not done:
        return message, []
    tx.overwrite()
    if DataClass.RECEIPTS in done:
        tx.blank_receipts(message.id)
    if DataClass.NAMES in done:
        message = _without_names(message)
        tx.blank_protocol_id(message.id, message.protocol_id)
        tx.blank_delivery_reasons(message.id)
        tx.forget_beside(message.id)
        for file in tx.message_files(message.id):
            if file.state in _GOING and not file.segments:
                tx.drop_file(file)
    return message, done


def _without_names(message: Message) -> Message:
    return msgspec.structs.replace(
        message,
        subject="",
        reference="",
        reason="",
        protocol_id=nameless(message.protocol_id),
        parts=tuple(
            msgspec.structs.replace(part, name="", content_type=part.content_type.partition(";")[0])
            for part in message.parts
        ),
        wire=_wire(message.wire),
    )


def _wire(wire: bytes) -> bytes:
    try:
        facts: dict[str, Any] = from_json(wire, dict[str, Any])
    except msgspec.MsgspecError:
        return b"{}"
    kept = {name: value for name, value in facts.items() if name not in _WIRE}
    headers = facts.get("headers")
    if isinstance(headers, list):
        kept["headers"] = [pair for pair in headers if _stays(pair)]
    return wire if kept == facts else msgspec.json.encode(kept)


def _stays(pair: object) -> bool:
    return isinstance(pair, list) and bool(pair) and str(pair[0]).lower() in _HEADERS
