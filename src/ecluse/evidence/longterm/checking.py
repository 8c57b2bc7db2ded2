"""Verifying every time-stamp and every evidence record that is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cryptography import x509

from ecluse.errors import EcluseError
from ecluse.evidence.longterm.beginning import Longterm
from ecluse.evidence.longterm.kept import KIND as RECORD_KIND
from ecluse.evidence.longterm.kept import KeptRecord, read_kept
from ecluse.evidence.longterm.plan import holds_until
from ecluse.evidence.longterm.sources import Source, content_of
from ecluse.evidence.stamps.keeping import TOLERANCE
from ecluse.evidence.stamps.stamp import KIND as STAMP_KIND
from ecluse.evidence.stamps.stamp import Stamp, as_datetime, as_instant, read_stamp
from ecluse.evidence.verify import Problem
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import View
from ecluse.wire.ers import VerifiedRecord, read_record, verify_record
from ecluse.wire.tsp import read_token, verify_token

__all__ = ["check_kept", "check_records", "check_stamp", "check_stamps"]

_PAGE: Final = 100


def check_stamps(work: Longterm, roots: Sequence[x509.Certificate]) -> Iterator[tuple[str, Problem | None]]:
    """Every kept time-stamp's key, and what is wrong with it.

    A time-stamp is judged for the moment that it tells of: whether it still convinces is its evidence record's matter.
    """
    now = work.clock()
    last = ""
    while True:
        found = work.store.read(lambda view, last=last: _stamps(view, last, roots, now))  # type: ignore[misc]
        yield from found
        if not found:
            return
        last = found[-1][0]


def check_records(
    work: Longterm, roots: Sequence[x509.Certificate], sources: Mapping[str, Source]
) -> Iterator[tuple[str, Problem | None]]:
    """Every kept evidence record's key, and what is wrong with it. One that is closed (its data is gone) is passed
    by.
    """
    last = ""
    while True:
        rows = work.store.read(lambda view, last=last: view.records(RECORD_KIND, after=last, limit=_PAGE))  # type: ignore[misc]
        if not rows:
            return
        for row in rows:
            if row.state != "closed":
                yield row.key, _record(work, row, roots, sources)
        last = rows[-1].key


def check_stamp(view: View, stamp: Stamp, roots: Sequence[x509.Certificate], now: Instant) -> Problem | None:
    """What is wrong with a time-stamp; ``None`` where nothing is."""
    note = next(
        (
            each.note
            for each in view.checkpoints_from(stamp.size, 20)
            if each.size == stamp.size and hashlib.sha256(each.note).hexdigest() == stamp.note_sha256
        ),
        None,
    )
    if note is None:
        cause = f"{stamp.authority} stamped a checkpoint of {stamp.size} records that is not in the database."
        return Problem("stamp-of-nothing", cause, stamp.size, differs="checkpoint")
    try:
        token = read_token(stamp.token)
        verified = verify_token(token, roots, data=note)
    except EcluseError as error:
        cause = f"The time-stamp of {stamp.authority} on size {stamp.size} does not hold: {error.cause}"
        return Problem("stamp-bad", cause, stamp.size, differs="token")
    shown = (stamp.time, stamp.serial, stamp.hash)
    told = (as_instant(verified.time), str(token.info.serial), verified.hash)
    if shown != told or stamp.ends > as_instant(verified.ends):
        cause = f"The row of the time-stamp of {stamp.authority} on size {stamp.size} says another thing than it does."
        return Problem("stamp-bad", cause, stamp.size, differs="row")
    if stamp.time > now + TOLERANCE + (stamp.accuracy or 0):
        cause = (
            f"The time-stamp of {stamp.authority} on size {stamp.size} is of {iso(stamp.time)}, and our clock says "
            f"{iso(now)}: it was set back, or the authority's is ahead."
        )
        return Problem("clock-behind", cause, stamp.size, differs="clock")
    return None


def check_kept(
    work: Longterm, kept: KeptRecord, roots: Sequence[x509.Certificate], sources: Mapping[str, Source]
) -> VerifiedRecord:
    """Verify an evidence record for the data that it is over, as of now.

    Raises:
        EcluseError: It does not hold, or its data is not there.
    """
    data = work.store.read(lambda view: content_of(view, kept, sources))
    if data is None:
        raise EcluseError("The data that it is over is not there.", code="log.evidence-of-nothing")
    return verify_record(
        read_record(kept.record),
        lambda name: hashlib.new(name, data).digest(),
        roots,
        as_datetime(max(work.clock(), kept.renewed)),
        work.table.sound,
    )


def _stamps(
    view: View, last: str, roots: Sequence[x509.Certificate], now: Instant
) -> list[tuple[str, Problem | None]]:
    found: list[tuple[str, Problem | None]] = []
    for row in view.records(STAMP_KIND, after=last, limit=_PAGE):
        try:
            stamp = read_stamp(row)
        except EcluseError as error:
            found.append((row.key, Problem("stamp-bad", error.cause, differs="row")))
            continue
        problem = check_stamp(view, stamp, roots, now)
        if problem is None and row.key not in (stamp.key, stamp.other_key):
            problem = Problem(
                "stamp-bad", f"The row {row.key} holds another time-stamp.", stamp.size, differs="key"
            )
        found.append((row.key, problem))
    return found


def _record(
    work: Longterm, row: Record, roots: Sequence[x509.Certificate], sources: Mapping[str, Source]
) -> Problem | None:
    try:
        kept = read_kept(row)
    except EcluseError as error:
        return Problem("evidence-bad", error.cause, differs="row")
    index = int(kept.reference) if kept.reference.isdecimal() else None
    try:
        verified = check_kept(work, kept, roots, sources)
    except EcluseError as error:
        lapsed = holds_until(kept, work.table) <= work.clock()
        code, what = (
            ("evidence-lapsed", "was not renewed in time") if lapsed else ("evidence-bad", "does not hold")
        )
        return Problem(code, f"The evidence record {kept.key} {what}: {error.cause}", index, differs="record")
    shown = (kept.time, kept.renewed, kept.hash, kept.renewals)
    last = verified.steps[-1]
    told = (
        as_instant(verified.time),
        as_instant(last.token.time),
        last.hash,
        len(verified.steps) - 1,
    )
    if shown != told or kept.key != row.key or kept.ends > as_instant(verified.ends):
        cause = f"The row of the evidence record {row.key} says another thing than the record itself."
        return Problem("evidence-bad", cause, index, differs="row")
    return None
