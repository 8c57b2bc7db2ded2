"""The durable work of a flow's delivery: of one message another is made, and sent.

Everything happens to the eyes of nobody until one transaction ends the job, keeps the children with their
deliveries, and moves the parent's. A child's protocol id is made of the delivery that it carries out: were the same
relay done twice in spite of the lease, the second would find its own child.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from ecluse.blobs.vault import Sealed
from ecluse.engine.context import Handler, JobContext, Outcome
from ecluse.engine.retry import BACKOFFS, RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.deliver import Woken, record_failure
from ecluse.exchange.flows.plan import FlowPlan, TargetPlan
from ecluse.exchange.flows.ports import Leaving, Protection, Seals
from ecluse.exchange.flows.state import WhyHeld, is_paused
from ecluse.exchange.flows.workshop import Piece, Workshop, digest_of
from ecluse.exchange.hub import Hub
from ecluse.exchange.inspect import Problem
from ecluse.exchange.route import delivery_job
from ecluse.exchange.settle import brood, lets_pass, settle_message, settle_origin, wake_next
from ecluse.exchange.target import Target, unused
from ecluse.model.basics import DeliveryId, Instant, MessageId, PartnerId
from ecluse.model.calendars import local
from ecluse.model.naming import Facts
from ecluse.model.nouns import Delivery, Direction, Job, Message, Part
from ecluse.model.states import DeliveryState, MessageState, check_move
from ecluse.store.port import Conflict, Lost, Tx, View
from ecluse.typed import from_json

__all__ = ["MAX_TOGETHER", "Bundle", "bundles", "named", "relay_handler"]

MAX_TOGETHER: Final = 100
"""Documents of one child: more than any product is known to take as one message. Beyond it each goes by itself."""

_OVER: Final = frozenset(
    {DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.GIVEN_UP, DeliveryState.SENT}
)


_POLICY: Final = RetryPolicy({**BACKOFFS, Fault.PARTNER: BACKOFFS[Fault.PERMANENT]})
"""What a partner sent is kept, and does not change by waiting: what does not open is for a person at once."""


class FlowGone(EcluseError):
    """A delivery was decided by a flow that has no such target any more."""

    code = "flow.gone"
    fault = Fault.OURS
    remedy = "Put the flow or its target back and apply; or give the message up."


class _Payload(msgspec.Struct):
    delivery: DeliveryId


def relay_handler(hub: Hub, protection: Protection, leaving: Leaving, seals: Seals | None = None) -> Handler:
    """The handler of ``relay`` jobs."""

    def relay(job: Job, context: JobContext) -> Outcome:
        delivery_id = from_json(job.payload, _Payload).delivery
        return _Relay(hub, protection, leaving, delivery_id, context, seals).run()

    return relay


@dataclass(frozen=True, slots=True)
class Bundle:
    """The documents of one child.

    Attributes:
        key: What its protocol id is made of.
        pieces: Its documents.
        protocol_id: Its id.
    """

    key: str
    pieces: tuple[Piece, ...]
    protocol_id: str


def bundles(leaving: Leaving, key: str, target: TargetPlan, pieces: Sequence[Piece]) -> list[Bundle]:
    """Which documents go together as one message. Raises as :meth:`Leaving.protocol_id` does."""
    apart = target.settings.apart or len(pieces) > MAX_TOGETHER
    groups = [(f"{key}-{number}", (piece,)) for number, piece in enumerate(pieces, 1)]
    if not apart or len(pieces) == 1:
        groups = [(key, tuple(pieces))]  # type: ignore[list-item]
    return [
        Bundle(
            each, group, leaving.protocol_id(target.channel, each, sum(piece.part.size for piece in group))
        )
        for each, group in groups
    ]


def named(
    plan: FlowPlan,
    target: TargetPlan,
    message: Message,
    bundle: Bundle,
    now: Instant,
    number: Callable[[], int],
) -> tuple[tuple[Part, ...], str]:
    """The documents of a child under the names that its target gives them, and its subject."""
    taken: set[str] = set()
    parts = []
    subject = message.subject
    for count, piece in enumerate(bundle.pieces, 1):
        facts = Facts(
            name=piece.name + piece.ending,
            original=piece.name,
            partner=message.partner or target.partner,
            flow=plan.id,
            id=message.id,
            reference=piece.reference or message.reference,
            at=local(now, plan.zone),
            number=number,
        )
        name = unused(target.name.file_name(facts), count, taken)  # two files must not end as one
        parts.append(msgspec.structs.replace(piece.part, name=name))
        if target.subject is not None and count == 1:
            subject = target.subject.text(facts)
    return tuple(parts), subject


class _Relay:
    """One run of one delivery's relay."""

    def __init__(
        self,
        hub: Hub,
        protection: Protection,
        leaving: Leaving,
        delivery_id: DeliveryId,
        context: JobContext,
        seals: Seals | None,
    ) -> None:
        self._hub = hub
        self._seals = seals
        self._protection = protection
        self._leaving = leaving
        self._id = delivery_id
        self._context = context

    def run(self) -> Outcome:
        """Make the children, or say why not."""
        delivery, message, made, held = self._hub.store.read(self._load)
        if delivery is None or message is None or delivery.state in _OVER:
            return self._context.finish(self._still_over)
        if made:
            return self._context.finish(lambda tx: settle_origin(self._hub, tx, made[0]))
        try:
            plan, target = self._plan(delivery)
            if held:
                return self._context.finish(lambda tx: self._hold(tx, plan))
            return self._relay(plan, target, delivery, message)
        except (Lost, Woken):
            raise
        except EcluseError as error:
            return self._failed(error)

    def _load(self, view: View) -> tuple[Delivery | None, Message | None, list[Message], bool]:
        delivery = view.delivery(self._id)
        if delivery is None:
            return None, None, [], False
        message, plan = view.message(delivery.message), self._hub.flows().get(delivery.flow)
        held = plan is not None and self._held(view, plan, delivery, message) is not None
        return delivery, message, brood(view, delivery), held

    def _plan(self, delivery: Delivery) -> tuple[FlowPlan, TargetPlan]:
        plan = self._hub.flows().get(delivery.flow)
        if plan is None:
            raise FlowGone(f"There is no flow {delivery.flow} any more.")
        # The file may have changed since: a target that moved within it is found by its channel.
        targets = plan.targets[delivery.target :][:1] + plan.targets
        target = next((each for each in targets if each.channel == delivery.channel), None)
        if target is None:
            raise FlowGone(f"The flow {delivery.flow} does not lead to {delivery.channel} any more.")
        return plan, target

    # Waiting

    def _held(
        self, view: View, plan: FlowPlan, delivery: Delivery, message: Message | None
    ) -> tuple[str, str] | None:
        if message is not None and message.state is MessageState.QUARANTINED:
            return message.reason_code, message.reason
        if is_paused(view, plan):
            return WhyHeld.PAUSED, f"The flow {plan.id} is paused."
        ahead = view.ahead(delivery) if delivery.order_key else None
        while ahead is not None and lets_pass(self._hub, ahead):
            ahead = view.ahead(ahead)
        if ahead is not None:
            return WhyHeld.IN_ORDER, f"It comes after {ahead.message}, which has not ended."
        return None

    def _hold(self, tx: Tx, plan: FlowPlan) -> None:
        """Wait without a job, where there is a reason still: who ends that reason wakes the job."""
        delivery = tx.delivery(self._id)
        if delivery is None or delivery.state in _OVER:
            return self._still_over(tx)
        held = self._held(tx, plan, delivery, tx.message(delivery.message))
        if held is None:
            raise Woken(f"Delivery {self._id} need not wait any more.")
        code, reason = held
        if delivery.reason_code == code:
            return None
        kept = delivery.reason_code if delivery.reason_code in (WhyHeld.RELEASED, WhyHeld.DUPLICATE) else code
        tx.update_delivery(
            msgspec.structs.replace(
                delivery,
                state=DeliveryState.WAITING,
                updated=self._hub.clock(),
                reason_code=kept,
                reason=reason,
            )
        )
        facts = {"delivery": delivery.id, "channel": delivery.channel, "flow": plan.id, "reason": code}
        self._hub.event(tx, "delivery.held", delivery.message, facts)
        return None

    def _still_over(self, tx: Tx) -> None:
        delivery = tx.delivery(self._id)
        if delivery is not None and delivery.state is DeliveryState.WAITING:
            raise Woken(f"Delivery {self._id} was over, and is to be relayed again.")

    # Making

    def _relay(self, plan: FlowPlan, target: TargetPlan, delivery: Delivery, message: Message) -> Outcome:
        shop = Workshop(self._hub, self._protection, self._context.check, self._seals)
        submitted = False
        try:
            opened = shop.open(plan, message)
            if shop.problem is not None and delivery.reason_code != WhyHeld.RELEASED:
                set_aside = partial(self._set_aside, problem=shop.problem)
                shop.clear()
                return self._context.finish(set_aside)
            digest = digest_of(opened) if plan.window else b""
            packed = opened[0].name if len(opened) == 1 else (message.parts[0].name or "documents")
            made = bundles(self._leaving, delivery.id, target, shop.close(target, opened, packed))
            sealed = shop.keep([piece.part for bundle in made for piece in bundle.pieces])
            submitted = True
            kept: list[bool] = []

            def work(tx: Tx) -> None:
                kept.clear()
                kept.append(self._keep(tx, plan, target, made, sealed, digest, shop.facts))

            outcome = self._context.finish(work)
        except BaseException as error:
            # Where the end of the transaction is not known its rows may be there: then the sweep knows.
            if not submitted or isinstance(error, Lost | Conflict | Woken):
                shop.clear()
            raise
        if not kept[0]:
            shop.clear()
        return outcome

    def _keep(
        self,
        tx: Tx,
        plan: FlowPlan,
        target: TargetPlan,
        made: Sequence[Bundle],
        sealed: Sequence[Sealed],
        digest: bytes,
        facts: dict[str, Any],
    ) -> bool:
        """Keep the children, and say so; false where there are to be none."""
        hub = self._hub
        now = hub.clock()
        delivery = tx.delivery(self._id)
        assert delivery is not None, "a delivery is never deleted while its job is there"
        if delivery.state in _OVER:
            return False
        message = tx.message(delivery.message)
        assert message is not None, "nor is its message"
        if digest and self._is_duplicate(tx, plan, delivery, message, digest, now):
            return False
        for each in sealed:
            tx.add_blob(each.row, each.wrapped_key)
        children = [self._add_child(tx, plan, target, delivery, message, each, facts, now) for each in made]
        check_move(delivery.state, DeliveryState.SENT)
        tx.update_delivery(
            msgspec.structs.replace(
                delivery,
                state=DeliveryState.SENT,
                attempts=delivery.attempts + 1,
                updated=now,
                reason_code="",
                reason="",
            )
        )
        said = {
            "delivery": delivery.id,
            "channel": delivery.channel,
            "flow": plan.id,
            "children": children,
            "attempt": delivery.attempts + 1,
            **facts,
        }
        hub.event(tx, "delivery.relayed", message.id, said, at=now)
        return True

    def _add_child(
        self,
        tx: Tx,
        plan: FlowPlan,
        target: TargetPlan,
        delivery: Delivery,
        message: Message,
        bundle: Bundle,
        facts: dict[str, Any],
        now: Instant,
    ) -> MessageId:
        hub = self._hub
        number = f"flow.{plan.id}"
        parts, subject = named(plan, target, message, bundle, now, lambda: tx.next_number(number))
        reference = next((piece.reference for piece in bundle.pieces if piece.reference), message.reference)
        child = Message(
            id=MessageId(hub.new_id("m")),
            direction=Direction.OUT,
            partner=target.partner,
            protocol=target.kind,
            protocol_id=bundle.protocol_id,
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            subject=subject,
            reference=reference,
            parts=parts,
            wire=Target(folder=target.settings.folder or "").encode(),
            config_version=hub.config_version(),
            origin=message.id,
            relay=delivery.id,
            flow=plan.id,
        )
        tx.add_message(child)
        hub.event(
            tx,
            "message.accepted",
            child.id,
            {
                "direction": "out",
                "partner": child.partner,
                "protocol": child.protocol,
                "protocol_id": child.protocol_id,
                "config": child.config_version,
                "flow": plan.id,
                "origin": message.id,
                "documents": [part.kind for part in parts],
                "sha256": [part.sha256 for part in parts],
                "size": child.size,
                **facts,
            },
            at=now,
        )
        sending = Delivery(
            id=DeliveryId(hub.new_id("d")),
            message=child.id,
            partner=PartnerId(target.partner),
            channel=target.channel,
            state=DeliveryState.WAITING,
            attempts=0,
            created=now,
            updated=now,
        )
        tx.add_delivery(sending)
        tx.add_job(delivery_job(sending, now))
        return child.id

    # Duplicates

    def _is_duplicate(
        self, tx: Tx, plan: FlowPlan, delivery: Delivery, message: Message, digest: bytes, now: Instant
    ) -> bool:
        """Whether the same content stops here; remember it where it is the first of its window."""
        first = tx.claim_digest(plan.id, digest, message.id, now, Instant(now - plan.window))
        if first == message.id:
            return False
        other = tx.message(first)
        if other is not None and other.state is not MessageState.GIVEN_UP:
            return self._stopped(tx, plan, delivery, message, other, now)
        tx.put_digest(plan.id, digest, message.id, now)
        return False

    def _stopped(
        self, tx: Tx, plan: FlowPlan, delivery: Delivery, message: Message, first: Message, now: Instant
    ) -> bool:
        hub = self._hub
        settings = plan.settings.duplicates
        action = settings.action if settings is not None else "deliver"
        if delivery.reason_code == WhyHeld.RELEASED:
            action = "deliver"
        facts = {"delivery": delivery.id, "flow": plan.id, "first": first.id, "action": action}
        hub.event(tx, "flow.duplicate", message.id, facts, at=now)
        if action == "deliver":
            return False
        reason = f"The flow {plan.id} had the same content as {first.id}."
        held = msgspec.structs.replace(
            delivery,
            state=DeliveryState.GIVEN_UP if action == "skip" else DeliveryState.WAITING,
            updated=now,
            reason_code=WhyHeld.DUPLICATE,
            reason=reason,
        )
        check_move(delivery.state, held.state)
        tx.update_delivery(held)
        if action == "skip":
            settle_message(hub, tx, message.id)
            wake_next(hub, tx, held)
        else:
            self._quarantine(tx, message, WhyHeld.DUPLICATE, reason, now, first=first.id, flow=plan.id)
        return True

    # Quarantine

    def _set_aside(self, tx: Tx, problem: Problem) -> None:
        """What was inside a document is for a person to look at first."""
        delivery = tx.delivery(self._id)
        if delivery is None or delivery.state in _OVER:
            return self._still_over(tx)
        message = tx.message(delivery.message)
        assert message is not None, "a message is never deleted while it is relayed"
        now = self._hub.clock()
        check_move(delivery.state, DeliveryState.WAITING)
        tx.update_delivery(
            msgspec.structs.replace(
                delivery,
                state=DeliveryState.WAITING,
                updated=now,
                reason_code=problem.code,
                reason=problem.reason,
            )
        )
        self._quarantine(tx, message, problem.code, problem.reason, now, flow=delivery.flow)
        return None

    def _quarantine(
        self, tx: Tx, message: Message, code: str, reason: str, now: Instant, **facts: str
    ) -> None:
        if message.state is MessageState.QUARANTINED:
            return
        check_move(message.state, MessageState.QUARANTINED)
        message = msgspec.structs.replace(
            message, state=MessageState.QUARANTINED, updated=now, reason_code=code, reason=reason
        )
        tx.update_message(message)
        self._hub.event(tx, "message.quarantined", message.id, {"reason": code, **facts}, at=now)
        self._hub.settled(tx, message)

    def _failed(self, error: EcluseError) -> Outcome:
        hub = self._hub

        def record(state: DeliveryState, kind: str) -> Callable[[Tx], None]:
            return lambda tx: record_failure(hub, tx, self._id, state, kind, error)

        return self._context.retry(
            error,
            record(DeliveryState.WAITING, "delivery.retried"),
            dead=record(DeliveryState.DEAD, "delivery.dead"),
            policy=_POLICY,
        )
