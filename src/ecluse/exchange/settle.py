"""What a message comes to by its deliveries; and what a delivery comes to that other messages carry out.

A flow's delivery is done by children. It follows them: confirmed once all of them are, failed as soon as one is, and
under way again when a child is sent again. Both rows change in one transaction, so that no look finds them at odds.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.archive.superseded import supersede
from ecluse.exchange.hub import Hub
from ecluse.exchange.route import delivery_job
from ecluse.model.basics import DeliveryId, Instant, MessageId
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.model.states import DeliveryState, MessageState, check_move
from ecluse.store.port import Tx, View

__all__ = ["OVER", "SETTLING", "brood", "seal_anew", "settle_message", "wake_next"]

OVER: Final = frozenset({DeliveryState.CONFIRMED, DeliveryState.GIVEN_UP})
"""Deliveries that nothing more is expected of, but what a person asks for."""
_FAILED: Final = frozenset({DeliveryState.DEAD, DeliveryState.REFUSED})
SETTLING: Final = 2_000_000
"""Microseconds until what is sealed anew is taken up: every node has taken up by then what it is sealed by."""


def brood(view: View, delivery: Delivery) -> list[Message]:
    """The messages that carry out a flow's delivery, oldest first; empty until they are made."""
    if not delivery.flow:
        return []
    return [child for child in view.children(delivery.message) if child.relay == delivery.id]


def settle_message(hub: Hub, tx: Tx, message_id: MessageId) -> None:
    """Move a message to the state that its deliveries amount to, with its event; and what it was made for with it."""
    message = tx.message(message_id)
    # What a person has to look at stays, whatever else becomes of it, until that person decides.
    if message is None or message.state is MessageState.QUARANTINED:
        return
    deliveries = tx.deliveries(message.id)
    states = {delivery.state for delivery in deliveries}
    if states <= {DeliveryState.CONFIRMED}:
        after = MessageState.DELIVERED
    elif states & _FAILED:
        after = MessageState.FAILED
    elif states <= OVER and DeliveryState.GIVEN_UP in states:
        after = MessageState.GIVEN_UP
    elif message.direction is Direction.OUT and message.wire_blob:
        after = MessageState.SEALED
    else:
        after = MessageState.ACCEPTED
    if after is message.state:
        return
    check_move(message.state, after)
    last = next((d for d in reversed(deliveries) if d.state in _FAILED), None)
    message = msgspec.structs.replace(
        message,
        state=after,
        updated=hub.clock(),
        reason_code=last.reason_code if last and after is MessageState.FAILED else "",
        reason=last.reason if last and after is MessageState.FAILED else "",
    )
    tx.update_message(message)
    hub.event(tx, f"message.{after.value}", message.id, {"deliveries": len(deliveries)})
    hub.settled(tx, message)
    settle_origin(hub, tx, message)


def settle_origin(hub: Hub, tx: Tx, child: Message) -> None:
    """Have the delivery that a message carries out follow it."""
    if not child.relay:
        return
    # The row is held from here on: of two children that end at once the second one sees the first.
    delivery = tx.delivery(child.relay)
    if delivery is None:
        return
    family = brood(tx, delivery)
    states = {each.state for each in family}
    why = child
    if states <= {MessageState.DELIVERED}:
        after = DeliveryState.CONFIRMED
    elif MessageState.FAILED in states:
        why = next(each for each in family if each.state is MessageState.FAILED)
        refused = {each.state for each in tx.deliveries(why.id)} & _FAILED == {DeliveryState.REFUSED}
        after = DeliveryState.REFUSED if refused else DeliveryState.DEAD
    elif states <= {MessageState.DELIVERED, MessageState.GIVEN_UP}:
        why = next(each for each in family if each.state is MessageState.GIVEN_UP)
        after = DeliveryState.GIVEN_UP
    else:
        after = DeliveryState.SENT
    if after is delivery.state:
        return
    check_move(delivery.state, after)
    told = after in _FAILED or after is DeliveryState.GIVEN_UP
    settled = msgspec.structs.replace(
        delivery,
        state=after,
        updated=hub.clock(),
        receipt_due=None,
        reason_code=why.reason_code if told else "",
        reason=why.reason if told else "",
    )
    tx.update_delivery(settled)
    facts = {"delivery": delivery.id, "channel": delivery.channel, "flow": delivery.flow, "child": why.id}
    if told:
        facts["reason"] = why.reason_code
    kind = "relayed" if after is DeliveryState.SENT else after.value
    hub.event(tx, f"delivery.{kind}", delivery.message, facts)
    settle_message(hub, tx, delivery.message)
    wake_next(hub, tx, settled)


def seal_anew(
    hub: Hub, tx: Tx, message_id: MessageId, why: str, refused: DeliveryId | None = None
) -> list[Delivery]:
    """Have a message's exact bytes built again, and sent under the same protocol id.

    "Built once" is what lets a partner tell a repeated message from another one. It ends where the partner's own
    receipt says that it has not taken these bytes: then others may come in their place, and nothing is there twice.
    The bytes that were refused are forgotten; their digest stands in the log, and the receipt is kept.

    Args:
        hub: What the chamber shares.
        tx: The caller's transaction.
        message_id: Which message; one that goes out.
        why: The reason, for the events.
        refused: The delivery whose receipt was just read, whatever its state.

    Returns:
        The deliveries that are under way again; none where one of the others has taken the bytes.
    """
    message = tx.message(message_id)
    if message is None or message.direction is not Direction.OUT or message.shredded:
        return []
    deliveries = tx.deliveries(message_id)
    taken = (DeliveryState.CONFIRMED, DeliveryState.SENT)
    if any(delivery.state in taken for delivery in deliveries if delivery.id != refused):
        return []
    now = hub.clock()
    if message.wire_blob:
        supersede(tx, message.id, message.wire_blob, now)
    check_move(message.state, MessageState.ACCEPTED)
    message = msgspec.structs.replace(
        message, state=MessageState.ACCEPTED, updated=now, wire=b"{}", wire_blob="", reason_code="", reason=""
    )
    tx.update_message(message)
    hub.event(tx, "message.accepted", message_id, {"sealed_anew": why}, at=now)
    again = []
    for delivery in deliveries:
        if delivery.state is DeliveryState.GIVEN_UP:
            continue
        check_move(delivery.state, DeliveryState.WAITING)
        waiting = msgspec.structs.replace(
            delivery, state=DeliveryState.WAITING, updated=now, receipt_due=None, reason_code="", reason=""
        )
        tx.update_delivery(waiting)
        job = delivery_job(waiting, Instant(now + SETTLING))
        if not tx.wake_job(job.key, job.due):
            tx.add_job(job)
        again.append(waiting)
    settle_origin(hub, tx, message)
    return again


def wake_next(hub: Hub, tx: Tx, delivery: Delivery) -> None:
    """Let the next delivery of the same order key go on, where this one ended or nobody waits for it."""
    if not delivery.order_key or not lets_pass(hub, delivery):
        return
    behind = tx.behind(delivery)
    if behind is not None and behind.state is DeliveryState.WAITING:
        now = hub.clock()
        tx.wake_job(delivery_job(behind, now).key, now)


def lets_pass(hub: Hub, delivery: Delivery) -> bool:
    """Whether those behind a delivery need not wait for it any more."""
    if delivery.state in OVER:
        return True
    plan = hub.flows().get(delivery.flow)
    order = plan.settings.order if plan is not None else None
    return delivery.state in _FAILED and (order is None or order.on_failure == "continue")
