"""The archive: what is damaged, what waits for somebody, and whether its second places can be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.app.archive.views import archive_facts
from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.node import Node
from ecluse.errors import EcluseError

__all__ = ["archive"]

_LATE: Final = 86_400 * 1_000_000
"""Microseconds by which a look may be late: a node that serves is seconds late."""


def archive(node: Node) -> Iterator[Finding]:
    """Whether what is archived is whole, in two places, and looked at in time."""
    room = node.archive
    if not room.book().profiles:
        return
    facts = archive_facts(node)
    wrong = False
    for name in sorted({each.copy for each in room.book().profiles.values() if each.copy is not None}):
        try:
            room.place(name)
        except EcluseError as error:
            wrong = True
            yield failed("archive", f"The place {name} of second copies: {error.cause}", error.remedy)
    damaged = facts["blobs"].get("damaged", 0)
    if damaged:
        wrong = True
        yield failed(
            "archive",
            f"{damaged} archived blobs are damaged, and nothing is left to repair them from.",
            "Restore what `ecluse archive check` names from a backup, and find out what damaged it.",
        )
    if facts["place_error"]:
        wrong = True
        yield failed(
            "archive",
            f"A second place could not be used: {facts['place_error']}.",
            "Look at it with `ecluse archive check --now`.",
        )
    if facts["clock_doubt"]:
        wrong = True
        yield warning(
            "archive",
            facts["clock_doubt"],
            "Compare the clock with another one, then run `ecluse archive clock --confirm --reason WHY`.",
        )
    if facts["refused"]:
        wrong = True
        yield warning(
            "archive",
            f"{len(facts['refused'])} messages wait for a decision: their profile does not take them.",
            "Look with `ecluse archive check`; then `ecluse archive deposit MESSAGE --waive REASON`, or `decline`.",
        )
    now = node.hub.clock()
    late = node.store.read(lambda view: view.archive_bytes_due(type(now)(now - _LATE), 1))
    if late:
        wrong = True
        yield warning(
            "archive",
            f"What is archived is read again later than it should be: something is due since {facts['overdue']}.",
            "See that a node serves; raise [archive] fixity_rate, or run `ecluse archive check --now`.",
        )
    if not wrong:
        yield ok(
            "archive",
            f"{facts['documents']} documents, {facts['copied']} blobs with a second copy; all whole.",
        )
