"""Running a disposal: every document is asked for once more, destroyed or kept back, and a certificate is made.

Each family of messages (which share bytes) goes in a transaction of its own: rows are marked, holds and retention are
asked again, keys are deleted, and the log says so; or nothing of it is done, and the documents are kept back with the
reason. What is done stands in the rows, so that a run that was cut goes on where it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ecluse.archive.classes import DataClass
from ecluse.archive.clock import check_clock
from ecluse.archive.deposit import ArchivedBody, body_of
from ecluse.archive.disposal import (
    EYES,
    Disposal,
    DisposalOver,
    Item,
    disposal_record,
    eyes_of,
    find_disposal,
    over,
)
from ecluse.archive.holds import holds_of
from ecluse.archive.room import Room
from ecluse.archive.shredding import Kept, Reason, family_of, shred
from ecluse.archive.signing import NotAllowed
from ecluse.archive.statement import DESTRUCTION, state
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveState, BytesState
from ecluse.model.basics import Instant, MessageId, iso
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.store.port import Tx, View

__all__ = ["KeptBack", "run"]

_ENDED = frozenset({MessageState.DELIVERED, MessageState.GIVEN_UP, MessageState.REJECTED})


class KeptBack(EcluseError):
    """A document on the list is not destroyed: what allowed it does not hold any more."""

    code = "archive.kept-back"
    fault = Fault.PERMANENT
    remedy = "Look at it with `ecluse archive show`; it may be proposed again once nothing stands against it."


def run(room: Room, id: str, *, actor: str, check: Callable[[], None] = lambda: None) -> Disposal:
    """Destroy what two administrators approved, as far as it still may go; give the disposal with its certificate.

    Args:
        room: The archive.
        id: Of the disposal.
        actor: Who runs it.
        check: Called between two families; what it raises ends the run, which may be gone on with.

    Raises:
        NoDisposal: There is none.
        DisposalOver: It is over, or its time is.
        NotAllowed: It has not the signatures of two administrators in force over this very list.
        ClockDoubted: The clock can't be believed.
    """
    disposal = room.hub.store.write(lambda tx: _begin(room, tx, id, actor))
    if disposal.certificate is not None:
        return disposal
    for items in _families(room, disposal.items):
        check()
        try:
            room.hub.store.write(lambda tx, items=items: _destroy(room, tx, disposal, items, actor))  # type: ignore[misc]
        except (Kept, KeptBack):
            continue  # why is asked again for the certificate
    return _end(room, disposal, actor)


def _begin(room: Room, tx: Tx, id: str, actor: str) -> Disposal:
    record, disposal = find_disposal(tx, id)
    now = room.hub.clock()
    if record.state == "done":
        return disposal
    if record.state not in ("approved", "running"):
        raise DisposalOver(f"The disposal {id} is {record.state}, not approved.")
    if record.state == "approved" and now >= disposal.until:
        raise DisposalOver(f"The time of the disposal {id} was over at {iso(disposal.until)}.")
    check_clock(tx, room, now)
    # The row is believed for nothing: the signatures are over the list as it is kept, by those who are in force today.
    if len(eyes_of(room.book(), disposal)) < EYES:
        raise NotAllowed(
            f"The disposal {id} has not the signatures of two operators in force over this list.",
            remedy="Have it approved again, or proposed again: `ecluse archive dispose show` has its signatures.",
        )
    if disposal.began is None:
        disposal = msgspec.structs.replace(disposal, began=now)
        tx.replace_record(record, disposal_record(disposal, "running", now))
        facts = {"list": disposal.list_sha256, "documents": len(disposal.items)}
        room.hub.event(tx, "archive.disposal-begun", id, facts, actor=actor, at=now)
    return disposal


def _families(room: Room, items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """The items by the message that everything of them was made of."""
    found: defaultdict[MessageId, list[Item]] = defaultdict(list)

    def roots(view: View) -> dict[MessageId, MessageId]:
        return {message: _root(view, message) for message in {item.message for item in items}}

    origins = room.hub.store.read(roots)
    for item in items:
        found[origins[item.message]].append(item)
    return [tuple(each) for each in found.values()]


def _root(view: View, id: MessageId) -> MessageId:
    passed = {id}
    while (message := view.message(id)) is not None and message.origin and message.origin not in passed:
        id = message.origin
        passed.add(id)
    return id


def _destroy(room: Room, tx: Tx, disposal: Disposal, items: Sequence[Item], actor: str) -> None:
    """Destroy one family's documents, or raise and leave all as it was."""
    root = tx.message(_root(tx, items[0].message))
    if root is None:
        raise KeptBack(f"The message of {items[0].archive} is not there.")
    # Every row is held from here on: what is decided by is what is deleted.
    family = family_of(tx, root)
    _ready(family)
    now = room.hub.clock()
    book = room.book()
    gone: list[Archived] = []
    for item in items:
        row = tx.archived(item.archive)
        if row is None or row.state is ArchiveState.DISPOSED:
            continue
        if row.sha256.hex() != item.sha256 or row.message != item.message:
            raise KeptBack(f"{item.archive} is not the document that was signed for.")
        if not over(book, row, now):
            raise KeptBack(f"The retention of {row.id} is not over.")
        gone.append(row)
    if not gone:
        return
    for row in gone:
        body = body_of(row)
        receipt = body.receipt.digest if body.receipt is not None else ""
        left = ArchivedBody(disposal=disposal.id, receipt_sha256=receipt, submitter=body.submitter)
        tx.update_archived(
            msgspec.structs.replace(
                row,
                state=ArchiveState.DISPOSED,
                reference="",
                refs=(),
                amount=None,
                currency="",
                body=msgspec.json.encode(left),
            )
        )
        facts = {
            "disposal": disposal.id,
            "list": disposal.list_sha256,
            "sha256": row.sha256.hex(),
            "profile": row.profile,
            "ended": row.ends,
        }
        room.hub.event(tx, "archive.disposed", row.id, facts, actor=actor, at=now)
    # Holds, and archived documents of the family that are not on the list, stand against it here.
    shred(
        tx,
        room.hub,
        family,
        reason=Reason.DISPOSAL,
        actor=actor,
        at=now,
        classes=frozenset(DataClass),
        because=disposal.id,
    )
    for blob in {blob for row in gone for blob in tx.archive_blobs_of(row.id)}:
        kept = tx.archive_bytes(blob)
        if kept is not None and tx.blob(blob) is None:
            tx.update_archive_bytes(msgspec.structs.replace(kept, state=BytesState.GONE, due=None))


