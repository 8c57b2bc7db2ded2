"""Nouns to rows and back: the order of columns is the order of a noun's fields, in both databases.

Nested fields (parts, header pairs, files) are JSON; instants are integers of microseconds.
"""

from __future__ import annotations

from typing import Any, Final

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
from ecluse.typed import json_decoder

__all__ = [
    "ConfigDelta",
    "Row",
    "answer_from",
    "answer_row",
    "checkpoint_from",
    "clean",
    "config_files",
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
_decode_parts = json_decoder(tuple[Part, ...]).decode
_decode_pairs = json_decoder(tuple[tuple[str, str], ...]).decode
_decode_files = json_decoder(dict[str, str]).decode

DELTA_FROM: Final = 1 << 16
"""Octets of a version's files from which only what changed is kept: forty megabytes, of ten thousand partners."""
DELTA_DEPTH: Final = 64
"""Versions on the way to one that is whole: to read them all takes no longer than to read that one."""


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
    """From (id, at, kind, subject, leaf, index, beside); data, actor and node are in the leaf, opaque here."""
    id, at, kind, subject, leaf, index, beside = row
    return LoggedEvent(Event(id, Instant(at), kind, subject), leaf, index, bytes(beside or b""))


class ConfigDelta(msgspec.Struct, frozen=True, array_like=True):
    """The files of a version as what differs from those of an earlier one.

    Attributes:
        base: Number of that one.
        depth: How many there are on the way to one that is whole.
        put: Files that are new or changed.
        drop: Paths of those that are gone.
    """

    base: int
    depth: int
    put: dict[str, str]
    drop: tuple[str, ...]

    def applied(self, files: dict[str, str]) -> dict[str, str]:
        """The files, from those of the base."""
        gone = frozenset(self.drop)
        kept = {path: text for path, text in files.items() if path not in gone} if gone else files
        return kept | self.put


_decode_delta = json_decoder(ConfigDelta).decode


def config_row(version: ConfigVersion, before: ConfigVersion | None, depth: int) -> Row:
    """All columns in order.

    Args:
        version: The version.
        before: The one before; the files are kept as what differs from its, where that is much less.
        depth: How many differences it is itself away from one that is whole.
    """
    files = _encode(version.files)
    if before is not None and len(files) >= DELTA_FROM and depth < DELTA_DEPTH:
        was = before.files
        put = {path: text for path, text in version.files.items() if was.get(path) != text}
        drop = tuple(path for path in was if path not in version.files)
        delta = _encode(ConfigDelta(before.number, depth + 1, put, drop))
        if len(delta) * 4 < len(files):
            files = delta
    return (version.number, version.at, clean(version.actor), clean(version.reason), files)


def config_files(data: bytes) -> dict[str, str] | ConfigDelta:
    """The column ``files``: an object of texts, or an array that says what differs."""
    return _decode_delta(data) if bytes(data[:1]) == b"[" else _decode_files(data)


def config_from(row: Row, files: dict[str, str]) -> ConfigVersion:
    """A version from (number, at, actor, reason) and its files."""
    number, at, actor, reason = row
    return ConfigVersion(number, at, actor, reason, files)


def checkpoint_from(row: Row) -> Checkpoint:
    """From (size, root, note, at)."""
    return Checkpoint(*row)
