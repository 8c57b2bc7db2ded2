"""Heads that a witness does not cosign before a person accepts them: one for each log at most.

It is the first head of a log under another name, to which no proof leads from the last one that was cosigned. The
first that comes under a name stays, so that what a person looked at is what they accept; one under a later name takes
its place.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.evidence.breaks import base_of, epoch_of
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import json_decoder

__all__ = [
    "Awaiting",
    "NothingAwaits",
    "awaiting",
    "awaiting_logs",
    "drop_awaiting",
    "hash_of",
    "keep_awaiting",
    "settle",
    "waits_for",
]

_KIND: Final = "witness-awaits"
"""Kind of the records; the key is the SHA-256 of the log's first name."""


class Awaiting(msgspec.Struct, frozen=True):
    """A head that waits.

    Attributes:
        origin: The log's other name.
        size: Of the head.
        root: Its root, hexadecimal.
        note: It, with the log's own signatures that were verified.
        before: The name under which the log was cosigned last.
        cosigned: Size of the head that was.
        cosigned_root: Its root, hexadecimal.
        at: When it came, in seconds since 1970.
    """

    origin: str
    size: int
    root: str
    note: str
    before: str
    cosigned: int
    cosigned_root: str
    at: int


class NothingAwaits(EcluseError):
    """Somebody decides on a head that does not wait, or not any more."""

    code = "witness.nothing-awaits"
    fault = Fault.USAGE
    remedy = "`ecluse log cosign` shows which heads wait."


_decode: Final = json_decoder(Awaiting).decode


def waits_for(view: View, base: str) -> Awaiting | None:
    """The head of the log of that first name that waits, if any."""
    record = view.record(_KIND, hash_of(base))
    return None if record is None else _read(record)


def awaiting(view: View, origin: str) -> Awaiting:
    """The head that waits under a name. Raise :class:`NothingAwaits` where none does."""
    found = waits_for(view, base_of(origin))
    if found is None or found.origin != origin:
        raise NothingAwaits(f"No head of a log {origin[:100]!a} waits.")
    return found


def awaiting_logs(view: View) -> list[Awaiting]:
    """Every head that waits, by origin."""
    found = map(_read, view.records(_KIND))
    return sorted((each for each in found if each is not None), key=lambda each: each.origin)


def keep_awaiting(tx: Tx, waits: Awaiting, now: Instant) -> None:
    """Have a head wait, in place of another one of its log."""
    tx.put_record(Record(_KIND, hash_of(base_of(waits.origin)), now, msgspec.json.encode(waits)))


def drop_awaiting(tx: Tx, origin: str) -> Awaiting:
    """Have the head under a name not wait any more; give it. Raise :class:`NothingAwaits` where none does."""
    found = awaiting(tx, origin)
    tx.drop_record(_KIND, hash_of(base_of(origin)))
    return found


def settle(tx: Tx, origin: str) -> None:
    """A head was cosigned under this name: none under it, or under one before, waits any more."""
    base = base_of(origin)
    found = waits_for(tx, base)
    if found is not None and (epoch_of(base, found.origin) or 0) <= (epoch_of(base, origin) or 0):
        tx.drop_record(_KIND, hash_of(base))


def hash_of(origin: str) -> str:
    """SHA-256 of a log's name, as it stands in paths and keys."""
    return sha256(origin.encode()).hexdigest()


def _read(record: Record) -> Awaiting | None:
    try:
        return _decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # the log asks again
