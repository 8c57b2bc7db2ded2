"""Retention as people want to see it: what is kept for how long, what would go when, and what keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from ecluse.app.messages.lookup import find_message
from ecluse.archive.classes import Keeping, Outcome
from ecluse.archive.copies import finish_erasures, pending_erasures
from ecluse.archive.holds import Obstacle
from ecluse.exchange.flows.retain import look, retain
from ecluse.model.basics import Instant, iso, new_id

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["SHOWN", "due_now", "message_retention", "overview", "run_retention"]

SHOWN: Final = 1000
"""Messages that a listing names; all are counted."""

_PAGE: Final = 200


def overview(node: Node) -> dict[str, Any]:
    """What is kept for how long, by flow; and deletions that a copy has not followed yet."""
    book = node.hub.flows()
    now = node.hub.clock()
    rows = [{"flow": None, **_terms(book.direct)}]
    rows += [{"flow": plan.id, **_terms(plan.terms)} for plan in book.plans.values()]
    pending = node.store.read(lambda view: pending_erasures(view, limit=SHOWN))
    return {
        "at": iso(now),
        "terms": rows,
        "copies": list(node.hub.copies.names),
        "pending": [
            {
                "messages": list(each.messages),
                "since": iso(each.at),
                "reason": each.reason,
                "blobs": len(each.blobs),
                "waiting": list(each.waiting),
                "error": dict(each.error),
            }
            for _, each in pending
        ],
    }


def _terms(terms: Keeping) -> dict[str, str]:
    return asdict(terms)


def message_retention(node: Node, id: str) -> dict[str, Any]:
    """When what of a message goes, with all that was made of it, and what keeps it. Raises ``message.unknown``."""
    message = find_message(node.store, id)
    book = node.hub.flows()
    now = node.hub.clock()

    def work(view: Any) -> dict[str, Any]:
        root = message
        while root.origin and (above := view.message(root.origin)) is not None:
            root = above
        family, verdict = look(view, book, root)
        return {
            "id": root.id,
            "messages": [each.id for each in family],
            "outcome": verdict.outcome.value if verdict.outcome is not None else None,
            "ended": iso(verdict.ended) if verdict.ended is not None else None,
            "shredded": iso(root.shredded) if root.shredded else None,
            "goes": {
                name.value: iso(at) if at is not None else "by no time"
                for name, at in sorted(verdict.due.items())
            },
            "given_up": iso(verdict.gives_up) if verdict.gives_up is not None else None,
            "now": sorted(name.value for name in verdict.ready(now)),
            "kept_by": [_obstacle(each) for each in verdict.kept],
        }

    return node.store.read(work)


def _obstacle(found: Obstacle) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "reference": found.reference,
        "reason": found.reason,
        "until": iso(found.until) if found.until is not None else None,
    }


def due_now(node: Node, check: Callable[[int], None] = lambda looked: None) -> dict[str, Any]:
    """What a run would delete, and what something stands in the way of; nothing is changed.

    Args:
        node: The hub.
        check: Told of the number of messages looked at, every now and then.
    """
    goes: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    counts = {"looked": 0, "goes": 0, "kept": 0}
    for row in _judged(node):
        counts["looked"] += 1
        if counts["looked"] % _PAGE == 0:
            check(counts["looked"])
        for name, found in (("goes", goes), ("kept", kept)):
            if row[name]:
                counts[name] += 1
                if len(found) < SHOWN:
                    found.append(row)
    return {**counts, "messages": goes, "held": kept}


def _judged(node: Node) -> Iterator[dict[str, Any]]:
    book, now = node.hub.flows(), node.hub.clock()
    for flow in ("", *book.plans):
        least = book.terms(flow).shortest
        if least is None:
            continue
        after, until = "", new_id("m", Instant(max(0, now - least)), bytes)
        while True:

            def work(view: Any, flow: str = flow, after: str = after, until: str = until) -> list[Any]:
                return [(root, *look(view, book, root)) for root in view.roots(flow, after, until, _PAGE)]

            page = node.store.read(work)
            for root, family, verdict in page:
                over = sorted(name.value for name, at in verdict.due.items() if at is not None and at <= now)
                waits = verdict.outcome is Outcome.QUARANTINED and (verdict.gives_up or now + 1) <= now
                yield {
                    "id": root.id,
                    "flow": root.flow or None,
                    "partner": root.partner,
                    "messages": len(family),
                    "size": sum(each.size for each in family),
                    "ended": iso(verdict.ended) if verdict.ended is not None else None,
                    "classes": over,
                    "gives_up": waits,
                    "goes": bool(over or waits) and not verdict.kept,
                    "kept": bool(over or waits) and bool(verdict.kept),
                    "kept_by": [_obstacle(each) for each in verdict.kept],
                }
            if len(page) < _PAGE:
                break
            after = page[-1][0].id


def run_retention(node: Node) -> dict[str, Any]:
    """Delete what is due, looking at everything afresh, and have the copies follow."""
    hub = node.hub
    done = retain(hub, afresh=True)
    complete = finish_erasures(hub, hub.store, hub.copies)
    left = len(node.store.read(lambda view: pending_erasures(view, limit=SHOWN)))
    return {**asdict(done), "erased_everywhere": complete, "pending": left}
