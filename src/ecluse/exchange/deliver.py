"""SEAL, DELIVER and CONFIRM: the durable work of one delivery.

The exact bytes are built once and kept before the first of them leaves; every attempt sends those. The outcome
of an attempt, the state, the event and the end of the job are one transaction, fenced by the job's lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.engine.context import Handler, JobContext
from ecluse.engine.context import Outcome as JobOutcome
from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Awaiting, Channel, Confirmed, Outcome
from ecluse.exchange.receipts import record_receipt
from ecluse.exchange.route import DELIVERY_KINDS
from ecluse.exchange.settle import settle_message, wake_next
from ecluse.model.basics import DeliveryId, MessageId
from ecluse.model.nouns import Delivery, Direction, Job, Message
from ecluse.model.states import DeliveryState, MessageState, check_move
from ecluse.store.port import Lost, Tx, View
from ecluse.typed import from_json

__all__ = [
    "OVER",
    "Attempt",
    "NoChannel",
    "Woken",
    "buried",
    "delivery_of",
    "finder",
    "handlers",
    "record_failure",
]

OVER: Final = frozenset(
    {DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.GIVEN_UP, DeliveryState.SENT}
)
_UNDER_WAY: Final = frozenset({DeliveryState.SENDING, DeliveryState.WAITING})
"""Waiting: given up or confirmed, and then resent, while the request was under way. It carried the same bytes."""


class NoChannel(EcluseError):
    """A delivery names a channel that this node does not have."""

    code = "exchange.no-channel"
    fault = Fault.OURS
    remedy = "Configure the channel again, or give the delivery up."


class Woken(EcluseError):
    """A delivery was over when its job looked, and is to be sent again now."""

    code = "exchange.woken"
    fault = Fault.TRANSIENT
    remedy = "Do nothing: the job is done again at once."


class _DeliveryPayload(msgspec.Struct):
    delivery: DeliveryId


class _MessagePayload(msgspec.Struct):
    message: MessageId


def handlers(
    hub: Hub, channels: Mapping[str, Channel], policy_of: Callable[[Message], RetryPolicy | None]
) -> dict[str, Handler]:
    """The chamber's job handlers by job kind.

    Args:
        hub: What the chamber shares.
        channels: By kind (``as2``, ``folder``).
        policy_of: How often, and when, deliveries of a message are tried again; ``None`` for the default.
    """
    channel_of = finder(channels)

    def deliver(job: Job, context: JobContext) -> JobOutcome:
        return Attempt(hub, channel_of, delivery_of(job), context, policy_of).run()

    def open_received(job: Job, context: JobContext) -> JobOutcome:
        message_id = from_json(job.payload, _MessagePayload).message
        message = hub.store.read(lambda view: view.message(message_id))
        if message is not None and message.state is MessageState.RECEIVED:
            channel_of(message.protocol).open_received(message)
        return context.finish()

    def answer(job: Job, context: JobContext) -> JobOutcome:
        message_id = from_json(job.payload, _MessagePayload).message
        message, answer = hub.store.read(lambda view: (view.message(message_id), view.answer(message_id)))
        if message is None or answer is None or not answer.return_to:
            return context.finish()
        facts = {"protocol_id": message.protocol_id, "positive": answer.positive}
        try:
            channel_of(message.protocol).send_answer(message, answer)
        except Lost:
            raise
        except EcluseError as error:
            failed = {**facts, **_why(error)}
            return context.retry(
                error,
                lambda tx: hub.event(tx, "answer.retried", message_id, failed),
                policy=policy_of(message),
            )
        return context.finish(lambda tx: hub.event(tx, "answer.sent", message_id, facts))

    return {"deliver": deliver, "deposit": deliver, "open": open_received, "answer": answer}


def finder(channels: Mapping[str, Channel]) -> Callable[[str], Channel]:
    """Gives a channel by the name of a delivery's; raises :class:`NoChannel`."""

    def channel_of(name: str) -> Channel:
        channel = channels.get(name.partition(":")[0])
        if channel is None:
            raise NoChannel(f"There is no channel {name} here.")
        return channel

    return channel_of


def delivery_of(job: Job) -> DeliveryId:
    """Which delivery a job does."""
    return from_json(job.payload, _DeliveryPayload).delivery


