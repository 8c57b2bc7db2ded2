"""The verbs of records: they bind and give the same rows in both databases."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, Protocol

from ecluse.model.basics import Instant
from ecluse.model.records import MAX_BODY, Record
from ecluse.store.errors import Conflict
from ecluse.store.rows import Row, clean

__all__ = ["RECORD_QUERIES", "RowRecordTx", "RowRecordView"]

RECORD_QUERIES: Final = "records.sql"
"""The file of their statements, in each database's package."""


def _row(record: Record) -> Row:
    if len(record.body) > MAX_BODY:
        raise ValueError(f"the record {record.kind} {record.key} has {len(record.body)} octets")
    return (
        record.kind,
        clean(record.key),
        record.at,
        record.body,
        clean(record.owner),
        clean(record.state),
        record.due,
    )


def _record(row: Row) -> Record:
    kind, key, at, body, owner, state, due, revision = row
    return Record(kind, key, at, bytes(body), owner, state, due, revision)


class RowRecordView(Protocol):
    """The reads."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    @abstractmethod
    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        """A query that is put together of named pieces."""

    def record(self, kind: str, key: str) -> Record | None:
        found = self._rows("record", kind, clean(key))
        return _record(found[0]) if found else None

    def records(
        self,
        kind: str,
        *,
        owner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Record]:
        conditions: list[tuple[str, object]] = [("kind", kind)]
        if owner is not None:
            conditions.append(("owner", clean(owner)))
        if state is not None:
            conditions.append(("state", clean(state)))
        conditions.append(("after", clean(after)))
        return [_record(row) for row in self._list("records", conditions, limit)]

    def records_due(self, kind: str, now: Instant, limit: int) -> list[Record]:
        return [_record(row) for row in self._rows("records_due", kind, now, limit)]


class RowRecordTx(RowRecordView, Protocol):
    """The writes."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    def add_record(self, record: Record) -> None:
        if not self._run("add_record", *_row(record)):
            raise Conflict(f"There is a {record.kind} {record.key} already.")

    def put_record(self, record: Record) -> None:
        self._run("put_record", *_row(record))

    def replace_record(self, before: Record, after: Record) -> None:
        values = _row(after)
        if not self._run("replace_record", *values[2:], before.kind, clean(before.key), before.revision):
            raise Conflict(f"The {before.kind} {before.key} was changed meanwhile, or is there no more.")

    def drop_record(self, kind: str, key: str) -> None:
        self._run("drop_record", kind, clean(key))
