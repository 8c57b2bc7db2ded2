"""CONFIRM: what a receipt of record does to a delivery, whenever it comes; and what happens when none comes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, ReceiptBytes, Refused
from ecluse.exchange.route import delivery_job
from ecluse.exchange.settle import seal_anew, settle_message
from ecluse.model.basics import DeliveryId, Instant
from ecluse.model.nouns import Delivery, Receipt
from ecluse.model.states import DeliveryState, check_move
from ecluse.store.port import Tx

__all__ = ["OVERDUE_RESENDS", "late_receipt", "mark_overdue", "record_receipt"]

OVERDUE_RESENDS: Final = 3
"""How often a message is sent again, with the same bytes and id, because its receipt is overdue. After that the
delivery stays ``overdue``: it keeps its payload, a late receipt still counts, and a person may resend it."""


def record_receipt(
    hub: Hub,
    tx: Tx,
    delivery: Delivery,
    receipt: ReceiptBytes,
    *,
    positive: bool,
    code: str = "",
    reason: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Delivery:
    """Keep a receipt and move its delivery.

    One that was confirmed stays confirmed; one that a person gave up is moved by a positive receipt alone.

    Args:
        hub: What the chamber shares.
        tx: The caller's transaction.
        delivery: As it stands in ``tx``.
        receipt: The exact answer.
        positive: True where it confirms.
        code: Why it does not.
        reason: The same in one sentence.
        more: Further facts for the event.
    """
    now = hub.clock()
    tx.add_receipt(
        Receipt(
            id=hub.new_id("r"),
            delivery=delivery.id,
            message=delivery.message,
            kind=receipt.kind,
            positive=positive,
            verdict=receipt.verdict,
            headers=receipt.headers,
            body=receipt.body,
            received=now,
        )
    )
    after = DeliveryState.CONFIRMED if positive else DeliveryState.REFUSED
    facts = {
        **more,
        "delivery": delivery.id,
        "channel": delivery.channel,
        "kind": receipt.kind,
        "verdict": receipt.verdict,
        "receipt_sha256": sha256(receipt.headers + b"\r\n" + receipt.body).hexdigest(),
    }
    if delivery.state is DeliveryState.CONFIRMED:
        hub.event(tx, "receipt.repeated", delivery.message, facts, at=now)
        return delivery
    if delivery.state is DeliveryState.GIVEN_UP and not positive:
        hub.event(tx, "receipt.kept", delivery.message, facts, at=now)
        return delivery
    why = hub.judged(tx, delivery, positive, receipt.said)
    check_move(delivery.state, after)
    if why and not positive:
        hub.event(tx, "delivery.refused", delivery.message, {**facts, "reason": code, "again": why}, at=now)
        again = seal_anew(hub, tx, delivery.message, why, delivery.id)
        return next((each for each in again if each.id == delivery.id), delivery)
    settled = msgspec.structs.replace(
        delivery, state=after, updated=now, receipt_due=None, reason_code=code, reason=reason
    )
    tx.update_delivery(settled)
    if code:
        facts["reason"] = code
    hub.event(tx, f"delivery.{after.value}", delivery.message, facts, at=now)
    settle_message(hub, tx, delivery.message)
    return settled


def late_receipt(
    hub: Hub,
    delivery_id: DeliveryId,
    outcome: Confirmed | Refused,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Delivery | None:
    """Record a receipt that came on a connection of its own; ``more`` are further facts for its event.

    Returns:
        The delivery as it stands then; ``None`` where there is none of that id.
    """

    def work(tx: Tx) -> Delivery | None:
        delivery = tx.delivery(delivery_id)
        if delivery is None:
            return None
        if isinstance(outcome, Confirmed):
            return record_receipt(hub, tx, delivery, outcome.receipt, positive=True, more=more)
        return record_receipt(
            hub,
            tx,
            delivery,
            outcome.receipt,
            positive=False,
            code=outcome.code,
            reason=outcome.reason,
            more=more,
        )

    return hub.store.write(work)


def mark_overdue(hub: Hub, *, limit: int = 100) -> int:
    """Act on deliveries whose receipt did not come in time: send again, or say so and wait.

    Returns:
        How many there were.
    """
    now = hub.clock()
    late = hub.store.read(lambda view: view.overdue(now, limit))
    for delivery in late:
        hub.store.write(partial(_overdue, hub, delivery_id=delivery.id, now=now))
    return len(late)


def _overdue(hub: Hub, tx: Tx, *, delivery_id: DeliveryId, now: Instant) -> None:
    delivery = tx.delivery(delivery_id)
    if delivery is None or delivery.state is not DeliveryState.SENT or (delivery.receipt_due or now) > now:
        return
    again = delivery.attempts < OVERDUE_RESENDS
    tx.update_delivery(
        msgspec.structs.replace(
            delivery,
            state=DeliveryState.WAITING if again else DeliveryState.OVERDUE,
            updated=now,
            receipt_due=None,
            reason_code="exchange.receipt-overdue",
            reason="The partner took the message and its receipt did not come in time.",
        )
    )
    hub.event(
        tx,
        "delivery.overdue",
        delivery.message,
        {
            "delivery": delivery.id,
            "channel": delivery.channel,
            "attempts": delivery.attempts,
            "resent": again,
        },
        at=now,
    )
    if again:
        job = delivery_job(delivery, now)
        if not tx.wake_job(job.key, now):
            tx.add_job(job)
