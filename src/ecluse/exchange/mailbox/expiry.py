"""What goes by itself: half uploads that nobody resumed, and names whose time in the listing is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.landing import UNSENT, delete_bytes, drop_segments
from ecluse.model.basics import Instant
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.states import DeliveryState
from ecluse.store.port import Tx

__all__ = ["AT_ONCE", "expire"]

AT_ONCE: Final = 200
"""Rows in one transaction."""
LATER: Final = 24 * 3600 * 1_000_000
"""Microseconds until a document that still waits is looked at again."""

_OVER: Final = frozenset({DeliveryState.CONFIRMED, DeliveryState.GIVEN_UP})


def expire(hub: Hub, *, limit: int = AT_ONCE) -> int:
    """Let go of what has expired; the messages of uploads stay.

    A document that waits to be picked up stays for as long as its delivery is open: it goes when it was picked up,
    or when a person gave it up.

    Returns:
        How many rows were looked at: fewer than ``limit`` only where no more have expired.
    """
    now = hub.clock()
    expired = hub.store.read(lambda view: view.expired_files(now, limit))
    if expired:
        delete_bytes(hub, hub.store.write(lambda tx: _expire(hub, tx, expired, now)))
    return len(expired)


def _expire(hub: Hub, tx: Tx, expired: Sequence[FileRow], now: Instant) -> list[Segment]:
    obsolete: list[Segment] = []
    for file in expired:
        there = tx.file(file.partner, file.folder, file.name)
        if there is None or there.id != file.id or there.expires is None or there.expires >= now:
            continue  # resumed, replaced or renamed meanwhile
        if there.state is FileState.WAITING:
            delivery = tx.delivery(there.delivery)
            if delivery is not None and delivery.state not in _OVER:
                tx.replace_file(there, msgspec.structs.replace(there, expires=Instant(now + LATER)))
                continue
        tx.drop_file(there)
        drop_segments(tx, there.segments)
        obsolete += there.segments
        if there.state in UNSENT:
            facts = {"file": there.id, "size": there.size, "was": there.state.value}
            hub.event(tx, "upload.expired", there.partner, facts, at=now)
    return obsolete
