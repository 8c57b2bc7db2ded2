"""DELIVER of many documents to the application's folder at once: one wait for the disk, one commit for their ends.

Each keeps its own job, fence, events and receipt; only the waits are shared. All else of the hub's own places is
delivered one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, cast

from ecluse.engine.context import JobContext, Together
from ecluse.engine.context import Outcome as JobOutcome
from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError
from ecluse.exchange.deliver import OVER, Attempt, delivery_of, finder
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Channel, Confirmed, Outcome
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Message

__all__ = ["deposits"]


class _Inbox(Protocol):
    """What the channel of the application's folder has besides."""

    def deposit(
        self, messages: Sequence[Message], again: Collection[MessageId]
    ) -> list[Outcome | EcluseError]: ...


def deposits(
    hub: Hub, channels: Mapping[str, Channel], policy_of: Callable[[Message], RetryPolicy | None]
) -> Together:
    """What does jobs of the kind ``deposit`` together.

    Args:
        hub: What the chamber shares.
        channels: As for :func:`ecluse.exchange.deliver.handlers`.
        policy_of: Likewise.
    """
    channel_of = finder(channels)

    def begin(contexts: Sequence[JobContext]) -> list[Callable[[], JobOutcome]]:
        attempts = [Attempt(hub, channel_of, delivery_of(each.job), each, policy_of) for each in contexts]
        found = hub.store.read(lambda view: [attempt.load(view) for attempt in attempts])
        inward: dict[int, Message] = {}
        for number, (delivery, message) in enumerate(found):
            if delivery is None or message is None or delivery.state in OVER:
                continue
            if hub.inbox and delivery.channel == hub.inbox:
                inward[number] = message
        ends: list[Callable[[], JobOutcome]] = [attempt.run for attempt in attempts]
        if inward:
            inbox = cast("_Inbox", channel_of(hub.inbox))
            # Nothing but the job's own count tells of an attempt that was cut.
            again = {message.id for number, message in inward.items() if contexts[number].job.attempts > 1}
            # What fails is tried once more by itself, and told of as ever.
            with contextlib.suppress(EcluseError):
                for number, outcome in zip(inward, inbox.deposit(list(inward.values()), again), strict=True):
                    if isinstance(outcome, Confirmed):
                        ends[number] = attempts[number].deposited(outcome)
        return ends

    return begin
