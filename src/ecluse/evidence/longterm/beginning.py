"""How evidence records begin: a checkpoint's with a time-stamp that is there, others with one for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ecluse.errors import EcluseError
from ecluse.evidence.longterm.algorithms import Algorithms
from ecluse.evidence.longterm.kept import CHECKPOINT, KeptRecord
from ecluse.evidence.longterm.plan import due
from ecluse.evidence.longterm.sources import Source
from ecluse.evidence.record import Json
from ecluse.evidence.stamps.asking import Authority, ask_over
from ecluse.evidence.stamps.stamp import Stamp, as_instant
from ecluse.model.basics import Clock, Entropy, Instant, iso
from ecluse.store.port import Store, Tx, View
from ecluse.wire.ers import ArchiveTimeStamp, EvidenceRecord, HashTree
from ecluse.wire.tsp import VerifiedToken

__all__ = ["AT_ONCE", "MARKER", "Longterm", "Tell", "begin_with", "gather", "kept_of"]

AT_ONCE: Final = 1000
"""Data objects under one time-stamp: a record then has ten hashes besides it."""
MARKER: Final = "longterm."
"""Setting, with a source's name after it: the last reference that has a record."""

Tell = Callable[[Tx, str, Mapping[str, Json]], object]
"""Writes an event of a kind about the log, in the transaction."""


@dataclass(frozen=True, slots=True)
class Longterm:
    """What evidence records are made and renewed with.

    Attributes:
        store: Where they are.
        clock: Time.
        entropy: Nonces.
        table: When algorithms end.
        before: Microseconds by which a renewal comes ahead of the end.
        tell: Writes events.
    """

    store: Store
    clock: Clock
    entropy: Entropy
    table: Algorithms
    before: int
    tell: Tell

    def due(self, kept: KeptRecord) -> Instant:
        """When it has to be renewed."""
        return due(kept, self.table, self.before)


def begin_with(stamp: Stamp) -> KeptRecord:
    """The evidence record of a checkpoint: its time-stamp is one over its note, and needs no tree."""
    first = ArchiveTimeStamp(stamp.hash, (), stamp.token)
    return KeptRecord(
        source=CHECKPOINT,
        reference=f"{stamp.size:020d}",
        authority=stamp.authority,
        sha256=stamp.note_sha256,
        record=EvidenceRecord(((first,),)).encode(),
        certificates=stamp.chain,
        time=stamp.time,
        renewed=stamp.time,
        renewals=0,
        by=stamp.authority,
        hash=stamp.hash,
        algorithms=stamp.algorithms,
        signature=stamp.signature,
        ends=stamp.ends,
    )


def kept_of(
    source: str, reference: str, data: bytes, record: EvidenceRecord, token: VerifiedToken, authority: str
) -> KeptRecord:
    """A record that begins with ``token``."""
    time = as_instant(token.time)
    return KeptRecord(
        source=source,
        reference=reference,
        authority=authority,
        sha256=hashlib.sha256(data).hexdigest(),
        record=record.encode(),
        certificates=token.chain,
        time=time,
        renewed=time,
        renewals=0,
        by=authority,
        hash=token.hash,
        algorithms=token.algorithms,
        signature=token.signature,
        ends=as_instant(token.ends),
    )


def gather(work: Longterm, source: Source, authorities: Sequence[Authority]) -> int:
    """Begin records for what a source has that is new, :data:`AT_ONCE` under a time-stamp of the first authority that
    gives one.

    Returns:
        How many were begun.

    Raises:
        EcluseError: No authority gave a time-stamp; what was begun before that stays.
    """
    begun = 0
    marker = MARKER + source.name
    while True:
        fresh, found = work.store.read(lambda view: _fresh(view, source, marker))
        if not fresh:
            return begun
        kept = _begin(work, source.name, found, authorities) if found else []
        now = work.clock()

        def write(tx: Tx, kept: list[KeptRecord] = kept, last: str = fresh[-1], now: Instant = now) -> None:
            for each in kept:
                tx.put_record(each.as_record(now, work.due(each)))
            tx.put_setting(marker, last.encode())
            if kept:
                first = kept[0]
                facts: dict[str, Json] = {
                    "source": source.name,
                    "count": len(kept),
                    "authority": first.authority,
                }
                work.tell(tx, "log.evidence-begun", {**facts, "hash": first.hash, "ends": iso(first.ends)})

        work.store.write(write)
        begun += len(kept)


def _fresh(view: View, source: Source, marker: str) -> tuple[list[str], list[tuple[str, bytes]]]:
    after = (view.setting(marker) or b"").decode()
    references = list(source.fresh(view, after, AT_ONCE))
    contents = ((reference, source.content(view, reference)) for reference in references)
    return references, [(reference, data) for reference, data in contents if data is not None]


def _begin(
    work: Longterm, source: str, found: list[tuple[str, bytes]], authorities: Sequence[Authority]
) -> list[KeptRecord]:
    failure: EcluseError | None = None
    for authority in authorities:
        hash = authority.hash
        tree = HashTree(hash, [(hashlib.new(hash, data).digest(),) for _, data in found])
        try:
            token = ask_over(authority, hash, tree.root, work.entropy)
        except EcluseError as error:
            failure = failure or error
            continue
        return [
            kept_of(
                source,
                reference,
                data,
                EvidenceRecord(((ArchiveTimeStamp(hash, tree.reduced(place), token.token.der),),)),
                token,
                authority.name,
            )
            for place, (reference, data) in enumerate(found)
        ]
    raise failure or EcluseError("There is no authority that could be asked.", code="log.no-authority")
