"""What a person sees of flows, and does with them: how they stand, a run at once, a pause, a trial."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from ecluse.app.flows.jobs import Leavings, protection_of, seals_of, source_of
from ecluse.app.messages.lookup import find_message, message_facts
from ecluse.app.messages.outbox import chunks_of
from ecluse.app.node import Node
from ecluse.blobs.vault import Sealed
from ecluse.engine.context import JobContext
from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows import state
from ecluse.exchange.flows.collect import Collected, Collector
from ecluse.exchange.flows.expect import standings
from ecluse.exchange.flows.plan import FlowPlan
from ecluse.exchange.flows.tend import ask, collect_key, ended
from ecluse.exchange.flows.try_out import Trial, try_out
from ecluse.exchange.inspect import Inspector
from ecluse.exchange.remote import Remote, RemoteFile
from ecluse.exchange.whence import Whence, channel_of
from ecluse.model.basics import Instant, MessageId, PartnerId, iso
from ecluse.model.nouns import Direction, Job, JobState, Message, Part
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Tx, View
from ecluse.wire.smime.filename import safe_name

__all__ = [
    "NoSuchFlow",
    "NothingToRun",
    "flow_facts",
    "flow_of",
    "flow_rows",
    "pause_flow",
    "resume_flow",
    "run_flow",
    "try_flow",
]

LEASE: Final = 60_000_000
"""Microseconds of a lease that a command holds: it renews it between files, and is seldom killed."""
RENEW: Final = 10_000_000
MOST_PATIENCE: Final = 60.0
"""Seconds that a command waits for files to stay as they are."""
READ_AT_MOST: Final = 64 << 20
"""Octets of a file at the source that a trial reads; of larger ones only names are tried."""
DOCUMENTS: Final = 10
"""Last documents that are shown of a flow."""

_UNDER_WAY: Final = frozenset({DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.SENT})
_FAILED: Final = frozenset({DeliveryState.DEAD, DeliveryState.REFUSED, DeliveryState.OVERDUE})


class NoSuchFlow(EcluseError):
    """There is no flow of that name."""

    code = "flow.unknown"
    fault = Fault.USAGE
    remedy = "Look at `ecluse flow list`; a flow is a file flows/<id>.toml, put in force by `ecluse apply`."


class NothingToRun(EcluseError):
    """A flow can't be run, or not at present."""

    code = "flow.nothing-to-run"
    fault = Fault.USAGE
    remedy = "Look at `ecluse flow show`."


def flow_of(node: Node, id: str) -> FlowPlan:
    """A flow by id. Raises :class:`NoSuchFlow`."""
    plan = node.hub.flows().get(id)
    if plan is None:
        raise NoSuchFlow(f"There is no flow {id}.")
    return plan


def flow_rows(node: Node) -> list[dict[str, Any]]:
    """Every flow in one row, in order of id."""

    def look(view: View) -> list[dict[str, Any]]:
        counts = view.flow_counts()
        return [_row(view, plan, counts) for plan in node.hub.flows().plans.values()]

    return node.store.read(look)


def flow_facts(node: Node, id: str) -> dict[str, Any]:
    """Everything of one flow. Raises :class:`NoSuchFlow`."""
    plan = flow_of(node, id)

    def look(view: View) -> dict[str, Any]:
        now = node.hub.clock()
        facts = _row(view, plan, view.flow_counts())
        expectations = [
            {
                "name": each.name,
                "by": each.by,
                "at_least": each.at_least,
                "today": each.count,
                "next": iso(each.next) if each.next is not None else None,
                "last": {"day": each.last.day, "state": each.last.state, "count": each.last.count}
                if each.last
                else None,
            }
            for each in standings(view, plan, now)
        ]
        newest = view.messages(direction=Direction.IN, flow=id, limit=DOCUMENTS)
        return {
            **facts,
            "settings": msgspec.to_builtins(plan.settings),
            "said": tomllib.loads(node.directory.configuration.files[f"flows/{id}.toml"]),
            "expectations": expectations,
            "documents": [message_facts(message) for message in newest],
        }

    return node.store.read(look)