class Attempt:
    """One attempt at one delivery.

    Attributes:
        id: Which.
    """

    def __init__(
        self,
        hub: Hub,
        channel_of: Callable[[str], Channel],
        delivery_id: DeliveryId,
        context: JobContext,
        policy_of: Callable[[Message], RetryPolicy | None],
    ) -> None:
        """Nothing happens before :meth:`run`."""
        self._hub = hub
        self._channel_of = channel_of
        self.id = delivery_id
        self._context = context
        self._policy_of = policy_of

    def run(self) -> JobOutcome:
        """Seal if that was not done yet, attempt, and record how it ended."""
        hub = self._hub
        delivery, message = hub.store.read(self.load)
        if delivery is None or message is None or delivery.state in OVER:
            return self._context.finish(self._still_over)
        try:
            channel = self._channel_of(delivery.channel)
            if message.direction is Direction.OUT and not message.wire_blob:
                message = self._seal(channel, message)
            delivery = hub.store.write(self._begin)
            if delivery is None:
                return self._context.finish(self._still_over)
            outbound = message.direction is Direction.OUT and message.wire_blob
            sealed = hub.blob(message.wire_blob) if outbound else nullcontext[VaultReader | None](None)
            with sealed as reader:
                outcome = channel.deliver(message, delivery, reader)
        except Lost:
            raise
        except EcluseError as error:
            return self._failed(error, message)
        attempt = delivery.attempts
        return self._context.finish(lambda tx: self._record(tx, outcome, attempt))

    def deposited(self, outcome: Confirmed) -> Callable[[], JobOutcome]:
        """Record, without waiting, an attempt that is over: its begin and its end in one transaction.

        For places of our own, where an attempt that was cut and forgotten leaves nothing but what the next one finds.

        Returns:
            Waits, and gives or raises what :meth:`run` does.
        """
        return self._context.begin_finish(lambda tx: self.record_deposited(tx, outcome))

    def record_deposited(self, tx: Tx, outcome: Confirmed) -> None:
        """The same in a transaction of the caller's, which ends the job."""
        begun = self._begun(tx)
        if begun is not None:
            record_receipt(self._hub, tx, begun, outcome.receipt, positive=True)

    def load(self, view: View) -> tuple[Delivery | None, Message | None]:
        """The delivery and its message."""
        delivery = view.delivery(self.id)
        return delivery, view.message(delivery.message) if delivery else None

    def _seal(self, channel: Channel, message: Message) -> Message:
        hub = self._hub
        writer = hub.vault.create()
        try:
            sealed = channel.seal(message, hub.documents(message), writer.write)
            if sealed is None:
                writer.abort()
                return message
            kept = writer.finish()
        except BaseException:
            writer.abort()
            raise

        def work(tx: Tx) -> Message:
            current = tx.message(message.id)
            assert current is not None, "a message is never deleted while it is delivered"
            if current.wire_blob or current.state is MessageState.GIVEN_UP:
                return current
            check_move(current.state, MessageState.SEALED)
            after = msgspec.structs.replace(
                current,
                state=MessageState.SEALED,
                updated=hub.clock(),
                wire=sealed.wire,
                wire_blob=kept.row.id,
            )
            tx.add_blob(kept.row, kept.wrapped_key)
            tx.update_message(after)
            facts = {"wire_sha256": kept.row.sha256.hex(), "wire_size": kept.row.size, **sealed.facts}
            hub.event(tx, "message.sealed", message.id, facts)
            return after

        after = hub.store.write(work)
        if after.wire_blob != kept.row.id:
            hub.vault.discard(kept)
        return after

    def _still_over(self, tx: Tx) -> None:
        # A person who has it sent again leaves a running job alone: then this one must not end.
        delivery = tx.delivery(self.id)
        if delivery is not None and delivery.state is DeliveryState.WAITING:
            raise Woken(f"Delivery {self.id} was over, and is to be sent again.")

    def _begin(self, tx: Tx) -> Delivery | None:
        begun = self._begun(tx)
        if begun is not None:
            tx.update_delivery(begun)
        return begun

    def _begun(self, tx: Tx) -> Delivery | None:
        """The delivery as an attempt's begin leaves it, with the event; ``None`` where it is over."""
        delivery = tx.delivery(self.id)
        assert delivery is not None, "a delivery is never deleted while its job is there"
        if delivery.state in OVER:
            return None
        check_move(delivery.state, DeliveryState.SENDING)
        begun = msgspec.structs.replace(
            delivery, state=DeliveryState.SENDING, attempts=delivery.attempts + 1, updated=self._hub.clock()
        )
        facts = {"delivery": begun.id, "channel": begun.channel, "attempt": begun.attempts}
        self._hub.event(tx, "delivery.attempted", begun.message, facts)
        return begun

    def _record(self, tx: Tx, outcome: Outcome, attempt: int) -> None:
        delivery = tx.delivery(self.id)
        assert delivery is not None, "a delivery is never deleted while its job is there"
        if isinstance(outcome, Awaiting):
            if delivery.state not in _UNDER_WAY or delivery.attempts != attempt:
                return  # the receipt was faster than the end of our own request, or a person gave it up
            now = self._hub.clock()
            tx.update_delivery(
                msgspec.structs.replace(
                    delivery,
                    state=DeliveryState.SENT,
                    updated=now,
                    receipt_due=outcome.due,
                    reason_code="",
                    reason="",
                )
            )
            facts = {"delivery": delivery.id, "channel": delivery.channel, "receipt_due": outcome.due}
            self._hub.event(tx, "delivery.sent", delivery.message, facts, at=now)
        elif isinstance(outcome, Confirmed):
            record_receipt(self._hub, tx, delivery, outcome.receipt, positive=True)
        else:
            record_receipt(
                self._hub,
                tx,
                delivery,
                outcome.receipt,
                positive=False,
                code=outcome.code,
                reason=outcome.reason,
            )

    def _failed(self, error: EcluseError, message: Message) -> JobOutcome:
        """Record a failed attempt: due again by its fault class, or dead when the attempts ran out."""

        def record(state: DeliveryState, kind: str) -> Callable[[Tx], None]:
            return lambda tx: record_failure(self._hub, tx, self.id, state, kind, error)

        return self._context.retry(
            error,
            record(DeliveryState.WAITING, "delivery.retried"),
            dead=record(DeliveryState.DEAD, "delivery.dead"),
            policy=self._policy_of(message),
        )


