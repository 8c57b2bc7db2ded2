"""A kept time-stamp: its record, written and read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from ecluse.evidence.errors import BadRecord
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.typed import json_decoder

__all__ = ["KIND", "Stamp", "all_stamps", "as_datetime", "as_instant", "read_stamp", "stamped_size", "stamps"]

KIND: Final = "stamp"
_PAGE: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """A time-stamp on a checkpoint.

    Attributes:
        size: Size of the log that the checkpoint is over.
        authority: Name of the authority, as the configuration had it.
        note_sha256: SHA-256 of the stamped note, in hexadecimal; the imprint may be by another hash.
        hash: Lower-case name of the imprint's hash.
        token: The RFC 3161 TimeStampToken, DER.
        chain: DER of the certificates from its signer to the root that was trusted.
        time: When, as the authority says.
        accuracy: Microseconds by which the authority says that it may be wrong; ``None`` where it does not say.
        policy: Dotted policy under which it stands.
        serial: The authority's number of it, decimal.
        signature: What it is signed with, in words.
        algorithms: All that it rests on, by name.
        ends: When the first certificate of the chain ends.
        kept: Our clock when it came.
        ahead: Microseconds by which the authority's clock was ahead of ours; negative where it was behind.
    """

    size: int
    authority: str
    note_sha256: str
    hash: str
    token: bytes
    chain: tuple[bytes, ...]
    time: Instant
    accuracy: int | None
    policy: str
    serial: str
    signature: str
    algorithms: tuple[str, ...]
    ends: Instant
    kept: Instant
    ahead: int

    @property
    def key(self) -> str:
        """Key of its record."""
        return f"{self.size:020d}:{self.authority}"

    @property
    def other_key(self) -> str:
        """Key of its record where the authority stamped another note of that size before."""
        return f"{self.key}:{self.note_sha256[:16]}"

    def as_record(self) -> Record:
        """What the store keeps."""
        return Record(KIND, self.key, self.kept, _encode(self))


_encode = msgspec.json.Encoder().encode
_decode = json_decoder(Stamp).decode


def read_stamp(record: Record) -> Stamp:
    """The stamp that a record holds. Raises :class:`BadRecord` where the row was spoiled."""
    try:
        return _decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRecord(f"The record of the time-stamp {record.key} can't be read.") from None


def stamps(view: View, size: int, note: bytes | None = None) -> list[Stamp]:
    """The time-stamps on the checkpoint of a log of ``size`` records, in order of authority.

    Args:
        view: Of the store.
        size: Records of the log.
        note: The very note: a log that forked has two of one size. Any of that size by default.

    Raises:
        BadRecord: One was spoiled.
    """
    prefix = f"{size:020d}:"
    rows = view.records(KIND, after=prefix, limit=_PAGE)
    found = [read_stamp(row) for row in rows if row.key.startswith(prefix)]
    digest = None if note is None else hashlib.sha256(note).hexdigest()
    return [each for each in found if digest in (None, each.note_sha256)]


def stamped_size(view: View, least: int) -> int | None:
    """Size of the smallest time-stamped checkpoint that covers ``least`` records; ``None`` where there is none yet."""
    rows = view.records(KIND, after=f"{max(least, 0):020d}:", limit=1)
    return int(rows[0].key[:20]) if rows and rows[0].key[:20].isdecimal() else None


def all_stamps(view: View, after: str = "") -> Iterator[Stamp]:
    """All of them, in order of size; those whose key sorts after ``after``."""
    while rows := view.records(KIND, after=after, limit=_PAGE):
        for row in rows:
            yield read_stamp(row)
        after = rows[-1].key


def as_instant(moment: datetime) -> Instant:
    """A moment in microseconds since 1970."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def as_datetime(instant: Instant) -> datetime:
    """An instant as a datetime in UTC; one beyond the calendar is its last day."""
    try:
        return _EPOCH + timedelta(microseconds=instant)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
