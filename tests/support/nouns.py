"""Messages, deliveries, jobs and the rest, with what a test doesn't care about filled in."""

from __future__ import annotations

from typing import Any

from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.nouns import Answer, BlobRow, Checkpoint, Delivery, Direction, Job, Message, Part, Receipt
from ecluse.model.states import DeliveryState, MessageState

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000


def message(id: str = "m1", **changes: Any) -> Message:
    fields: dict[str, Any] = {
        "direction": Direction.IN,
        "partner": "birch",
        "protocol": "as2",
        "protocol_id": f"<{id}@birch.example>",
        "state": MessageState.ACCEPTED,
        "created": NOW,
        "updated": NOW,
    }
    return Message(id, **{**fields, **changes})


def full_message(id: str = "m1", **changes: Any) -> Message:
    """No field left at its default."""
    parts = (
        Part("b1", 17, 2**40, "ab" * 32, "application/edi-x12; charset=x", "ördér.edi"),
        Part("b2", 0, 0, "cd" * 32),
    )
    fields: dict[str, Any] = {
        "subject": "Commande 4711 €",
        "parts": parts,
        "wire_blob": "b9",
        "wire": b'{"mic":"x"}',
        "reason_code": "as2.late",
        "reason": "It came late.",
        "config_version": 7,
    }
    return message(id, **{**fields, **changes})


def delivery(id: str = "d1", **changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "message": "m1",
        "partner": "birch",
        "channel": "as2:birch",
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "created": NOW,
        "updated": NOW,
    }
    return Delivery(id, **{**fields, **changes})


def receipt(id: str = "r1", **changes: Any) -> Receipt:
    fields: dict[str, Any] = {
        "delivery": "d1",
        "message": "m1",
        "kind": "mdn",
        "positive": True,
        "verdict": "confirmed",
        "headers": b"A: b\r\n",
        "body": b"\x00\xff",
        "received": NOW,
    }
    return Receipt(id, **{**fields, **changes})


def answer(id: str = "m1", **changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "status": 200,
        "headers": (("Content-Type", "text/plain"), ("X", "é")),
        "body": b"\x00ok",
        "positive": True,
        "created": NOW,
        "return_to": "https://birch.example/mdn",
    }
    return Answer(id, **{**fields, **changes})


def blob(id: str = "b1", **changes: Any) -> BlobRow:
    fields: dict[str, Any] = {"size": 3, "sha256": b"s" * 32, "inline": b"\x00sealed", "created": NOW}
    return BlobRow(id, **{**fields, **changes})


def job(key: str = "k1", **changes: Any) -> Job:
    fields: dict[str, Any] = {"kind": "deliver", "lane": "birch", "payload": b"{}", "due": NOW}
    return Job(key, **{**fields, **changes})


def checkpoint(size: int, **changes: Any) -> Checkpoint:
    fields: dict[str, Any] = {"root": b"r" * 32, "note": b"note\n", "at": NOW}
    return Checkpoint(size, **{**fields, **changes})


def archived(id: str = "a1", **changes: Any) -> Archived:
    fields: dict[str, Any] = {
        "message": "m1",
        "part": 0,
        "blob": "b1",
        "partner": "birch",
        "direction": Direction.IN,
        "deposited": NOW,
        "profile": "invoices",
        "sha256": b"\xab" * 32,
        "size": 12,
    }
    return Archived(id, **{**fields, **changes})


def full_archived(id: str = "a1", **changes: Any) -> Archived:
    """No field left at its default."""
    fields: dict[str, Any] = {
        "flow": "invoices-in",
        "type": "invoice",
        "reference": "R-2026-é",
        "refs": (("order", "4711"), ("despatch-advice", "L9")),
        "day": "2025-12-31",
        "amount": 123456,
        "currency": "EUR",
        "starts": NOW,
        "ends": NOW + SECOND,
        "state": ArchiveState.DAMAGED,
        "body": b'{"name":"x"}',
    }
    return archived(id, **{**fields, **changes})
