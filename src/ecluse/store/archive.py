"""The verbs of the archive: they bind and give the same rows in both databases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from ecluse.model.archive import Archived, ArchivedBytes, ArchiveId, ArchiveState, BytesState
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction
from ecluse.model.records import Record
from ecluse.store.errors import Conflict
from ecluse.store.rows import Row, clean
from ecluse.typed import json_decoder

__all__ = [
    "ARCHIVE_QUERIES",
    "HOLD",
    "STANDING",
    "RowArchiveTx",
    "RowArchiveView",
    "archived_from",
    "archived_row",
]

ARCHIVE_QUERIES: Final = "archive.sql"
"""The file of their statements, in each database's package."""

HOLD: Final = "hold"
"""Kind of the records that are legal holds."""
STANDING: Final = "standing"
"""State of those that stand."""

_PAGE: Final = 500

_encode = msgspec.json.Encoder().encode
_decode_refs = json_decoder(tuple[tuple[str, str], ...]).decode


def archived_row(archived: Archived) -> Row:
    """All columns in order."""
    return (
        archived.id,
        archived.message,
        archived.part,
        archived.blob,
        archived.partner,
        archived.direction.value,
        archived.deposited,
        archived.profile,
        archived.sha256,
        archived.size,
        archived.flow,
        archived.type,
        clean(archived.reference),
        _encode([(kind, clean(number)) for kind, number in archived.refs]),
        archived.day,
        archived.amount,
        archived.currency,
        archived.starts,
        archived.ends,
        archived.state.value,
        archived.body,
    )


def archived_from(row: Row) -> Archived:
    """The inverse of :func:`archived_row`."""
    (id, message, part, blob, partner, direction, deposited, profile, sha256, size) = row[:10]
    (flow, type, reference, refs, day, amount, currency, starts, ends, state, body) = row[10:]
    return Archived(
        ArchiveId(id),
        MessageId(message),
        part,
        blob,
        PartnerId(partner),
        Direction(direction),
        Instant(deposited),
        profile,
        bytes(sha256),
        size,
        flow=flow,
        type=type,
        reference=reference,
        refs=_decode_refs(refs),
        day=day,
        amount=amount,
        currency=currency,
        starts=starts,
        ends=ends,
        state=ArchiveState(state),
        body=bytes(body),
    )


def _bytes_row(kept: ArchivedBytes) -> Row:
    return (
        kept.blob,
        kept.state.value,
        kept.due,
        kept.size,
        kept.sealed,
        kept.copied,
        kept.place,
        kept.locked,
        kept.checked,
    )


def _bytes_from(row: Row) -> ArchivedBytes:
    blob, state, due, size, sealed, copied, place, locked, checked = row
    return ArchivedBytes(blob, BytesState(state), due, size, bytes(sealed), copied, place, locked, checked)


class RowArchiveView(Protocol):
    """The reads."""

    @abstractmethod
    def _rows(self, query: str, *values: object) -> list[Row]:
        """All rows of a named query."""

    @abstractmethod
    def _list(self, query: str, conditions: list[tuple[str, object]], limit: int) -> list[Row]:
        """A query that is put together of named pieces."""

    @abstractmethod
    def records(
        self,
        kind: str,
        *,
        owner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int = 500,
    ) -> list[Record]:
        """See the port."""

    def archived(self, id: ArchiveId) -> Archived | None:
        found = self._rows("archived", id)
        return archived_from(found[0]) if found else None

    def archived_of(self, message: MessageId) -> list[Archived]:
        return [archived_from(row) for row in self._rows("archived_of", message)]

    def archive_list(
        self,
        *,
        profile: str | None = None,
        partner: PartnerId | None = None,
        state: ArchiveState | None = None,
        type: str | None = None,
        before: ArchiveId | None = None,
        limit: int = 50,
    ) -> list[Archived]:
        asked = {"profile": profile, "partner": partner, "state": state, "type": type, "before": before}
        conditions: list[tuple[str, object]] = [(n, str(v)) for n, v in asked.items() if v is not None]
        return [archived_from(row) for row in self._list("archive_list", conditions, limit)]

    def archive_ending(self, now: Instant, after: tuple[Instant, str], limit: int) -> list[Archived]:
        return [archived_from(row) for row in self._rows("archive_ending", now, *after, limit)]

    def archive_counts(self) -> dict[tuple[str, ArchiveState], int]:
        return {(profile, ArchiveState(state)): n for profile, state, n in self._rows("archive_counts")}

    def archive_blobs_of(self, id: ArchiveId) -> list[str]:
        return [row[0] for row in self._rows("archive_blobs_of", id)]

    def archive_holders(self, blob: str) -> list[ArchiveId]:
        return [ArchiveId(row[0]) for row in self._rows("archive_holders", blob)]

    def archive_bytes(self, blob: str) -> ArchivedBytes | None:
        found = self._rows("archive_bytes", blob)
        return _bytes_from(found[0]) if found else None

    def archive_bytes_due(self, now: Instant, limit: int) -> list[ArchivedBytes]:
        return [_bytes_from(row) for row in self._rows("archive_bytes_due", now, limit)]

    def archive_bytes_before(self, blob: str, limit: int) -> list[str]:
        return [row[0] for row in self._rows("archive_bytes_before", blob, limit)]

    def archive_bytes_counts(self) -> dict[BytesState, tuple[int, int, Instant | None, Instant | None]]:
        found = self._rows("archive_bytes_counts")
        return {BytesState(row[0]): (row[1], int(row[2]), row[3], row[4]) for row in found}

    def standing_holds(self) -> list[Record]:
        found: list[Record] = []
        while True:
            page = self.records(HOLD, state=STANDING, after=found[-1].key if found else "", limit=_PAGE)
            found += page
            if len(page) < _PAGE:
                return found


class RowArchiveTx(RowArchiveView, Protocol):
    """The writes."""

    @abstractmethod
    def _run(self, query: str, *values: object) -> int:
        """How many rows a named statement changed."""

    @abstractmethod
    def _note_numbers(self, before: Archived | None, after: Archived) -> None:
        """Have a document found by its numbers."""

    def lock_holds(self) -> None:
        return  # where there is one writer, nobody else changes or reads them meanwhile

    def add_archived(self, archived: Archived, blobs: Sequence[str]) -> None:
        if not self._run("add_archived", *archived_row(archived)):
            raise Conflict(f"Document {archived.part} of message {archived.message} is archived already.")
        self._note_numbers(None, archived)
        for blob in sorted({archived.blob, *blobs}):
            self._run("add_archive_blob", blob, archived.id)
            self._run("add_archive_bytes", *_bytes_row(ArchivedBytes(blob, due=archived.deposited)))

    def update_archived(self, archived: Archived) -> None:
        row, before = archived_row(archived), self.archived(archived.id)
        if not self._run("update_archived", *row[4:6], row[7], *row[10:], row[0]):
            raise Conflict(f"There is no archived document {archived.id}.")
        self._note_numbers(before, archived)

    def update_archive_bytes(self, kept: ArchivedBytes) -> None:
        row = _bytes_row(kept)
        if not self._run("update_archive_bytes", *row[1:], row[0]):
            raise Conflict(f"No archived document stands on blob {kept.blob}.")

    def restore_blob(self, id: str, inline: bytes) -> bool:
        return bool(self._run("restore_blob", inline, id))