def _ready(family: Sequence[Message]) -> None:
    for each in family:
        if each.state not in _ENDED:
            raise KeptBack(f"The message {each.id} is still under way.")


def _end(room: Room, disposal: Disposal, actor: str) -> Disposal:
    """Make the certificate of what was destroyed, and say why the rest was not."""
    now = room.hub.clock()
    done, kept = room.hub.store.read(lambda view: _outcome(room, view, disposal, now))
    facts: dict[str, Any] = {
        "log": disposal.origin,
        "proposed": iso(disposal.at),
        "began": iso(disposal.began) if disposal.began is not None else None,
        "reason": disposal.reason,
        "list_sha256": disposal.list_sha256,
        "approved": [
            {"at": iso(each.at), "fingerprint": each.fingerprint} for each in eyes_of(room.book(), disposal)
        ],
        "method": "The keys that it was sealed under were deleted; copies of them follow, as the log tells "
        "(message.erased-everywhere).",
        "destroyed": [
            {
                "archive": each.archive,
                "sha256": each.sha256,
                "profile": each.profile,
                "ended": iso(each.ended),
            }
            for each in done
        ],
        "kept_back": kept,
    }
    certificate = state(DESTRUCTION, disposal.id, facts, now, room.sign)

    def work(tx: Tx) -> Disposal:
        record, present = find_disposal(tx, disposal.id)
        if record.state == "done":
            return present
        words = f"{len(done)} destroyed, {len(kept)} kept back"
        after = msgspec.structs.replace(present, certificate=certificate, ended=words)
        tx.replace_record(record, disposal_record(after, "done", now))
        told = {
            "list": disposal.list_sha256,
            "certificate": certificate.digest,
            "destroyed": len(done),
            "kept_back": len(kept),
        }
        room.hub.event(tx, "archive.destroyed", disposal.id, told, actor=actor, at=now)
        return after

    return room.hub.store.write(work)


def _outcome(
    room: Room, view: View, disposal: Disposal, now: Instant
) -> tuple[list[Item], list[dict[str, str]]]:
    done: list[Item] = []
    kept: list[dict[str, str]] = []
    for item in disposal.items:
        row = view.archived(item.archive)
        if row is not None and row.state is ArchiveState.DISPOSED and body_of(row).disposal == disposal.id:
            done.append(item)
            continue
        kept.append({"archive": item.archive, "why": _why(room, view, row, now)})
    return done, kept


def _why(room: Room, view: View, row: Archived | None, now: Instant) -> str:
    if row is None:
        return "It is not there."
    if row.state is ArchiveState.DISPOSED:
        return "Another disposal had destroyed it."
    holds = holds_of(view, row)
    if holds:
        return f"It is held for {holds[0].reference}."
    if not over(room.book(), row, now):
        return "Its retention is not over."
    return "Another document that shares its bytes is kept, or its message is under way."
