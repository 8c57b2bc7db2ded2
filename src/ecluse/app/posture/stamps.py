"""Facts of time-stamping authorities and of evidence records."""

from __future__ import annotations

from typing import Final, TypedDict

from ecluse.app.node import Node
from ecluse.evidence.longterm.kept import KIND
from ecluse.evidence.stamps.keeping import AuthorityState, authority_state
from ecluse.model.basics import Instant
from ecluse.posture.facts import StampFacts
from ecluse.store.port import View
from ecluse.trust.settings.fields import seconds

__all__ = ["StampedFacts", "stamp_facts"]

_COUNTED: Final = 100
"""Records that are counted."""


class StampedFacts(TypedDict):
    """Part of :class:`~ecluse.posture.facts.LogFacts`."""

    stamps: tuple[StampFacts, ...]
    unrenewed: Instant | None
    unproven: int


def stamp_facts(node: Node, view: View) -> StampedFacts:
    """What is known of the authorities that are asked, and of evidence records."""
    due = view.records_due(KIND, node.hub.clock(), 1)
    stamps = []
    for each in node.directory.hub.log.authorities:
        if not each.ask:
            continue
        state = authority_state(view, each.name) or AuthorityState(asked=Instant(0))
        stamps.append(
            StampFacts(
                name=each.name,
                required=each.required,
                every=int(seconds(each.every) * 1_000_000),
                last=state.kept,
                time=state.time,
                ahead=state.ahead,
                ends=state.ends,
                failures=state.failures,
                error=state.error,
            )
        )
    return {
        "stamps": tuple(stamps),
        "unrenewed": due[0].due if due else None,
        "unproven": sum(
            len(view.records(KIND, state=state, limit=_COUNTED)) for state in ("lapsed", "broken")
        ),
    }
