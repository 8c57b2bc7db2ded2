"""Is it really so late? No retention ends because a clock jumped.

The hub notes every minute what its clock says. Who would destroy something compares the clock with that note, and with
the newest signed head of the log: where it ran back, where it jumped, or where nobody watched it for longer than
``[archive] clock_gap``, nothing is destroyed until a person says that the clock is right, which stands in the log.
Where authorities stamp the log, one of them has to have said within that time that it is so late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ecluse.archive.room import Room
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.stamps.keeping import authority_state
from ecluse.model.basics import Instant, iso
from ecluse.store.port import Tx, View
from ecluse.trust.settings.fields import seconds
from ecluse.typed import json_decoder

__all__ = ["CLOCK_SETTING", "ClockDoubted", "ClockWatch", "check_clock", "confirm_clock", "doubt_of"]

CLOCK_SETTING: Final = "archive.clock"
"""Setting that holds what the clock was last seen to say."""

TOLERANCE: Final = 5 * 60 * 1_000_000
"""Microseconds that a clock may be set by: NTP slews less, and nodes of one hub differ by less."""


class ClockDoubted(EcluseError):
    """The clock can't be believed, so that nobody knows whether a retention is over."""

    code = "archive.clock-doubted"
    fault = Fault.OURS
    remedy = (
        "Compare the clock with another one, set it, then run `ecluse archive clock --confirm --reason WHY`."
    )


class _Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was noted.

    Attributes:
        at: What the clock said.
        doubt: Why it is not believed; empty where it is.
        head: Size of the log whose signed head was believed when a person confirmed the clock: what it and those
            before say of the time does not count any more.
        confirmed: When a person confirmed the clock last.
    """

    at: Instant
    doubt: str = ""
    head: int = 0
    confirmed: Instant = Instant(0)


_read = json_decoder(_Seen).decode


def _seen(view: View) -> _Seen | None:
    raw = view.setting(CLOCK_SETTING)
    return None if raw is None else _read(raw)


def doubt_of(view: View, room: Room, now: Instant) -> str:
    """Why the clock can't be believed, in a sentence; empty where nothing speaks against it."""
    seen, head = _seen(view), view.last_checkpoint()
    if seen is not None and seen.doubt:
        return seen.doubt
    known = [("the hub's last note of the time", seen.at)] if seen is not None else []
    if head is not None and (seen is None or head.size > seen.head):
        known.append(("the newest signed head of the log", head.at))
    for what, at in known:
        if now < at - TOLERANCE:
            return f"The clock says {iso(now)}, and {what} is of {iso(at)}: it ran back."
    gap = int(seconds(room.book().settings.clock_gap) * 1_000_000)
    newest = max((at for _, at in known), default=now)
    if now - newest > gap:
        return (
            f"The clock says {iso(now)}, and was last seen at {iso(newest)}: it jumped, or nobody watched it."
        )
    return _doubt_of_authorities(view, room, now, seen.confirmed if seen is not None else Instant(0), gap)


def _doubt_of_authorities(view: View, room: Room, now: Instant, confirmed: Instant, gap: int) -> str:
    """The same by those outside who say what time it is, where the hub asks any."""
    states = [authority_state(view, name) for name in room.book().authorities]
    times = [state.time for state in states if state is not None and state.time is not None]
    if not times:
        return ""
    newest = max(times)
    if now < newest - TOLERANCE and confirmed < newest - TOLERANCE:
        return f"The clock says {iso(now)}, and an authority stamped the log at {iso(newest)}: it ran back."
    if now - max(newest, confirmed) > gap:
        return f"The clock says {iso(now)}, and no authority has stamped the log since {iso(newest)}."
    return ""


def check_clock(view: View, room: Room, now: Instant) -> None:
    """Raise :class:`ClockDoubted` where the clock can't be believed."""
    doubt = doubt_of(view, room, now)
    if doubt:
        raise ClockDoubted(doubt)


class ClockWatch:
    """Notes the time, and compares it with a clock that nobody can set. For one process.

    Args:
        room: The archive.
        steady: Seconds of such a clock.
    """

    def __init__(self, room: Room, steady: Callable[[], float]) -> None:
        self._room = room
        self._steady = steady
        self._last: tuple[Instant, float] | None = None

    def beat(self) -> str:
        """Note the time; give the doubt that there is, if any."""
        now, steady = self._room.hub.clock(), self._steady()
        last, self._last = self._last, (now, steady)
        jump = 0
        if last is not None:
            jump = (now - last[0]) - int((steady - last[1]) * 1_000_000)
        return self._room.hub.store.write(lambda tx: self._note(tx, now, jump))

    def _note(self, tx: Tx, now: Instant, jump: int) -> str:
        before = _seen(tx)
        doubt = doubt_of(tx, self._room, now)
        if not doubt and abs(jump) > TOLERANCE:
            doubt = f"The clock was set by {jump // 1_000_000} seconds at {iso(now)}."
        if doubt and (before is None or not before.doubt):
            self._room.hub.event(tx, "archive.clock-doubted", "clock", {"doubt": doubt}, at=now)
        at = before.at if before is not None and doubt else now
        head, confirmed = (before.head, before.confirmed) if before is not None else (0, Instant(0))
        tx.put_setting(CLOCK_SETTING, msgspec.json.encode(_Seen(at, doubt, head, confirmed)))
        return doubt


def confirm_clock(room: Room, *, actor: str, reason: str) -> Instant:
    """Let a person say that the clock is right. Gives what it says."""
    now = room.hub.clock()

    def work(tx: Tx) -> None:
        before = _seen(tx)
        facts = {"doubt": before.doubt if before is not None else "", "reason": reason}
        head = tx.last_checkpoint()
        size = head.size if head is not None else 0
        tx.put_setting(CLOCK_SETTING, msgspec.json.encode(_Seen(now, "", size, now)))
        room.hub.event(tx, "archive.clock-confirmed", "clock", facts, actor=actor, at=now)

    room.hub.store.write(work)
    return now
