"""What partners have shown of how they guard what they are given, and the review of who can do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.posture.facts import HubFacts, PartnerFacts
from ecluse.posture.rule import Hit, Moment, Rule, Severity
from ecluse.trust.settings.fields import instant_until

__all__ = ["HUB", "PARTNER"]

NOTICE: Final = 60
"""Days before its end in which the next certificate or report is asked for: auditors are booked that far ahead."""

_AGAIN: Final = "Ask the partner for the next one, and record it with `ecluse audit record`."


def _ends(which: str, days: int | None) -> Callable[[PartnerFacts, Moment], Iterator[Hit]]:
    """Entries whose day (``ends`` or ``due``) has passed, or comes within so many days."""

    def look(facts: PartnerFacts, moment: Moment) -> Iterator[Hit]:
        for entry in facts.assurance:
            day = getattr(entry, which)
            end = instant_until(day or None)
            if end is None:
                continue
            passed = moment.passed(end)
            if passed if days is None else not passed and moment.within(days, end):
                yield Hit(
                    f"{entry.topic}.{entry.name}", f"{entry.title}: {day}", since=end if passed else None
                )

    return look


def _to_go(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for right in facts.access.to_go:
        yield Hit(right, right)


def _review_due(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    due = facts.access.due
    if due is not None and moment.passed(due):
        yield Hit("review", "its day has passed", since=due)


def _never_reviewed(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.access.due is None:
        yield Hit("review", "there was none")


PARTNER: Final = (
    Rule[PartnerFacts](
        "lifecycle.assurance-ended",
        Severity.MEDIUM,
        "A certification or an agreement of theirs has ended",
        "What they were trusted with rests on something that holds no more.",
        "one that lasts",
        _AGAIN,
        _ends("ends", None),
    ),
    Rule[PartnerFacts](
        "lifecycle.assurance-ending",
        Severity.LOW,
        "A certification or an agreement of theirs ends within two months",
        "The next one takes them weeks.",
        "the next one, before this one ends",
        _AGAIN,
        _ends("ends", NOTICE),
    ),
    Rule[PartnerFacts](
        "lifecycle.assurance-due",
        Severity.LOW,
        "Something that they showed is to be looked at again",
        "Somebody set this day for it.",
        "a look, and another day",
        "Look at it, and record it again with `ecluse audit record`.",
        _ends("due", None),
    ),
)

HUB: Final = (
    Rule[HubFacts](
        "authentication.access-to-go",
        Severity.HIGH,
        "A right that a review took away is still there",
        "Somebody decided that it goes; until the configuration says so, it can be used.",
        "a configuration without it",
        "Look with `ecluse access list`; take it out of the file that it names, then `ecluse apply`.",
        _to_go,
    ),
    Rule[HubFacts](
        "authentication.access-review-due",
        Severity.MEDIUM,
        "The review of who can do what is overdue",
        "Rights that nobody needs any more are found in reviews alone.",
        "a review in time",
        "Make it with `ecluse access review`.",
        _review_due,
        "ISO/IEC 27001:2022 A.5.18",
    ),
    Rule[HubFacts](
        "authentication.access-never-reviewed",
        Severity.INFO,
        "Who can do what was never reviewed",
        "Rights that nobody needs any more are found in reviews alone.",
        "a review every year",
        "Make it with `ecluse access review`.",
        _never_reviewed,
        "ISO/IEC 27001:2022 A.5.18",
    ),
)