def _row(view: View, plan: FlowPlan, counts: dict[tuple[str, DeliveryState], int]) -> dict[str, Any]:
    by_hand = state.paused(view, plan.id)
    run = state.last_run(view, plan.id)
    job = view.job(collect_key(plan.id)) if plan.collects else None
    paused = by_hand is not None or plan.settings.state == "paused"
    return {
        "id": plan.id,
        "name": plan.settings.name,
        "state": "paused" if paused else "active",
        "paused": {"by": by_hand.actor, "at": iso(by_hand.at), "reason": by_hand.reason}
        if by_hand is not None
        else None,
        "source": plan.settings.from_.channel or "application",
        "targets": [target.channel for target in plan.targets],
        "trigger": plan.settings.trigger,
        "running": job is not None and job.state is JobState.RUNNING,
        "last_run": _run_facts(run) if run is not None else None,
        "next_run": iso(job.due) if job is not None and job.state is JobState.DUE and not paused else None,
        "under_way": sum(counts.get((plan.id, each), 0) for each in _UNDER_WAY),
        "delivered": counts.get((plan.id, DeliveryState.CONFIRMED), 0),
        "failed": sum(counts.get((plan.id, each), 0) for each in _FAILED),
    }


def _run_facts(run: state.LastRun) -> dict[str, Any]:
    return {
        "began": iso(run.began),
        "ended": iso(run.ended),
        "node": run.node,
        "seen": run.seen,
        "kept": run.kept,
        "repeated": run.repeated,
        "left": run.left,
        "waiting": run.waiting,
        "failed": run.failed,
        "error": run.error or None,
        "cause": run.cause or None,
        "failures": run.failures,
    }


def pause_flow(node: Node, id: str, *, actor: str, reason: str) -> dict[str, Any]:
    """Pause a flow. Raises :class:`NoSuchFlow`."""
    flow_of(node, id)
    state.pause(node.hub, id, actor=actor, reason=reason)
    return {"id": id, "state": "paused"}


def resume_flow(node: Node, id: str, *, actor: str, reason: str) -> dict[str, Any]:
    """Let a flow go on.

    Raises:
        NoSuchFlow: There is none.
        NothingToRun: It is not paused, or is paused by its file.
    """
    plan = flow_of(node, id)
    if plan.settings.state == "paused":
        raise NothingToRun(
            f"The flow {id} is paused by its file.", remedy='Set its state to "active" and apply.'
        )
    if node.store.read(lambda view: state.paused(view, id)) is None:
        raise NothingToRun(f"The flow {id} is not paused.")
    woken = state.resume(node.hub, id, actor=actor, reason=reason)
    if plan.collects and plan.settings.trigger == "arrival":
        node.store.write(lambda tx: ask(node.hub, tx, plan))
    return {"id": id, "state": "active", "woken": woken}


# A run


@dataclass(slots=True)
class _Lease:
    """A job that a command does itself, and whose lease it renews while it works."""

    node: Node
    job: Job
    renewed: Instant

    def check(self) -> None:
        """Called between files and pieces of files. Raises :class:`~ecluse.store.port.Lost`."""
        now = self.node.hub.clock()
        if now - self.renewed >= RENEW:
            self.node.store.write(lambda tx: tx.extend_lease(self.job, Instant(now + LEASE)))
            self.renewed = now


