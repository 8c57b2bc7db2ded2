"""Renewing evidence records before what they rest on ends (RFC 4998 s5.2).

Records that are due at once are renewed at once: their leaves go into one hash tree, and one time-stamp covers them
all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography import x509

from ecluse.errors import EcluseError, Fault
from ecluse.evidence.longterm.beginning import AT_ONCE, Longterm
from ecluse.evidence.longterm.kept import KIND, KeptRecord, all_records, read_kept
from ecluse.evidence.longterm.plan import Renewal, holds_until, next_hash, renewal_of
from ecluse.evidence.longterm.sources import Source, content_of
from ecluse.evidence.stamps.asking import Authority, ask_over
from ecluse.evidence.stamps.stamp import as_datetime, as_instant
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Tx, View
from ecluse.wire.ers import (
    ArchiveTimeStamp,
    EvidenceRecord,
    HashTree,
    read_record,
    rehashed_leaf,
    renewal_leaf,
    verify_record,
)
from ecluse.wire.tsp import VerifiedToken

__all__ = ["PLANNED", "NoAuthority", "Renewed", "renew", "replan"]

PLANNED: Final = "longterm.planned"
"""Setting: the table and lead time by which the rows' due times were made."""
_AGAIN: Final = 86_400 * 1_000_000
"""Microseconds until a record that could not be renewed is looked at again."""


class NoAuthority(EcluseError):
    """No authority gives a time-stamp that would last longer than what there is."""

    code = "log.no-authority"
    fault = Fault.OURS
    remedy = (
        "Name one with a younger certificate in [[log.authorities]]; `ecluse log stamps` says what ends when."
    )


@dataclass(frozen=True, slots=True)
class Renewed:
    """Records that were renewed with one time-stamp.

    Attributes:
        kind: How.
        count: How many.
        authority: Who gave it.
        hash: Hash of their chains from then on.
        ends: When its certificates end.
    """

    kind: Renewal
    count: int
    authority: str
    hash: str
    ends: Instant


@dataclass(frozen=True, slots=True)
class _Due:
    """A record that is to be renewed, taken apart."""

    row: Record
    kept: KeptRecord
    record: EvidenceRecord
    data: bytes


def renew(
    work: Longterm,
    authorities: Sequence[Authority],
    roots: Sequence[x509.Certificate],
    sources: Mapping[str, Source],
    *,
    everything: bool = False,
    check: Callable[[], None] = lambda: None,
) -> list[Renewed]:
    """Renew what is due.

    Args:
        work: With what.
        authorities: Who is asked, the preferred first.
        roots: What is trusted, also for authorities that are not asked any more.
        sources: Where data objects other than checkpoints come from, by name.
        everything: Also what is not due.
        check: Called between two steps; raises where the work has to stop.

    Raises:
        NoAuthority: No authority gives a time-stamp that helps; what was renewed before that stays.
    """
    renewed: list[Renewed] = []
    last = ""
    while True:
        now = work.clock()
        rows = work.store.read(lambda view, last=last, now=now: _rows(view, everything, last, now))  # type: ignore[misc]
        if not rows:
            return renewed
        last = rows[-1].key
        groups: dict[tuple[Renewal, str], list[_Due]] = {}
        for row in rows:
            check()
            found = _look(work, row, roots, sources, now)
            if found is None:
                continue
            kind = renewal_of(found.kept, work.table, work.before, now)
            groups.setdefault((kind, found.kept.hash), []).append(found)
        for (kind, hash), dues in groups.items():
            renewed.append(_renew(work, kind, hash, dues, authorities, roots, forced=everything))


def replan(work: Longterm) -> None:
    """Make the rows' due times anew where the table or the lead time changed since they were made."""
    mark = work.table.mark() + b"|%d" % work.before
    if work.store.read(lambda view: view.setting(PLANNED)) == mark:
        return
    last = ""
    while rows := work.store.read(lambda view, last=last: view.records(KIND, after=last, limit=AT_ONCE)):  # type: ignore[misc]
        last = rows[-1].key

        def write(tx: Tx, rows: list[Record] = rows) -> None:
            for row in rows:
                if row.state != "closed":
                    tx.replace_record(row, msgspec.structs.replace(row, due=work.due(read_kept(row))))

        work.store.write(write)
    work.store.write(lambda tx: tx.put_setting(PLANNED, mark))


def _rows(view: View, everything: bool, last: str, now: Instant) -> list[Record]:
    if not everything:
        return view.records_due(KIND, now, AT_ONCE)
    found = []
    for row in all_records(view, last, AT_ONCE):
        if row.state != "closed":
            found.append(row)
        if len(found) == AT_ONCE:
            break
    return found


