"""Shredding at every call that changes the disk: killed there, refused, or the power gone.

A key never outlives a deletion that was acknowledged as complete; there is never an event without the deletion, nor a
deletion without its event; what is left is finished at the next start.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.children import needs_strace
from tests.support.crashes import FAULTS, Crashes, base, sample
from tests.support.shred_journey import ShredJourney

__all__ = ["base"]

SAMPLE = 30
"""Points of a journey and a fault in an ordinary run; `make soak` takes them all."""
STATES = 30
"""Disks after a power cut, likewise."""


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(base: Path, fault: str) -> None:
    Crashes(ShredJourney(), base).run_all(fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(base: Path, fault: str) -> None:
    Crashes(ShredJourney(), base).run_all(fault)


@needs_strace
def test_the_power_may_go_at_any_moment(base: Path) -> None:
    assert Crashes(ShredJourney(), base).record().check(STATES) >= STATES


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_may_go_at_any_moment_all_of_them(base: Path) -> None:
    print(Crashes(ShredJourney(), base).record().check(), "disks")


@needs_strace
@pytest.mark.parametrize(
    ("mutant", "said"),
    [
        ("the key stays", "a key outlives its deletion"),
        ("the event apart", "a deletion without its event"),
        ("the key first", "gone without a word"),
    ],
)
def test_a_wrong_hub_is_found(base: Path, mutant: str, said: str) -> None:
    crashes = Crashes(ShredJourney(mutant), base)
    points = [point for point in crashes.points() if point.thread == "ecluse-writer"]
    assert crashes.finds(said, sample(points, 24))
