"""DELIVER of many documents to the application's folder at once: one wait for the disk, one commit for their ends.

Each keeps its own job, fence, events and receipt; what they share are the waits, and the statements that read and
record them. All else of the hub's own places is delivered one by one, and so is the end of those that can't end
together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, cast

from ecluse.engine.context import JobContext, Together, finish_together
from ecluse.engine.context import Outcome as JobOutcome
from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError
from ecluse.exchange.deliver import OVER, Attempt, delivery_of, finder
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Channel, Confirmed, Outcome
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery, Message
from ecluse.store.port import Tx, View

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

        def look(view: View) -> list[tuple[Delivery | None, Message | None]]:
            view.about([attempt.id for attempt in attempts])
            return [attempt.load(view) for attempt in attempts]

        inward: dict[int, Message] = {}
        for number, (delivery, message) in enumerate(hub.store.read(look)):
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
                outcomes = inbox.deposit(list(inward.values()), again)
                done = {
                    number: outcome
                    for number, outcome in zip(inward, outcomes, strict=True)
                    if isinstance(outcome, Confirmed)
                }
                ended = dict(
                    zip(done, _recorded([(contexts[n], attempts[n], done[n]) for n in done]), strict=True)
                )
                ends = [ended.get(number, end) for number, end in enumerate(ends)]
        return ends

    return begin


def _recorded(done: Sequence[tuple[JobContext, Attempt, Confirmed]]) -> list[Callable[[], JobOutcome]]:
    """Record attempts that are over, in one transaction; where that is refused, each in its own."""

    def work(tx: Tx) -> None:
        tx.about([attempt.id for _, attempt, _ in done])
        for _, attempt, outcome in done:
            attempt.record_deposited(tx, outcome)

    ends = finish_together([context for context, _, _ in done], work) if done else []

    def either(
        end: Callable[[], JobOutcome], attempt: Attempt, outcome: Confirmed
    ) -> Callable[[], JobOutcome]:
        def wait() -> JobOutcome:
            try:
                return end()
            except EcluseError:
                return attempt.deposited(outcome)()

        return wait

    return [either(end, attempt, outcome) for end, (_, attempt, outcome) in zip(ends, done, strict=True)]
