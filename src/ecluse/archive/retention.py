"""The end of retention: what of a message goes when, and what keeps it.

A message and what flows made of it share bytes, so that they go together, once everything about all of them has ended
for as long as every flow that took it says; one flow that keeps for ever keeps for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ecluse.archive.blanking import has
from ecluse.archive.classes import DAY, DataClass, Keeping, Outcome, longest
from ecluse.archive.holds import Obstacle
from ecluse.archive.shredding import what_keeps
from ecluse.model.basics import Instant
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.store.port import View

__all__ = ["ENDED", "Verdict", "judge", "outcome_of"]

ENDED: Final = frozenset({MessageState.DELIVERED, MessageState.GIVEN_UP, MessageState.REJECTED})
"""States after which nothing more is expected."""

_SOON: Final = 3600 * 1_000_000
"""Microseconds until what has not ended is looked at again, on its first day."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of the end of one family of messages.

    Attributes:
        outcome: What it came to; ``None`` while it is under way.
        ended: Since when; ``None`` likewise.
        due: When each class goes that is left; ``None`` where no time ends it.
        gives_up: When the hub gives it up, as nobody decides about it; ``None`` where it does not.
        kept: What stands in the way.
    """

    outcome: Outcome | None
    ended: Instant | None
    due: dict[DataClass, Instant | None]
    gives_up: Instant | None
    kept: tuple[Obstacle, ...]

    def ready(self, now: Instant) -> frozenset[DataClass]:
        """The classes that go now; none while something stands in the way."""
        if self.kept:
            return frozenset()
        return frozenset(name for name, at in self.due.items() if at is not None and at <= now)

    def look_again(self, now: Instant, created: Instant) -> Instant | None:
        """When it is to be looked at again; ``None`` where nothing is left that ever goes by itself."""
        if self.outcome is None:
            return Instant(now + (_SOON if now - created < DAY else DAY))
        times = [at for at in (*self.due.values(), self.gives_up) if at is not None]
        if not times:
            return None
        if self.kept:
            # A hold is released, and an archived document disposed of, when nobody can tell.
            return Instant(now + DAY)
        return Instant(max(min(times), now + 1))


def outcome_of(family: Collection[Message]) -> Outcome | None:
    """What a family came to; ``None`` while something of it is under way, or waits for a person."""
    states = {each.state for each in family}
    if states <= ENDED:
        return Outcome.DELIVERED if states == {MessageState.DELIVERED} else Outcome.UNDELIVERED
    return Outcome.QUARANTINED if states - ENDED == {MessageState.QUARANTINED} else None


def judge(view: View, family: Sequence[Message], terms: Sequence[Keeping]) -> Verdict:
    """When what of a family goes.

    Args:
        view: Where they are.
        family: A message and all that was made of it.
        terms: What each of the flows that took it says.
    """
    outcome = outcome_of(family)
    if outcome is None:
        return Verdict(None, None, {}, None, ())
    ended = Instant(max(each.updated for each in family))
    if outcome is Outcome.QUARANTINED:
        patience = [each.patience for each in terms]
        known = [each for each in patience if each is not None]
        waits = Instant(ended + max(known)) if known and len(known) == len(patience) else None
        return Verdict(outcome, ended, {}, waits, what_keeps(view, family) if waits is not None else ())
    due: dict[DataClass, Instant | None] = {}
    for name in DataClass:
        keep = longest(terms, name, outcome)
        if keep is None:
            due[name] = None
        elif any(has(view, each, name) for each in family):
            due[name] = Instant(ended + keep)
    kept = what_keeps(view, family) if any(at is not None for at in due.values()) else ()
    return Verdict(outcome, ended, due, None, kept)
