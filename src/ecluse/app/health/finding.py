"""One thing that was looked at, and how it was found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

__all__ = ["Finding", "Level", "failed", "ok", "warning", "worst"]

Level = Literal["ok", "warning", "failed"]

_ORDER: Final[tuple[Level, ...]] = ("ok", "warning", "failed")


class Finding(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes:
        check: What was looked at (``disk``, ``partner:birch``).
        level: How it is.
        observed: One or two sentences.
        remedy: What to do; empty where all is well.
    """

    check: str
    level: Level
    observed: str
    remedy: str = ""


def ok(check: str, observed: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", observed)


def warning(check: str, observed: str, remedy: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(check, "warning", observed, remedy)


def failed(check: str, observed: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, "failed", observed, remedy)


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level among them."""
    return max((finding.level for finding in findings), key=_ORDER.index, default="ok")
