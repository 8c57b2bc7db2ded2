"""What was found: one finding for each thing that is proven, claimed, missing or broken, and the records in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ecluse_verify.text import Bad, shown

__all__ = ["Finding", "Level", "Report", "Step", "instant", "moment"]


class Level(StrEnum):
    """How far a finding goes."""

    BROKEN = "broken"
    """Something was altered, taken away or put in, or contradicts something else."""
    PROVEN = "proven"
    """It follows from signatures by keys that the reader gave, or that belong to a certificate in the pack."""
    CLAIMED = "claimed"
    """The hub alone says so."""
    MISSING = "missing"
    """It would be proof, and is not here or could not be checked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; ``code`` names its sentence, which ``facts`` fill in."""

    level: Level
    code: str
    file: str
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """A record of the log: what the hub wrote down, when, and at which place."""

    message: str
    index: int
    at: datetime
    kind: str
    actor: str


@dataclass(slots=True)
class Report:
    """Everything that was found, in the order of the checks."""

    findings: list[Finding] = field(default_factory=list)
    story: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not any(finding.level is Level.BROKEN for finding in self.findings)

    def add(self, level: Level, code: str, file: str = "", **facts: object) -> None:
        """Note a finding, once."""
        told = {name: shown(moment(value)) for name, value in facts.items()}
        finding = Finding(level, code, shown(file), told)
        if finding not in self.findings[-50:]:
            self.findings.append(finding)

    @contextmanager
    def guard(self, file: str, level: Level = Level.BROKEN) -> Iterator[None]:
        """Whatever goes wrong within is a finding about ``file``: no octets of a pack end the verification."""
        try:
            yield
        except Bad as bad:
            facts = dict(bad.facts)
            named = facts.pop("file", "") or file
            self.add(level, bad.code, named, **facts)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - certificates and keys fail in ways that no list holds
            self.add(level, "unreadable", file, error=type(error).__name__)


def instant(when: datetime) -> str:
    """An instant as the hub writes it: RFC 3339 in UTC, with milliseconds."""
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def moment(value: object) -> object:
    """An instant as it is written in a sentence; anything else as it is."""
    return value.strftime("%Y-%m-%d %H:%M:%S UTC") if isinstance(value, datetime) else value
