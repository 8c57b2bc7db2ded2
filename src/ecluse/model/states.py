"""The life of a message and of a delivery, as tables.

A message is one document on its way, once. Inbound: a partner's bytes are ``received`` when they are
durable but not yet opened (an asynchronous receipt was asked for), ``accepted`` when they were opened,
checked and kept, then ``delivered`` when the application has them. What is refused is ``rejected`` (its
protocol id may come again); what a person must look at is ``quarantined`` and can be released or given up;
what could not be opened in the end is quarantined too, and ``received`` again once it is released.

Outbound: ``accepted`` from the application, ``sealed`` when its exact bytes were built (once; again only where the
partner's own receipt refuses these for the sake of a key), ``delivered`` when every delivery is confirmed, ``failed``
while a delivery is dead or refused, ``given-up`` by a person.

A delivery is one message to one channel. ``sent`` means that the bytes were taken and the receipt of record
is still to come; ``overdue`` that it did not come in time (a late one still counts); ``dead`` that the
attempts ran out; ``refused`` that the other side said no. None of these loses the payload. A delivery that a flow
relays is ``sent`` while the messages that were made for it are under way, and then is what they are; they may be
sent again by themselves, and it with them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = ["DELIVERY_MOVES", "MESSAGE_MOVES", "DeliveryState", "IllegalMove", "MessageState", "check_move"]


class MessageState(StrEnum):
    """Where a message is in its life."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    SEALED = "sealed"
    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given-up"


class DeliveryState(StrEnum):
    """Where one message to one channel is."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    OVERDUE = "overdue"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    DEAD = "dead"
    GIVEN_UP = "given-up"


_M, _D = MessageState, DeliveryState

MESSAGE_MOVES: Final[dict[MessageState, frozenset[MessageState]]] = {
    _M.RECEIVED: frozenset({_M.ACCEPTED, _M.QUARANTINED, _M.REJECTED}),
    _M.ACCEPTED: frozenset({_M.SEALED, _M.DELIVERED, _M.FAILED, _M.QUARANTINED, _M.GIVEN_UP}),
    _M.QUARANTINED: frozenset({_M.RECEIVED, _M.ACCEPTED, _M.GIVEN_UP}),
    _M.REJECTED: frozenset(),
    _M.SEALED: frozenset({_M.ACCEPTED, _M.DELIVERED, _M.FAILED, _M.GIVEN_UP}),
    _M.DELIVERED: frozenset({_M.ACCEPTED, _M.SEALED}),
    _M.FAILED: frozenset({_M.ACCEPTED, _M.SEALED, _M.DELIVERED, _M.QUARANTINED, _M.GIVEN_UP}),
    _M.GIVEN_UP: frozenset({_M.ACCEPTED, _M.SEALED, _M.DELIVERED}),
}

DELIVERY_MOVES: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    _D.WAITING: frozenset({_D.SENDING, _D.SENT, _D.CONFIRMED, _D.REFUSED, _D.DEAD, _D.GIVEN_UP}),
    _D.SENDING: frozenset({_D.WAITING, _D.SENT, _D.CONFIRMED, _D.REFUSED, _D.DEAD, _D.GIVEN_UP}),
    _D.SENT: frozenset({_D.WAITING, _D.CONFIRMED, _D.REFUSED, _D.DEAD, _D.OVERDUE, _D.GIVEN_UP}),
    _D.OVERDUE: frozenset({_D.WAITING, _D.CONFIRMED, _D.REFUSED, _D.DEAD, _D.GIVEN_UP}),
    _D.CONFIRMED: frozenset({_D.WAITING, _D.SENT}),
    _D.REFUSED: frozenset({_D.WAITING, _D.SENT, _D.CONFIRMED, _D.DEAD, _D.GIVEN_UP}),
    _D.DEAD: frozenset({_D.WAITING, _D.SENT, _D.CONFIRMED, _D.REFUSED, _D.GIVEN_UP}),
    _D.GIVEN_UP: frozenset({_D.WAITING, _D.SENT, _D.CONFIRMED}),
}


class IllegalMove(EcluseError):
    """A state can't follow another."""

    code = "model.illegal-move"
    fault = Fault.USAGE
    remedy = "Look at the message with `ecluse message trace`, and choose an action that its state allows."


def check_move(before: MessageState | DeliveryState, after: MessageState | DeliveryState) -> None:
    """Raise :class:`IllegalMove` unless the tables allow ``before`` → ``after`` (staying put is allowed)."""
    if before == after:
        return
    if isinstance(before, MessageState) and isinstance(after, MessageState):
        allowed = after in MESSAGE_MOVES[before]
    elif isinstance(before, DeliveryState) and isinstance(after, DeliveryState):
        allowed = after in DELIVERY_MOVES[before]
    else:
        allowed = False
    if not allowed:
        raise IllegalMove(f"What is {before.value} can't become {after.value}.")
