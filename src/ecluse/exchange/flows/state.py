"""What is kept of a flow beside its file: who paused it and why, how its last run ended.

Each fact is a setting of its own with one writer: a pause never writes over the end of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.hub import Hub
from ecluse.exchange.route import delivery_job
from ecluse.model.basics import DeliveryId, Instant
from ecluse.model.states import DeliveryState
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = [
    "HELD",
    "LastRun",
    "Paused",
    "WhyHeld",
    "is_paused",
    "last_run",
    "pause",
    "paused",
    "resume",
    "wake",
]

_PAGE: Final = 200


class WhyHeld:
    """Why a delivery waits without a job, and that a person let it go on: codes in its reason."""

    PAUSED = "flow.paused"
    IN_ORDER = "flow.in-order"
    DUPLICATE = "flow.duplicate"
    RELEASED = "flow.released"


HELD: Final = frozenset((WhyHeld.PAUSED, WhyHeld.IN_ORDER, WhyHeld.RELEASED))
"""Deliveries that go on by themselves once nothing holds them."""


class Paused(msgspec.Struct, frozen=True):
    """A flow that a person paused.

    Attributes:
        actor: Who.
        at: When.
        reason: Why.
    """

    actor: str
    at: Instant
    reason: str


class LastRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the last run of a flow that collects ended.

    Attributes:
        began: When it began.
        ended: When it ended.
        node: Where it ran.
        seen: Files that were looked at.
        kept: Documents that became messages.
        repeated: Files that were kept before, and got what happens to them afterwards.
        left: Files that the flow does not take, or does not take yet.
        failed: Files that could not be taken.
        error: Code of what ended it, or of the first file that failed; empty where all went well.
        cause: The same in a sentence.
        failures: Runs in a row that ended with an error.
        since: When the first of those ended.
        waiting: Files that it does not take yet.
        looks: Runs in a row that saw files change.
    """

    began: Instant
    ended: Instant
    node: str = ""
    seen: int = 0
    kept: int = 0
    repeated: int = 0
    left: int = 0
    failed: int = 0
    error: str = ""
    cause: str = ""
    failures: int = 0
    since: Instant = Instant(0)
    waiting: int = 0
    looks: int = 0


def paused(view: View, id: str) -> Paused | None:
    """Who paused a flow by command; ``None`` where nobody did."""
    raw = view.setting(f"flow.{id}.paused")
    return from_json(raw, Paused) if raw else None


def is_paused(view: View, plan: FlowPlan) -> bool:
    """Whether a flow is paused, by its file or by command."""
    return plan.settings.state == "paused" or paused(view, plan.id) is not None


def last_run(view: View, id: str) -> LastRun | None:
    """How a flow's last run ended; ``None`` where it never ran."""
    raw = view.setting(f"flow.{id}.run")
    return from_json(raw, LastRun) if raw else None


def put_last_run(tx: Tx, id: str, run: LastRun) -> None:
    """Remember how a run ended."""
    tx.put_setting(f"flow.{id}.run", msgspec.json.encode(run))


def pause(hub: Hub, id: str, *, actor: str, reason: str) -> Paused:
    """Let a flow take nothing and send nothing on; what comes for it waits."""
    now = hub.clock()
    state = Paused(actor, now, reason)

    def work(tx: Tx) -> None:
        tx.put_setting(f"flow.{id}.paused", msgspec.json.encode(state))
        hub.event(tx, "flow.paused", f"flow:{id}", {"reason": reason}, actor=actor, at=now)

    hub.store.write(work)
    return state


def resume(hub: Hub, id: str, *, actor: str, reason: str) -> int:
    """Let a flow go on; give the number of deliveries that waited for it."""

    def work(tx: Tx) -> None:
        tx.put_setting(f"flow.{id}.paused", b"")
        hub.event(tx, "flow.resumed", f"flow:{id}", {"reason": reason}, actor=actor)

    hub.store.write(work)
    return wake(hub, id)


def wake(hub: Hub, id: str) -> int:
    """Have the deliveries of a flow looked at again that were held; give their number.

    Those that something holds still are held again.
    """
    woken = 0
    after = DeliveryId("")
    more = True
    while more:
        page = hub.store.read(lambda view, after=after: view.waiting(id, after, _PAGE))  # type: ignore[misc]
        more = len(page) == _PAGE
        after = page[-1].id if page else after
        held = [each.id for each in page if each.reason_code in HELD]
        if held:
            woken += hub.store.write(wake_deliveries(hub, held))
    return woken


def wake_deliveries(hub: Hub, ids: Sequence[DeliveryId]) -> Callable[[Tx], int]:
    """The unit of work that has deliveries looked at again; it gives their number.

    Their rows are read in the transaction that wakes them: a job that is about to hold one has either done so, or
    sees what let it go.
    """

    def work(tx: Tx) -> int:
        now = hub.clock()
        count = 0
        for id in ids:
            delivery = tx.delivery(id)
            if (
                delivery is not None
                and delivery.state is DeliveryState.WAITING
                and delivery.reason_code in HELD
            ):
                count += tx.wake_job(delivery_job(delivery, now).key, now)
        return count

    return work
