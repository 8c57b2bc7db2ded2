"""ROUTE: which deliveries a kept message needs. Written in the same transaction that keeps it."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.exchange.hub import Hub
from ecluse.model.basics import DeliveryId, Instant
from ecluse.model.nouns import Delivery, Job, Message
from ecluse.model.states import DeliveryState
from ecluse.store.port import Tx

__all__ = ["DELIVERY_KINDS", "PARTNER_KINDS", "add_delivery", "delivery_job", "message_job", "route_inbound"]

DELIVERY_KINDS: Final = frozenset({"deliver", "deposit"})
"""Jobs that do a delivery: to a partner, or into the application's own folder."""
PARTNER_KINDS: Final = frozenset({"deliver", "answer"})
"""Jobs that wait for a partner's server, and so for as long as it likes. All others end by our own doing."""


def delivery_job(delivery: Delivery, due: Instant) -> Job:
    """The durable work of one delivery. Its lane is the partner: concurrency is counted per partner."""
    return Job(
        key=f"deliver:{delivery.id}",
        kind="deliver" if delivery.partner else "deposit",
        lane=delivery.partner,
        payload=msgspec.json.encode({"delivery": delivery.id}),
        due=due,
    )


def message_job(kind: str, message: Message) -> Job:
    """Durable work on a message that came in: ``open`` it, or send its ``answer``."""
    return Job(
        key=f"{kind}:{message.id}",
        kind=kind,
        lane=message.partner,
        payload=msgspec.json.encode({"message": message.id}),
        due=message.updated,
    )


def add_delivery(hub: Hub, tx: Tx, message: Message, channel: str) -> Delivery:
    """Decide one delivery of ``message`` by ``channel``, and have it done."""
    now = hub.clock()
    inward = channel.startswith("folder:")
    delivery = Delivery(
        id=DeliveryId(hub.new_id("d")),
        message=message.id,
        partner=type(message.partner)("") if inward else message.partner,
        channel=channel,
        state=DeliveryState.WAITING,
        attempts=0,
        created=now,
        updated=now,
    )
    tx.add_delivery(delivery)
    tx.add_job(delivery_job(delivery, now))
    return delivery


def route_inbound(hub: Hub, tx: Tx, message: Message) -> None:
    """An accepted inbound message goes to the application's folder, where the hub has one."""
    if hub.inbox:
        add_delivery(hub, tx, message, hub.inbox)
