"""The part of the port of the store that archives: what is kept, how it is found, and what care is taken of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ecluse.model.archive import Archived, ArchivedBytes, ArchiveId, ArchiveState, BytesState
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Message
from ecluse.model.records import Record

__all__ = ["ArchiveTx", "ArchiveView"]


class ArchiveView(Protocol):
    """The reads."""

    def archived(self, id: ArchiveId) -> Archived | None: ...
    def archived_of(self, message: MessageId) -> list[Archived]:
        """The archived documents of a message, in their order."""

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
        """Newest deposit first."""

    def archive_ending(self, now: Instant, after: tuple[Instant, str], limit: int) -> list[Archived]:
        """Those not disposed of whose retention ended by ``now``, that sort after ``after`` by (end, id), in order."""

    def archive_counts(self) -> dict[tuple[str, ArchiveState], int]:
        """Archived documents by profile and state."""

    def archive_search(
        self, conditions: Sequence[tuple[str, object]], limit: int
    ) -> list[tuple[str, ArchiveId]]:
        """Day and id of documents, newest day first. The names of conditions are :mod:`ecluse.archive.search`'s."""

    def archive_probe(self, condition: tuple[str, object], limit: int) -> int:
        """How many documents answer to one condition; no more than ``limit`` are counted."""

    def archive_numbered(self, condition: tuple[str, object], limit: int) -> list[ArchiveId]:
        """Documents that have or name a number, in no order, and some several times."""

    def archive_span(self, condition: tuple[str, object], limit: int) -> tuple[str, str, int]:
        """First and last day of documents that have or name a number, and of how many entries that was read."""

    def archive_kinds(self, number: str, limit: int) -> list[tuple[str, ArchiveId]]:
        """Which documents have exactly this number (kind ``own:TYPE``) or name it (kind of what is named)."""

    def archived_in(self, ids: Sequence[ArchiveId]) -> dict[ArchiveId, Archived]:
        """Those of these documents that there are."""

    def archive_from(self, after: str, limit: int) -> list[Archived]:
        """Documents whose id is greater, in order of ids."""

    def archive_messages(self, after: str, limit: int) -> list[MessageId]:
        """Messages that have archived documents and whose ids are greater, in order of ids."""

    def messages_between(self, after: str, before: str, limit: int) -> list[Message]:
        """Messages whose ids lie between these two, in order of ids, which is that of time."""

    def archived_between(self, after: str, last: str) -> list[Archived]:
        """The archived documents of the messages whose ids are greater than ``after``, up to ``last``."""

    def archive_blobs_of(self, id: ArchiveId) -> list[str]:
        """The blobs that an archived document stands on."""

    def archive_holders(self, blob: str) -> list[ArchiveId]:
        """The archived documents that stand on a blob."""

    def archive_bytes(self, blob: str) -> ArchivedBytes | None:
        """What care was taken of a blob; ``None`` where no archived document stands on it."""

    def archive_bytes_due(self, now: Instant, limit: int) -> list[ArchivedBytes]:
        """Those to be looked at by ``now``, the longest due first."""

    def archive_bytes_before(self, blob: str, limit: int) -> list[str]:
        """Ids of blobs that archived documents stand on, that sort after ``blob``, in order; for the sweep."""

    def archive_bytes_counts(self) -> dict[BytesState, tuple[int, int, Instant | None, Instant | None]]:
        """By state: how many, how many of them with a second copy, the oldest look at one, and the earliest due."""

    def standing_holds(self) -> list[Record]:
        """All legal holds that stand. Within a transaction they do not change until that ends."""


class ArchiveTx(ArchiveView, Protocol):
    """The writes."""

    def lock_holds(self) -> None:
        """Let nobody who deletes read the legal holds until this transaction ends, which changes them."""

    def add_archived(self, archived: Archived, blobs: Sequence[str]) -> None:
        """Put a document into the archive, and its blob and ``blobs`` under the archive's care, due at once.

        Raise :class:`~ecluse.store.port.Conflict` where that document of its message is there already.
        """

    def update_archived(self, archived: Archived) -> None:
        """Write what may change: facts, profile, start and end of retention, state, body.

        Raise :class:`~ecluse.store.port.Conflict` where it is not there, :class:`~ecluse.store.port.WriteOnce` where it
        was disposed of and comes back.
        """

    def update_archive_bytes(self, kept: ArchivedBytes) -> None:
        """Raise :class:`~ecluse.store.port.Conflict` where no archived document stands on that blob."""

    def restore_blob(self, id: str, inline: bytes) -> bool:
        """Write the sealed bytes of a blob that rides in its row over what lies there; false where it does not."""
