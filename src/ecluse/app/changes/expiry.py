"""The end of what waited too long, and of what is kept of proposals that are over."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from ecluse.app.changes.proposal import FILES, KIND, Proposal
from ecluse.app.node import Node
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Tx
from ecluse.typed import from_json

__all__ = ["KEPT", "change_expiry", "close", "expire"]

KEPT: Final = 90 * 86_400 * 1_000_000
"""Microseconds that a proposal which is over stays listed. What was signed is in the log for good."""
EXPIRE_EVERY: Final = 60
"""Seconds between two looks of the service; every command that reads proposals looks too."""
_PAGE: Final = 100


def expire(node: Node) -> int:
    """End those whose time is over, forget those that ended long ago; give the number of the first."""
    ended = 0
    now = node.hub.clock()
    for record in node.store.read(lambda view: view.records_due(KIND, now, _PAGE), snapshot=False):
        try:
            node.store.write(partial(_end, node, record, now))
            ended += record.state == "pending"
        except Conflict:
            continue  # somebody decided it, or another node was first
    return ended


def _end(node: Node, record: Record, now: Instant, tx: Tx) -> None:
    if record.state != "pending":
        tx.drop_record(KIND, record.key)
        return
    try:
        proposal = from_json(record.body, Proposal)
    except msgspec.DecodeError:
        # What can't be read can't be approved either; its row goes, and the log has what was proposed.
        tx.drop_record(KIND, record.key)
        tx.drop_record(FILES, record.key)
        return
    close(tx, node, record, msgspec.structs.replace(proposal, ended="its time was over"), "expired", now)
    facts = {"digest": proposal.digest, "base": proposal.base, "until": proposal.until}
    node.hub.event(tx, "change.expired", f"change:{record.key}", facts, at=now)


def close(tx: Tx, node: Node, record: Record, proposal: Proposal, state: str, now: Instant) -> None:
    """Write a proposal as over. Raises :class:`Conflict` where it was written since."""
    body = msgspec.json.encode(proposal)
    after = Record(KIND, record.key, now, body, record.owner, state, Instant(now + KEPT))
    tx.replace_record(record, after)
    tx.drop_record(FILES, record.key)


def change_expiry(node: Node) -> Recurring:
    """The recurring work."""

    def work(context: JobContext) -> None:
        while expire(node) == _PAGE and not context.stopping:
            context.check()

    return Recurring("changes.expire", Every(EXPIRE_EVERY), work)
