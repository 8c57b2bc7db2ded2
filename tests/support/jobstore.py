"""A store of jobs in memory: the verbs that the engine uses, with transactions, and mutants to be caught."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.nouns import Job, JobState
from ecluse.store.port import Lost, StoreUnavailable


class JobTx:
    """One transaction: it works on copies, which become the store's when it ends well."""

    def __init__(self, store: "JobStore") -> None:
        self.store = store
        self.table = dict(store.table)
        self.settings = dict(store.settings)
        self.beats = dict(store.beats)
        self.results = list(store.results)

    def job(self, key: str) -> Job | None:
        return self.table.get(key)

    def setting(self, name: str) -> bytes | None:
        return self.settings.get(name)

    def put_setting(self, name: str, value: bytes) -> None:
        self.settings[name] = value

    def beat(self, node: str, now: Instant) -> None:
        self.beats[node] = now

    def add_job(self, job: Job) -> bool:
        if job.key in self.table:
            return False
        self.table[job.key] = job
        return True

    def claim_jobs(
        self,
        owner: str,
        now: Instant,
        lease: int,
        limit: int,
        *,
        kinds: Sequence[str] = (),
        full_lanes: Sequence[str] = (),
    ) -> list[Job]:
        def ready(job: Job) -> bool:
            if job.state is JobState.DUE:
                return job.due <= now
            return job.state is JobState.RUNNING and job.lease_until <= now

        found = [
            job
            for job in self.table.values()
            if ready(job) and (not kinds or job.kind in kinds) and job.lane not in full_lanes
        ]
        found.sort(key=lambda job: (job.due, job.key))
        claimed = [
            msgspec.structs.replace(
                job,
                state=JobState.RUNNING,
                owner=owner,
                lease_until=Instant(now + lease),
                attempts=job.attempts + 1,
                fence=job.fence + 1,
            )
            for job in found[:limit]
        ]
        self.table.update({job.key: job for job in claimed})
        return claimed

    def _fenced(self, job: Job, **changes: Any) -> None:
        held = self.table.get(job.key)
        if held is None:
            raise Lost(f"The lease of job {job.key} was lost.")
        holds = held.state is JobState.RUNNING and (held.owner, held.fence) == (job.owner, job.fence)
        if self.store.fenced and not holds:
            raise Lost(f"The lease of job {job.key} was lost.")
        self.table[job.key] = msgspec.structs.replace(held, **changes)

    def extend_lease(self, job: Job, until: Instant) -> None:
        self._fenced(job, lease_until=until)

    def finish_job(self, job: Job) -> None:
        self._fenced(job, state=JobState.DONE, owner="", fault="", error="")

    def retry_job(self, job: Job, due: Instant, fault: str, error: str) -> None:
        self._fenced(job, state=JobState.DUE, owner="", due=due, fault=fault, error=error)

    def bury_job(self, job: Job, fault: str, error: str) -> None:
        self._fenced(job, state=JobState.DEAD, owner="", fault=fault, error=error)

    def prune_jobs(self, before: Instant, limit: int) -> int:
        gone = [key for key, job in self.table.items() if job.state is JobState.DONE and job.due < before]
        for key in gone[:limit]:
            del self.table[key]
        return len(gone[:limit])

    def record(self, key: str) -> None:
        """A result, for tests to count."""
        self.results.append(key)


class JobStore:
    """Transactions one after the other.

    Args:
        fenced: False makes the mutant that takes any owner's result.
    """

    def __init__(self, *, fenced: bool = True) -> None:
        self.fenced = fenced
        self.down = False
        self.table: dict[str, Job] = {}
        self.settings: dict[str, bytes] = {}
        self.beats: dict[str, Instant] = {}
        self.results: list[str] = []
        self.writes = 0
        self._lock = threading.RLock()
        self._bell = threading.Condition()
        self._rung = 0

    def write(self, work: Callable[[Any], Any]) -> Any:
        with self._lock:
            if self.down:
                raise StoreUnavailable("The database is away.")
            self.writes += 1
            tx = JobTx(self)
            result = work(tx)
            new = tx.table.keys() - self.table.keys()
            self.table, self.settings, self.beats = tx.table, tx.settings, tx.beats
            self.results = tx.results
        if new:
            with self._bell:
                self._rung += 1
                self._bell.notify_all()
        return result

    def submit(self, work: Callable[[Any], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self.write(work))
        return future

    def read(self, work: Callable[[Any], Any]) -> Any:
        with self._lock:
            return work(JobTx(self))

    def wait_for_jobs(self, timeout: float, kinds: tuple[str, ...] = ()) -> None:
        with self._bell:
            before = self._rung
            self._bell.wait_for(lambda: self._rung != before, timeout)

    def add(self, *keys: str, kind: str = "work", lane: str = "", due: int = 0) -> None:
        for key in keys:
            job = Job(key=key, kind=kind, lane=lane, payload=b"{}", due=Instant(due))
            self.write(lambda tx, job=job: tx.add_job(job))
