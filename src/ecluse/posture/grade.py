"""Grades: points that findings cost, and the letter that is left; every step can be shown.

A subject begins with 100 points. Each finding costs what its severity says, and one rule counts twice at most at one
subject: ten short keys are one decision. Suppressed findings cost nothing. A critical finding caps what is left. The
hub loses its own findings, and the mean of what its active partners and its flows lost; what is critical with one of
these caps the hub too, or a thousand good partners would hide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ecluse.posture.engine import Found
from ecluse.posture.rule import Severity

__all__ = ["CAP", "LETTERS", "POINTS", "TWICE", "Grade", "Step", "grade_of", "hub_grade"]

POINTS: Final[Mapping[Severity, int]] = {
    Severity.CRITICAL: 40,
    Severity.HIGH: 15,
    Severity.MEDIUM: 5,
    Severity.LOW: 1,
    Severity.INFO: 0,
}
"""What a finding costs: what can be misused at once, what can with some luck, and what adds up."""
TWICE: Final = 2
"""How often one rule counts at one subject."""
CAP: Final = 55
"""Points that are left at most where something critical is open."""
LETTERS: Final = (("A", 90), ("B", 75), ("C", 60), ("D", 40), ("E", 20), ("F", 0))
"""Letters and the points from which they are given."""


class Step(msgspec.Struct, frozen=True):
    """One line of the arithmetic.

    Attributes:
        words: What it is for.
        points: What it adds; negative where it takes away.
    """

    words: str
    points: float


class Grade(msgspec.Struct, frozen=True):
    """How well a subject stands.

    Attributes:
        letter: A to F.
        score: 0 to 100.
        steps: How it came about; its points add up to the score.
        critical: Whether something critical is open.
    """

    letter: str
    score: float
    steps: tuple[Step, ...]
    critical: bool = False

    @property
    def lost(self) -> float:
        """Points that are missing to 100."""
        return 100 - self.score


def _letter(score: float) -> str:
    return next(letter for letter, least in LETTERS if score >= least)


def _finished(steps: list[Step], critical: bool) -> Grade:
    total = round(sum(step.points for step in steps), 1)
    if total < 0:
        steps.append(Step("no less than nothing", -total))
        total = 0.0
    if critical and total > CAP:
        steps.append(Step(f"something critical is open: {CAP} at most", round(CAP - total, 1)))
        total = float(CAP)
    return Grade(_letter(total), total, tuple(steps), critical)


def _losses(found: Iterable[Found]) -> tuple[list[Step], bool]:
    rules = {each.rule.code: each.rule for each in found}
    counts = Counter(each.rule.code for each in found)
    steps = []
    for code, rule in rules.items():
        cost = POINTS[rule.severity]
        if cost:
            times = min(counts[code], TWICE)
            shown = f" x {times}" if times > 1 else ""
            more = f" ({counts[code]} found)" if counts[code] > times else ""
            steps.append(Step(f"{code}: {rule.severity} {cost}{shown}{more}", -cost * times))
    return steps, any(rule.severity is Severity.CRITICAL for rule in rules.values())


def grade_of(found: Sequence[Found]) -> Grade:
    """The grade of a partner or a flow with these open findings."""
    steps, critical = _losses(found)
    return _finished([Step("begins with", 100), *steps], critical)


def hub_grade(found: Sequence[Found], partners: Sequence[Grade], flows: Sequence[Grade]) -> Grade:
    """The grade of a hub with these open findings of its own, and with these active partners and flows."""
    steps, critical = _losses(found)
    steps.insert(0, Step("begins with", 100))
    for name, grades in (("partners", partners), ("flows", flows)):
        if grades:
            mean = round(sum(grade.lost for grade in grades) / len(grades), 1)
            steps.append(Step(f"mean of what {len(grades)} {name} lost", -mean))
            critical = critical or any(grade.critical for grade in grades)
    return _finished(steps, critical)
