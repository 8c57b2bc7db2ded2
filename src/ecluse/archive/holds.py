"""Legal holds, and whatever else forbids that a document's bytes are deleted.

A hold says which documents it holds: by their ids, or by what is known of them. What comes later and answers to the
same is under it too, and what is not known of a document counts against its deletion. Whoever deletes asks
:func:`obstacles` in the transaction that deletes: within it no hold is placed, and none released.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant, MessageId
from ecluse.model.nouns import JobState, Message
from ecluse.model.records import Record
from ecluse.store.archive import HOLD, STANDING
from ecluse.store.port import View
from ecluse.typed import json_decoder

__all__ = [
    "MAX_NAMED",
    "Criteria",
    "Hold",
    "Obstacle",
    "Release",
    "covers",
    "hold_from",
    "obstacles",
    "standing",
]

DEPOSIT_JOB: Final = "archive-deposit"
"""Kind of the jobs that put messages into the archive."""
REFUSED: Final = "archive-refused"
"""Kind of the records of messages that their profile does not take, and that wait for a decision."""

MAX_NAMED: Final = 1000
"""Ids in one hold: it is read whenever something is deleted."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a message's bytes stay.

    Attributes:
        kind: ``hold``, ``retention``, or ``deposit`` where it is still to be archived.
        reference: Id of the hold, of the archived document, or of the message.
        reason: In one sentence.
        until: When it ends by itself; ``None`` where it does not, or nobody knows.
    """

    kind: str
    reference: str
    reason: str
    until: Instant | None


class Criteria(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which documents a hold is about: all that is given must fit; nothing given fits nothing.

    Attributes:
        ids: Of messages or archived documents.
        partner: From or for whom.
        direction: ``in`` or ``out``.
        flow: That took or made it.
        profile: Of the archive.
        type: Of the document (``invoice``).
        reference: The document's own number, or one that it refers to.
        since: First day of the document (ISO 8601); of its message where it says none.
        until: Last day.
        text: A piece of its subject, number, or file name, in whatever case.
    """

    ids: tuple[str, ...] = ()
    partner: str = ""
    direction: str = ""
    flow: str = ""
    profile: str = ""
    type: str = ""
    reference: str = ""
    since: str = ""
    until: str = ""
    text: str = ""

    @property
    def empty(self) -> bool:
        """Whether nothing is given."""
        return self == Criteria()


class Release(msgspec.Struct, frozen=True):
    """The end of a hold.

    Attributes:
        at: When.
        by: Who.
        reason: Why.
    """

    at: Instant
    by: str
    reason: str


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """A legal hold.

    Attributes:
        id: The hub's id (``h…``).
        at: Since when.
        by: Who placed it.
        reason: Why.
        reference: Whose matter it is (a file number of a court, an auditor, a lawyer).
        criteria: What it holds.
        released: How it ended; ``None`` while it stands.
    """

    id: str
    at: Instant
    by: str
    reason: str
    reference: str
    criteria: Criteria
    released: Release | None = None


_decode = json_decoder(Hold).decode
_encode = msgspec.json.Encoder().encode


def hold_from(record: Record) -> Hold:
    """A hold as it is kept."""
    return _decode(record.body)


def hold_record(hold: Hold) -> Record:
    """The inverse of :func:`hold_from`."""
    state = STANDING if hold.released is None else "released"
    at = hold.at if hold.released is None else hold.released.at
    return Record(HOLD, hold.id, at, _encode(hold), owner=hold.criteria.partner, state=state)


def standing(view: View) -> list[Hold]:
    """All holds that stand, oldest first."""
    return [hold_from(record) for record in view.standing_holds()]


def covers(criteria: Criteria, message: Message, archived: Sequence[Archived]) -> bool:
    """Whether a hold is about a message, any of whose archived documents (in whatever state) it may be about."""
    if criteria.empty:
        return False
    if (
        criteria.ids
        and message.id not in criteria.ids
        and not {each.id for each in archived} & {*criteria.ids}
    ):
        return False
    if criteria.partner not in ("", message.partner) or criteria.direction not in (
        "",
        message.direction.value,
    ):
        return False
    if criteria.flow not in ("", message.flow):
        return False
    if criteria.text and not _has_text(criteria.text, message, archived):
        return False
    if criteria.profile and not any(each.profile == criteria.profile for each in archived):
        return False
    if not (criteria.type or criteria.reference or criteria.since or criteria.until):
        return True
    if not archived:
        return _fits(criteria, "", (message.reference,), _day(message.created))
    return any(
        _fits(criteria, each.type, _numbers(each), each.day or _day(message.created)) for each in archived
    )


def _fits(criteria: Criteria, type: str, numbers: Iterable[str], day: str) -> bool:
    known = {number for number in numbers if number}
    if criteria.type and type not in ("", criteria.type):
        return False
    if criteria.reference and known and criteria.reference not in known:
        return False
    return (criteria.since or day) <= day <= (criteria.until or day)


def _numbers(archived: Archived) -> tuple[str, ...]:
    return (archived.reference, *(number for _, number in archived.refs)) if archived.reference else ()


def _has_text(text: str, message: Message, archived: Sequence[Archived]) -> bool:
    words = [message.subject, message.reference, message.protocol_id]
    words += [part.name for part in message.parts]
    words += [each.reference for each in archived]
    return text.casefold() in "\n".join(words).casefold()


def _day(at: Instant) -> str:
    return datetime.fromtimestamp(at / 1_000_000, tz=UTC).date().isoformat()


def obstacles(view: View, message: MessageId) -> tuple[Obstacle, ...]:
    """What forbids that a message's bytes are deleted, of its own; nothing where there is no such message.

    Args:
        view: The transaction that would delete: until it ends, what this gives stays true.
        message: The message. Those that share its bytes are asked for by themselves.
    """
    found = view.message(message)
    if found is None:
        return ()
    archived = view.archived_of(message)
    holds = [hold for hold in standing(view) if covers(hold.criteria, found, archived)]
    return (
        *(Obstacle("hold", hold.id, f"Held for {hold.reference}: {hold.reason}", None) for hold in holds),
        *(_retention(each) for each in archived if each.state is not ArchiveState.DISPOSED),
        *(() if archived else _deposit(view, message)),
    )


def holds_of(view: View, archived: Archived) -> list[Hold]:
    """The standing holds that an archived document is under."""
    message = view.message(archived.message)
    if message is None:
        return []
    rows = view.archived_of(archived.message)
    return [hold for hold in standing(view) if covers(hold.criteria, message, rows)]


def deposit_key(message: MessageId) -> str:
    """Key of the job that puts a message into the archive."""
    return f"{DEPOSIT_JOB}:{message}"


def _deposit(view: View, message: MessageId) -> Iterable[Obstacle]:
    job = view.job(deposit_key(message))
    if job is not None and job.state is not JobState.DONE:
        yield Obstacle("deposit", message, "It is still to be archived.", None)
    if view.record(REFUSED, message) is not None:
        yield Obstacle("deposit", message, "Its profile does not take it; somebody has to decide.", None)


def _retention(archived: Archived) -> Obstacle:
    reason = f"Archived by profile {archived.profile}; it goes by disposal alone."
    return Obstacle("retention", archived.id, reason, archived.ends)
