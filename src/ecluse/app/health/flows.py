"""Whether flows run, and whether what they expect has come."""

from __future__ import annotations

from collections.abc import Iterator

from ecluse.app.health.finding import Finding, ok, warning
from ecluse.app.node import Node
from ecluse.exchange.flows.expect import standings
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.flows.state import is_paused, last_run
from ecluse.model.basics import iso
from ecluse.model.calendars import local
from ecluse.model.states import DeliveryState
from ecluse.store.port import View

__all__ = ["flows"]


def flows(node: Node) -> Iterator[Finding]:
    """Runs that fail, what did not come today, and what waits for a flow that is paused."""
    plans = list(node.hub.flows().plans.values())
    if not plans:
        return
    found = node.store.read(lambda view: [finding for plan in plans for finding in _of(node, view, plan)])
    yield from found
    if not found:
        yield ok(
            "flows",
            f"{len(plans)} {'flow' if len(plans) == 1 else 'flows'}: none fails, and nothing is missing.",
        )


def _of(node: Node, view: View, plan: FlowPlan) -> Iterator[Finding]:
    run = last_run(view, plan.id)
    paused = is_paused(view, plan)
    if run is not None and run.failures and not paused:
        yield warning(
            "flows",
            f"The flow {plan.id} has failed {run.failures} times since {iso(run.since)}: {run.cause}",
            f"Look with `ecluse flow show {plan.id}`; try it with `ecluse flow run {plan.id}`.",
        )
    if paused:
        waiting = view.flow_counts().get((plan.id, DeliveryState.WAITING), 0)
        if waiting:
            yield warning(
                "flows",
                f"The flow {plan.id} is paused, and {waiting} deliveries wait for it.",
                f"Let it go on with `ecluse flow resume {plan.id}`, or in its file.",
            )
        return
    now = node.hub.clock()
    for expected, standing in zip(plan.expected, standings(view, plan, now), strict=True):
        last = standing.last
        today = local(now, expected.deadline.zone).date().isoformat()
        if last is not None and last.state == "missed" and last.day == today:
            yield warning(
                "flows",
                f"{standing.name} did not come by {standing.by}: {standing.count} of {standing.at_least}.",
                f"Ask who should have sent it; look with `ecluse flow show {plan.id}`.",
            )
