"""ROUTE: which deliveries a kept message needs. Written in the same transaction that keeps it.

What came goes where the flows that take it say; where none does, it goes to the application's folder.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.hub import Hub
from ecluse.model.basics import DeliveryId, Instant
from ecluse.model.nouns import Delivery, Job, Message
from ecluse.model.states import DeliveryState
from ecluse.store.port import Tx

__all__ = [
    "DELIVERY_KINDS",
    "PARTNER_KINDS",
    "add_delivery",
    "assigned",
    "delivery_job",
    "message_job",
    "route_inbound",
]

DELIVERY_KINDS: Final = frozenset({"deliver", "deposit", "relay"})
"""Jobs that do a delivery: to a partner's server, into a place of our own, or by a message that a flow makes."""
_OWN_PLACES: Final = frozenset({"folder", "account"})
"""Kinds of channels that end within the hub."""
PARTNER_KINDS: Final = frozenset({"deliver", "answer", "collect"})
"""Jobs that wait for a partner's server, and so for as long as it likes. All others end by our own doing."""


def delivery_job(delivery: Delivery, due: Instant) -> Job:
    """The durable work of one delivery.

    Its lane is the partner: concurrency is counted per partner. That of a relay is its flow: however much it has
    to do, it leaves workers for the others.
    """
    if delivery.flow:
        kind, lane = "relay", f"flow:{delivery.flow}"
    else:
        kind = "deposit" if delivery.channel.partition(":")[0] in _OWN_PLACES else "deliver"
        lane = delivery.partner
    return Job(
        key=f"deliver:{delivery.id}",
        kind=kind,
        lane=lane,
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


def assigned(hub: Hub, message: Message) -> Message:
    """The message with the flow that takes it first, where one does."""
    plans = hub.flows().taking(message) if not hub.own(message) else ()
    return msgspec.structs.replace(message, flow=plans[0].id) if plans else message


def route_inbound(hub: Hub, tx: Tx, message: Message) -> None:
    """An accepted inbound message goes to every target of the flows that take it; else to the application's folder."""
    own = hub.own(message)
    if own:
        add_delivery(hub, tx, message, own)
        return
    hub.accepted(tx, message)
    plans = hub.flows().taking(message)
    for plan in plans:
        for number in range(len(plan.targets)):
            _add_relay(hub, tx, message, plan, number)
    if not plans and hub.inbox:
        add_delivery(hub, tx, message, hub.inbox)


def _add_relay(hub: Hub, tx: Tx, message: Message, plan: FlowPlan, number: int) -> None:
    now = hub.clock()
    target = plan.targets[number]
    delivery = Delivery(
        id=DeliveryId(hub.new_id("d")),
        message=message.id,
        partner=target.partner,
        channel=target.channel,
        state=DeliveryState.WAITING,
        attempts=0,
        created=now,
        updated=now,
        flow=plan.id,
        target=number,
        order_key=plan.order_key(message),
    )
    tx.add_delivery(delivery)
    tx.add_job(delivery_job(delivery, now))
