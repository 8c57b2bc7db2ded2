"""The runner: claims due jobs, runs their handlers in threads, keeps their leases, stops in good order.

Three threads stand beside the workers. The *dispatcher* claims, never more than there are free workers and
room in the lanes, so that no claimed job waits while another node is idle. The *bell* sleeps in the store
until a job may be due, and pokes the dispatcher. The *heart* extends the leases of what is running, and
says that the node is alive.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import structlog

from ecluse.engine.context import Buried, Handler, JobContext, Outcome, Together
from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Entropy, Instant
from ecluse.model.nouns import Job
from ecluse.store.port import Lost, Store, Tx

__all__ = ["LANE_LIMIT", "LEASE", "CrashedHandler", "Runner"]

LEASE: Final = 20.0
"""Seconds of a lease. It is renewed three times as often; a killed node's jobs move on after so long."""

LANE_LIMIT: Final = 4
"""Jobs of one lane (a partner) at once on this node, so that a slow partner leaves workers for the others."""

GROUP: Final = 64
"""Jobs of one group: with documents that lie in their rows, some megabytes."""

GATHER: Final = 0.1
"""Seconds between two claims of jobs that are done together, so that there are some."""

RINGS_TOGETHER: Final = 0.01
"""Seconds between two looks for jobs where one comes after the other; the first one is looked for at once, and a job
that ends has the next ones claimed. Each look is a transaction."""

_POLL: Final = 0.5  # seconds at most until a job that became due by time alone is seen
_PAUSE: Final = 1.0  # seconds to leave a database alone that did not answer
_SPARE_CLAIMS: Final = 20  # claims beyond the policy's attempts: some end with a node, and not by the job

_log = structlog.get_logger("ecluse.engine")


class CrashedHandler(EcluseError):
    """A handler failed in a way that it does not know, or takes its process down with it."""

    code = "engine.crashed"
    fault = Fault.OURS
    remedy = "Read the hub's log for the trace of this job, and report it; the job is kept."


