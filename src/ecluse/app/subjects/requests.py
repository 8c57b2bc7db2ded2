"""A person's request: one record from the day it came until it is answered, with an event for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ecluse.app.subjects.deadlines import Law, due, extended
from ecluse.archive.signing import Signed
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import Json
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import json_decoder

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = [
    "KIND",
    "BadRequest",
    "Found",
    "Item",
    "NoSuchRequest",
    "Request",
    "all_requests",
    "extend",
    "find_request",
    "open_request",
    "refuse",
    "request_facts",
    "save",
]

KIND: Final = "subject-request"
"""Kind of the records. They stay: that a request was answered, how and when, has to be shown (GDPR, article 5(2))."""

MAX_WORDS: Final = 20
SHORTEST_WORD: Final = 3
"""Characters: shorter ones are in everything."""


class NoSuchRequest(EcluseError):
    """There is no such request."""

    code = "subject.no-request"
    fault = Fault.USAGE
    remedy = "List them with `ecluse subject list`."


class BadRequest(EcluseError):
    """A request can't be opened, or this can't be done with it at its present state."""

    code = "subject.bad-request"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse subject list`."


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place where one of the words was found.

    Attributes:
        place: ``message``, ``document``, ``receipt``, ``log``, ``log-in-clear``, ``archive``, ``configuration``,
            ``configuration-history`` or ``record``.
        id: Of the message, archived document or event; path of the file; kind and key of the record.
        field: Which of its fields.
        text: What stands there, cut to some length.
        root: The message that everything came from, where it is of one.
        row: Number of the event's row, for ``log``.
    """

    place: str
    id: str
    field: str
    text: str
    root: str = ""
    row: int = 0


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing of a plan, and later what became of it.

    Attributes:
        what: ``message``, ``log``, ``archive``, ``configuration``, ``configuration-history``, ``record`` or
            ``log-in-clear``.
        id: Of it.
        classes: What of a message goes.
        rows: Numbers of events whose values go.
        does: ``erase`` or ``refuse``.
        ground: Why it is refused; see :class:`~ecluse.app.subjects.deadlines.Ground`.
        why: The same in one sentence.
        reference: The hold, the archived document...
        until: When what stands in the way ends by itself.
        fields: What was found in it.
        outcome: ``erased``, ``refused``, ``nothing-left``; empty until the plan was carried out.
    """

    what: str
    id: str
    does: Literal["erase", "refuse"]
    classes: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    ground: str = ""
    why: str = ""
    reference: str = ""
    until: Instant | None = None
    fields: tuple[str, ...] = ()
    outcome: str = ""


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request.

    Attributes:
        id: The hub's id (``q…``).
        law: ``gdpr`` or ``ccpa``.
        wants: ``access`` or ``erasure``.
        words: What the person is known by.
        received: The day on which it came, ISO 8601.
        due: Last day of the answer.
        opened: When it was written down here, and by whom.
        by: Who wrote it down.
        extended: Why the answer takes longer; empty where it does not.
        plan: What would be done, once it was made.
        plan_sha256: Of the plan, in hexadecimal: what signatures are over.
        deep: Whether the inside of documents was looked into.
        signatures: Over the plan.
        ended: When it was answered; ``None`` until then.
        answer: ``exported``, ``erased`` or ``refused``.
        refusal: Why all of it was refused.
        reason: What whoever carried it out wrote down.
    """

    id: str
    law: Law
    wants: Literal["access", "erasure"]
    words: tuple[str, ...]
    received: str
    due: str
    opened: Instant
    by: str
    extended: str = ""
    plan: tuple[Item, ...] = ()
    plan_sha256: str = ""
    deep: bool = False
    signatures: tuple[Signed, ...] = ()
    ended: Instant | None = None
    answer: str = ""
    refusal: str = ""
    reason: str = ""


_read = json_decoder(Request).decode


def open_request(
    node: Node,
    words: Sequence[str],
    *,
    law: Law,
    wants: Literal["access", "erasure"],
    received: str,
    actor: str,
) -> Request:
    """Write a request down.

    Raises:
        BadRequest: A word is too short, there are too many, or the day is none, or to come.
    """
    found = check_words(words)
    now = node.hub.clock()
    try:
        day = date.fromisoformat(received) if received else _day(now)
    except ValueError:
        raise BadRequest(f"{received[:20]!a} is no day.", remedy="Write it as 2026-11-22.") from None
    if day > _day(now):
        raise BadRequest(f"{day} is still to come.", remedy="Give the day on which the request came.")
    request = Request(
        id=node.hub.new_id("q"),
        law=law,
        wants=wants,
        words=found,
        received=day.isoformat(),
        due=due(law, day).isoformat(),
        opened=now,
        by=actor,
    )
    facts: dict[str, Json] = {
        "law": law.value,
        "wants": wants,
        "received": request.received,
        "due": request.due,
        "words": list(found),
    }

    def work(tx: Tx) -> None:
        tx.add_record(_record(request, now))
        node.hub.event(tx, "subject.requested", f"request:{request.id}", facts, actor=actor, at=now)

    node.store.write(work)
    return request


