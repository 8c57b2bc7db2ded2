"""Hubs that break the promise on purpose: a suite that doesn't notice proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from ecluse.blobs import durable
from ecluse.engine.context import JobContext
from ecluse.exchange.deliver import Attempt
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.store.sqlite import connection, verbs

__all__ = ["MUTANTS", "done_before_the_effect", "no_fence"]

Set = Callable[[Any, str, Any], None]


def done_before_the_effect(patch: Set = setattr) -> None:
    """A delivery's job ends before the delivery is made."""
    run = Attempt.run

    def early(self: Attempt) -> Any:
        context: JobContext = self._context
        outcome = context.finish()

        def record(work: Callable[[Any], None] | None = None) -> Any:
            if work is not None:
                self._hub.store.write(work)
            return outcome

        context.finish = record  # type: ignore[method-assign]
        return run(self)

    patch(Attempt, "run", early)


def no_fence(patch: Set = setattr) -> None:
    """Whoever once had a job may record its end."""
    fence = "owner = ? AND fence = ? AND state = 'running'"
    wrong = dict(verbs.SQL)
    for verb in ("finish_job", "retry_job", "bury_job"):
        assert fence in wrong[verb]
        wrong[verb] = wrong[verb].replace(fence, "? IS NOT NULL AND ? IS NOT NULL")
    patch(verbs, "SQL", wrong)


def acknowledged_before_the_commit(patch: Set = setattr) -> None:
    """The partner hears that its message is kept while the transaction waits in memory for the next job."""
    submit = Intake._submit

    def early(self: Intake, message: Any, reply: Any, **more: Any) -> Future[Kept | Duplicate]:
        if self._before is not None:
            return submit(self, message, reply, **more)
        store = self.hub.store
        write = store.write

        def late(work: Any) -> Any:
            store.write = write
            submit(self, message, reply, **more)
            return write(work)

        store.write = late
        future: Future[Kept | Duplicate] = Future()
        future.set_result(Kept(message))
        return future

    patch(Intake, "_submit", early)


def files_not_synced(patch: Set = setattr) -> None:
    """Files are written and linked in the right order, and never synced."""
    patch(durable, "os", _Unsynced())


def commits_not_synced(patch: Set = setattr) -> None:
    """The database syncs at its checkpoints, and not at its commits."""
    make = connection._make_durable

    def normal(opened: Any) -> None:
        make(opened)
        opened.execute("PRAGMA synchronous = NORMAL")

    patch(connection, "_make_durable", normal)


class _Unsynced:
    def __getattr__(self, name: str) -> Any:
        import os

        return (lambda handle: None) if name == "fsync" else getattr(os, name)


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    "acknowledged before the commit": acknowledged_before_the_commit,
    "done before the effect": done_before_the_effect,
    "no fence": no_fence,
    "files not synced": files_not_synced,
    "commits not synced": commits_not_synced,
}
"""For a process that is about to be one."""
