"""A partner's folders at every call that changes the disk: killed there, refused, or the power gone.

Nothing acknowledged is lost. What is left is opened again each time: a half file is never a document, a document is
never there twice, every row has its bytes, and the client goes on where it was.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.children import needs_strace
from tests.support.crashes import FAULTS, Crashes, base, sample
from tests.support.mailbox_journey import MailboxJourney

__all__ = ["base"]

SAMPLE = 36
"""Points of a journey and a fault in an ordinary run; `make soak` takes them all."""
STATES = 30
"""Disks after a power cut, likewise."""


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(base: Path, fault: str) -> None:
    Crashes(MailboxJourney(), base).run_all(fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(base: Path, fault: str) -> None:
    Crashes(MailboxJourney(), base).run_all(fault)


@needs_strace
def test_the_power_may_go_at_any_moment(base: Path) -> None:
    assert Crashes(MailboxJourney(), base).record().check(STATES) >= STATES


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_may_go_at_any_moment_all_of_them(base: Path) -> None:
    print(Crashes(MailboxJourney(), base).record().check(), "disks")


@needs_strace
@pytest.mark.parametrize(
    ("mutant", "call", "said"),
    [
        ("told before the commit", ("ecluse-writer", "pwrite64"), "lost: taken"),
        ("bytes after the row", ("ecluse-writer", "fdatasync"), "without its bytes"),
        ("a half is whole", ("main", "link"), "is not what was sent"),
    ],
)
def test_a_wrong_hub_is_found(base: Path, mutant: str, call: tuple[str, str], said: str) -> None:
    crashes = Crashes(MailboxJourney(mutant), base)
    points = [point for point in crashes.points() if (point.thread, point.call) == call]
    assert crashes.finds(said, sample(points, 24))
