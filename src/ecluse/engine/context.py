"""What a handler is given: the ways to end its job, each in one transaction with what it has to record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from ecluse.engine.retry import RetryPolicy
from ecluse.errors import EcluseError
from ecluse.model.basics import Clock, Entropy, Instant
from ecluse.model.nouns import Job
from ecluse.store.port import Lost, Store, Tx

__all__ = ["Buried", "Handler", "JobContext", "Outcome", "Together", "finish_together"]


class Outcome(StrEnum):
    """How a run of a job ended."""

    FINISHED = "finished"
    RETRIED = "retried"
    BURIED = "buried"
    LOST = "lost"
    """Another claim has it: this run's result was dropped."""
    UNRECORDED = "unrecorded"
    """The database took nothing: the runner gives the job back, or its lease ends, and it is claimed again."""


Buried = Callable[[Tx, Job, EcluseError], None]
"""Told in the transaction that makes a job dead."""

_ERROR_LIMIT: Final = 500
"""Characters of an error kept in a job's row: a sentence, not a page."""


class JobContext:
    """One run of one job. Used by one handler; :attr:`lost` and :attr:`stopping` are set from outside.

    A handler does its effect, then calls exactly one of :meth:`finish`, :meth:`retry` and :meth:`bury`, and
    returns what that gives. Whatever ``work`` it hands over is done in the same transaction as the job's new
    state, under the fence: either both are durable or neither is.

    Attributes:
        job: As it was claimed.
        outcome: How it ended, or ``None`` until it did.
        lost: True once another claim is known to have the job. A long effect had better stop.
        stopping: True once the node is to stop. A long effect may stop and let the lease end.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        policy: RetryPolicy,
        on_bury: Buried | None = None,
    ) -> None:
        self.job = job
        self.outcome: Outcome | None = None
        self.lost = False
        self.stopping = False
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._policy = policy
        self._on_bury = on_bury

    def check(self) -> None:
        """Raise :class:`Lost` where the lease is known to be lost: between two steps of a long effect."""
        if self.lost:
            raise Lost(f"The lease of job {self.job.key} was lost.")

    def finish(self, work: Callable[[Tx], None] | None = None) -> Outcome:
        """Record the result and the job's end.

        Raises:
            Lost: Another claim has the job; nothing was recorded. The handler lets it pass.
            StoreUnavailable: Nothing was recorded.
        """
        return self.begin_finish(work)()

    def begin_finish(self, work: Callable[[Tx], None] | None = None) -> Callable[[], Outcome]:
        """:meth:`finish` without waiting: what is given waits for it, and gives or raises what that does."""

        def both(tx: Tx) -> None:
            # The fence comes first: whoever lost the job must hear that, not what its work trips over.
            tx.finish_job(self.job)
            if work is not None:
                work(tx)

        recorded = self._store.submit(both)

        def wait() -> Outcome:
            recorded.result()
            self.outcome = Outcome.FINISHED
            return self.outcome

        return wait

    def retry(
        self,
        error: EcluseError,
        work: Callable[[Tx], None] | None = None,
        *,
        since: Instant | None = None,
        dead: Callable[[Tx], None] | None = None,
        policy: RetryPolicy | None = None,
    ) -> Outcome:
        """Have the job done again when its error's fault class says, or bury it where no attempt is left.

        Args:
            error: Why this attempt failed.
            work: Done in the same transaction where there will be another attempt.
            since: When the work came up, for the limit of its age.
            dead: Done in the same transaction where there will be none.
            policy: When to try again, instead of the runner's own.

        Raises:
            Lost: As for :meth:`finish`.
            StoreUnavailable: As for :meth:`finish`.
        """
        now = self._clock()
        age = (now - since) / 1_000_000 if since is not None else 0
        wait = (policy or self._policy).wait(error.fault, self.job.attempts, self._entropy, age)
        if wait is None:
            return self.bury(error, dead)
        due = Instant(now + int(wait * 1_000_000))

        def both(tx: Tx) -> None:
            tx.retry_job(self.job, due, error.fault.value, _sentence(error))
            if work is not None:
                work(tx)

        self._store.write(both)
        self.outcome = Outcome.RETRIED
        return self.outcome

    def bury(self, error: EcluseError, work: Callable[[Tx], None] | None = None) -> Outcome:
        """Make the job dead until a person wakes it; what it was to do is kept.

        Raises:
            Lost: As for :meth:`finish`.
            StoreUnavailable: As for :meth:`finish`.
        """

        def all_of_it(tx: Tx) -> None:
            tx.bury_job(self.job, error.fault.value, _sentence(error))
            if work is not None:
                work(tx)
            if self._on_bury is not None:
                self._on_bury(tx, self.job, error)

        self._store.write(all_of_it)
        self.outcome = Outcome.BURIED
        return self.outcome


Together = Callable[[Sequence[JobContext]], Sequence[Callable[[], Outcome]]]
"""Begins several jobs, and gives for each what ends it: called once, in their order, as a :data:`Handler` would be."""

Handler = Callable[[Job, JobContext], Outcome]
"""Does one kind of job. Runs in a worker thread, several at once. What it raises counts as its error."""


def finish_together(
    contexts: Sequence[JobContext], work: Callable[[Tx], None]
) -> list[Callable[[], Outcome]]:
    """:meth:`JobContext.begin_finish` for several jobs in one transaction, with what they have to record.

    Returns:
        For each, what waits for the transaction. It raises :class:`Lost` where the lease of *one* of them was lost, and
        whatever ``work`` raises: nothing was recorded then, and each may be finished by itself.
    """
    jobs = [context.job for context in contexts]

    def all_of_it(tx: Tx) -> None:
        tx.finish_jobs(jobs)
        work(tx)

    recorded = contexts[0]._store.submit(all_of_it)

    def waiting(context: JobContext) -> Callable[[], Outcome]:
        def wait() -> Outcome:
            recorded.result()
            context.outcome = Outcome.FINISHED
            return context.outcome

        return wait

    return [waiting(context) for context in contexts]


def _sentence(error: EcluseError) -> str:
    return f"{error.code}: {error.cause}"[:_ERROR_LIMIT]