def run_flow(
    node: Node,
    id: str,
    *,
    patience: float = MOST_PATIENCE,
    told: Callable[[Collected, str], None] = lambda so_far, name: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Collect for a flow in this process, now: files are looked at twice, as far apart as the flow says.

    Args:
        node: The hub.
        id: Which flow.
        patience: Seconds that are waited at most: for another run to end, for files to stay as they are.
        told: Called with what was done so far, and the name of the file that was done last.
        sleep: Lets seconds pass.

    Raises:
        NoSuchFlow: There is none.
        NothingToRun: Nothing is collected, it is paused, or another node's run does not end.
        EcluseError: The place can't be listed; what was kept before stays kept.
    """
    plan = flow_of(node, id)
    if not plan.collects:
        raise NothingToRun(f"Documents come to the flow {id} by themselves.")
    if node.store.read(lambda view: state.is_paused(view, plan)):
        raise NothingToRun(
            f"The flow {id} is paused.", remedy="Let it go on with `ecluse flow resume`, then run it."
        )
    lease = _claim(node, plan, patience, sleep)
    collector = Collector(node.hub, source_of(node))
    began = node.hub.clock()
    done, failed = Collected(), None
    try:
        done = collector.run(plan, check=lease.check, told=told)
        wait = plan.stable / 1_000_000
        if done.unstable and wait <= patience:
            sleep(wait)
            lease.check()
            done = _both(done, collector.run(plan, check=lease.check, told=told))
    except EcluseError as error:
        failed = error
    context = JobContext(lease.job, node.store, node.hub.clock, node.hub.entropy, RetryPolicy())

    def record(tx: Tx) -> None:
        ended(node.hub, tx, plan, began, done, failed)

    context.finish(record)
    if failed is not None:
        raise failed
    return {
        "id": id,
        "seen": done.seen,
        "kept": done.kept,
        "repeated": done.repeated,
        "left": done.left,
        "waiting": done.waiting,
        "failed": done.failed,
        "octets": done.octets,
        "messages": done.messages,
        "failure": done.error.as_dict() if done.error is not None else None,
    }


def _claim(node: Node, plan: FlowPlan, patience: float, sleep: Callable[[float], None]) -> _Lease:
    """The lease of a flow's run, as soon as nobody else has it."""
    key = collect_key(plan.id)
    end = time.monotonic() + patience

    def claim(tx: Tx) -> Job | None:
        now = node.hub.clock()
        if tx.job(key) is None:
            ask(node.hub, tx, plan)
        return tx.claim_job(key, node.name, now, LEASE)

    while (job := node.store.write(claim)) is None:
        if time.monotonic() >= end:
            raise NothingToRun(
                f"The flow {plan.id} is being run by another node.",
                remedy="Look at `ecluse flow show`, or run it later.",
            )
        sleep(0.2)
    return _Lease(node, job, node.hub.clock())


def _both(first: Collected, second: Collected) -> Collected:
    return Collected(
        seen=first.seen,
        kept=first.kept + second.kept,
        repeated=first.repeated + second.repeated,
        left=second.left,
        waiting=second.waiting,
        unstable=second.unstable,
        failed=second.failed,
        octets=first.octets + second.octets,
        error=first.error or second.error,
        messages=first.messages + second.messages,
    )


# A trial


def try_flow(
    node: Node, id: str, what: str | None = None, *, partner: str | None = None, limit: int = 20
) -> dict[str, Any]:
    """What a flow would do, and why. Nothing is kept, sent, moved or deleted.

    Args:
        node: The hub.
        id: Which flow.
        what: A file here, or what means a message; without it, what lies at the source, or came by it last.
        partner: Whom a file is taken to come from, where the flow's channel does not say.
        limit: Files or messages that are tried at most.

    Raises:
        NoSuchFlow: There is none.
        EcluseError: What is to be tried can't be read.
    """
    plan = flow_of(node, id)
    if what is not None and Path(what).is_file():
        trials = [_try_file(node, plan, Path(what), partner)]
    elif what is not None:
        message = find_message(node.store, what)
        trials = [_try(node, plan, message, why=_other_channel(plan, message))]
    elif plan.collects:
        trials = list(_try_source(node, plan, limit))
    else:
        trials = [_try(node, plan, each) for each in _came_last(node, plan, limit)]
    return {"id": id, "files": [msgspec.to_builtins(trial) for trial in trials]}


def _try(node: Node, plan: FlowPlan, message: Message, *, why: str = "") -> Trial:
    if message.shredded and not why:
        why = "its bytes were deleted at the end of their retention"
    return try_out(
        node.hub, plan, message, protection_of(node), Leavings(node), why=why, seals=seals_of(node)
    )


def _other_channel(plan: FlowPlan, message: Message) -> str:
    wanted, came = plan.settings.from_.channel or "", channel_of(message)
    if message.direction is not Direction.IN:
        return "it goes out"
    if came == wanted or (plan.place == "*" and came.partition(":")[0] == plan.kind):
        return ""
    return f"it came by {came or 'an application'}, and not by {wanted or 'an application'}"


def _came_last(node: Node, plan: FlowPlan, limit: int) -> Iterator[Message]:
    partner = PartnerId(plan.place) if plan.kind and plan.place != "*" else None

    def look(view: View) -> list[Message]:
        return view.messages(direction=Direction.IN, partner=partner, limit=10 * limit)

    found = (each for each in node.store.read(look) if not _other_channel(plan, each))
    yield from islice(found, limit)


def _try_file(node: Node, plan: FlowPlan, path: Path, partner: str | None) -> Trial:
    whose = partner or (plan.place if plan.kind not in ("", "folder") and plan.place != "*" else "")
    return _try_octets(node, plan, path.name, "", PartnerId(whose), chunks_of(path))


def _try_source(node: Node, plan: FlowPlan, limit: int) -> Iterator[Trial]:
    source = source_of(node)(plan.kind)
    collector = Collector(node.hub, source_of(node))
    with source.open(plan.place) as remote:
        looks = list(islice(collector.looks(plan, remote), limit))
        for look in looks:
            if look.refusal:
                yield Trial(look.file.path, taken=False, why=look.refusal)
            elif look.file.size > READ_AT_MOST:
                yield Trial(look.file.path, taken=True, why="it is large, and was not read", opened=[])
            else:
                trial = _try_listed(node, plan, remote, look.file)
                yield msgspec.structs.replace(
                    trial, name=look.file.path, why="; ".join(filter(None, (trial.why, look.waits)))
                )


def _try_listed(node: Node, plan: FlowPlan, remote: Remote, file: RemoteFile) -> Trial:
    whose = PartnerId("" if plan.kind == "folder" else plan.place)
    return _try_octets(
        node, plan, safe_name(file.name, "document"), file.path.rpartition("/")[0], whose, remote.read(file)
    )


def _try_octets(
    node: Node, plan: FlowPlan, name: str, folder: str, partner: PartnerId, chunks: Iterator[bytes]
) -> Trial:
    """Try octets that no message has."""
    hub = node.hub
    inspector = Inspector("")
    with hub.vault.create() as writer:
        for chunk in chunks:
            inspector.feed(chunk)
            writer.write(chunk)
        sealed: Sealed = writer.finish()
    row = sealed.row
    now = hub.clock()
    message = Message(
        id=MessageId(hub.new_id("m")),
        direction=Direction.IN,
        partner=partner,
        protocol=plan.kind or "local",
        protocol_id="trial",
        state=MessageState.ACCEPTED,
        created=now,
        updated=now,
        reference=inspector.reference,
        parts=(Part(row.id, 0, row.size, row.sha256.hex(), name=name, kind=inspector.kind),),
        wire=Whence(plan.settings.from_.channel or "", folder or plan.settings.from_.folder or "").encode(),
    )
    problem = inspector.problem()
    why = f"it would go to quarantine ({problem.code}): {problem.reason}" if problem is not None else ""
    parts = (protection_of(node), Leavings(node))
    return try_out(hub, plan, message, *parts, why=why, made=[sealed], seals=seals_of(node))
