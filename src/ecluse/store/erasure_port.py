"""The part of the port of the store that erases: what is looked through for it, and what is blanked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ecluse.model.basics import MessageId
from ecluse.model.files import FileRow
from ecluse.model.nouns import Beside, Message

__all__ = ["ErasureTx", "ErasureView"]


class ErasureView(Protocol):
    """The reads."""

    def roots(self, flow: str, after: str, until: str, limit: int) -> list[Message]:
        """What came from outside for a flow (or, where that is empty, for none), in order of id, between two ids."""

    def message_files(self, message: MessageId) -> list[FileRow]:
        """Names in partners' folders that stand for its documents."""

    def record_kinds(self) -> list[str]:
        """Kinds of which there are records."""

    def besides(self, after: int, limit: int) -> list[Beside]:
        """Events whose personal values are kept, in order of row number, after one."""


class ErasureTx(Protocol):
    """The writes."""

    def overwrite(self) -> None:
        """Have what the rest of this transaction deletes or blanks be overwritten, where the database can do so."""

    def blank_receipts(self, message: MessageId) -> int:
        """Delete the bytes of the receipts and of the answer of a message; what they said stays."""

    def blank_delivery_reasons(self, message: MessageId) -> None:
        """Delete the sentences that say why its deliveries ended as they did; the codes stay."""

    def blank_protocol_id(self, message: MessageId, to: str) -> None:
        """Give a message another protocol id, without what of it named something."""

    def forget_beside(self, subject: str) -> int:
        """Delete what the commitments in the events about a subject stand for; give the number of events."""

    def forget_besides(self, rows: Sequence[int]) -> int:
        """The same of single events, by row number."""
