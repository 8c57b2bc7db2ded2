"""What the last reviews of access say."""

from __future__ import annotations

from ecluse.app.access import last_reviews, right_facts, rights
from ecluse.app.node import Node
from ecluse.posture.facts import AccessFacts

__all__ = ["access_facts"]


def access_facts(node: Node) -> AccessFacts:
    """When the next review is due, and which rights that were taken away are still there."""
    reviews = last_reviews(node)
    whole = next((each for each in reviews if not each.partner), None)
    decided = any(not decision.keep for review in reviews for decision in review.decisions)
    facts = [right_facts(each, reviews) for each in rights(node)] if decided else []
    to_go = tuple(f"{each['who']}: {each['may']}" for each in facts if each["decision"] == "revoke")
    return AccessFacts(whole.due if whole is not None else None, to_go)
