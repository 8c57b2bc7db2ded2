"""A finding with everything that is known of it, as it is shown; and how a subject stands."""

from __future__ import annotations

import msgspec

from ecluse.posture.grade import Step
from ecluse.posture.reach import Reach

__all__ = ["Finding", "FixFacts", "Standing"]


class FixFacts(msgspec.Struct, frozen=True):
    """How a finding is mended.

    Attributes:
        file: File that edits are of; empty where there are none.
        edits: Field and what becomes of it, in words.
        commands: What to run.
    """

    file: str
    edits: list[str]
    commands: list[str]


class Finding(msgspec.Struct, frozen=True):
    """A finding, with everything that is known of it.

    Attributes:
        code: Of its rule.
        severity: Of its rule.
        domain: Of its rule.
        subject: ``hub``, ``partner:birch`` or ``flow:orders``.
        place: Where there.
        title: What is wrong.
        observed: What was seen.
        expected: What should be.
        why: Why it matters.
        remedy: What to do.
        fix: The fix as a plan; ``None`` where a person has to find one.
        reach: Who depends on it.
        first_seen: When.
        last_seen: When.
        opened: How often it was opened.
        suppression: Who answers for it; ``None`` where nobody does.
        file: The file that it is about.
        line: The line there.
    """

    code: str
    severity: str
    domain: str
    subject: str
    place: str
    title: str
    observed: str
    expected: str
    why: str
    remedy: str
    fix: FixFacts | None
    reach: Reach
    first_seen: str
    last_seen: str
    opened: int
    suppression: dict[str, str] | None
    file: str
    line: int

    @property
    def key(self) -> str:
        """Names it for good."""
        return f"{self.code}/{self.subject}/{self.place}"


class Standing(msgspec.Struct, frozen=True):
    """How a subject stands.

    Attributes:
        subject: Whose.
        grade: Its letter.
        score: Its points.
        steps: The arithmetic; empty where nobody asked.
    """

    subject: str
    grade: str
    score: float
    steps: tuple[Step, ...] = ()