def buried(hub: Hub) -> Callable[[Tx, Job, EcluseError], None]:
    """What the runner tells of a job that became dead without its handler's doing."""

    def note(tx: Tx, job: Job, error: EcluseError) -> None:
        if job.kind in DELIVERY_KINDS:
            record_failure(hub, tx, delivery_of(job), DeliveryState.DEAD, "delivery.dead", error)
        elif job.kind in ("open", "answer"):
            message = tx.message(from_json(job.payload, _MessagePayload).message)
            if message is None:
                return
            if job.kind == "answer":
                hub.event(tx, "answer.dead", message.id, _why(error))
            elif message.state is MessageState.RECEIVED:
                _quarantine_unopened(hub, tx, message, error)

    return note


def _why(error: EcluseError) -> dict[str, str]:
    return {"reason": error.code, "fault": error.fault.value}


def _quarantine_unopened(hub: Hub, tx: Tx, message: Message, error: EcluseError) -> None:
    """The partner was told that we have it: it must not lie where nobody looks."""
    check_move(message.state, MessageState.QUARANTINED)
    message = msgspec.structs.replace(
        message,
        state=MessageState.QUARANTINED,
        updated=hub.clock(),
        reason_code=error.code,
        reason=f"It could not be opened: {error.cause}",
    )
    tx.update_message(message)
    facts = {**_why(error), "opened": False}
    hub.event(tx, "message.quarantined", message.id, facts)
    hub.settled(tx, message)


def record_failure(
    hub: Hub, tx: Tx, delivery_id: DeliveryId, state: DeliveryState, kind: str, error: EcluseError
) -> None:
    """Move a delivery to the state that a failed attempt leaves it in, with its event, unless it is over."""
    delivery = tx.delivery(delivery_id)
    if delivery is None or delivery.state in OVER or delivery.state is DeliveryState.DEAD:
        return
    check_move(delivery.state, state)
    reason = f"{error.cause} {error.remedy}"
    delivery = msgspec.structs.replace(
        delivery, state=state, updated=hub.clock(), reason_code=error.code, reason=reason
    )
    tx.update_delivery(delivery)
    facts = {
        "delivery": delivery.id,
        "channel": delivery.channel,
        "attempt": delivery.attempts,
        **_why(error),
    }
    hub.event(tx, kind, delivery.message, facts)
    if state is DeliveryState.DEAD:
        settle_message(hub, tx, delivery.message)
        wake_next(hub, tx, delivery)
