"""How long what of a document is kept, as settings say it, and what follows from several of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.retention import HubRetention, Retention

__all__ = ["DAY", "FALLBACK", "DataClass", "Keeping", "Outcome", "longest"]

DAY: Final = 24 * 3600 * 1_000_000
"""Microseconds."""

FALLBACK: Final = "30d"
"""For documents that were never delivered, where those that were go as soon as they are."""


class DataClass(StrEnum):
    """What of a message is deleted together.

    ``payload`` is the documents, ``wire`` the bytes as they were signed and sent (of a message that came by AS2 they
    hold the documents), ``receipts`` the bytes of receipts and of our answers, ``names`` its subject, reference and
    file names.
    """

    PAYLOAD = "payload"
    WIRE = "wire"
    RECEIPTS = "receipts"
    NAMES = "names"


class Outcome(StrEnum):
    """What a message and all that was made of it came to."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long each class is kept, in the words of the settings.

    Attributes:
        payload: See :class:`~ecluse.trust.settings.retention.HubRetention`; and so on.
        wire: Bytes as they were signed and sent.
        receipts: Bytes of receipts.
        names: Names.
        undelivered: Payload and wire of what was refused or given up.
        quarantined: How long a decision is waited for.
    """

    payload: str
    wire: str
    receipts: str
    names: str
    undelivered: str
    quarantined: str

    @classmethod
    def of_hub(cls, hub: HubRetention) -> Keeping:
        """Of documents that no flow takes."""
        return cls._of(hub.payload, hub.wire, hub.receipts, hub.names, hub.undelivered, hub.quarantined)

    @classmethod
    def of_flow(cls, flow: Retention | None, hub: HubRetention) -> Keeping:
        """Of documents that a flow takes, with what its file says."""
        own = flow or Retention(payload=hub.relayed)
        return cls._of(
            own.payload,
            own.wire,
            own.receipts or hub.receipts,
            own.names or hub.names,
            own.undelivered,
            hub.quarantined,
        )

    @classmethod
    def _of(
        cls,
        payload: str,
        wire: str | None,
        receipts: str,
        names: str,
        undelivered: str | None,
        quarantined: str,
    ) -> Keeping:
        given_up = undelivered or payload
        given_up = FALLBACK if given_up == "delivered" else given_up
        return cls(payload, wire or payload, receipts, names, given_up, quarantined)

    def words(self, name: DataClass, outcome: Outcome) -> str:
        """What governs a class."""
        if outcome is Outcome.DELIVERED:
            return str(getattr(self, name.value))
        if name in (DataClass.PAYLOAD, DataClass.WIRE):
            return self.undelivered
        kept = str(getattr(self, name.value))
        return FALLBACK if kept == "delivered" else kept

    def keep(self, name: DataClass, outcome: Outcome) -> int | None:
        """Microseconds that a class is kept for once all has ended; ``None`` where no time ends it."""
        return _microseconds(self.words(name, outcome))

    @property
    def patience(self) -> int | None:
        """Microseconds that a quarantined message waits for a decision."""
        return _microseconds(self.quarantined)

    @property
    def shortest(self) -> int | None:
        """The least of all times; ``None`` where no time ends anything."""
        times = [self.keep(name, outcome) for name in DataClass for outcome in Outcome] + [self.patience]
        return min((time for time in times if time is not None), default=None)


def longest(all_terms: Iterable[Keeping], name: DataClass, outcome: Outcome) -> int | None:
    """What several flows come to that share a document: the one that keeps longest; for ever where one does."""
    times = [terms.keep(name, outcome) for terms in all_terms]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _microseconds(term: str) -> int | None:
    if term in ("archive", "forever"):
        return None
    return 0 if term == "delivered" else int(seconds(term) * 1_000_000)