class Runner:
    """Runs durable jobs on one node.

    Args:
        store: Where the jobs are.
        node: This node's name; no two live nodes share one.
        clock: For leases and due times.
        entropy: For the jitter of retries.
        handlers: By kind of job. Other kinds are left to other nodes.
        workers: Handlers at once.
        together: Does jobs in groups, in place of the handlers: a thread takes what waits, up to :data:`GROUP`, while
            another group ends. For small work of our own, much of which is to share its waits for the disk.
        lane_limit: Jobs of one lane at once on this node; the empty lane has no limit.
        lane_limits: The same for lanes by name; see :meth:`limit_lanes`.
        policy: When to try again.
        on_bury: Told, in the same transaction, of every job that becomes dead.
        tick: Called every second or so with the time, for the schedule.
        lease: Seconds.
    """

    def __init__(
        self,
        store: Store,
        node: str,
        clock: Clock,
        entropy: Entropy,
        handlers: Mapping[str, Handler],
        *,
        workers: int = 8,
        together: Together | None = None,
        lane_limit: int = LANE_LIMIT,
        lane_limits: Mapping[str, int] = MappingProxyType({}),
        policy: RetryPolicy | None = None,
        on_bury: Buried | None = None,
        tick: Callable[[Instant], None] | None = None,
        lease: float = LEASE,
    ) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._entropy = entropy
        self._handlers = dict(handlers)
        self._kinds = tuple(sorted(self._handlers))
        self._workers = workers
        self._lane_limit = lane_limit
        self._lane_limits = dict(lane_limits)
        self._together = together
        self._policy = policy or RetryPolicy()
        self._on_bury = on_bury
        self._tick = tick
        self._lease = int(lease * 1_000_000)
        self._running: dict[tuple[str, int], JobContext] = {}
        self._unrecorded: list[tuple[Job, EcluseError]] = []
        self._change = threading.Condition()
        self._poked = False
        self._stopping = False
        self._quit = threading.Event()
        self._work: queue.SimpleQueue[JobContext | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads; return at once."""
        self._spawn("bell", self._listen)
        self._spawn("heart", self._beat)
        for number in range(self._hands):
            self._spawn(f"worker-{number}", self._serve)
        self._spawn("dispatcher", self._dispatch)

    def stop(self, timeout: float = 30.0) -> bool:
        """Claim no more, and wait for what is running.

        Returns:
            True where all ended; false where ``timeout`` seconds were too few: what is left ends with its
            lease, and another claim does it again.
        """
        with self._change:
            self._stopping = True
            for context in self._running.values():
                context.stopping = True
            self._change.notify_all()
            ended = self._change.wait_for(lambda: not self._running, timeout)
        self._quit.set()
        for _ in range(self._hands):
            self._work.put(None)
        for thread in self._threads:
            if ended or not thread.name.startswith(f"{self._node}-worker"):
                thread.join(_POLL + _PAUSE)
        self._threads.clear()
        return ended

    @property
    def _hands(self) -> int:
        """Threads that work."""
        return self._workers if self._together is None else -(-self._workers // GROUP)

    def poke(self) -> None:
        """Look for due jobs now."""
        with self._change:
            self._poked = True
            self._change.notify_all()

    def limit_lanes(self, limits: Mapping[str, int]) -> None:
        """Let other limits hold for the claims from here on; what is running beyond them is left to end."""
        self._lane_limits = dict(limits)
        self.poke()

    @property
    def running(self) -> list[Job]:
        """The jobs that are being done on this node."""
        with self._change:
            return [context.job for context in self._running.values()]

    def run_due(self, limit: int = 1000) -> int:
        """Do due jobs in the calling thread, in order, until there is none or ``limit``; give their number.

        For tests, simulations and commands, on a runner that was not started.
        """
        done = 0
        while done < limit:
            claimed = self._claim(1)
            if not claimed:
                break
            self._run(claimed[0])
            done += 1
        return done

    # Claiming

    def _claim(self, free: int) -> list[JobContext]:
        """Claim up to ``free`` jobs, none of a lane past its limit, in one transaction."""
        self._give_back()
        with self._change:
            lanes = Counter(context.job.lane for context in self._running.values() if context.job.lane)
        limits, usual = self._lane_limits, self._lane_limit

        def work(tx: Tx) -> list[Job]:
            now, counts, jobs = self._clock(), Counter(lanes), list[Job]()
            while len(jobs) < free:
                room = {lane: limits.get(lane, usual) - count for lane, count in counts.items()}
                full = tuple(lane for lane, left in room.items() if left <= 0)
                # A claim can't know its lanes beforehand: it is as small as the smallest room, and repeated.
                step = min(
                    free - len(jobs),
                    usual,
                    *(left for left in room.values() if left > 0),
                    *(limit for lane, limit in limits.items() if lane not in counts),
                )
                found = tx.claim_jobs(self._node, now, self._lease, step, kinds=self._kinds, full_lanes=full)
                jobs += found
                counts.update(job.lane for job in found if job.lane)
                if len(found) < step:
                    break
            return jobs

        contexts = [
            JobContext(job, self._store, self._clock, self._entropy, self._policy, self._on_bury)
            for job in self._store.write(work)
        ]
        with self._change:
            for context in contexts:
                context.stopping = self._stopping
                self._running[context.job.key, context.job.fence] = context
        return contexts

    def _give_back(self) -> None:
        """Give back jobs whose end the database did not take: once it is back they need not wait for their leases."""
        with self._change:
            left, self._unrecorded = self._unrecorded, []
        if not left:
            return

        def work(tx: Tx) -> None:
            for job, error in left:
                wait = self._policy.wait(error.fault, job.attempts, self._entropy)
                if wait is None or wait * 1_000_000 > self._lease:
                    continue  # the lease ends before
                due = Instant(self._clock() + int(wait * 1_000_000))
                # Where its end was recorded after all, or another claim has it, there is nothing to give.
                with contextlib.suppress(Lost):
                    tx.retry_job(job, due, error.fault.value, error.code)

        try:
            self._store.write(work)
        except EcluseError:
            with self._change:
                self._unrecorded += left
            raise

    # Running

    def _run(self, context: JobContext) -> None:
        """Run one claimed job to an outcome; raises nothing."""
        job = context.job
        self._end(context, lambda: self._handlers[job.kind](job, context))
        self._ended([context])

    def _run_together(self, contexts: Sequence[JobContext], together: Together) -> None:
        """Run several claimed jobs to their outcomes; raises nothing."""
        ends: list[Callable[[], Outcome]] = []
        begun = [context for context in contexts if not self._is_worn(context.job)]
        try:
            ends += together(begun)
        except Exception as error:  # noqa: BLE001 - it is each job's own, and told of there
            ends += [partial(_raise, error)] * len(begun)
        end = dict(zip((id(context) for context in begun), ends, strict=True))
        for context in contexts:
            self._end(context, end.get(id(context), lambda: Outcome.LOST))
        self._ended(contexts)

    def _ended(self, contexts: Sequence[JobContext]) -> None:
        with self._change:
            for context in contexts:
                self._running.pop((context.job.key, context.job.fence), None)
            self._poked = True
            self._change.notify_all()

    def _is_worn(self, job: Job) -> bool:
        return job.attempts > self._policy.most_attempts + _SPARE_CLAIMS

    def _end(self, context: JobContext, end: Callable[[], Outcome]) -> None:
        job = context.job
        try:
            if self._is_worn(job):
                context.bury(
                    CrashedHandler(f"The job was claimed {job.attempts} times and never came to an end.")
                )
            else:
                self._handle(context, end)
        except Lost:
            context.outcome = Outcome.LOST
        except EcluseError as error:
            context.outcome = Outcome.UNRECORDED
            with self._change:
                self._unrecorded.append((job, error))
            _log.warning("job.unrecorded", key=job.key, kind=job.kind, **error.as_dict())
        except Exception as crash:  # noqa: BLE001 - a worker outlives whatever a handler raises
            context.outcome = Outcome.UNRECORDED
            _log.error("job.unrecorded", key=job.key, kind=job.kind, **_trace(crash))

    def _handle(self, context: JobContext, end: Callable[[], Outcome]) -> None:
        job = context.job
        try:
            end()
            if context.outcome is not None:
                return
            error: EcluseError = CrashedHandler(f"The handler of {job.kind} ended without an outcome.")
        except Lost:
            raise
        except EcluseError as raised:
            if context.outcome is not None:
                _log.warning("job.error-after-end", key=job.key, kind=job.kind, **raised.as_dict())
                return
            error = raised
        except Exception as crash:  # noqa: BLE001 - likewise
            _log.error("job.crashed", key=job.key, kind=job.kind, attempt=job.attempts, **_trace(crash))
            if context.outcome is not None:
                return
            error = CrashedHandler(f"The handler of {job.kind} failed with {type(crash).__name__}.")
        context.retry(error)

    # Threads

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        # Daemons: a handler that hangs must not keep the process from ending; its lease ends by itself.
        thread = threading.Thread(target=target, name=f"{self._node}-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _dispatch(self) -> None:
        claimed = 0.0
        while True:
            with self._change:
                self._change.wait_for(
                    lambda: self._stopping or (self._poked and len(self._running) < self._workers)
                )
                if self._stopping:
                    return
                self._poked = False
            if self._together is not None:
                self._quit.wait(max(0.0, claimed + GATHER - time.monotonic()))
                claimed = time.monotonic()
            with self._change:
                free = self._workers - len(self._running)
            try:
                contexts = self._claim(free)
            except Exception as error:  # noqa: BLE001 - a node whose threads end does nothing, and says nothing
                _warn("jobs.unclaimed", error)
                self._quit.wait(_PAUSE)
                self.poke()
                continue
            for context in contexts:
                self._work.put(context)
            if len(contexts) == free:
                self.poke()  # there may be more

    def _serve(self) -> None:
        while (context := self._work.get()) is not None:
            if self._together is None:
                self._run(context)
            else:
                self._run_together([context, *self._waiting()], self._together)

    def _waiting(self) -> Iterator[JobContext]:
        """What waits for a thread beside the job that one has just taken."""
        for _ in range(GROUP - 1):
            try:
                context = self._work.get_nowait()
            except queue.Empty:
                return
            if context is None:
                self._work.put(None)  # the end mark belongs to the loop above
                return
            yield context

    def _listen(self) -> None:
        pause = RINGS_TOGETHER if self._together is None else GATHER / 2
        self.poke()
        while not self._quit.is_set():
            before = time.monotonic()
            try:
                if self._tick is not None:
                    self._tick(self._clock())
                self._store.wait_for_jobs(_POLL, self._kinds)
            except Exception as error:  # noqa: BLE001 - a node whose threads end does nothing, and says nothing
                _warn("jobs.unheard", error)
                self._quit.wait(_PAUSE)
            self.poke()
            if time.monotonic() - before < pause:
                self._quit.wait(pause)

    def _beat(self) -> None:
        while True:
            try:
                self._extend()
            except Exception as error:  # noqa: BLE001 - a node whose threads end does nothing, and says nothing
                _warn("leases.not-extended", error)
            if self._quit.wait(self._lease / 3_000_000):
                return

    def _extend(self) -> None:
        """Extend every lease that is held and say that the node is alive, in one transaction."""
        with self._change:
            contexts = list(self._running.values())

        def work(tx: Tx) -> list[JobContext]:
            now, lost = self._clock(), []
            tx.beat(self._node, now)
            for context in contexts:
                try:
                    tx.extend_lease(context.job, Instant(now + self._lease))
                except Lost:
                    lost.append(context)
            return lost

        for context in self._store.write(work):
            # A job that ended in the meantime has no lease either; then nobody looks at this any more.
            context.lost = True


def _warn(event: str, error: Exception) -> None:
    if isinstance(error, EcluseError):
        _log.warning(event, **error.as_dict())
    else:
        _log.error(event, **_trace(error))


def _raise(error: Exception) -> Outcome:
    raise error


def _trace(crash: Exception) -> dict[str, str]:
    """Type and frames of an exception, innermost last; not its text, which may hold anything at all."""
    frames = traceback.extract_tb(crash.__traceback__)
    where = " > ".join(f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in frames)
    return {"crash": type(crash).__name__, "trace": where}
