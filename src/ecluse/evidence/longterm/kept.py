"""A kept evidence record: its row, written and read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ecluse.evidence.errors import BadRecord
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.typed import json_decoder

__all__ = [
    "CHECKPOINT",
    "KIND",
    "EvidenceRecordFile",
    "KeptRecord",
    "all_records",
    "read_kept",
    "records_for",
]

KIND: Final = "evidence-record"
CHECKPOINT: Final = "checkpoint"
"""Source of the records over checkpoints' notes; their reference is the size of the log, twenty digits."""
_PAGE: Final = 100


class KeptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An evidence record, and what has to be known of it without taking it apart.

    Attributes:
        source: What kind of data it is over: :data:`CHECKPOINT`, or the name of another source.
        reference: Which of them.
        authority: Who gave its first time-stamp.
        sha256: Digest of the data, hexadecimal, to find the right one; what is proven is the record's own matter.
        record: The RFC 4998 EvidenceRecord, DER.
        certificates: DER of the chains of all its time-stamps, each certificate once.
        time: Since when the data is proven to have existed.
        renewed: Time of its newest time-stamp.
        renewals: How often it was renewed.
        by: Who gave the newest one.
        hash: Hash of the newest chain.
        algorithms: All that the newest time-stamp rests on, by name.
        signature: What it is signed with, in words.
        ends: When the first certificate of the newest time-stamp ends.
    """

    source: str
    reference: str
    authority: str
    sha256: str
    record: bytes
    certificates: tuple[bytes, ...]
    time: Instant
    renewed: Instant
    renewals: int
    by: str
    hash: str
    algorithms: tuple[str, ...]
    signature: str
    ends: Instant

    @property
    def key(self) -> str:
        """Key of its row."""
        return f"{self.source}:{self.reference}:{self.authority}"

    def as_record(self, now: Instant, due: Instant | None, state: str = "") -> Record:
        """What the store keeps.

        Args:
            now: When it is written.
            due: When it has to be renewed; ``None`` where it is not any more.
            state: Empty, or why it is not renewed: ``lapsed``, ``broken`` or ``closed``.
        """
        return Record(KIND, self.key, now, _encode(self), state=state, due=due)


@dataclass(frozen=True, slots=True)
class EvidenceRecordFile:
    """An evidence record to give away.

    Attributes:
        name: A name for its file, without a folder.
        data: The EvidenceRecord, DER.
        covers: SHA-256 of the data that it is over, hexadecimal.
        time: Since when that is proven to have existed.
        ends: When the certificates end on which that rests at present.
        certificates: DER of the chains of its time-stamps, roots included.
    """

    name: str
    data: bytes
    covers: str
    time: Instant
    ends: Instant
    certificates: tuple[bytes, ...]


_encode = msgspec.json.Encoder().encode
_decode = json_decoder(KeptRecord).decode


def read_kept(record: Record) -> KeptRecord:
    """What a row holds. Raises :class:`BadRecord` where the row was spoiled."""
    try:
        return _decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRecord(f"The row of the evidence record {record.key} can't be read.") from None


def records_for(view: View, size: int, note: bytes | None = None) -> list[EvidenceRecordFile]:
    """The evidence records over the checkpoint of a log of ``size`` records, in order of their first authority.

    Args:
        view: Of the store.
        size: Records of the log.
        note: The very note; any of that size by default.

    Raises:
        BadRecord: A row was spoiled.
    """
    prefix = f"{CHECKPOINT}:{size:020d}:"
    rows = view.records(KIND, after=prefix, limit=_PAGE)
    found = [read_kept(row) for row in rows if row.key.startswith(prefix)]
    digest = None if note is None else hashlib.sha256(note).hexdigest()
    return [as_file(each) for each in found if digest in (None, each.sha256)]


def as_file(kept: KeptRecord) -> EvidenceRecordFile:
    """A kept record, to give away."""
    reference = kept.reference.lstrip("0") or "0"
    name = f"{kept.source}-{reference}-{kept.authority}.ers"
    return EvidenceRecordFile(name, kept.record, kept.sha256, kept.time, kept.ends, kept.certificates)


def all_records(view: View, after: str = "", limit: int = _PAGE) -> Iterator[Record]:
    """The rows of all of them in order of key, those that sort after ``after``, ``limit`` at a time."""
    while rows := view.records(KIND, after=after, limit=limit):
        yield from rows
        after = rows[-1].key
