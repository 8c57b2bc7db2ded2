"""Placing and releasing legal holds, each a record with its event."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ecluse.archive.holds import MAX_NAMED, Criteria, Hold, Release, covers, hold_from, hold_record, standing
from ecluse.archive.room import Room
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import MessageId, PartnerId
from ecluse.store.archive import HOLD
from ecluse.store.port import Tx, View
from ecluse.wire.documents import DocumentType

__all__ = ["BadHold", "all_holds", "held", "place_hold", "release_hold"]

_SHOWN: Final = 1000
"""Archived documents that are told for a hold by query."""
_LOOKED: Final = 100_000
"""Archived documents that are looked through for that."""
_PAGE: Final = 1000
_TYPES: Final = frozenset(each.value for each in DocumentType)


class BadHold(EcluseError):
    """A hold that would hold nothing, or is not there."""

    code = "archive.bad-hold"
    fault = Fault.USAGE
    remedy = "Say what it is about: ids of `ecluse archive list`, or --partner, --type, --reference, --since, --until."


def place_hold(room: Room, criteria: Criteria, *, reason: str, reference: str, actor: str) -> Hold:
    """Place a hold. From its transaction on nothing that it is about is deleted.

    Args:
        room: The archive.
        criteria: What it is about.
        reason: Why.
        reference: Whose matter it is.
        actor: Who places it.

    Raises:
        BadHold: It says nothing, names what is not there, or names too much.
    """
    if criteria.empty:
        raise BadHold("The hold does not say what it is about.")
    if len(criteria.ids) > MAX_NAMED:
        raise BadHold(
            f"A hold names at most {MAX_NAMED} documents.", remedy="Place several, or one by query."
        )
    if criteria.type and criteria.type not in _TYPES:
        raise BadHold(
            f"There is no type {criteria.type[:40]!a} of documents.",
            remedy=f"Known are {', '.join(sorted(_TYPES))}.",
        )
    now = room.hub.clock()
    hold = Hold(room.hub.new_id("h"), now, actor, reason, reference, criteria)

    def work(tx: Tx) -> None:
        tx.lock_holds()
        named = [_named(tx, id) for id in criteria.ids]
        tx.add_record(hold_record(hold))
        facts: dict[str, Any] = {
            "reason": reason,
            "reference": reference,
            # What is sought may be a person's name: in the log it is a commitment.
            "criteria": msgspec.json.encode(criteria, order="sorted").decode(),
            "named": len(criteria.ids),
        }
        room.hub.event(tx, "archive.held", hold.id, facts, actor=actor, at=now)
        for id in sorted({each for ids in named for each in ids}):
            room.hub.event(
                tx, "archive.held", id, {"hold": hold.id, "reference": reference}, actor=actor, at=now
            )

    room.hub.store.write(work)
    _have_looked_at(room, hold)
    return hold


def _named(view: View, id: str) -> list[str]:
    """The archived documents that an id of a hold means, or the message itself where it has none."""
    row = view.archived(ArchiveId(id))
    if row is not None:
        return [row.id]
    if view.message(MessageId(id)) is None:
        raise BadHold(f"There is no message and no archived document {id[:64]!a}.")
    return [each.id for each in view.archived_of(MessageId(id))] or [id]


def release_hold(room: Room, id: str, *, reason: str, actor: str) -> Hold:
    """End a hold. What it held is deleted when its retention says so, and not at once.

    Raises:
        BadHold: There is none, or it was released already.
    """
    now = room.hub.clock()

    def work(tx: Tx) -> Hold:
        tx.lock_holds()
        record = tx.record(HOLD, id)
        hold = None if record is None else hold_from(record)
        if record is None or hold is None:
            raise BadHold(f"There is no hold {id[:64]!a}.", remedy="Look at `ecluse archive holds`.")
        if hold.released is not None:
            raise BadHold(
                f"The hold {id} was released already.", remedy="Look at `ecluse archive holds --all`."
            )
        after = msgspec.structs.replace(hold, released=Release(now, actor, reason))
        tx.replace_record(record, hold_record(after))
        facts = {"reason": reason, "reference": hold.reference, "stood": now - hold.at}
        room.hub.event(tx, "archive.released", id, facts, actor=actor, at=now)
        for named in sorted({each for every in hold.criteria.ids for each in _named(tx, every)}):
            room.hub.event(tx, "archive.released", named, {"hold": id}, actor=actor, at=now)
        return after

    ended = room.hub.store.write(work)
    _have_looked_at(room, ended)
    return ended


def _have_looked_at(room: Room, hold: Hold) -> None:
    """Have second copies that their place can hold looked at soon, so that they are held or released there too."""
    if not any(profile.write_once for profile in room.book().profiles.values()):
        return
    ids = [row.id for row in room.hub.store.read(lambda view: held(view, hold))]

    def work(tx: Tx) -> None:
        now = room.hub.clock()
        for blob in sorted({blob for id in ids for blob in tx.archive_blobs_of(id)}):
            kept = tx.archive_bytes(blob)
            if kept is not None and kept.due is not None and kept.due > now:
                tx.update_archive_bytes(msgspec.structs.replace(kept, due=now))

    room.hub.store.write(work)


def all_holds(view: View, *, released: bool) -> list[Hold]:
    """Holds, oldest first; those that were released with ``released``."""
    if not released:
        return standing(view)
    found: list[Hold] = []
    after = ""
    while True:
        page = view.records(HOLD, after=after, limit=_PAGE)
        found += map(hold_from, page)
        if len(page) < _PAGE:
            return found
        after = page[-1].key


def held(view: View, hold: Hold) -> list[Archived]:
    """Archived documents that a hold is about today, newest first; a thousand at most."""
    found: list[Archived] = []
    partner = PartnerId(hold.criteria.partner) if hold.criteria.partner else None
    before: ArchiveId | None = None
    looked = 0
    while looked < _LOOKED and len(found) < _SHOWN:
        page = view.archive_list(partner=partner, before=before, limit=_PAGE)
        for row in page:
            message = view.message(row.message)
            if message is not None and covers(hold.criteria, message, [row]):
                found.append(row)
        if len(page) < _PAGE:
            break
        looked += len(page)
        before = page[-1].id
    return found[:_SHOWN]
