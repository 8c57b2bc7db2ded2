"""What a play is, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

__all__ = ["Outcome", "Play", "Played", "Verdict", "held", "perform", "unheld"]

Verdict = Literal["held", "failed"]

G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a play ended.

    Attributes:
        held: Whether what should come of it did.
        observed: What did, in one sentence.
        advice: What to do where it did not.
    """

    held: bool
    observed: str
    advice: str = ""


def held(observed: str) -> Outcome:
    """It went as it should."""
    return Outcome(True, observed)


def unheld(observed: str, advice: str) -> Outcome:
    """It did not."""
    return Outcome(False, observed, advice)


@dataclass(frozen=True, slots=True)
class Play(Generic[G]):
    """One thing that a difficult partner does.

    Attributes:
        code: Its stable name: ``message.altered``.
        title: What is done.
        expected: What should come of it.
        run: Does it on its ground.
    """

    code: str
    title: str
    expected: str
    run: Callable[[G], Outcome]


class Played(msgspec.Struct, frozen=True, omit_defaults=True):
    """A play in a report.

    Attributes:
        code: Which.
        title: What was done.
        expected: What should have come of it.
        observed: What did.
        verdict: ``held`` or ``failed``.
        advice: What to do where it failed.
    """

    code: str
    title: str
    expected: str
    observed: str
    verdict: Verdict
    advice: str = ""


def perform(play: Play[G], ground: G) -> Played:
    """Run a play; one that can't be carried through failed."""
    from ecluse.errors import EcluseError

    try:
        outcome = play.run(ground)
    except EcluseError as error:
        outcome = unheld(f"{error.cause} ({error.code})", error.remedy)
    except (OSError, TimeoutError) as error:
        outcome = unheld(f"No answer: {error}.", "See whether the other side listens, and run it again.")
    verdict: Verdict = "held" if outcome.held else "failed"
    return Played(play.code, play.title, play.expected, outcome.observed, verdict, outcome.advice)
