"""Whether a second person approves changes to trust, and what waits for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ecluse.app.changes import check_versions, proposals
from ecluse.app.health.finding import Finding, failed, ok, warning
from ecluse.app.node import Node
from ecluse.model.basics import iso
from ecluse.trust.operators import approvers, four_eyes

__all__ = ["operators"]

SOON: Final = 86_400 * 1_000_000
"""Microseconds before its end in which a change that waits is worth a warning."""


def operators(node: Node) -> Iterator[Finding]:
    """How many people a change to trust needs, and which changes end soon."""
    people = node.directory.hub.operators
    signing = approvers(people)
    names = ", ".join(each.name for each in signing) or "nobody"
    if not four_eyes(people):
        yield ok(
            "operators",
            f"Single-operator hub: changes to trust take effect at once ({names} could sign them; two people would "
            "have to, if there were two: `ecluse operator add`).",
        )
    else:
        yield ok("operators", f"Four eyes: two of {names} sign a change to trust before it takes effect.")
    for verdict in check_versions(node, node.version) if node.version else ():
        if verdict.problem:
            yield failed(
                "operators",
                f"Version {verdict.version}, which is in force: {verdict.problem}.",
                "Find out who writes to the database; look at all versions with `ecluse change verify`.",
            )
    now = node.hub.clock()
    waiting = proposals(node)
    for entry in waiting:
        if entry.proposal.recover is not None:
            yield warning(
                "changes",
                f"{entry.proposal.by} removes operators alone from {iso(entry.proposal.recover)} on: "
                f"{entry.proposal.reason}.",
                f"Look with `ecluse change show {entry.proposal.id}`; who is not gone refuses it.",
            )
    ending = [entry.proposal for entry in waiting if entry.proposal.until - now < SOON]
    for proposal in ending:
        yield warning(
            "changes",
            f"{proposal.id} ({proposal.reason}) ends within a day without approval.",
            f"Look with `ecluse change show {proposal.id}`, then approve or refuse it.",
        )
    if waiting and not ending and all(entry.proposal.recover is None for entry in waiting):
        yield ok("changes", f"{len(waiting)} wait for approval: `ecluse change list`.")
