"""After a restore: what was on its way when the backup was taken waits for a person, and so does what collects.

A backup does not know what was done after it. A delivery that it has as waiting may have arrived; sent again, it
would arrive twice where the other side does not tell one from the other (a file server). So nothing that the backup
has goes on by itself: deliveries are dead with a reason of their own, what partners had to pick up is taken in, flows
that collect are paused. What comes in from now on goes its usual way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from ecluse.app.backup.erased import Erased
from ecluse.app.backup.errors import Restored
from ecluse.app.node import Node
from ecluse.archive.blanking import blank
from ecluse.archive.classes import DataClass
from ecluse.errors import EcluseError
from ecluse.exchange import actions
from ecluse.exchange.deliver import buried
from ecluse.exchange.flows import state as flow_state
from ecluse.exchange.route import delivery_job
from ecluse.exchange.settle import brood, settle_message
from ecluse.model.basics import Instant, MessageId, iso
from ecluse.model.files import FileState
from ecluse.model.nouns import JobState, Message
from ecluse.model.states import DeliveryState, MessageState, check_move
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = [
    "RESTORED",
    "RestoredFrom",
    "erase_again",
    "held",
    "hold",
    "mark_erased",
    "release",
    "restored_from",
]

RESTORED: Final = "backup.restored"
"""Setting: what the hub was restored from last."""

_OPEN: Final = (
    MessageState.RECEIVED,
    MessageState.ACCEPTED,
    MessageState.SEALED,
    MessageState.FAILED,
    MessageState.QUARANTINED,
)
_UNDER_WAY: Final = frozenset({DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.SENT})
_PAGE: Final = 200
_OWNER: Final = "restore"
_FAR: Final = Instant(1 << 60)
"""Later than any lease."""
_REASON: Final = "restored from a backup"


class RestoredFrom(msgspec.Struct, frozen=True):
    """What a hub was restored from.

    Attributes:
        backup: Which backup.
        at: Moment of its state.
        restored: When it was restored.
        log: Records that the log had at that moment.
    """

    backup: str
    at: Instant
    restored: Instant
    log: int


def restored_from(view: View) -> RestoredFrom | None:
    """What the hub was restored from; ``None`` where it never was."""
    raw = view.setting(RESTORED)
    return from_json(raw, RestoredFrom) if raw else None


def hold(node: Node, source: RestoredFrom) -> dict[str, int]:
    """Stop everything that the backup had under way; give the numbers by kind. May be called again after a crash."""
    counts = {"messages": 0, "deliveries": 0, "answers": 0, "flows": 0}
    for page in _unended(node):
        stopped = node.store.write(lambda tx, page=page: [_stop(node, tx, each.id, source) for each in page])  # type: ignore[misc]
        counts["messages"] += sum(number > 0 for number in stopped)
        counts["deliveries"] += sum(stopped)
    while ended := node.store.write(lambda tx: _stop_jobs(node, tx, source)):
        counts["answers"] += ended
    for plan in node.hub.flows().plans.values():
        if plan.collects and not node.store.read(lambda view, plan=plan: flow_state.is_paused(view, plan)):  # type: ignore[misc]
            flow_state.pause(node.hub, plan.id, actor="hub", reason=_REASON)
            counts["flows"] += 1
    return counts


def _unended(node: Node) -> Iterator[list[Message]]:
    before = None
    while True:
        page = node.store.read(
            lambda view, before=before: view.messages(states=_OPEN, before=before, limit=_PAGE)  # type: ignore[misc]
        )
        yield page
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _why(source: RestoredFrom) -> Restored:
    return Restored(f"The hub was restored from a backup of {iso(source.at)}, when this was on its way.")


def _stop(node: Node, tx: Tx, id: MessageId, source: RestoredFrom) -> int:
    hub, error = node.hub, _why(source)
    stopped = 0
    for delivery in tx.deliveries(id):
        if delivery.state not in _UNDER_WAY or brood(tx, delivery):
            continue  # one that other messages carry out follows them
        now = hub.clock()
        job = tx.job(delivery_job(delivery, now).key)
        if job is not None and job.state in (JobState.DUE, JobState.RUNNING):
            claimed = tx.claim_job(job.key, _OWNER, _FAR, 1)
            if claimed is not None:
                tx.bury_job(claimed, error.fault.value, error.cause)
        for file in tx.delivery_files(delivery.id):
            if file.state is FileState.WAITING:
                tx.drop_file(file)
        check_move(delivery.state, DeliveryState.DEAD)
        tx.update_delivery(
            msgspec.structs.replace(
                delivery,
                state=DeliveryState.DEAD,
                updated=now,
                receipt_due=None,
                reason_code=error.code,
                reason=f"{error.cause} {error.remedy}",
            )
        )
        facts = {
            "delivery": delivery.id,
            "channel": delivery.channel,
            "was": delivery.state.value,
            "reason": error.code,
            "fault": error.fault.value,
        }
        hub.event(tx, "delivery.dead", id, facts, at=now)
        stopped += 1
    if stopped:
        settle_message(hub, tx, id)
    return stopped


def _stop_jobs(node: Node, tx: Tx, source: RestoredFrom) -> int:
    """Bury what is to be opened or answered still."""
    jobs = tx.claim_jobs(_OWNER, _FAR, 1, _PAGE, kinds=("open", "answer"))
    note = buried(node.hub)
    for job in jobs:
        error = _why(source)
        tx.bury_job(job, error.fault.value, error.cause)
        note(tx, job, error)
    return len(jobs)


def mark_erased(node: Node, gone: set[str], source: RestoredFrom) -> int:
    """Mark the messages whose bytes were erased after the backup, and forget the rows of those; give the number.

    Args:
        node: The restored hub.
        gone: Blobs that the copy of the keys has no key of any more.
        source: The backup.
    """
    if not gone:
        return 0
    marked = 0
    before = None
    while True:
        page = node.store.read(lambda view, before=before: view.messages(before=before, limit=_PAGE))  # type: ignore[misc]
        for message in page:
            blobs = {part.blob for part in message.parts} | {message.wire_blob}
            if not message.shredded and blobs & gone:
                node.store.write(lambda tx, id=message.id: _mark(node, tx, id, source))  # type: ignore[misc]
                marked += 1
        if len(page) < _PAGE:
            break
        before = page[-1].id
    rest = sorted(gone)
    for start in range(0, len(rest), _PAGE):
        node.store.write(lambda tx, ids=rest[start : start + _PAGE]: _drop(tx, ids))  # type: ignore[misc]
    return marked


def _mark(node: Node, tx: Tx, id: MessageId, source: RestoredFrom) -> None:
    message = tx.message(id)
    if message is None or message.shredded:
        return
    now = node.hub.clock()
    tx.update_message(msgspec.structs.replace(message, shredded=now))
    facts = {
        "flow": message.flow,
        "size": message.size,
        "documents": len(message.parts),
        "reason": "restored",
        "because": source.backup,
    }
    node.hub.event(tx, "message.shredded", id, facts, at=now)


def erase_again(node: Node, erased: Iterable[Erased]) -> int:
    """Blank in the rows what was blanked after the backup (names, receipts); give the number of messages."""
    return sum(node.store.write(lambda tx, each=each: _erase(node, tx, each)) for each in erased)  # type: ignore[misc]


def _erase(node: Node, tx: Tx, erased: Erased) -> int:
    message = tx.message(erased.message)
    if message is None:
        return 0
    known = {each.value for each in DataClass}
    after, gone = blank(tx, message, frozenset(DataClass(each) for each in erased.classes if each in known))
    if not gone:
        return 0
    tx.update_message(after)
    facts = {
        "reason": erased.reason,
        "because": erased.because,
        "classes": sorted(gone),
        "blobs": 0,
        "whole": False,
        "flow": message.flow,
        "size": message.size,
        "documents": len(message.parts),
    }
    node.hub.event(tx, "message.shredded", message.id, facts)
    return 1


def _drop(tx: Tx, ids: Sequence[str]) -> None:
    for id in ids:
        tx.drop_blob(id)


def held(node: Node, *, limit: int = 500) -> dict[str, Any]:
    """What waits for a person since the restore: messages, and flows that are paused for it."""
    messages = [
        {
            "id": each.id,
            "direction": each.direction.value,
            "partner": each.partner,
            "reference": each.reference,
            "state": each.state.value,
            "created": iso(each.created),
        }
        for each in _held(node)
    ]
    source = node.store.read(restored_from)
    return {
        "backup": source.backup if source is not None else None,
        "made": iso(source.at) if source is not None else None,
        "restored": iso(source.restored) if source is not None else None,
        "messages": messages[:limit],
        "more": max(0, len(messages) - limit),
        "flows": _paused(node),
    }


def _held(node: Node) -> Iterator[Message]:
    before = None
    states = (MessageState.FAILED, MessageState.QUARANTINED)
    while True:
        page = node.store.read(
            lambda view, before=before: view.messages(states=states, before=before, limit=_PAGE)  # type: ignore[misc]
        )
        yield from (each for each in page if each.reason_code == Restored.code)
        if len(page) < _PAGE:
            return
        before = page[-1].id


def _paused(node: Node) -> list[str]:
    found = []
    for id in node.hub.flows().plans:
        paused = node.store.read(lambda view, id=id: flow_state.paused(view, id))  # type: ignore[misc]
        if paused is not None and paused.reason == _REASON:
            found.append(id)
    return sorted(found)


def release(
    node: Node,
    *,
    messages: Sequence[MessageId] = (),
    partner: str | None = None,
    everything: bool = False,
    flows: bool = False,
    actor: str,
    reason: str,
) -> dict[str, Any]:
    """Let go on what a restore stopped: these messages, a partner's, or all; and the flows that collect.

    Returns:
        ``released`` (messages), ``failed`` (message and why), ``flows`` that go on.
    """
    wanted = set(messages)
    released: list[str] = []
    failed: list[dict[str, str]] = []
    for message in list(_held(node)):
        if not (everything or message.id in wanted or (partner is not None and message.partner == partner)):
            continue
        act = actions.release if message.state is MessageState.QUARANTINED else actions.resend
        try:
            act(node.hub, message.id, actor=actor, reason=reason)
            released.append(message.id)
        except EcluseError as error:
            failed.append({"id": message.id, "reason": f"{error.code}: {error.cause}"})
    resumed = []
    if flows or everything:
        for id in _paused(node):
            flow_state.resume(node.hub, id, actor=actor, reason=reason)
            resumed.append(id)
    missing = sorted(wanted - set(released) - {each["id"] for each in failed})
    failed += [{"id": id, "reason": "it does not wait because of a restore"} for id in missing]
    facts = {"messages": len(released), "flows": resumed, "reason": reason}
    if released or resumed:
        node.store.write(lambda tx: node.hub.event(tx, "restore.released", "hub", facts, actor=actor))
    return {"released": released, "failed": failed, "flows": resumed}
