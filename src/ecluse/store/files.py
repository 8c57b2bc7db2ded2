"""The verbs of partners' folders: they bind and give the same rows in both databases."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, Protocol

import msgspec

from ecluse.model.basics import DeliveryId, Instant, PartnerId
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.store.errors import Conflict
from ecluse.store.rows import Row
from ecluse.typed import json_decoder

__all__ = ["FILE_QUERIES", "RowFileTx", "RowFileView", "file_from", "file_row"]

FILE_QUERIES: Final = "files.sql"
"""The file of their statements, in each database's package."""

_encode = msgspec.json.Encoder().encode
_decode = json_decoder(tuple[Segment, ...]).decode


def file_row(file: FileRow) -> Row:
    """All columns in order."""
    return (
        file.partner,
        file.folder,
        file.name,
        file.id,
        file.state.value,
        file.size,
        file.modified,
        file.message,
        file.part,
        file.delivery,
        _encode(file.segments),
        file.expires,
        file.content,
    )


def file_from(row: Row) -> FileRow:
    """The inverse of :func:`file_row`."""
    values = list(row)
    values[4], values[10], values[12] = FileState(row[4]), _decode(row[10]), bytes(row[12])
    return FileRow(*values)


class RowFileView(Protocol):
    """The reads."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    def file(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        found = self._rows("file", partner, folder, name)
        return file_from(found[0]) if found else None

    def files(self, partner: PartnerId, folder: str, *, after: str = "", limit: int = 500) -> list[FileRow]:
        return [file_from(row) for row in self._rows("files", partner, folder, after, limit)]

    def delivery_files(self, delivery: DeliveryId) -> list[FileRow]:
        return [file_from(row) for row in self._rows("delivery_files", delivery)]

    def expired_files(self, now: Instant, limit: int) -> list[FileRow]:
        return [file_from(row) for row in self._rows("expired_files", now, limit)]

    def file_usage(self, partner: PartnerId) -> tuple[int, int]:
        found = self._rows("file_usage", partner)
        return (found[0][0], found[0][1]) if found else (0, 0)

    def file_and_usage(
        self, partner: PartnerId, folder: str, name: str
    ) -> tuple[FileRow | None, tuple[int, int]]:
        [(octets, files, *row)] = self._rows("file_and_usage", partner, folder, name)
        return file_from(tuple(row)) if row[0] is not None else None, (octets, files)


class RowFileTx(RowFileView, Protocol):
    """The writes."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    def occupant(self, partner: PartnerId, folder: str, name: str) -> FileRow | None:
        return self.file(partner, folder, name)

    def add_file(self, file: FileRow) -> None:
        if not self._run("add_file", *file_row(file)):
            raise Conflict(f"Something else is at {file.path} already.")

    def replace_file(self, before: FileRow, after: FileRow) -> None:
        row = file_row(after)
        if row[:3] != file_row(before)[:3]:
            self.drop_file(before)
            self.add_file(after)
        elif not self._run("update_file", *row[3:], *row[:3], before.id):
            raise Conflict(f"Something else is at {before.path} by now.")

    def drop_file(self, file: FileRow) -> None:
        if not self._run("drop_file", file.partner, file.folder, file.name, file.id):
            raise Conflict(f"What was at {file.path} is there no more.")
