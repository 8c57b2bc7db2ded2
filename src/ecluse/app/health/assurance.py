"""What partners have shown of how they guard what they are given, and the review of who can do what."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.app.access import last_reviews, right_facts, rights, said_of
from ecluse.app.health.finding import Finding, ok, warning
from ecluse.app.node import Node
from ecluse.app.partners.audit import register
from ecluse.model.basics import iso

__all__ = ["access", "assurance"]


def assurance(node: Node) -> Iterator[Finding]:
    """Whether the register's entries last."""
    now = node.hub.clock()
    entries = register(node)
    active = {view.id for view in node.directory.partners if view.active}
    waiting = [
        entry
        for entry in entries
        if entry.partner in active and entry.state(now) in ("ending", "due", "ended")
    ]
    for entry in waiting:
        days = ", ".join(
            f"{word} {day}" for word, day in (("due", entry.due), ("last day", entry.ends)) if day
        )
        yield warning(
            "assurance",
            f"{entry.title} of {entry.partner} is {entry.state(now)} ({days}).",
            "Ask the partner for the next one, and record it with `ecluse audit record`.",
        )
    if entries and not waiting:
        yield ok("assurance", f"{len(entries)} entries in the register; none has to be looked at.")


def access(node: Node) -> Iterator[Finding]:
    """Whether access was reviewed in time, and what was to go is gone."""
    reviews = last_reviews(node)
    said = said_of(reviews)
    facts = [right_facts(each, said) for each in rights(node)]
    for each in facts:
        if each["decision"] == "revoke":
            yield warning(
                "access",
                f"{each['who']} may still {each['may']}; {each['reviewer']} decided on {each['reviewed'][:10]} "
                "that this goes.",
                f"Take it out of {each['grounds']}, then `ecluse apply`.",
            )
    whole = next((each for each in reviews if not each.partner), None)
    if whole is not None and whole.due <= node.hub.clock():
        yield warning(
            "access",
            f"The review of who can do what was due on {iso(whole.due)[:10]}.",
            "Make it with `ecluse access review`.",
        )
