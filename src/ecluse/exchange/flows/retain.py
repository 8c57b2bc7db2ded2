"""Retention at work: what was kept for long enough is deleted, and the rest is looked at again when it is due.

Every message that came from outside is looked at once, when the shortest time that could end something of it is over:
in order of id, flow by flow, with a mark of how far that went. What is not over then gets a record with the time of the
next look. When settings change, the marks are forgotten, and all is looked at anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.archive.classes import DataClass, Outcome
from ecluse.archive.retention import Verdict, judge
from ecluse.archive.shredding import Reason, family_of, shred
from ecluse.exchange.actions import give_up_within
from ecluse.exchange.flows.plan import FlowBook
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Instant, MessageId, new_id
from ecluse.model.nouns import Message
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = ["KIND", "Retained", "look", "retain"]

KIND: Final = "retention"
"""Kind of the records of what is looked at again."""

_PAGE: Final = 200
_VALUES: Final = "retention.values"
_ID: Final = 27
"""Characters of a message's id."""
_NOBODY: Final = "Nobody decided about it for as long as [retention] quarantined says."


@dataclass(slots=True)
class Retained:
    """What a run did.

    Attributes:
        looked: Families that were looked at.
        deleted: Families of which something was deleted.
        kept: Families of which something was due, and stays as something stands in its way.
        given_up: Families that were given up, as nobody decided about them.
        values: Events about no message whose personal values were deleted.
    """

    looked: int = 0
    deleted: int = 0
    kept: int = 0
    given_up: int = 0
    values: int = 0


class _Mark(msgspec.Struct, frozen=True):
    after: str
    terms: str


def look(view: View, book: FlowBook, root: Message) -> tuple[list[Message], Verdict]:
    """A message with all that was made of it, and when what of them goes."""
    family = family_of(view, root)
    flows = {delivery.flow for delivery in view.deliveries(root.id)} - {""} or {root.flow}
    return family, judge(view, family, [book.terms(flow) for flow in sorted(flows)])


def retain(hub: Hub, check: Callable[[], None] = lambda: None, *, afresh: bool = False) -> Retained:
    """Delete what has been kept for long enough.

    Args:
        hub: What the chamber shares.
        check: Called between two messages; what it raises ends the run, which the next one goes on with.
        afresh: Look at all messages again, whatever was looked at before.
    """
    done = Retained()
    book = hub.flows()
    for plan in book.plans.values():
        if plan.window:
            before = Instant(hub.clock() - plan.window)
            hub.store.write(partial(_prune, plan.id, before))
    digest = _digest(book)
    for flow in ("", *book.plans):
        _sweep(hub, book, flow, digest, check, done, afresh=afresh)
    done.values = _forget_values(hub, book, check)
    while page := hub.store.read(lambda view: view.records_due(KIND, hub.clock(), _PAGE)):
        for record in page:
            check()
            _attend(hub, book, MessageId(record.key), done)
    return done


def _forget_values(hub: Hub, book: FlowBook, check: Callable[[], None]) -> int:
    """Delete what the commitments of old events stand for that are about no message; give the number of events."""
    keep = book.direct.keep(DataClass.NAMES, Outcome.DELIVERED)
    if keep is None:
        return 0
    before = hub.clock() - keep
    raw = hub.store.read(lambda view: view.setting(_VALUES))
    after, gone = int(raw) if raw else 0, 0
    while True:
        check()
        page = hub.store.read(lambda view, after=after: view.besides(after, _PAGE))  # type: ignore[misc]
        old = [each for each in page if each.at < before]
        if not old:
            return gone
        after = old[-1].row
        rows = [each.row for each in old if not _is_message(each.subject)]
        gone += hub.store.write(partial(_forget, rows, after))


def _forget(rows: list[int], mark: int, tx: Tx) -> int:
    tx.overwrite()
    tx.put_setting(_VALUES, str(mark).encode())
    return tx.forget_besides(rows)


def _is_message(subject: str) -> bool:
    return len(subject) == _ID and subject.startswith("m")


def _prune(flow: str, before: Instant, tx: Tx) -> int:
    return tx.prune_digests(flow, before)


def _digest(book: FlowBook) -> str:
    terms = {"": book.direct, **{id: plan.terms for id, plan in book.plans.items()}}
    return sha256(repr(sorted(terms.items())).encode()).hexdigest()[:32]


def _sweep(
    hub: Hub,
    book: FlowBook,
    flow: str,
    digest: str,
    check: Callable[[], None],
    done: Retained,
    *,
    afresh: bool,
) -> None:
    """Look at what came for a flow and was not looked at before."""
    least = book.terms(flow).shortest
    if least is None:
        return
    setting = f"retention.{flow or '-'}"
    raw = hub.store.read(lambda view: view.setting(setting))
    mark = from_json(raw, _Mark) if raw else _Mark("", digest)
    after = "" if afresh or mark.terms != digest else mark.after
    until = new_id("m", Instant(max(0, hub.clock() - least)), bytes)
    while True:
        page = hub.store.read(lambda view, after=after: view.roots(flow, after, until, _PAGE))  # type: ignore[misc]
        for message in page:
            check()
            _attend(hub, book, message.id, done)
        if page:
            after = page[-1].id
            value = msgspec.json.encode(_Mark(after, digest))
            hub.store.write(lambda tx, value=value: tx.put_setting(setting, value))  # type: ignore[misc]
        if len(page) < _PAGE:
            return


def _attend(hub: Hub, book: FlowBook, id: MessageId, done: Retained) -> None:
    """Delete what of a family is due, and note when it is to be looked at again."""
    done.looked += 1
    deleted, kept, given_up = hub.store.write(partial(_decide, hub, book, id))
    done.deleted += deleted
    done.kept += kept
    done.given_up += given_up


def _decide(hub: Hub, book: FlowBook, id: MessageId, tx: Tx) -> tuple[bool, bool, bool]:
    now = hub.clock()
    root = tx.message(id)
    deleted = given_up = False
    again: Instant | None = None
    kept = False
    if root is not None:
        family, verdict = look(tx, book, root)
        if verdict.outcome is Outcome.QUARANTINED and not verdict.kept and _due(verdict.gives_up, now):
            for each in family:
                if each.state.value == Outcome.QUARANTINED.value:
                    give_up_within(hub, tx, each.id, actor="hub", reason=_NOBODY)
                    given_up = True
            family, verdict = look(tx, book, tx.message(id) or root)
        ready = verdict.ready(now)
        if ready:
            deleted = shred(tx, hub, family, reason=Reason.RETENTION, actor="hub", at=now, classes=ready) > 0
            family, verdict = look(tx, book, tx.message(id) or root)
        kept = bool(verdict.kept) and any(_due(at, now) for at in verdict.due.values())
        again = verdict.look_again(now, root.created)
    if again is None:
        tx.drop_record(KIND, id)
    else:
        tx.put_record(Record(KIND, id, now, b"{}", due=again))
    return deleted, kept, given_up


def _due(at: Instant | None, now: Instant) -> bool:
    return at is not None and at <= now
