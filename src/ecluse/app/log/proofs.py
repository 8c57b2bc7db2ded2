"""The log as evidence: verified whole, and proofs of single records for somebody who has no hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, Final

import msgspec

from ecluse.app.log.stamp_views import verify_stamps
from ecluse.app.messages.lookup import find_message
from ecluse.app.node import Node
from ecluse.archive.commitments import FORGED, values_of
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.contents import missing_messages, verify_bytes, verify_messages, verify_versions
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.proof import prove
from ecluse.evidence.record import decode_leaf
from ecluse.evidence.verify import Problem, verify_log
from ecluse.evidence.witness.check import verify_cosignatures
from ecluse.model.basics import iso
from ecluse.model.nouns import Direction, Event, LoggedEvent
from ecluse.trust.settings.log import witness_keys

__all__ = ["VERIFIED", "event_facts", "find_record", "make_proof", "verify_evidence"]

VERIFIED: Final = "log.verified"
"""Setting: when the whole log was last verified and found right, in microseconds."""

_BATCH: Final = 1000
_MAX_PROBLEMS: Final = 100
"""States that differ, at most, in one verdict: a thousand more say nothing else."""
_TELLING: Final = {
    Direction.IN: ("message.accepted", "message.rejected", "message.quarantined", "message.received"),
    Direction.OUT: ("message.accepted", "message.sealed"),
}
"""What is proven of a message where nothing else is asked for: the first of these that it has."""


class NoSuchRecord(EcluseError):
    """The log has no such record."""

    code = "log.no-such-record"
    fault = Fault.USAGE
    remedy = "Look at the events of a message with `ecluse message trace`."


def verify_evidence(
    node: Node, progress: Callable[[int, int], None], *, contents: bool = False
) -> dict[str, Any]:
    """Verify the log, and that messages, receipts, answers and blobs are what their records say.

    Args:
        node: The hub.
        progress: Called with (records verified, records in all).
        contents: Read the bytes of every document too.

    Returns:
        The verdict as :class:`ecluse.evidence.verify.Verdict` has it, with ``states``: where a row or bytes say
        something else than the log, or a witness's word does not hold; and ``stamped``: time-stamps and evidence
        records, as :func:`~ecluse.app.log.stamp_views.verify_stamps` gives them. ``ok`` is true where nothing at all is
        wrong; that it was, and when, is remembered.
    """
    held = HeldCheckpoints(node.checkpoint_file)
    gone: list[Problem] = []
    verdict = verify_log(
        node.store,
        [node.log],
        progress,
        held=held,
        watch=lambda logged: gone.extend(
            islice(chain(missing_messages(node.store, logged), _bad_values(logged)), _MAX_PROBLEMS)
        ),
    ).as_dict()
    witnesses = [key for each in node.directory.hub.log.witnesses for key in witness_keys(each)]
    found = chain(
        gone,
        verify_messages(node.store),
        verify_versions(node.store),
        verify_cosignatures(node.store, witnesses),
        verify_bytes(node.store, node.hub.blob, lambda octets: None) if contents else (),
    )
    states = [msgspec.to_builtins(problem) for problem in islice(found, _MAX_PROBLEMS)]
    stamped = verify_stamps(node)
    ok = bool(verdict["ok"]) and not states and not stamped["problems"]
    if ok:
        now = node.hub.clock()
        node.store.write(lambda tx: tx.put_setting(VERIFIED, str(now).encode()))
    return {**verdict, "ok": ok, "states": states, "stamped": stamped}


def _bad_values(logged: list[LoggedEvent]) -> Iterator[Problem]:
    """Records beside which values stand that are not what was committed to."""
    for each in logged:
        if each.beside:
            values = values_of(each.beside)
            if not values or FORGED in values.values():
                cause = f"A value beside record {each.index} is not what its record was made of."
                yield Problem("value-altered", cause, each.index, each.event.id, "beside")


def find_record(node: Node, text: str, kind: str | None = None) -> LoggedEvent:
    """The record that is meant.

    Args:
        node: The hub.
        text: Its place in the log, its event's id, or a message as :func:`~ecluse.app.messages.lookup.find_message`
        takes
            it.
        kind: Which of a message's events, the last one of several; by default the first that says what the message
            is: that it was accepted, with the digests of its documents, or why it was not.

    Raises:
        NoSuchRecord, NoSuchMessage, Ambiguous: There is none, or there are several.
    """
    if text.isdecimal() and text.isascii() and len(text) < 19:
        found = node.store.read(lambda view: view.events_from(int(text), 1))
        if found and found[0].index == int(text):
            return found[0]
    if text.startswith("e") and len(text) == 27:
        return _by_id(node, text)
    message = find_message(node.store, text)
    events = node.store.read(lambda view: view.events(message.id))
    if kind is not None:
        events.reverse()
    for wanted in (kind,) if kind is not None else _TELLING[message.direction]:
        for logged in events:
            if logged.event.kind == wanted:
                return logged
    what = f"event {kind}" if kind is not None else "event that says what it is"
    raise NoSuchRecord(f"{message.id} has no {what} yet.")


def _by_id(node: Node, id: str) -> LoggedEvent:
    index = 0
    while batch := node.store.read(lambda view, index=index: view.events_from(index, _BATCH)):  # type: ignore[misc]
        for logged in batch:
            if logged.event.id == id:
                return logged  # type: ignore[no-any-return]
        index = batch[-1].index + 1
    raise NoSuchRecord(f"The log has no event {id}.")


def make_proof(node: Node, logged: LoggedEvent) -> tuple[str, dict[str, Any]]:
    """The text of a proof that stands alone, and what it proves. Raises as :func:`prove` does."""
    text = prove(node.store, logged, with_record=True)
    facts = {
        "index": logged.index,
        "event": event_facts(decode_leaf(logged.leaf)),
        "values": values_of(logged.beside),
        "key": str(node.log_key),
        "keys": list(node.log_keys[-1].texts()),
    }
    return text, facts


def event_facts(event: Event) -> dict[str, Any]:
    """An event, for ``--json``."""
    return {
        "id": event.id,
        "at": iso(event.at),
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "node": event.node,
        "data": msgspec.json.decode(event.data),
    }
