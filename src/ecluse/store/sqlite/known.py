"""What a unit of work is about, read at once and written at once: messages with their deliveries and receipts.

Whoever works on many of them reads and moves each by itself, in the words of the port; here that costs some
statements for all of them together, instead of ten for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from ecluse.model.basics import DeliveryId, MessageId
from ecluse.model.nouns import Delivery, Message, Receipt
from ecluse.store.errors import Conflict
from ecluse.store.rows import Row, delivery_row, message_row

__all__ = ["Known"]

AT_ONCE: Final = 64
"""Rows that one statement changes: few different ones, so that each is prepared once."""

_MESSAGE: Final = (
    "id", "direction", "partner", "protocol", "protocol_id", "state", "created", "updated", "subject", "reference",
    "parts", "wire_blob", "wire", "reason_code", "reason", "config_version", "origin", "relay", "flow", "shredded",
    "search",
)  # fmt: skip
_DELIVERY: Final = (
    "id", "message", "partner", "channel", "state", "attempts", "created", "updated", "receipt_due", "reason_code",
    "reason", "flow", "target", "order_key",
)  # fmt: skip


class Known:
    """Rows as the unit sees them: as they were read, and as it has changed them since.

    Args:
        messages: All that the unit is about and that are there.
        deliveries: All of theirs.
        receipts: All of theirs, oldest first.
    """

    __slots__ = ("_before", "_deliveries", "_messages", "_of", "_receipts")

    def __init__(
        self, messages: Iterable[Message], deliveries: Iterable[Delivery], receipts: Iterable[Receipt]
    ) -> None:
        self._messages = {message.id: message for message in messages}
        self._deliveries = {delivery.id: delivery for delivery in deliveries}
        self._of: dict[MessageId, list[DeliveryId]] = {id: [] for id in self._messages}
        self._receipts: dict[MessageId, list[Receipt]] = {id: [] for id in self._messages}
        for delivery in self._deliveries.values():
            self._of[delivery.message].append(delivery.id)
        for receipt in receipts:
            self._receipts[receipt.message].append(receipt)
        self._before: dict[str, Message | Delivery] = {}

    def message(self, id: MessageId) -> Message | None:
        """``None`` where it is not known; likewise the others."""
        return self._messages.get(id)

    def delivery(self, id: DeliveryId) -> Delivery | None:
        return self._deliveries.get(id)

    def deliveries(self, message: MessageId) -> list[Delivery] | None:
        of = self._of.get(message)
        return None if of is None else [self._deliveries[id] for id in sorted(of)]

    def receipts(self, message: MessageId) -> list[Receipt] | None:
        found = self._receipts.get(message)
        return None if found is None else list(found)

    def update_message(self, message: Message) -> bool:
        """Whether it is known; then it is written later. Likewise the others."""
        before = self._messages.get(message.id)
        if before is None:
            return False
        self._before.setdefault(message.id, before)
        self._messages[message.id] = message
        return True

    def update_delivery(self, delivery: Delivery) -> bool:
        before = self._deliveries.get(delivery.id)
        if before is None:
            return False
        self._before.setdefault(delivery.id, before)
        self._deliveries[delivery.id] = delivery
        return True

    def add_receipt(self, receipt: Receipt) -> None:
        """It goes in by the caller's doing."""
        if receipt.message in self._receipts:
            self._receipts[receipt.message].append(receipt)

    @property
    def changed(self) -> bool:
        """Whether something is to be written."""
        return bool(self._before)

    def write(self, main: sqlite3.Connection) -> None:
        """Write what was changed. Raises :class:`Conflict` where a row is not there, and what SQLite raises."""
        before, self._before = self._before, {}
        messages, deliveries = [], []
        for row in before.values():
            if isinstance(row, Message):
                messages.append((message_row(row), message_row(self._messages[row.id])))
            else:
                deliveries.append((delivery_row(row), delivery_row(self._deliveries[row.id])))
        _update(main, "messages", _MESSAGE, messages)
        _update(main, "deliveries", _DELIVERY, deliveries)


def _update(
    main: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Row, Row]]
) -> None:
    """Write rows of a table: those columns alone that differ, since each that is named costs its indexes."""
    alike: dict[tuple[int, ...], list[Row]] = {}
    for before, after in rows:
        differ = tuple(place for place in range(len(columns)) if before[place] != after[place])
        if differ:
            alike.setdefault(differ, []).append((after[0], *(after[place] for place in differ)))
    for differ, values in alike.items():
        names = [columns[place] for place in differ]
        for some in _pieces(values):
            flat = [value for row in some for value in row]
            if main.execute(_statement(table, names, len(some)), flat).rowcount != len(some):
                raise Conflict(f"Of some {table} that are to be updated one is not there.")


def _pieces(rows: list[Row]) -> Iterator[list[Row]]:
    """In numbers that are powers of two."""
    at = 0
    while at < len(rows):
        step = min(AT_ONCE, 1 << (len(rows) - at).bit_length() - 1)
        yield rows[at : at + step]
        at += step


def _statement(table: str, names: list[str], count: int) -> str:
    row = f"({', '.join('?' * (len(names) + 1))})"
    sets = ", ".join(f"{name} = v.column{place}" for place, name in enumerate(names, 2))
    rows = ", ".join([row] * count)
    return f"UPDATE {table} SET {sets} FROM (VALUES {rows}) AS v WHERE {table}.id = v.column1"  # noqa: S608 - ours
