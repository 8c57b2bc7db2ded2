"""What a hub remembers of its backups: how the last one and the last rehearsal went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = [
    "KIND",
    "Last",
    "Rehearsed",
    "forget_places",
    "last_backup",
    "last_rehearsal",
    "note_backup",
    "note_failure",
    "note_rehearsal",
]

KIND: Final = "backup"
"""Kind of the records."""
_REHEARSAL: Final = "rehearsal"


class Last(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How backups into one place stand.

    Attributes:
        id: The last one.
        at: Moment of its state.
        ended: When it was made.
        keys: State of the key copy that was made last.
        keys_place: Where that is.
        failed: When a run failed that none has succeeded since; 0 where none did.
        error: What it said.
    """

    id: str = ""
    at: Instant = Instant(0)
    ended: Instant = Instant(0)
    keys: str = ""
    keys_place: str = ""
    failed: Instant = Instant(0)
    error: str = ""


class Rehearsed(msgspec.Struct, frozen=True):
    """How a rehearsal went.

    Attributes:
        at: When.
        ok: Whether all was there and as it was.
        backup: Which backup.
        error: What stopped it; empty where nothing did.
    """

    at: Instant
    ok: bool
    backup: str
    error: str = ""


def last_backup(view: View, place: str) -> Last:
    """How backups into a place stand."""
    record = view.record(KIND, _key(place))
    return Last() if record is None else from_json(record.body, Last)


def note_backup(tx: Tx, place: str, last: Last) -> None:
    """Remember that a backup was made."""
    tx.put_record(Record(KIND, _key(place), last.ended, msgspec.json.encode(last)))


def note_failure(node: Node, place: str, error: EcluseError) -> None:
    """Remember, and tell once, that backups into a place fail."""

    def work(tx: Tx) -> None:
        last = last_backup(tx, place)
        now = node.hub.clock()
        text = f"{error.code}: {error.cause}"
        if last.error != text:
            node.hub.event(tx, "backup.failed", "hub", {"place": place, "reason": error.code}, at=now)
        last = msgspec.structs.replace(last, failed=last.failed or now, error=text)
        tx.put_record(Record(KIND, _key(place), now, msgspec.json.encode(last)))

    node.store.write(work)


def last_rehearsal(view: View) -> Rehearsed | None:
    """How the last rehearsal went; ``None`` where there never was one."""
    record = view.record(KIND, _REHEARSAL)
    return None if record is None else from_json(record.body, Rehearsed)


def note_rehearsal(tx: Tx, fact: Rehearsed) -> None:
    """Remember how a rehearsal went."""
    tx.put_record(Record(KIND, _REHEARSAL, fact.at, msgspec.json.encode(fact)))


def forget_places(tx: Tx) -> None:
    """Forget what was written where, and who was at it: another hub did that, of which this one is a copy."""
    for record in tx.records(KIND):
        if record.key != _REHEARSAL:
            tx.drop_record(KIND, record.key)


def _key(place: str) -> str:
    return f"place {place}"[:500]
