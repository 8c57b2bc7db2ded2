"""The end of retention: the keys of a message's bytes are deleted, and with them the bytes.

A message and what flows made of it share bytes, so that they go together, once everything about all of them has ended
for as long as every flow that took it says; one flow that keeps for ever keeps for ever. What is known of them stays:
facts, events, receipts, and when the bytes went.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ecluse.archive.shredding import Reason, family_of, shred, what_keeps
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Instant, MessageId
from ecluse.model.nouns import Message
from ecluse.model.states import MessageState
from ecluse.store.port import Tx

__all__ = ["may_go", "retain"]

_PAGE: Final = 200
_ENDED: Final = frozenset({MessageState.DELIVERED, MessageState.GIVEN_UP, MessageState.REJECTED})


def may_go(family: list[Message], keeps: list[int | None], now: Instant) -> bool:
    """Whether the bytes of a message and its children may go.

    Args:
        family: The message and everything that was made of it.
        keeps: Microseconds that each flow keeps bytes for; ``None`` for ever.
        now: The time.
    """
    if not keeps or any(keep is None for keep in keeps):
        return False
    if any(each.state not in _ENDED for each in family):
        return False
    longest = max(keep for keep in keeps if keep is not None)
    return max(each.updated for each in family) <= now - longest


def retain(hub: Hub, check: Callable[[], None] = lambda: None) -> int:
    """Let go of what has been kept for long enough; give the number of messages."""
    gone = 0
    for plan in hub.flows().plans.values():
        if plan.window:
            before = Instant(hub.clock() - plan.window)
            hub.store.write(lambda tx, id=plan.id, before=before: tx.prune_digests(id, before))  # type: ignore[misc]
        if plan.retention is not None:
            gone += _retain(hub, plan, plan.retention, check)
    return gone


def _retain(hub: Hub, plan: FlowPlan, keep: int, check: Callable[[], None]) -> int:
    gone = 0
    after = Instant(-1)
    before = Instant(hub.clock() - keep)
    while True:
        page = hub.store.read(lambda view, after=after: view.shreddable(plan.id, before, after, _PAGE))  # type: ignore[misc]
        for message in page:
            check()
            gone += hub.store.write(partial(_shred, hub, message.id))
        if len(page) < _PAGE:
            return gone
        after = page[-1].updated


def _shred(hub: Hub, id: MessageId, tx: Tx) -> int:
    """Delete the keys of one family's bytes, if it may go."""
    root = tx.message(id)
    if root is None or root.shredded:
        return 0
    family = family_of(tx, root)
    flows = {delivery.flow for delivery in tx.deliveries(id)} or {root.flow}
    plans = [hub.flows().get(flow) for flow in flows]
    now = hub.clock()
    if not may_go(family, [plan.retention if plan is not None else None for plan in plans], now):
        return 0
    if what_keeps(tx, family):
        return 0
    shred(tx, hub, family, reason=Reason.RETENTION, actor="hub", at=now)
    return 1
