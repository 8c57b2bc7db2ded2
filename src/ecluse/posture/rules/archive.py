"""The archive: damage, missing copies, a clock that can't be believed, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.posture.facts import HubFacts
from ecluse.posture.rule import Hit, Moment, Rule, Severity

__all__ = ["HUB"]

ADMINISTRATORS: Final = 2
"""Archive administrators who sign a disposal."""


def _damaged(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.archive.damaged:
        yield Hit("archive.damaged", f"{facts.archive.damaged} archived documents are damaged")


def _place(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.archive.place_error:
        yield Hit("archive.places", facts.archive.place_error)


def _clock(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.archive.clock_doubt:
        yield Hit("archive.clock", facts.archive.clock_doubt)


def _undecided(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.archive.refused:
        yield Hit("archive.refused", f"{facts.archive.refused} messages wait for a decision")


def _single(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    for profile in facts.archive.single:
        yield Hit(f"archive.{profile}", f"the profile {profile} names no second copy")


def _administrators(facts: HubFacts, moment: Moment) -> Iterator[Hit]:
    if facts.archive.used and facts.archive.administrators < ADMINISTRATORS:
        count = "one archive administrator" if facts.archive.administrators else "no archive administrator"
        yield Hit("archive.administrators", f"there is {count}")


HUB: Final = (
    Rule[HubFacts](
        "evidence.archive-damaged",
        Severity.CRITICAL,
        "Archived documents are damaged, and nothing is left to repair them from",
        "What the law asks for can't be shown any more; whatever damaged these may go on.",
        "every copy whole",
        "Restore the blobs that `ecluse archive check` names from a backup, and find out what damaged them.",
        _damaged,
        "NF Z42-013",
    ),
    Rule[HubFacts](
        "evidence.archive-place-unavailable",
        Severity.HIGH,
        "A place of second copies can't be used",
        "Until it can be, new documents lie in one place alone, and copies are not compared.",
        "the place answers",
        "Look at the place with `ecluse archive check --now`: mounts, rights, access keys.",
        _place,
    ),
    Rule[HubFacts](
        "evidence.archive-clock-doubted",
        Severity.HIGH,
        "The clock can't be believed",
        "Nobody knows whether a retention is over: nothing that is archived is destroyed until a person has looked.",
        "a clock that NTP keeps",
        "Compare the clock with another one, then run `ecluse archive clock --confirm --reason WHY`.",
        _clock,
    ),
    Rule[HubFacts](
        "evidence.archive-undecided",
        Severity.MEDIUM,
        "Messages that their archive profile does not take wait for a decision",
        "They are neither archived nor deleted.",
        "each archived or declined",
        "Look with `ecluse archive check`; then `ecluse archive deposit MESSAGE --waive REASON`, or `decline`.",
        _undecided,
    ),
    Rule[HubFacts](
        "evidence.archive-single-copy",
        Severity.MEDIUM,
        "Documents are archived in one place alone",
        "One fire, one thief or one wrong command takes all of them.",
        'copy = "NAME" in the profile, and [archive.places.NAME] on another site',
        "Add a place, and name it in the profile.",
        _single,
        "NF Z42-013",
    ),
    Rule[HubFacts](
        "evidence.archive-few-administrators",
        Severity.LOW,
        "There are no two archive administrators",
        "Nothing that is archived can be destroyed when its time is over: two have to sign.",
        "two operators of role archive",
        "Add them with `ecluse operator add NAME --role archive --public-key FILE`.",
        _administrators,
    ),
)
