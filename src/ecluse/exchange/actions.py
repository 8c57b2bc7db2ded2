"""What a person may decide about a message: release, resend, resume, give up. Each needs a reason, and is an
event with who and why. None of them loses a payload.

What a person decides about a message that flows made others of holds for those too; what is decided about one of
these alone is that one's, and the delivery that it carries out follows.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.state import WhyHeld
from ecluse.exchange.hub import Hub
from ecluse.exchange.route import assigned, delivery_job, message_job, route_inbound
from ecluse.exchange.settle import brood, settle_message, settle_origin, wake_next
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery, Job, JobState, Message
from ecluse.model.states import DeliveryState, MessageState, check_move
from ecluse.store.port import Tx

__all__ = ["NoSuchMessage", "NotNow", "give_up", "release", "resend", "resume"]

_ENDED: Final = frozenset({DeliveryState.CONFIRMED, DeliveryState.GIVEN_UP})
_STOPPED: Final = frozenset({MessageState.DELIVERED, MessageState.REJECTED, MessageState.GIVEN_UP})
_UNDER_WAY: Final = frozenset({DeliveryState.WAITING, DeliveryState.SENDING})


class NoSuchMessage(EcluseError):
    """No message has that id."""

    code = "exchange.no-such-message"
    fault = Fault.USAGE
    remedy = "Find its id with `ecluse message list --search`."


class NotNow(EcluseError):
    """The message's state does not allow the action."""

    code = "exchange.not-now"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse message trace`, and choose an action that fits."


def _get(tx: Tx, id: MessageId) -> Message:
    message = tx.message(id)
    if message is None:
        raise NoSuchMessage(f"There is no message {id}.")
    return message


def release(hub: Hub, id: MessageId, *, actor: str, reason: str) -> Message:
    """Let a quarantined message through to the application or its flows; have it opened first where that failed.

    Raises:
        NoSuchMessage: There is none.
        NotNow: It is not in quarantine.
    """

    def work(tx: Tx) -> Message:
        message = _get(tx, id)
        if message.state is not MessageState.QUARANTINED:
            raise NotNow(f"{id} is {message.state.value}, not quarantined.")
        unopened = bool(message.wire_blob and not message.parts)
        state = MessageState.RECEIVED if unopened else MessageState.ACCEPTED
        check_move(message.state, state)
        after = msgspec.structs.replace(message, state=state, updated=hub.clock(), reason_code="", reason="")
        tx.update_message(after)
        hub.event(tx, "message.released", id, {"reason": reason, "was": message.reason_code}, actor=actor)
        hub.event(tx, f"message.{state.value}", id, {"released": True}, actor=actor)
        held = tx.deliveries(id)
        if unopened:
            _wake(tx, message_job("open", after))
        elif held:
            for delivery in held:
                _let_pass(hub, tx, delivery, message.reason_code)
        else:
            after = assigned(hub, after)
            tx.update_message(after)
            route_inbound(hub, tx, after)
        return after

    return hub.store.write(work)


def _let_pass(hub: Hub, tx: Tx, delivery: Delivery, was: str) -> None:
    """What a flow held for a person goes on, and is not held for the same reason again."""
    if delivery.state is not DeliveryState.WAITING:
        return
    now = hub.clock()
    if delivery.reason_code == was:
        tx.update_delivery(
            msgspec.structs.replace(
                delivery, updated=now, reason_code=WhyHeld.RELEASED, reason="A person released it."
            )
        )
    _wake(tx, delivery_job(delivery, now))


def resend(hub: Hub, id: MessageId, *, actor: str, reason: str, force: bool = False) -> list[Delivery]:
    """Try again what is dead, refused, overdue or given up: the same bytes under the same id.

    Of a message that flows made others of, those are sent again; they are not made a second time. Of
    an inbound message, an answer that could not be sent is tried again too.

    Args:
        hub: What the chamber shares.
        id: Which message.
        actor: Who asks.
        reason: Why.
        force: Also what is confirmed, or waits for a receipt that is not overdue.

    Returns:
        The deliveries that are under way again.

    Raises:
        NoSuchMessage: There is none.
        NotNow: Nothing of it can be sent again.
    """

    def work(tx: Tx) -> list[Delivery]:
        message = _get(tx, id)
        if message.shredded:
            raise NotNow(f"The bytes of {id} were deleted at the end of their retention.")
        again = _again(hub, tx, id, force=force)
        answer = _wake_answer(tx, message)
        if not again and not answer:
            raise NotNow(f"Nothing of {id} ({message.state.value}) waits for a person.")
        facts = {"reason": reason, "deliveries": [delivery.id for delivery in again], "answer": answer}
        hub.event(tx, "message.resent", id, facts, actor=actor)
        for each in dict.fromkeys(delivery.message for delivery in again):
            settle_message(hub, tx, each)
        return again

    return hub.store.write(work)


def _again(hub: Hub, tx: Tx, id: MessageId, *, force: bool) -> list[Delivery]:
    again = []
    for delivery in tx.deliveries(id):
        children = brood(tx, delivery)
        if children:
            for child in children:
                again += _again(hub, tx, child.id, force=force)
            continue
        held_back = delivery.state in (DeliveryState.CONFIRMED, DeliveryState.SENT)
        if delivery.state in _UNDER_WAY or (held_back and not force):
            continue
        again.append(_wait_again(hub, tx, delivery))
    return again


def resume(hub: Hub, id: MessageId, *, actor: str, reason: str) -> list[Delivery]:
    """Attempt at once what waits for its next attempt.

    Returns:
        The deliveries that waited.

    Raises:
        NoSuchMessage: There is none.
        NotNow: Nothing of it waits.
    """

    def work(tx: Tx) -> list[Delivery]:
        message = _get(tx, id)
        waiting = _waiting(tx, id)
        if not waiting:
            raise NotNow(f"Nothing of {id} ({message.state.value}) waits for its next attempt.")
        now = hub.clock()
        for delivery in waiting:
            _wake(tx, delivery_job(delivery, now))
        facts = {"reason": reason, "deliveries": [delivery.id for delivery in waiting]}
        hub.event(tx, "message.resumed", id, facts, actor=actor)
        return waiting

    return hub.store.write(work)


def _waiting(tx: Tx, id: MessageId) -> list[Delivery]:
    waiting = []
    for delivery in tx.deliveries(id):
        if delivery.state is DeliveryState.WAITING:
            waiting.append(delivery)
        else:
            waiting += [each for child in brood(tx, delivery) for each in _waiting(tx, child.id)]
    return waiting


def _wake(tx: Tx, job: Job) -> None:
    if not tx.wake_job(job.key, job.due):
        tx.add_job(job)


def _wake_answer(tx: Tx, message: Message) -> bool:
    job = tx.job(message_job("answer", message).key)
    if job is None or job.state is not JobState.DEAD:
        return False
    return tx.wake_job(job.key, job.due)


def _wait_again(hub: Hub, tx: Tx, delivery: Delivery) -> Delivery:
    check_move(delivery.state, DeliveryState.WAITING)
    now = hub.clock()
    waiting = msgspec.structs.replace(
        delivery, state=DeliveryState.WAITING, updated=now, receipt_due=None, reason_code="", reason=""
    )
    tx.update_delivery(waiting)
    _wake(tx, delivery_job(waiting, now))
    return waiting


def give_up(hub: Hub, id: MessageId, *, actor: str, reason: str) -> Message:
    """Stop trying. The payload stays, and a late receipt still counts.

    Raises:
        NoSuchMessage: There is none.
        NotNow: It is over already.
    """
    return hub.store.write(lambda tx: give_up_within(hub, tx, id, actor=actor, reason=reason))


def give_up_within(hub: Hub, tx: Tx, id: MessageId, *, actor: str, reason: str) -> Message:
    """The same in the caller's transaction."""
    message = _get(tx, id)
    after = _stop(hub, tx, message, actor=actor, reason=reason)
    # Of a message that a flow made, the delivery that it carries out ends with it.
    settle_origin(hub, tx, after)
    return after


def _stop(hub: Hub, tx: Tx, message: Message, *, actor: str, reason: str) -> Message:
    id = message.id
    if message.state in _STOPPED:
        raise NotNow(f"{id} is {message.state.value}: there is nothing to give up.")
    if message.state is MessageState.RECEIVED:
        raise NotNow(f"{id} is still being opened.")
    open_ones = [delivery for delivery in tx.deliveries(id) if delivery.state not in _ENDED]
    now = hub.clock()
    for delivery in open_ones:
        for child in brood(tx, delivery):
            if child.state not in _STOPPED:
                _stop(hub, tx, child, actor=actor, reason=reason)
        check_move(delivery.state, DeliveryState.GIVEN_UP)
        ended = msgspec.structs.replace(
            delivery,
            state=DeliveryState.GIVEN_UP,
            updated=now,
            receipt_due=None,
            reason_code="exchange.given-up",
            reason=reason,
        )
        tx.update_delivery(ended)
        wake_next(hub, tx, ended)
    check_move(message.state, MessageState.GIVEN_UP)
    after = msgspec.structs.replace(
        message,
        state=MessageState.GIVEN_UP,
        updated=now,
        reason_code="exchange.given-up",
        reason=reason,
    )
    tx.update_message(after)
    facts = {"reason": reason, "deliveries": [delivery.id for delivery in open_ones]}
    hub.event(tx, "message.given-up", id, facts, actor=actor, at=now)
    hub.settled(tx, after)
    return after
