"""Backups, an erasure and a pruning at every call that changes a disk: killed there, refused there, or without power.

A backup that was said to be made can be restored from its places alone; what is half counts for nothing; a key that was
said to be gone is in no copy; and the next run goes on.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.backup_journey import KILLED, UNPOWERED, BackupJourney
from tests.support.children import needs_strace
from tests.support.crashes import FAULTS, Crashes, Point, base

__all__ = ["base"]

SAMPLE = 5
"""Calls of a journey and a fault in an ordinary run; `make soak` takes them all."""
NAMES = 8
"""Calls by which a name comes or goes in one of the places, likewise."""
STATES = 18
"""Disks after a power cut, likewise."""


def changes_a_place(point: Point) -> bool:
    """Whether a name comes or goes there by it."""
    return point.call in ("link", "unlink") and "/../" in point.path


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(base: Path, fault: str) -> None:
    Crashes(BackupJourney(), base).run_all(fault, SAMPLE)


@needs_strace
def test_every_name_in_a_place_may_be_the_last(base: Path) -> None:
    Crashes(BackupJourney(), base).run_all("kill", NAMES, changes_a_place)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(base: Path, fault: str) -> None:
    Crashes(BackupJourney(), base).run_all(fault)


@needs_strace
def test_the_power_may_go_at_any_moment(base: Path) -> None:
    assert Crashes(BackupJourney(copiers=4), base).record().check(STATES) >= STATES


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_may_go_at_any_moment_all_of_them(base: Path) -> None:
    print(Crashes(BackupJourney(copiers=4), base).record().check(), "disks")


@needs_strace
@pytest.mark.parametrize("mutant", KILLED)
def test_a_wrong_hub_is_found(base: Path, mutant: str) -> None:
    crashes = Crashes(BackupJourney(mutant), base)
    points = [point for point in crashes.points() if changes_a_place(point) and point.call == "link"]
    assert crashes.finds(KILLED[mutant][1], points[::-1])  # what these do wrong they do late


@needs_strace
@pytest.mark.parametrize("mutant", UNPOWERED)
def test_a_hub_that_does_not_sync_is_found(base: Path, mutant: str) -> None:
    recording = Crashes(BackupJourney(mutant), base).record()
    with pytest.raises(AssertionError, match=UNPOWERED[mutant][1]):
        recording.check(3 * STATES)
