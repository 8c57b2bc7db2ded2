"""The verbs by which the archive is searched: they bind and give the same rows in both databases.

How a search is put together, and which of its conditions drives it, is :mod:`ecluse.archive.search`'s to say.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Message
from ecluse.store.archive import archived_from
from ecluse.store.archive_numbers import numbers
from ecluse.store.rows import Row, message_from

__all__ = ["SEARCH_QUERIES", "RowSearchTx", "RowSearchView"]

SEARCH_QUERIES: Final = "archive_search.sql"
"""The file of their statements, in each database's package."""

Conditions = Sequence[tuple[str, object]]


class RowSearchView(Protocol):
    """The reads."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    @abstractmethod
    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        """A query that is put together of named pieces; a tuple is the values of one piece."""

    def archive_search(self, conditions: Conditions, limit: int) -> list[tuple[str, ArchiveId]]:
        found = self._list("archive_search", list(conditions), limit)
        return [(day, ArchiveId(id)) for day, id in found]

    def archive_probe(self, condition: tuple[str, object], limit: int) -> int:
        return int(self._list("archive_probe", [condition], limit)[0][0])

    def archive_numbered(self, condition: tuple[str, object], limit: int) -> list[ArchiveId]:
        found = self._list("archive_numbered", [condition], limit)
        return [ArchiveId(row[0]) for row in found]

    def archive_span(self, condition: tuple[str, object], limit: int) -> tuple[str, str, int]:
        first, last, count = self._list("archive_span", [condition], limit)[0]
        return first or "", last or "", int(count)

    def archive_kinds(self, number: str, limit: int) -> list[tuple[str, ArchiveId]]:
        return [(kind, ArchiveId(id)) for kind, id in self._rows("archive_kinds", number, limit)]

    def archived_in(self, ids: Sequence[ArchiveId]) -> dict[ArchiveId, Archived]:
        rows = self._list("archived_in", [("ids", list(ids))], len(ids)) if ids else []
        return {ArchiveId(row[0]): archived_from(row) for row in rows}

    def archive_from(self, after: str, limit: int) -> list[Archived]:
        return [archived_from(row) for row in self._rows("archive_from", after, limit)]

    def archive_messages(self, after: str, limit: int) -> list[MessageId]:
        return [MessageId(row[0]) for row in self._rows("archive_messages", after, limit)]

    def messages_between(self, after: str, before: str, limit: int) -> list[Message]:
        return [message_from(row) for row in self._rows("messages_between", after, before, limit)]

    def archived_between(self, after: str, last: str) -> list[Archived]:
        return [archived_from(row) for row in self._rows("archived_between", after, last)]


class RowSearchTx(RowSearchView, Protocol):
    """The writes."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    def _note_numbers(self, before: Archived | None, after: Archived) -> None:
        """Have a document found by its numbers, and no longer by those that it had."""
        old = {(*pair, before.day) for pair in numbers(before)} if before is not None else set()
        new = {(*pair, after.day) for pair in numbers(after)}
        for number, kind, day in sorted(old - new):
            self._run("drop_archive_ref", number, kind, day, after.id)
        for number, kind, day in sorted(new - old):
            self._run("add_archive_ref", number, kind, day, after.id)
