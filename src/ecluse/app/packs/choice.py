"""Which messages a pack is about, and whether the log is signed far enough to prove them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ecluse.app.node import Node
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.errors import NotProvable
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Direction, LoggedEvent, Message
from ecluse.model.states import MessageState
from ecluse.store.port import View

__all__ = ["MAX_MESSAGES", "NothingFound", "Query", "TooMany", "find", "provable_size", "whole_lives"]

MAX_MESSAGES: Final = 10_000
"""Messages of one pack: its manifest is held while it is made, some kilobytes for each of them."""
_PAGE: Final = 200
_LOOK: Final = 0.5
"""Seconds between two looks whether the log was signed."""


class NothingFound(EcluseError):
    """No message fits what was asked for."""

    code = "evidence.nothing-found"
    fault = Fault.USAGE
    remedy = "Look with `ecluse message list` and the same options which messages there are."


class TooMany(EcluseError):
    """More messages fit than one pack takes."""

    code = "evidence.too-many"
    fault = Fault.USAGE
    remedy = "Make several packs, each of a shorter time: see --since and --until."


class Query(msgspec.Struct, frozen=True):
    """Which messages are meant; what is empty does not matter.

    Attributes:
        direction: Which way.
        partner: With whom.
        states: In which states.
        search: A piece of a subject, reference, protocol id or file name.
        flow: Of which flow.
        since: Recorded at this instant or later.
        until: Recorded before it.
    """

    direction: Direction | None = None
    partner: PartnerId | None = None
    states: tuple[MessageState, ...] = ()
    search: str = ""
    flow: str | None = None
    since: Instant | None = None
    until: Instant | None = None


def find(node: Node, query: Query) -> list[MessageId]:
    """The messages that a query means, oldest first.

    Raises:
        NothingFound: There are none.
        TooMany: There are more than :data:`MAX_MESSAGES`.
    """
    found = []
    for message in _pages(node, query):
        if query.since is not None and message.created < query.since:
            break  # they come newest first
        if query.until is None or message.created < query.until:
            found.append(message.id)
        if len(found) > MAX_MESSAGES:
            raise TooMany(f"More than {MAX_MESSAGES} messages fit.")
    if not found:
        raise NothingFound("No message fits.")
    return found[::-1]


def _pages(node: Node, query: Query) -> Iterator[Message]:
    before = None
    while True:
        page = node.store.read(
            lambda view, before=before: view.messages(  # type: ignore[misc]
                direction=query.direction,
                partner=query.partner,
                states=query.states,
                search=query.search,
                flow=query.flow,
                before=before,
                limit=_PAGE,
            )
        )
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].id


def whole_lives(node: Node, ids: Sequence[MessageId]) -> list[MessageId]:
    """These messages with all that is of the same life: what each was made of, and all that was made of that.

    Raises:
        TooMany: They are more than :data:`MAX_MESSAGES`.
    """
    found: dict[MessageId, None] = {}
    for id in ids:
        if id not in found:
            for member in node.store.read(lambda view, id=id: _family(view, id)):  # type: ignore[misc]
                found.setdefault(member)
        if len(found) > MAX_MESSAGES:
            raise TooMany(f"With all that was made of them they are more than {MAX_MESSAGES} messages.")
    return list(found)


def _family(view: View, id: MessageId) -> list[MessageId]:
    root, seen = view.message(id), {id}
    while root is not None and root.origin and root.origin not in seen:
        seen.add(root.origin)
        root = view.message(root.origin) or root
    members = [root.id] if root is not None else [id]
    for member in members:  # it grows while it is gone through
        members += [child.id for child in view.children(member) if child.id not in members]
    return members


def provable_size(node: Node, subjects: Sequence[str], patience: float) -> int:
    """Wait until every event of some subjects is under a signed checkpoint.

    Args:
        node: The hub.
        subjects: Messages, and what else is proven.
        patience: Seconds.

    Returns:
        How many records a checkpoint has to cover.

    Raises:
        NotProvable: Nobody signed so far in that time.
    """
    waited, left = 0.0, list(subjects)
    size = 0
    while True:
        still = []
        for subject in left:
            indexes = [event.index for event in _events(node, subject)]
            if None in indexes:
                still.append(subject)
            size = max(size, *(index + 1 for index in indexes if index is not None), 0)
        left = still
        newest = node.store.read(lambda view: view.last_checkpoint())
        if not left and newest is not None and newest.size >= size:
            return size
        if waited >= patience:
            raise NotProvable(
                "The log is not signed so far yet.",
                remedy="Ask again in a minute. Where the hub does not run, start it: `ecluse serve` signs the log.",
            )
        threading.Event().wait(_LOOK)
        waited += _LOOK


def _events(node: Node, subject: str) -> list[LoggedEvent]:
    return node.store.read(lambda view: view.events(subject))