def check_words(words: Sequence[str]) -> tuple[str, ...]:
    """Words that can be looked for. Raises :class:`BadRequest`."""
    found = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    if not 1 <= len(found) <= MAX_WORDS:
        raise BadRequest(f"One to {MAX_WORDS} words can be looked for.", remedy="Name the person by fewer.")
    short = next((word for word in found if len(word) < SHORTEST_WORD), None)
    if short is not None:
        raise BadRequest(
            f"{short!a} is too short to tell one person.", remedy=f"Give {SHORTEST_WORD} characters or more."
        )
    return found


def find_request(view: View, id: str) -> tuple[Record, Request]:
    """A request and its row. Raises :class:`NoSuchRequest`."""
    record = view.record(KIND, id)
    if record is None:
        raise NoSuchRequest(f"There is no request {id[:64]!a}.")
    return record, _read(record.body)


def all_requests(view: View) -> list[Request]:
    """All requests, oldest first."""
    found: list[Request] = []
    while True:
        page = view.records(KIND, after=found[-1].id if found else "")
        found += [_read(record.body) for record in page]
        if len(page) < 500:
            return found


def save(tx: Tx, before: Record, request: Request, at: Instant) -> None:
    """Write a request over the row that it was read from. Raises :class:`~ecluse.store.port.Conflict`."""
    tx.replace_record(before, _record(request, at))


def _record(request: Request, at: Instant) -> Record:
    last = datetime.combine(date.fromisoformat(request.due), time(), UTC)
    state = request.answer or ("extended" if request.extended else "open")
    moment = None if request.ended is not None else Instant(int(last.timestamp()) * 1_000_000)
    return Record(KIND, request.id, at, msgspec.json.encode(request), state=state, due=moment)


def extend(node: Node, id: str, *, actor: str, reason: str) -> Request:
    """Answer later: the person has to be told, and why, within the first period. Raises :class:`BadRequest`."""
    now = node.hub.clock()

    def work(tx: Tx) -> Request:
        record, request = find_request(tx, id)
        _check_open(request)
        if request.extended:
            raise BadRequest(f"The request {id} was extended already.", remedy="Answer it.")
        if _day(now).isoformat() > request.due:
            raise BadRequest(f"The request {id} was due on {request.due}.", remedy="Answer it at once.")
        later = extended(request.law, date.fromisoformat(request.received)).isoformat()
        after = msgspec.structs.replace(request, due=later, extended=reason)
        save(tx, record, after, now)
        facts: dict[str, Json] = {"due": later, "reason": reason}
        node.hub.event(tx, "subject.extended", f"request:{id}", facts, actor=actor, at=now)
        return after

    return node.store.write(work)


def refuse(node: Node, id: str, *, actor: str, reason: str) -> Request:
    """Refuse all of it, with the legal reason (GDPR, articles 11(2) and 12(5)). Raises :class:`BadRequest`."""
    now = node.hub.clock()

    def work(tx: Tx) -> Request:
        record, request = find_request(tx, id)
        _check_open(request)
        after = msgspec.structs.replace(request, ended=now, answer="refused", refusal=reason)
        save(tx, record, after, now)
        facts: dict[str, Json] = {"reason": reason, "in_time": in_time(after)}
        node.hub.event(tx, "subject.refused", f"request:{id}", facts, actor=actor, at=now)
        return after

    return node.store.write(work)


def _check_open(request: Request) -> None:
    if request.ended is not None:
        raise BadRequest(f"The request {request.id} was answered: {request.answer}.")


def in_time(request: Request) -> bool:
    """Whether it was answered by its last day."""
    return request.ended is not None and _day(request.ended).isoformat() <= request.due


def _day(at: Instant) -> date:
    return datetime.fromtimestamp(at / 1_000_000, tz=UTC).date()


def request_facts(request: Request, now: Instant) -> dict[str, Any]:
    """A request, for ``--json``."""
    left = (date.fromisoformat(request.due) - _day(now)).days
    counts: Mapping[str, int] = {
        outcome: sum(item.outcome == outcome for item in request.plan)
        for outcome in ("erased", "refused", "nothing-left")
    }
    return {
        "id": request.id,
        "law": request.law.value,
        "wants": request.wants,
        "words": list(request.words),
        "received": request.received,
        "due": request.due,
        "days_left": None if request.ended is not None else left,
        "state": request.answer or ("extended" if request.extended else "open"),
        "extended": request.extended,
        "refusal": request.refusal,
        "ended": iso(request.ended) if request.ended is not None else None,
        "in_time": in_time(request) if request.ended is not None else None,
        "items": len(request.plan),
        **counts,
        "signed_by": [signed.operator for signed in request.signatures],
    }
