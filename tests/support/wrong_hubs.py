"""Hubs that break the promise on purpose: a suite that doesn't notice proves nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final
from uuid import uuid4

import msgspec

from ecluse import durable
from ecluse.app.flows.jobs import Leavings
from ecluse.engine.context import JobContext
from ecluse.exchange.deliver import Attempt
from ecluse.exchange.flows import collect, relay
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.exchange.remote import FileGone
from ecluse.model.states import DeliveryState
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
    for module in (durable.files, durable.folders):
        patch(module, "os", _Unsynced())


def commits_not_synced(patch: Set = setattr) -> None:
    """The database syncs at its checkpoints, and not at its commits."""
    make = connection._make_durable

    def normal(opened: Any) -> None:
        make(opened)
        opened.execute("PRAGMA synchronous = NORMAL")

    patch(connection, "_make_durable", normal)


def deleted_before_it_is_kept(patch: Set = setattr) -> None:
    """A collected file is read, deleted at the partner's, and only then kept."""
    keep = Collector._keep

    class Read:
        def __init__(self, octets: list[bytes]) -> None:
            self._octets = octets

        def read(self, file: Any) -> Any:
            return iter(self._octets)

    def early(self: Collector, plan: Any, remote: Any, file: Any, check: Any) -> Any:
        octets = list(remote.read(file))
        self._afterwards(plan, remote, file)
        return keep(self, plan, Read(octets), file, check)  # type: ignore[arg-type]

    patch(Collector, "_keep", early)
    patch(Collector, "_afterwards", _once_gone(Collector._afterwards))


def _once_gone(afterwards: Callable[..., None]) -> Callable[..., None]:
    def tolerant(*arguments: Any) -> None:
        with contextlib.suppress(FileGone):
            afterwards(*arguments)

    return tolerant


def taken_for_new(patch: Set = setattr) -> None:
    """What tells a collected file from others is another thing at every look."""
    patch(collect, "protocol_id_of", lambda plan, file: f"{plan.id}/{file.path}#{uuid4().hex}")


def a_new_id_for_each_attempt(patch: Set = setattr) -> None:
    """A relay keeps its child, then ends its job; a child has no id that its delivery gives it."""
    run = relay._Relay._relay

    def apart(self: Any, *arguments: Any) -> Any:
        finish = self._context.finish

        def late(work: Callable[[Any], None]) -> Any:
            def keep(tx: Any) -> None:
                before = tx.delivery(self._id)
                work(tx)
                tx.update_delivery(before)

            def end(tx: Any) -> None:
                tx.update_delivery(msgspec.structs.replace(tx.delivery(self._id), state=DeliveryState.SENT))

            self._hub.store.write(keep)
            return finish(end)

        self._context.finish = late
        return run(self, *arguments)

    patch(relay._Relay, "_relay", apart)
    patch(relay, "brood", lambda view, delivery: [])
    patch(Leavings, "protocol_id", lambda self, channel, key, size: f"<{uuid4().hex}@mutant>")


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
    "deleted before it is kept": deleted_before_it_is_kept,
    "taken for new": taken_for_new,
    "a new id for each attempt": a_new_id_for_each_attempt,
}
"""For a process that is about to be one."""
