"""Skips tests whose foreign program is missing, by name, and counts them at the end.

A test says what it needs with ``@pytest.mark.peer("openssl")``. With ``ECLUSE_PEERS_REQUIRED=1`` a missing peer
fails the run, unless it is one that no package manager of ours can put in place (:data:`OPTIONAL`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.support.peers import missing

from ecluse.archive.commitments import unclassified

# Tests that start a process of the hub's find the package where this one does.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parents[1])]
)

# A run in the background of a shell ignores Ctrl-C, and so would every process it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An example is judged by what it gives, and not by its time, which others on this machine have a part in.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

OPTIONAL = frozenset({"azurite", "bao"})
"""Peers that come from where the project takes nothing else; their tests run where somebody installed them."""

_skipped: dict[str, int] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    soak = "soak" in (config.option.markexpr or "")
    for item in items:
        if item.get_closest_marker("soak") and not soak:
            item.add_marker(pytest.mark.skip(reason="a long run: make soak"))
        for mark in item.iter_markers("peer"):
            for name in mark.args:
                why = missing(name)
                if why:
                    _skipped[name] = _skipped.get(name, 0) + 1
                    item.add_marker(pytest.mark.skip(reason=f"peer {name} is missing: {why}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total = sum(_skipped.values())
    names = ", ".join(f"{name} ({count})" for name, count in sorted(_skipped.items()))
    terminalreporter.write_line(f"tests skipped because a peer is missing: {total} {names}".rstrip())


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if (
        set(_skipped) - OPTIONAL
        and os.environ.get("ECLUSE_PEERS_REQUIRED") == "1"
        and session.exitstatus == 0
    ):
        session.exitstatus = 1


@pytest.fixture(autouse=True)
def _every_field_of_an_event_is_classified() -> Iterator[None]:
    """Whoever adds a field to an event says of whom it tells: see :mod:`ecluse.archive.event_fields`."""
    yield
    found = sorted(unclassified)
    unclassified.clear()
    assert not found, f"say in ecluse/archive/event_fields.py what these tell of whom: {found}"
