"""Comparing what the rows say of the messages with what the log says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.verify import Problem
from ecluse.model.nouns import LoggedEvent, Message
from ecluse.model.states import MessageState
from ecluse.store.port import Store, View
from ecluse.typed import from_json

__all__ = ["IMPORTED", "STATE_KINDS", "compare_state", "verify_states"]

STATE_KINDS: Final = {f"message.{state.value}": state for state in MessageState}
"""The kinds of events that record a message's state."""

IMPORTED: Final = "message.imported"
"""The kind of the event by which a message came in an archive of another hub; its data names the state."""

_PAGE: Final = 200

_LAST: Final = 1 << 64


def verify_states(store: Store) -> Iterator[Problem]:
    """Every message whose row is not in the state that its last event of state says; newest first.

    An event's columns are believed here: :func:`~ecluse.evidence.verify.verify_log` says whether they may be.
    Raises :class:`~ecluse.store.port.StoreUnavailable`.
    """
    before = None
    while True:
        messages, problems = store.read(lambda view, before=before: _page(view, before))  # type: ignore[misc]
        yield from problems
        if len(messages) < _PAGE:
            return
        before = messages[-1].id


def _page(view: View, before: str | None) -> tuple[list[Message], list[Problem]]:
    messages = view.messages(before=before, limit=_PAGE)  # type: ignore[arg-type]
    found = (compare_state(message, view.events(message.id)) for message in messages)
    return messages, [problem for problem in found if problem is not None]


def _recorded(logged: LoggedEvent) -> MessageState | None:
    if logged.event.kind != IMPORTED:
        return STATE_KINDS[logged.event.kind]
    try:
        return from_json(decode_leaf(logged.leaf).data, _Imported).state
    except (EcluseError, msgspec.DecodeError):
        return None  # `verify_log` names a leaf that can't be read


class _Imported(msgspec.Struct):
    state: MessageState


def compare_state(message: Message, events: list[LoggedEvent]) -> Problem | None:
    """What is wrong with the state of a message, by its events."""
    # The order is the tree's, which is signed for, and only then that of the rows that wait for it.
    recorded_states = sorted(
        (logged for logged in events if logged.event.kind in STATE_KINDS or logged.event.kind == IMPORTED),
        key=lambda logged: _LAST if logged.index is None else logged.index,
    )
    recorded = _recorded(recorded_states[-1]) if recorded_states else None
    if recorded is None:
        return Problem("state-unrecorded", f"No record says that {message.id} is {message.state.value}.")
    last = recorded_states[-1]
    if recorded is message.state:
        return None
    return Problem(
        "state-differs",
        f"The row of {message.id} says {message.state.value}, its last record {recorded.value}.",
        last.index,
        last.event.id,
        "state",
    )
