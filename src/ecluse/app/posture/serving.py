"""Posture while a node serves: at its start, when the configuration changes, and every half minute."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from ecluse.app.node import Node
from ecluse.app.posture.work import PostureWork
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.model.nouns import Job

__all__ = ["EVERY", "look_now", "posture_run"]

KIND: Final = "posture.run"
EVERY: Final = 30
"""Seconds: what drifts is found within a minute, a failed run and the time that it takes included."""

_log = structlog.get_logger("ecluse.posture")


def posture_run(node: Node) -> Recurring:
    """The work that recurs. One node of the hub does it each time; the first run of a process looks at everything."""
    work = PostureWork(node)

    def run(context: JobContext) -> None:
        looked = work.run()
        if looked.opened or looked.closed:
            _log.info(
                "posture", grade=looked.hub.letter, opened=len(looked.opened), closed=len(looked.closed)
            )

    return Recurring(KIND, Every(EVERY), run)


def look_now(node: Node, why: str) -> None:
    """Have it run at once, by one node, once for each ``why``."""
    now = node.hub.clock()
    payload = msgspec.json.encode({"slot": now})
    job = Job(key=f"{KIND}@{why}", kind=KIND, lane="", payload=payload, due=now)
    node.store.write(lambda tx: tx.add_job(job))
