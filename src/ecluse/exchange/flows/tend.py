"""What time brings to flows: runs that are due, deliveries that need not wait any more, what should have come.

A flow that collects has one job (``collect:<flow>``), which is due again once it ended: one run at a time, on
whatever node. Whoever knows of an arrival makes it due at once. A place that is down is looked at less and less
often, and says so once, and once more when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ecluse.engine.context import Handler, JobContext, Outcome
from ecluse.errors import EcluseError
from ecluse.exchange.flows.collect import Collected, Collector
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.flows.state import (
    HELD,
    LastRun,
    WhyHeld,
    is_paused,
    last_run,
    put_last_run,
    wake_deliveries,
)
from ecluse.exchange.hub import Hub
from ecluse.exchange.settle import lets_pass
from ecluse.model.basics import DeliveryId, Instant
from ecluse.model.nouns import Delivery, Job, JobState
from ecluse.model.states import DeliveryState
from ecluse.store.port import Lost, StoreUnavailable, Tx, View
from ecluse.trust.settings.fields import seconds
from ecluse.typed import from_json

__all__ = ["MOST_WAIT", "ask", "collect_handler", "collect_key", "ended", "keep_running", "let_go_on"]

MOST_WAIT: Final = 15 * 60 * 1_000_000
"""Microseconds until a place that is down is looked at again, at most."""
LOOKS: Final = 60
"""Further looks that a run by timetable or command brings, as long as files change; then the next one sees them."""
_PAGE: Final = 500
_PAGES: Final = 20


def collect_key(id: str) -> str:
    """Key of the job that collects for a flow."""
    return f"collect:{id}"


def collect_handler(hub: Hub, collector: Collector) -> Handler:
    """The handler of ``collect`` jobs (from partners' servers) and ``gather`` jobs (from our own folders)."""

    def collect(job: Job, context: JobContext) -> Outcome:
        id = from_json(job.payload, dict[str, str])["flow"]
        plan = hub.flows().get(id)
        if plan is None or not plan.collects or hub.store.read(lambda view: is_paused(view, plan)):
            return context.finish()
        began = hub.clock()
        done, failed = Collected(), None

        def told(so_far: Collected, name: str) -> None:
            nonlocal done
            done = so_far

        def check() -> None:
            context.check()
            if context.stopping:
                raise Stopping("The node stops.")

        try:
            done = collector.run(plan, check=check, told=told)
        except (Lost, StoreUnavailable):
            raise
        except Stopping:
            pass
        except EcluseError as error:
            failed = error
        return context.finish(lambda tx: _record(hub, tx, plan, began, done, failed))

    return collect


def _record(
    hub: Hub, tx: Tx, plan: FlowPlan, began: Instant, done: Collected, failed: EcluseError | None
) -> None:
    ended(hub, tx, plan, began, done, failed)


class Stopping(EcluseError):
    """A run ends early because its node does."""

    code = "collect.stopping"
    remedy = "Do nothing: another node, or the next start, goes on."


def ended(
    hub: Hub, tx: Tx, plan: FlowPlan, began: Instant, done: Collected, failed: EcluseError | None
) -> LastRun:
    """Record how a run ended, with what of it is worth an event, and make the next one due."""
    now = hub.clock()
    before = last_run(tx, plan.id)
    error = failed or done.error
    failures = (before.failures if before else 0) + 1 if error else 0
    run = LastRun(
        began=began,
        ended=now,
        node=hub.node,
        seen=done.seen,
        kept=done.kept,
        repeated=done.repeated,
        left=done.left,
        waiting=done.waiting,
        failed=done.failed,
        error=error.code if error else "",
        cause=error.cause if error else "",
        failures=failures,
        since=(before.since if before and before.failures else now) if error else Instant(0),
        looks=(before.looks if before else 0) + 1 if done.unstable else 0,
    )
    put_last_run(tx, plan.id, run)
    subject = f"flow:{plan.id}"
    if done.kept or done.repeated:
        did = {"kept": done.kept, "repeated": done.repeated, "failed": done.failed, "octets": done.octets}
        hub.event(tx, "flow.collected", subject, did, at=now)
    if error and (before is None or before.error != error.code):
        why = {"reason": error.code, "fault": error.fault.value, "failed": done.failed}
        hub.event(tx, "flow.failed", subject, why, at=now)
    elif not error and before is not None and before.failures:
        hub.event(tx, "flow.recovered", subject, {"failures": before.failures, "since": before.since}, at=now)
    due = next_due(plan, run, now)
    if due is not None:
        tx.wake_job(collect_key(plan.id), due)
    return run


def next_due(plan: FlowPlan, run: LastRun, now: Instant) -> Instant | None:
    """When a flow runs next after a run; ``None`` where that is for a person to say."""
    source = plan.settings.from_
    again = Instant(now + max(plan.stable, 100_000)) if run.looks and run.looks <= LOOKS else None
    if plan.settings.trigger == "command":
        return again
    if plan.settings.trigger == "timetable":
        due = plan.timetable.next(now) if plan.timetable is not None else None
        return min((each for each in (again, due) if each is not None), default=None)
    every = int(seconds(source.every) * 1_000_000)
    if run.failures:
        every = max(every, min(every << min(run.failures, 20), MOST_WAIT))
    due = Instant(now + every)
    return min(due, again) if again is not None else due


def ask(hub: Hub, tx: Tx, plan: FlowPlan, due: Instant | None = None) -> None:
    """Have a flow run at once, or at ``due``: something arrived, or somebody asked."""
    due = hub.clock() if due is None else due
    job = tx.job(collect_key(plan.id))
    if job is None:
        tx.add_job(_job(plan, due))
    elif job.state is not JobState.DUE or job.due > due:
        tx.wake_job(job.key, due)


def _job(plan: FlowPlan, due: Instant) -> Job:
    payload = msgspec.json.encode({"flow": plan.id})
    # A lane of their own, so that many flows that collect leave workers for what else there is to do.
    kind = "gather" if plan.kind == "folder" else "collect"
    return Job(key=collect_key(plan.id), kind=kind, lane=f"{kind}:", payload=payload, due=due)


def keep_running(hub: Hub) -> None:
    """See that every flow that runs by itself has a job that is due: after a start, an apply, or a resume."""
    plans = [
        plan for plan in hub.flows().plans.values() if plan.collects and plan.settings.trigger != "command"
    ]
    if not plans:
        return
    now = hub.clock()

    def missing(view: View) -> list[tuple[FlowPlan, Instant]]:
        found = []
        for plan in plans:
            if is_paused(view, plan):
                continue
            job = view.job(collect_key(plan.id))
            due: Instant | None = now
            if plan.timetable is not None:
                due = plan.timetable.next(now)
            if due is None or (job is not None and job.state is JobState.RUNNING):
                continue
            if job is None or job.state is not JobState.DUE or job.due > max(due, now + _most(plan)):
                found.append((plan, due))
        return found

    todo = hub.store.read(missing)
    if not todo:
        return

    def work(tx: Tx) -> None:
        for plan, due in todo:
            if not tx.wake_job(collect_key(plan.id), due):
                tx.add_job(_job(plan, due))

    hub.store.write(work)


def _most(plan: FlowPlan) -> int:
    """Microseconds that a flow's job may be due ahead of now, where no timetable says."""
    return max(int(seconds(plan.settings.from_.every) * 1_000_000), MOST_WAIT)


def let_go_on(hub: Hub) -> int:
    """Wake deliveries that were held and that nothing holds any more; give their number.

    Whoever ends the reason wakes them; this is for what that misses: a flow that its file lets go on again.
    """
    woken = 0
    counts = hub.store.read(lambda view: view.flow_counts())
    for id in {flow for (flow, state), count in counts.items() if state is DeliveryState.WAITING and count}:
        plan = hub.flows().get(id)
        if plan is None:
            continue
        after = DeliveryId("")
        for _ in range(_PAGES):
            free, after = hub.store.read(_free(hub, plan, after))
            if free:
                woken += hub.store.write(wake_deliveries(hub, free))
            if not after:
                break
    return woken


def _free(
    hub: Hub, plan: FlowPlan, after: DeliveryId
) -> Callable[[View], tuple[list[DeliveryId], DeliveryId]]:
    def look(view: View) -> tuple[list[DeliveryId], DeliveryId]:
        if is_paused(view, plan):
            return [], DeliveryId("")
        page = view.waiting(plan.id, after, _PAGE)
        free = [each.id for each in page if each.reason_code in HELD and not _behind(hub, view, each)]
        return free, page[-1].id if len(page) == _PAGE else DeliveryId("")

    return look


def _behind(hub: Hub, view: View, delivery: Delivery) -> bool:
    if delivery.reason_code != WhyHeld.IN_ORDER:
        return False
    ahead = view.ahead(delivery)
    while ahead is not None and lets_pass(hub, ahead):
        ahead = view.ahead(ahead)
    return ahead is not None
