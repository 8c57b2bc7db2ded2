"""The verbs of erasing: what is looked through for it, and what is blanked; the same rows in both databases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

from ecluse.model.basics import Instant, MessageId
from ecluse.model.files import FileRow
from ecluse.model.nouns import Beside, Message
from ecluse.store.files import file_from
from ecluse.store.rows import Row, clean, message_from

__all__ = ["ERASURE_QUERIES", "RowErasureTx", "RowErasureView"]

ERASURE_QUERIES: Final = "erasure.sql"
"""The file of their statements, in each database's package."""


class RowErasureView(Protocol):
    """The reads."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    def roots(self, flow: str, after: str, until: str, limit: int) -> list[Message]:
        query = ("roots_of_flow", flow) if flow else ("roots_of_none",)
        return [message_from(row) for row in self._rows(*query, after, until, limit)]

    def message_files(self, message: MessageId) -> list[FileRow]:
        return [file_from(row) for row in self._rows("message_files", message)]

    def besides(self, after: int, limit: int) -> list[Beside]:
        return [
            Beside(row, id, kind, subject, Instant(at), bytes(values))
            for row, id, kind, subject, at, values in self._rows("besides", after, limit)
        ]

    def record_kinds(self) -> list[str]:
        return [row[0] for row in self._rows("record_kinds")]


class RowErasureTx(RowErasureView, Protocol):
    """The writes."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    def overwrite(self) -> None:
        return  # where the database keeps versions of rows, nothing is overwritten

    def blank_receipts(self, message: MessageId) -> int:
        return self._run("blank_receipts", message) + self._run("blank_answer", message)

    def blank_delivery_reasons(self, message: MessageId) -> None:
        self._run("blank_delivery_reasons", message)

    def blank_protocol_id(self, message: MessageId, to: str) -> None:
        self._run("blank_protocol_id", clean(to), message)

    def forget_beside(self, subject: str) -> int:
        return self._run("forget_beside", subject)

    def forget_besides(self, rows: Sequence[int]) -> int:
        return sum(self._run("forget_beside_row", row) for row in rows)
