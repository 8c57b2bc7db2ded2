"""What should have come by a time of day: one event when it did not, one more when it came late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import msgspec

from ecluse.exchange.flows.plan import Expected, FlowPlan
from ecluse.exchange.flows.state import is_paused
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Instant
from ecluse.model.states import MessageState
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = ["Met", "Standing", "judge", "look_for_missing", "standings"]

_PAGE: Final = 500
_NOT_THERE: Final = frozenset({MessageState.REJECTED, MessageState.QUARANTINED})
"""What was refused, or waits for a person, is not what was expected."""


class Met(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an expectation ended last.

    Attributes:
        since: When it was first looked at: deadlines before are nobody's.
        day: Of which day, in its zone; empty before the first.
        state: ``met``, ``missed`` or ``late``.
        count: Documents that counted.
    """

    since: Instant
    day: str = ""
    state: str = ""
    count: int = 0


class Standing(msgspec.Struct, frozen=True):
    """Where an expectation stands, for people.

    Attributes:
        name: What it is called.
        by: Its time of day.
        at_least: How many are expected.
        count: Documents that counted today.
        next: The next deadline, or ``None``.
        last: How it ended last, or ``None``.
    """

    name: str
    by: str
    at_least: int
    count: int
    next: Instant | None
    last: Met | None


def judge(expected: Expected, before: Met, day: date, on_time: int, in_all: int) -> Met:
    """What a day came to once its deadline has passed.

    Args:
        expected: What was expected.
        before: How it ended last.
        day: Which day.
        on_time: Documents that counted before the deadline.
        in_all: The same of the whole day until now.
    """
    enough = expected.settings.at_least
    at = day.isoformat()
    if before.day != at:
        state = "met" if on_time >= enough else "missed"
        return Met(before.since, at, state, on_time if state == "met" else in_all)
    if before.state == "missed" and in_all >= enough:
        return Met(before.since, at, "late", in_all)
    return before


def look_for_missing(hub: Hub) -> int:
    """Judge every expectation whose deadline has passed; give the number of those that are missed or came late now."""
    told = 0
    for plan in hub.flows().plans.values():
        if plan.expected and not hub.store.read(lambda view, plan=plan: is_paused(view, plan)):  # type: ignore[misc]
            told += hub.store.write(_judge_all(hub, plan))
    return told


def _judge_all(hub: Hub, plan: FlowPlan) -> Callable[[Tx], int]:
    def work(tx: Tx) -> int:
        now = hub.clock()
        before = _last(tx, plan)
        after = {each.settings.name: before.get(each.settings.name, Met(now)) for each in plan.expected}
        told = 0
        for each in plan.expected:
            name = each.settings.name
            today = each.deadline.day(now)
            # Yesterday too: the hub may have been down when its deadline passed.
            for day in (today - timedelta(days=1), today):
                met = _judge(hub, tx, plan, each, after[name], day, now)
                told += met is not after[name] and met.state != "met"
                after[name] = met
        if after != before:
            tx.put_setting(f"flow.{plan.id}.expected", msgspec.json.encode(after))
        return told

    return work


def _judge(hub: Hub, tx: Tx, plan: FlowPlan, expected: Expected, before: Met, day: date, now: Instant) -> Met:
    begin, deadline, end = expected.deadline.window(day)
    decided = before.day == day.isoformat() and before.state != "missed"
    if (
        decided
        or before.day > day.isoformat()
        or now < deadline
        or deadline < before.since
        or not expected.deadline.expected(day)
    ):
        return before
    on_time = count(tx, plan, expected, begin, deadline)
    in_all = on_time + count(tx, plan, expected, deadline, min(now, end))
    met = judge(expected, before, day, on_time, in_all)
    facts = {
        "expectation": expected.settings.name,
        "day": met.day,
        "by": expected.settings.by,
        "count": in_all,
        "at_least": expected.settings.at_least,
    }
    if met is not before and met.state == "missed":
        hub.event(tx, "flow.expectation-missed", f"flow:{plan.id}", facts, at=now)
    elif met is not before and met.state == "late":
        hub.event(tx, "flow.expectation-met", f"flow:{plan.id}", facts, at=now)
    return met


def count(view: View, plan: FlowPlan, expected: Expected, since: Instant, until: Instant) -> int:
    """Documents that counted from ``since`` on and before ``until``; no more are counted than are expected."""
    found = 0
    while since < until:
        page = view.arrivals(plan.id, since, until, _PAGE)
        found += sum(message.state not in _NOT_THERE and expected.counts(message) for message, _ in page)
        if found >= expected.settings.at_least or len(page) < _PAGE:
            break
        since = Instant(page[-1][1] + 1)
    return found


def _last(view: View, plan: FlowPlan) -> dict[str, Met]:
    raw = view.setting(f"flow.{plan.id}.expected")
    return from_json(raw, dict[str, Met]) if raw else {}


def standings(view: View, plan: FlowPlan, now: Instant) -> list[Standing]:
    """Where the expectations of a flow stand."""
    last = _last(view, plan)
    found = []
    for each in plan.expected:
        begin, _, end = each.deadline.window(each.deadline.day(now))
        met = last.get(each.settings.name)
        found.append(
            Standing(
                each.settings.name,
                each.settings.by,
                each.settings.at_least,
                count(view, plan, each, begin, end),
                each.deadline.next(now),
                met if met is not None and met.day else None,
            )
        )
    return found
