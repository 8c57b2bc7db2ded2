"""Writing down what an authority said, or that it said nothing, with the event that tells of it."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.longterm.beginning import Longterm, begin_with
from ecluse.evidence.longterm.kept import KIND as RECORD
from ecluse.evidence.record import Json
from ecluse.evidence.stamps.stamp import KIND, Stamp, read_stamp
from ecluse.model.basics import Instant, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import json_decoder

__all__ = ["STATE", "TOLERANCE", "AuthorityState", "authority_state", "due_at", "keep", "keep_failure"]

STATE: Final = "stamp-authority"
"""Kind of the record of how it stands with an authority; its key is the authority's name."""
TOLERANCE: Final = 60 * 1_000_000
"""Microseconds by which an authority's clock may differ from ours before that is told."""
_FIRST_RETRY: Final = 300 * 1_000_000
_LAST_RETRY: Final = 4 * 3600 * 1_000_000
"""Microseconds from a failure to the next attempt: five minutes, and twice that each time, up to four hours."""


class AuthorityState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How it stands with an authority.

    Attributes:
        asked: Our clock when it was last asked.
        kept: Our clock when it last gave a time-stamp.
        time: What that time-stamp says.
        size: Size of the log that it is over.
        ahead: Microseconds by which its clock was ahead of ours then.
        ends: When the first of its certificates ends.
        recorded: Day of the time-stamp that an evidence record last began with.
        failures: Times in a row that it gave none.
        error: Why, the last time.
    """

    asked: Instant
    kept: Instant | None = None
    time: Instant | None = None
    size: int = 0
    ahead: int = 0
    ends: Instant | None = None
    recorded: str = ""
    failures: int = 0
    error: str = ""


_encode = msgspec.json.Encoder().encode
_decode = json_decoder(AuthorityState).decode


def authority_state(view: View, name: str) -> AuthorityState | None:
    """What is known of an authority; ``None`` where it was never asked, or the row was spoiled."""
    record = view.record(STATE, name)
    try:
        return None if record is None else _decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def due_at(state: AuthorityState | None, every: int, now: Instant) -> Instant:
    """When it is to be asked next.

    Args:
        state: What is known of it.
        every: Microseconds between two time-stamps.
        now: A state that is of later than this was written by a clock that was ahead, or ours was set back: it is asked
            at once, as an honest time is what is missing.
    """
    if state is None or state.asked > now:
        return Instant(0)
    if state.failures:
        return Instant(state.asked + min(_FIRST_RETRY << min(state.failures - 1, 10), _LAST_RETRY, every))
    return Instant(state.asked + every)


def keep(tx: Tx, work: Longterm, stamp: Stamp) -> bool:
    """Keep a time-stamp; a day's first one of an authority begins an evidence record.

    Returns:
        False where there was one by that authority on that checkpoint already, which stays.
    """
    before = authority_state(tx, stamp.authority)
    key = free_key(tx, stamp)
    day = iso(stamp.time)[:10]
    begins = key is not None and (before is None or before.recorded != day)
    if begins:
        kept = begin_with(stamp)
        begins = tx.record(RECORD, kept.key) is None
        if begins:
            tx.put_record(kept.as_record(stamp.kept, work.due(kept)))
    if key is not None:
        tx.add_record(msgspec.structs.replace(stamp.as_record(), key=key))
        work.tell(tx, "log.stamped", _facts(stamp, begins=begins))
    if abs(stamp.ahead) > TOLERANCE + (stamp.accuracy or 0):
        clocks: dict[str, Json] = {"time": iso(stamp.time), "clock": iso(stamp.kept), "ahead": stamp.ahead}
        work.tell(tx, "log.clock-differs", {"authority": stamp.authority, **clocks})
    state = AuthorityState(
        asked=stamp.kept,
        kept=stamp.kept,
        time=stamp.time,
        size=stamp.size,
        ahead=stamp.ahead,
        ends=stamp.ends,
        recorded=day if begins or before is None else before.recorded,
    )
    _put(tx, stamp.authority, state, stamp.kept)
    return key is not None


def free_key(view: View, stamp: Stamp) -> str | None:
    """The key to keep a time-stamp under; ``None`` where there is one by that authority on that very note.

    Two notes of one size are a log that forked, and the time-stamp on either is evidence of it: both are kept.
    """
    for key in (stamp.key, stamp.other_key):
        record = view.record(KIND, key)
        if record is None:
            return key
        if read_stamp(record).note_sha256 == stamp.note_sha256:
            return None
    return None


def keep_failure(tx: Tx, work: Longterm, authority: str, error: EcluseError, now: Instant) -> None:
    """Keep that an authority gave none; the first time in a row, and where the reason is another, it is told."""
    before = authority_state(tx, authority) or AuthorityState(asked=now)
    state = msgspec.structs.replace(
        before, asked=now, failures=before.failures + 1, error=f"{error.code}: {error.cause}"[:500]
    )
    if not before.failures or before.error.partition(":")[0] != error.code:
        work.tell(
            tx, "log.stamp-failed", {"authority": authority, "code": error.code, "cause": error.cause[:500]}
        )
    _put(tx, authority, state, now)


def _put(tx: Tx, authority: str, state: AuthorityState, now: Instant) -> None:
    tx.put_record(Record(STATE, authority, now, _encode(state)))


def _facts(stamp: Stamp, *, begins: bool) -> dict[str, Json]:
    return {
        "size": stamp.size,
        "authority": stamp.authority,
        "time": iso(stamp.time),
        "accuracy": stamp.accuracy,
        "ahead": stamp.ahead,
        "hash": stamp.hash,
        "note_sha256": stamp.note_sha256,
        "policy": stamp.policy,
        "serial": stamp.serial,
        "signature": stamp.signature,
        "ends": iso(stamp.ends),
        "begins_evidence_record": begins,
    }
