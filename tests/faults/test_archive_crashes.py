"""Deposit, hold and disposal at every call that changes the disk: killed there, refused there, or without power.

Whatever is left: no document without its evidence and no evidence without its document, nothing that was held is
destroyed, no key outlives its deletion, and what was begun is gone on with.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.archive_journey import MUTANTS, ArchiveJourney, PostgresArchiveJourney
from tests.support.children import needs_strace
from tests.support.crashes import FAULTS, Crashes, Point, base
from tests.support.postgres import PostgresServer

__all__ = ["base"]

SAMPLE = 24
"""Calls of a journey and a fault in an ordinary run; `make soak` takes them all."""
STATES = 66
"""Disks after a power cut, likewise."""
WORDS = {"COMMIT": 10, "server": 6}
"""Words between a node and its server, likewise: those by which something is written, and those that lead there."""
WRITER = "ecluse-writer-0"


@needs_strace
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last(base: Path, fault: str) -> None:
    Crashes(ArchiveJourney(), base).run_all(fault, SAMPLE)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_be_the_last_all_of_them(base: Path, fault: str) -> None:
    Crashes(ArchiveJourney(), base).run_all(fault)


@needs_strace
def test_the_power_goes(base: Path) -> None:
    assert Crashes(ArchiveJourney(), base).record().check(STATES) >= STATES


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_power_goes_at_every_moment(base: Path) -> None:
    print(Crashes(ArchiveJourney(), base).record().check(), "disks")


@needs_strace
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_archive_is_found(base: Path, mutant: str) -> None:
    crashes = Crashes(ArchiveJourney(mutant), base)
    points = [point for point in crashes.points() if point.call in ("pwrite64", "fdatasync", "fsync")]
    points.sort(key=lambda point: -point.number)  # what these do wrong they do late
    assert crashes.finds(r"evidence|outlives|goes on deleting", points[::3])


@needs_strace
@pytest.mark.parametrize("place", WORDS)
def test_a_node_may_end_at_every_word_to_its_server(
    base: Path, postgres_server: PostgresServer, place: str
) -> None:
    def written(point: Point) -> bool:
        return point.thread == WRITER and point.path == place

    Crashes(PostgresArchiveJourney(postgres_server), base).run_all("kill", WORDS[place], written)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_node_may_end_at_every_word_to_its_server_all_of_them(
    base: Path, postgres_server: PostgresServer
) -> None:
    Crashes(PostgresArchiveJourney(postgres_server), base).run_all("kill")


@needs_strace
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_node_is_found(base: Path, postgres_server: PostgresServer, mutant: str) -> None:
    crashes = Crashes(PostgresArchiveJourney(postgres_server, mutant), base)
    points = [point for point in crashes.points() if (point.thread, point.path) == (WRITER, "COMMIT")]
    assert crashes.finds(r"evidence|outlives|goes on deleting", points[::-1])
