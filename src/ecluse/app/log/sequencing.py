"""The sequencer of an opened hub, and what it tells: events, and the service's own log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from ecluse.app.node import Node
from ecluse.errors import EcluseError
from ecluse.evidence.errors import RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.sequencer import Sequencer
from ecluse.store.port import Tx

__all__ = ["BROKEN", "log_event", "make_sequencer", "reporter"]

BROKEN: Final = "log.broken"
"""Setting, and kind of the event: why the log is not signed, as long as it is not."""

_log = structlog.get_logger("ecluse.service")


def make_sequencer(node: Node, held: HeldCheckpoints | None = None) -> Sequencer:
    """The sequencer of a hub's log.

    Args:
        node: The opened hub.
        held: Where checkpoints are kept outside the database; the hub's own file by default.
    """
    return Sequencer(
        node.store,
        node.hub.clock,
        lambda: node.log,
        node.keyring.log_sign,
        sign_ml_dsa=lambda data: node.keyring.note_sign("log-ml-dsa", data),
        clock_back=lambda behind: _clock_back(node, behind),
        held=HeldCheckpoints(node.checkpoint_file) if held is None else held,
        node=node.name,
    )


def log_event(node: Node) -> Callable[[Tx, str, str, Mapping[str, Any]], None]:
    """Writes an event in a transaction: (transaction, kind, subject, data)."""
    return lambda tx, kind, subject, data: node.hub.event(tx, kind, subject, data)


def reporter(node: Node) -> Callable[[EcluseError], None]:
    """Told of every failure of the sequencer; a break of the log is an event too, once as long as it lasts."""

    def report(error: EcluseError) -> None:
        _log.error("the log is not sealed", **error.as_dict())
        if isinstance(error, RolledBack):
            tell_broken(node, error)

    return report


def tell_broken(node: Node, error: RolledBack) -> None:
    """Write the event of a break, unless the same was told already."""
    cause = error.cause.encode()

    def work(tx: Tx) -> None:
        if tx.setting(BROKEN) != cause:
            tx.put_setting(BROKEN, cause)
            facts = {"reason": error.code, "cause": error.cause}
            node.hub.event(tx, BROKEN, f"log:{node.directory.hub.log_origin}", facts)

    try:
        node.store.write(work)
    except EcluseError as failure:
        _log.warning("a break of the log is not recorded", **failure.as_dict())


def _clock_back(node: Node, behind: int) -> None:
    seconds = behind // 1_000_000
    _log.warning("the clock is behind the newest checkpoint", seconds=seconds)
    facts = {"behind": seconds}
    subject = f"log:{node.directory.hub.log_origin}"
    node.store.write(lambda tx: node.hub.event(tx, "log.clock-went-back", subject, facts))
