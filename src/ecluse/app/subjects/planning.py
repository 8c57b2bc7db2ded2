"""The plan of an erasure: what of all that was found goes, or on which ground it stays, and until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import msgspec

from ecluse.app.subjects.deadlines import Ground
from ecluse.app.subjects.requests import Found, Item
from ecluse.archive.classes import DataClass
from ecluse.archive.holds import Obstacle
from ecluse.archive.retention import outcome_of
from ecluse.archive.shredding import family_of, what_keeps
from ecluse.model.basics import Instant, MessageId
from ecluse.store.port import View

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["digest_of", "ground_of", "make_plan", "standing_in_the_way"]

ALL: Final = tuple(sorted(name.value for name in DataClass))
_NAMES: Final = (DataClass.NAMES.value,)
_DEEP: Final = frozenset({"document", "receipt"})

_BY_HAND: Final[dict[str, str]] = {
    "assurance": "It is in a partner's register: `ecluse audit remove` takes the entry out.",
    "hold": "It is what a legal hold says of itself: it stays while the hold is accounted for.",
    "proposal": "It is a proposed change to trust: what was signed is kept.",
}


def make_plan(node: Node, found: Sequence[Found], *, everything: bool = False) -> tuple[Item, ...]:
    """What would become of everything that was found.

    Args:
        node: The hub.
        found: Where.
        everything: Of messages that only name the person, erase documents, bytes and receipts too.
    """
    messages: defaultdict[str, list[Found]] = defaultdict(list)
    log: defaultdict[str, list[Found]] = defaultdict(list)
    rest: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for each in found:
        if each.place in ("message", "document", "receipt"):
            messages[each.root or each.id].append(each)
        elif each.place == "log" and _is_message(each.root):
            messages[_root_of(node, each.root)].append(each)
        elif each.place == "log":
            log[each.root].append(each)
        else:
            rest[each.place, each.id].append(each)
    items = [_message(node, id, places, everything) for id, places in sorted(messages.items())]
    items += [
        Item(
            what="log",
            id=subject,
            does="erase",
            rows=tuple(sorted({each.row for each in places})),
            fields=tuple(sorted({each.field for each in places})),
        )
        for subject, places in sorted(log.items())
    ]
    items += [_other(node, place, id, places) for (place, id), places in sorted(rest.items())]
    return tuple(items)


def digest_of(plan: Sequence[Item]) -> str:
    """SHA-256 of a plan in hexadecimal."""
    return sha256(msgspec.json.encode(plan)).hexdigest()


def _is_message(subject: str) -> bool:
    return len(subject) == 27 and subject.startswith("m")


def _root_of(node: Node, id: str) -> str:
    message = node.store.read(lambda view: view.message(MessageId(id)))
    while message is not None and message.origin:
        above = node.store.read(lambda view, origin=message.origin: view.message(origin))  # type: ignore[misc]
        if above is None:
            break
        message = above
    return message.id if message is not None else id


def _message(node: Node, id: str, places: Sequence[Found], everything: bool) -> Item:
    deep = everything or any(each.place in _DEEP for each in places)
    item = Item(
        what="message",
        id=id,
        does="erase",
        classes=ALL if deep else _NAMES,
        fields=tuple(sorted({f"{each.id} {each.field}" for each in places})),
    )
    stands = node.store.read(lambda view: standing_in_the_way(view, id))
    return item if stands is None else _refused(item, *stands)


def standing_in_the_way(view: View, id: str) -> tuple[Ground, str, str, Instant | None] | None:
    """Why a message and what was made of it may not be erased at present; ``None`` where it may.

    Returns:
        The ground, the reason in one sentence, what it refers to, and until when.
    """
    root = view.message(MessageId(id))
    if root is None:
        return None
    family = family_of(view, root)
    kept = what_keeps(view, family)
    if kept:
        first = kept[0]
        return ground_of(first), first.reason, first.reference, first.until
    if outcome_of(family) is None:
        return Ground.CONTRACT, "It is under way, or waits for a person's decision.", id, None
    return None


def ground_of(obstacle: Obstacle) -> Ground:
    """The legal ground that an obstacle stands for."""
    return Ground.LEGAL_CLAIMS if obstacle.kind == "hold" else Ground.LEGAL_OBLIGATION


def _refused(item: Item, ground: Ground, why: str, reference: str, until: Instant | None) -> Item:
    return msgspec.structs.replace(
        item, does="refuse", ground=ground.value, why=why, reference=reference, until=until
    )


def _other(node: Node, place: str, id: str, places: Sequence[Found]) -> Item:
    item = Item(what=place, id=id, does="refuse", fields=tuple(sorted({each.field for each in places})))
    if place == "archive":
        stands = node.store.read(lambda view: standing_in_the_way(view, places[0].root))
        if stands is None:
            return _refused(item, Ground.BY_HAND, "It was disposed of.", id, None)
        return _refused(item, *stands)
    if place == "log-in-clear":
        why = "It was recorded in clear; without it the proofs of all other records would not hold."
        if any(each.field.startswith(("change.", "config.", "partner.verified")) for each in places):
            return _refused(item, Ground.ACCOUNTABILITY, "It says who changed whom the hub trusts.", id, None)
        return _refused(item, Ground.EVIDENCE, why, id, None)
    if place == "configuration":
        why = (
            "It is in force: take it out of the file, then `ecluse apply`; former versions are kept as proof."
        )
        return _refused(item, Ground.BY_HAND, why, id, None)
    if place == "configuration-history":
        why = "Which configuration governed which message has to be shown for as long as the messages are."
        return _refused(item, Ground.ACCOUNTABILITY, why, id, None)
    kind = id.partition(" ")[0]
    why = _BY_HAND.get(kind, f"It is a record of kind {kind}, which the commands of that kind change.")
    return _refused(item, Ground.BY_HAND, why, id, None)
