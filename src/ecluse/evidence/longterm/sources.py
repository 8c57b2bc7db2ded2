"""The port by which rooms have data objects of theirs covered by evidence records, and the log's own source."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from ecluse.evidence.longterm.kept import CHECKPOINT, KeptRecord
from ecluse.store.port import View

__all__ = ["Source", "content_of"]

_SAME_SIZE: Final = 20
"""Checkpoints of one size that are looked through; there is one, unless a node lost a race."""


class Source(Protocol):
    """Small data objects (a deposit's receipt, for one) that get evidence records of their own.

    Attributes:
        name: Lower-case letters, digits and dashes; part of the records' keys.
    """

    name: str

    def fresh(self, view: View, after: str, limit: int) -> Sequence[str]:
        """References that sort after ``after``, in order: letters, digits and dashes. A later one sorts after all
        earlier ones, as the hub's ids do.
        """

    def content(self, view: View, reference: str) -> bytes | None:
        """The exact bytes of a data object; ``None`` where it was disposed of."""


def content_of(view: View, kept: KeptRecord, sources: Mapping[str, Source]) -> bytes | None:
    """The data that a record is over; ``None`` where it is there no more."""
    if kept.source == CHECKPOINT:
        for checkpoint in view.checkpoints_from(int(kept.reference), _SAME_SIZE):
            if hashlib.sha256(checkpoint.note).hexdigest() == kept.sha256:
                return checkpoint.note
        return None
    source = sources.get(kept.source)
    data = None if source is None else source.content(view, kept.reference)
    if data is None or hashlib.sha256(data).hexdigest() != kept.sha256:
        return None
    return data