def _look(
    work: Longterm,
    row: Record,
    roots: Sequence[x509.Certificate],
    sources: Mapping[str, Source],
    now: Instant,
) -> _Due | None:
    """A row as it has to be to be renewed; where it is not, that is written down and told."""
    try:
        kept = read_kept(row)
        data = work.store.read(lambda view: content_of(view, kept, sources))
        if data is None:
            _set_aside(work, row, "closed", "The data is there no more.", now)
            return None
        record = read_record(kept.record)
        verify_record(
            record,
            lambda name: hashlib.new(name, data).digest(),
            roots,
            as_datetime(now),
            work.table.sound,
        )
    except EcluseError as error:
        lapsed = error.code == "ers.bad" and holds_until(read_kept(row), work.table) <= now
        _set_aside(work, row, "lapsed" if lapsed else "broken", error.cause, now)
        return None
    return _Due(row, kept, record, data)


def _set_aside(work: Longterm, row: Record, state: str, cause: str, now: Instant) -> None:
    due = None if state == "closed" else Instant(now + _AGAIN)
    after = msgspec.structs.replace(row, at=now, state=state, due=due)

    def write(tx: Tx) -> None:
        tx.replace_record(row, after)
        if row.state != state:
            work.tell(
                tx, "log.evidence-not-renewed", {"record": row.key, "state": state, "cause": cause[:500]}
            )

    try:
        work.store.write(write)
    except Conflict:
        return  # another node was there first


def _renew(
    work: Longterm,
    kind: Renewal,
    old: str,
    dues: list[_Due],
    authorities: Sequence[Authority],
    roots: Sequence[x509.Certificate],
    *,
    forced: bool,
) -> Renewed:
    reasons = []
    worst = min(holds_until(each.kept, work.table) for each in dues)
    for authority in authorities:
        now = work.clock()
        hash = old
        if kind == "hash-tree-renewal":
            found = next_hash(work.table, work.before, now, (authority.hash,))
            if found is None:
                raise NoAuthority("There is no hash left that lasts.", remedy="Look at [log.ends].")
            hash = found
        tree = HashTree(hash, [_leaf(kind, hash, each) for each in dues])
        try:
            token = ask_over(authority, hash, tree.root, work.entropy)
        except EcluseError as error:
            reasons.append(f"{authority.name}: {error.cause}")
            continue
        lasts = min(as_instant(token.ends), *map(work.table.end, token.algorithms))
        if lasts <= worst and not forced:
            reasons.append(
                f"{authority.name}: its certificate or its algorithms end no later than what there is"
            )
            continue
        changes = [
            _changed(work, kind, hash, tree, place, each, token, authority) for place, each in enumerate(dues)
        ]
        for kept, each in changes:
            # What can't be verified is not written: the record that is there is worth more.
            verify_record(
                read_record(kept.record),
                lambda name, data=each.data: hashlib.new(name, data).digest(),  # type: ignore[misc]
                roots,
                max(as_datetime(now), token.time),
                work.table.sound,
            )
        _write(work, changes, kind, authority.name, hash, token)
        return Renewed(kind, len(dues), authority.name, hash, as_instant(token.ends))
    raise NoAuthority(f"No authority helps: {'; '.join(reasons) or 'none is configured'}."[:1000])


def _leaf(kind: Renewal, hash: str, due: _Due) -> tuple[bytes, ...]:
    if kind == "time-stamp-renewal":
        return renewal_leaf(due.record)[1]
    return rehashed_leaf(hash, hashlib.new(hash, due.data).digest(), due.record.chains)


def _changed(
    work: Longterm,
    kind: Renewal,
    hash: str,
    tree: HashTree,
    place: int,
    due: _Due,
    token: VerifiedToken,
    authority: Authority,
) -> tuple[KeptRecord, _Due]:
    stamp = ArchiveTimeStamp(hash, tree.reduced(place), token.token.der)
    record = due.record.with_stamp(stamp) if kind == "time-stamp-renewal" else due.record.with_chain(stamp)
    kept = msgspec.structs.replace(
        due.kept,
        record=record.encode(),
        certificates=tuple(dict.fromkeys((*due.kept.certificates, *token.chain))),
        renewed=as_instant(token.time),
        renewals=due.kept.renewals + 1,
        by=authority.name,
        hash=hash,
        algorithms=token.algorithms,
        signature=token.signature,
        ends=as_instant(token.ends),
    )
    return kept, due


def _write(
    work: Longterm,
    changes: list[tuple[KeptRecord, _Due]],
    kind: Renewal,
    authority: str,
    hash: str,
    token: VerifiedToken,
) -> None:
    now = work.clock()

    def write(tx: Tx) -> None:
        for kept, each in changes:
            # An authority whose certificate ends tomorrow, or whose clock is behind, is not asked again at once.
            tx.replace_record(each.row, kept.as_record(now, max(work.due(kept), Instant(now + _AGAIN))))
        work.tell(
            tx,
            "log.evidence-renewed",
            {
                "renewal": kind,
                "count": len(changes),
                "authority": authority,
                "hash": hash,
                "time": iso(as_instant(token.time)),
                "ends": iso(as_instant(token.ends)),
                "imprint": token.token.info.imprint.hex(),
            },
        )

    work.store.write(write)
