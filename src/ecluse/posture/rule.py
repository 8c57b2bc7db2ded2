"""A rule: data with a stable code, and one small function over facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

from ecluse.model.basics import Instant, PartnerId

__all__ = ["DAY", "DOMAINS", "Fix", "Hit", "Moment", "Path", "Put", "Rule", "Severity", "Toml", "in_words"]

DAY: Final = 86_400 * 1_000_000
"""Microseconds."""

DOMAINS: Final = (
    "crypto",
    "lifecycle",
    "transport",
    "authentication",
    "secrets",
    "flows",
    "evidence",
    "operations",
)
"""What a code begins with."""

Toml: TypeAlias = "str | int | bool | list[Toml] | dict[str, Toml]"
Path: TypeAlias = "tuple[str | int, ...]"
"""Names of tables and fields, and places in arrays, as they stand in the file."""


class Severity(StrEnum):
    """How bad it is; see :data:`ecluse.posture.grade.POINTS` for what each costs."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]

    def reaches(self, other: Severity) -> bool:
        """Whether it is as bad as ``other``, or worse."""
        return self.rank <= other.rank


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Put:
    """One edit of the subject's file.

    Attributes:
        path: Which field.
        value: What it becomes; ``None`` takes it out.
    """

    path: Path
    value: Toml | None


@dataclass(frozen=True, slots=True)
class Fix:
    """How a finding is mended.

    Attributes:
        puts: Edits of the subject's file, which can be planned and applied; empty where no edit helps.
        commands: What to run, in order, where the configuration alone does not help.
    """

    puts: tuple[Put, ...] = ()
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule holds, and what was seen there.

    Attributes:
        place: A field, a fingerprint, a name: with the rule's code and the subject it names the finding for good.
        observed: One sentence or value.
        expected: What should be, where it is not what the rule says.
        fix: The way out, where there is one for this very place.
        partners: Who depends on it, where that is not whom the subject tells.
        since: When it began, where the facts say so.
    """

    place: str
    observed: str
    expected: str = ""
    fix: Fix | None = None
    partners: tuple[PartnerId, ...] | None = None
    since: Instant | None = None


class Moment:
    """The time that rules ask about, which remembers when the answers will be others.

    Args:
        now: The present.
    """

    __slots__ = ("now", "until")

    def __init__(self, now: Instant) -> None:
        self.now = now
        self.until = Instant(2**63 - 1)

    def passed(self, instant: Instant) -> bool:
        """Whether ``instant`` is not in the future."""
        if instant <= self.now:
            return True
        if instant < self.until:
            self.until = instant
        return False

    def within(self, days: int, end: Instant) -> bool:
        """Whether ``end`` is at most so many days away, or past."""
        return self.passed(Instant(end - days * DAY))

    def older(self, days: int, at: Instant) -> bool:
        """Whether ``at`` is at least so many days ago."""
        return self.passed(Instant(at + days * DAY))


F = TypeVar("F", contravariant=True)


@dataclass(frozen=True)
class Rule(Generic[F]):
    """One thing that can be weak.

    Attributes:
        code: Stable: ``crypto.weak-cipher``. It begins with the domain.
        severity: How bad it is wherever it is found.
        title: What is wrong, in a few words.
        why: Why it matters, in one or two sentences.
        expected: What should be.
        remedy: What to do about it.
        look: Gives where it holds.
        source: Standard or statute that says so, where there is one.
    """

    code: str
    severity: Severity
    title: str
    why: str
    expected: str
    remedy: str
    look: Callable[[F, Moment], Iterable[Hit]]
    source: str = ""

    @property
    def domain(self) -> str:
        """One of :data:`DOMAINS`."""
        return self.code.partition(".")[0]


def in_words(value: object) -> str:
    """A value of a configuration as its file would say it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(in_words(each) for each in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {in_words(each)}" for name, each in value.items()) + "}"
    return str(value)
