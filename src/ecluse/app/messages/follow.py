"""Following a message until all of its deliveries are confirmed, or one needs a person."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ecluse.app.node import Node
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import View

__all__ = ["End", "Progress", "follow"]

_LOOK_EVERY: Final = 0.1
"""Seconds between two looks at a message that is followed; a receipt takes a network's round trip at least."""
_SILENT_NODE: Final = 30
"""Seconds without a heartbeat after which a node is taken for stopped; it beats every seven."""

_RESEND: Final = "`ecluse message resend {id} --reason ...`"
_AGAIN: Final = f"Once that is mended: {_RESEND}; or for good: `ecluse message give-up {{id}} --reason ...`."
_REMEDIES: Final = {
    DeliveryState.REFUSED: _AGAIN,
    DeliveryState.DEAD: _AGAIN,
    DeliveryState.OVERDUE: f"Ask the partner; the same message may go again safely: {_RESEND}.",
    DeliveryState.GIVEN_UP: f"If it is to go after all: {_RESEND}.",
}

_ENDED: Final = frozenset(
    {
        DeliveryState.CONFIRMED,
        DeliveryState.REFUSED,
        DeliveryState.DEAD,
        DeliveryState.OVERDUE,
        DeliveryState.GIVEN_UP,
    }
)


_RANK: Final = {
    DeliveryState.WAITING: 1,
    DeliveryState.SENDING: 1,
    DeliveryState.SENT: 1,
    DeliveryState.CONFIRMED: 2,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """A change of state, as it is seen.

    Attributes:
        after: Seconds since the following began.
        state: The delivery's state.
        text: One sentence.
    """

    after: float
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """How following ended.

    Attributes:
        confirmed: The other side's receipt confirms it.
        message: The message's state.
        delivery: The delivery's state.
        attempts: How many there were.
        code: Why it is not confirmed.
        text: The same in one sentence, and how it is mended.
        remedy: What to do next; empty where it is confirmed.
    """

    confirmed: bool
    message: MessageState
    delivery: DeliveryState
    attempts: int
    code: str
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "confirmed": self.confirmed,
            "state": self.message.value,
            "delivery": self.delivery.value,
            "attempts": self.attempts,
            "reason_code": self.code,
            "reason": self.text,
            "remedy": self.remedy,
        }


def follow(node: Node, id: MessageId, patience: float, tell: Callable[[Progress], None]) -> End:
    """Follow a message until it is confirmed, needs a person, or ``patience`` (seconds) is over."""
    begun = time.monotonic()
    seen: tuple[str, int, str] | None = None

    def look(view: View) -> tuple[Message | None, list[Delivery]]:
        return view.message(id), view.deliveries(id)

    while True:
        message, deliveries = node.store.read(look)
        assert message is not None, "a message that was kept stays"
        # Of several, first what needs a person, then what is still under way.
        delivery = min(deliveries, key=lambda each: _RANK.get(each.state, 0))
        over = time.monotonic() - begun >= patience
        now = (delivery.state.value, delivery.attempts, delivery.reason)
        if now != seen:
            seen = now
            tell(Progress(time.monotonic() - begun, delivery.state.value, _sentence(delivery)))
        if delivery.state in _ENDED or over:
            return _end(node, message, delivery, patience)
        time.sleep(_LOOK_EVERY)


def _sentence(delivery: Delivery) -> str:
    attempt = f", attempt {delivery.attempts}" if delivery.attempts > 1 else ""
    text = {
        DeliveryState.WAITING: "waits to be delivered",
        DeliveryState.SENDING: f"is being sent{attempt}",
        DeliveryState.SENT: "was taken; its receipt is still to come",
        DeliveryState.OVERDUE: "was taken, and its receipt is overdue",
        DeliveryState.CONFIRMED: "is confirmed by the partner's receipt",
        DeliveryState.REFUSED: "was refused",
        DeliveryState.DEAD: "could not be delivered",
        DeliveryState.GIVEN_UP: "was given up",
    }[delivery.state]
    return f"{text}: {delivery.reason}" if delivery.reason else text


def _end(node: Node, message: Message, delivery: Delivery, patience: float) -> End:
    confirmed = delivery.state is DeliveryState.CONFIRMED
    code, text = delivery.reason_code, delivery.reason
    remedy = _REMEDIES.get(delivery.state, "" if confirmed else "Look again: `ecluse message trace {id}`.")
    if delivery.state not in _ENDED:
        code, text = (
            "send.timeout",
            f"It {_sentence(delivery).rstrip('.')}; {patience:g} s are over, and the hub goes on.",
        )
        if not _serving(node):
            code, text = "send.not-served", "No node serves this hub."
            remedy = "Start one with `ecluse serve`: it delivers what waits."
    elif not confirmed and not text:
        text = f"It {_sentence(delivery)}."
    return End(
        confirmed, message.state, delivery.state, delivery.attempts, code, text, remedy.format(id=message.id)
    )


def _serving(node: Node) -> bool:
    """Whether some node has shown a sign of life lately."""
    now = node.hub.clock()
    beats = node.store.read(lambda view: view.nodes())
    return any(now - at < _SILENT_NODE * 1_000_000 for _, at in beats)
