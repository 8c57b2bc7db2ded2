"""Nouns to rows and back: the order of columns is the order of a noun's fields, in both databases.

Nested fields (parts, header pairs, files) are JSON; instants are integers of microseconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.nouns import (
    Answer,
    Checkpoint,
    ConfigVersion,
    Delivery,
    Direction,
    Event,
    Job,
    JobState,
    LoggedEvent,
    Message,
    Part,
    Receipt,
)
from ecluse.model.states import DeliveryState, MessageState

__all__ = [
    "Row",
    "answer_from",
    "answer_row",
    "checkpoint_from",
    "clean",
    "config_from",
    "config_row",
    "delivery_from",
    "delivery_row",
    "event_from",
    "job_from",
    "job_row",
    "message_from",
    "message_row",
    "receipt_from",
    "receipt_row",
    "search_text",
]

Row = tuple[Any, ...]

_encode = msgspec.json.Encoder().encode
_decode_parts = msgspec.json.Decoder(tuple[Part, ...]).decode
_decode_pairs = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_decode_files = msgspec.json.Decoder(dict[str, str]).decode


def clean(text: str) -> str:
    """Text as both databases can hold it: NUL becomes U+2400, a lone surrogate ``?``.

    What partners send reaches these fields, and PostgreSQL has no NUL in text: refusing the row would let
    one crafted header stop a message from being recorded at all.
    """
    if text.isascii():
        return text if "\0" not in text else text.replace("\0", "\u2400")
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")


def _encode_parts(parts: tuple[Part, ...]) -> bytes:
    try:
        return _encode(parts)
    except UnicodeEncodeError:
        replace = msgspec.structs.replace
        return _encode([replace(p, name=clean(p.name)) for p in parts])


def search_text(message: Message) -> str:
    """What ``messages(search=…)`` looks into, case folded."""
    names = [part.name for part in message.parts if part.name]
    words = dict.fromkeys([message.subject, message.reference, message.protocol_id, message.id, *names])
    return clean("\n".join(words).casefold())


def message_row(message: Message) -> Row:
    """All columns in order, then the search text."""
    return (
        message.id,
        message.direction.value,
        message.partner,
        message.protocol,
        clean(message.protocol_id),
        message.state.value,
        message.created,
        message.updated,
        clean(message.subject),
        clean(message.reference),
        _encode_parts(message.parts),
        message.wire_blob,
        message.wire,
        message.reason_code,
        clean(message.reason),
        message.config_version,
        message.origin,
        message.relay,
        message.flow,
        message.shredded,
        search_text(message),
    )


def message_from(row: Row) -> Message:
    """The inverse of :func:`message_row`, without the search text."""
    values = list(row)
    values[1], values[5], values[10] = Direction(row[1]), MessageState(row[5]), _decode_parts(row[10])
    return Message(*values)


def delivery_row(delivery: Delivery) -> Row:
    """All columns in order."""
    return (
        delivery.id,
        delivery.message,
        delivery.partner,
        delivery.channel,
        delivery.state.value,
        delivery.attempts,
        delivery.created,
        delivery.updated,
        delivery.receipt_due,
        delivery.reason_code,
        clean(delivery.reason),
        delivery.flow,
        delivery.target,
        clean(delivery.order_key),
    )


def delivery_from(row: Row) -> Delivery:
    """The inverse of :func:`delivery_row`."""
    values = list(row)
    values[4] = DeliveryState(row[4])
    return Delivery(*values)


def receipt_row(receipt: Receipt) -> Row:
    """All columns in order; the verdict's truth as 0 or 1."""
    return (
        receipt.id,
        receipt.delivery,
        receipt.message,
        receipt.kind,
        int(receipt.positive),
        receipt.verdict,
        receipt.headers,
        receipt.body,
        receipt.received,
    )


def receipt_from(row: Row) -> Receipt:
    """The inverse of :func:`receipt_row`."""
    values = list(row)
    values[4] = bool(row[4])
    return Receipt(*values)


def answer_row(answer: Answer) -> Row:
    """All columns in order."""
    return (
        answer.message,
        answer.status,
        _encode(answer.headers),
        answer.body,
        int(answer.positive),
        answer.created,
        answer.return_to,
    )


def answer_from(row: Row) -> Answer:
    """The inverse of :func:`answer_row`."""
    message, status, headers, body, positive, created, return_to = row
    return Answer(message, status, _decode_pairs(headers), body, bool(positive), created, return_to)


def job_row(job: Job) -> Row:
    """All columns in order."""
    return (
        job.key,
        job.kind,
        job.lane,
        job.payload,
        job.due,
        job.state.value,
        job.attempts,
        job.owner,
        job.lease_until,
        job.fence,
        job.fault,
        clean(job.error),
    )


def job_from(row: Row) -> Job:
    """The inverse of :func:`job_row`."""
    values = list(row)
    values[5] = JobState(row[5])
    return Job(*values)


def event_from(row: Row) -> LoggedEvent:
    """From (id, at, kind, subject, leaf, index); data, actor and node are in the leaf, opaque here."""
    id, at, kind, subject, leaf, index = row
    return LoggedEvent(Event(id, Instant(at), kind, subject), leaf, index)


def config_row(version: ConfigVersion) -> Row:
    """All columns in order."""
    return (version.number, version.at, clean(version.actor), clean(version.reason), _encode(version.files))


def config_from(row: Row) -> ConfigVersion:
    """The inverse of :func:`config_row`."""
    number, at, actor, reason, files = row
    return ConfigVersion(number, at, actor, reason, _decode_files(files))


def checkpoint_from(row: Row) -> Checkpoint:
    """From (size, root, note, at)."""
    return Checkpoint(*row)
