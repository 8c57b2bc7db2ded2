"""For how long: calendar periods as law counts them.

The day that something begins is not counted; a period of years or months ends on the day of the same number, or on the
last of its month where there is none (Regulation (EEC, Euratom) No 1182/71, article 3), and that day counts whole.
Where a profile counts from the end of a year, the period begins with the last day of the year that the first day is in.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from ecluse.model.basics import Instant
from ecluse.model.calendars import instant_of, local, zone_of
from ecluse.trust.settings.archive import ArchiveProfile

__all__ = ["Terms", "first_day", "kept_until", "last_day", "start_of_day", "terms"]

_LAST: Final = date(9998, 12, 31)
"""The calendar of Python ends a year later: what is kept longer is kept for ever."""


@dataclass(frozen=True, slots=True)
class Terms:
    """From when to when a document is kept.

    Attributes:
        starts: When the retention began; ``None`` while the event that begins it has not happened.
        ends: When it is over (exclusive); ``None`` while it has not begun, or where it never is.
    """

    starts: Instant | None
    ends: Instant | None


def terms(profile: ArchiveProfile, deposited: Instant, day: str = "", event: str = "") -> Terms:
    """The terms of a document.

    Args:
        profile: By which it is archived.
        deposited: When it was.
        day: Its own date, ISO 8601; empty where it says none.
        event: Date of the event that begins its retention; empty while that has not happened.
    """
    zone = zone_of(profile.timezone)
    first = local(deposited, zone).date()
    if profile.begins == "event":
        if not event:
            return Terms(None, None)
        first = date.fromisoformat(event)
    elif profile.begins == "document" and day:
        first = date.fromisoformat(day)
    begun = first_day(profile, first)
    ended = last_day(profile.retention, begun)
    starts = instant_of(datetime.combine(begun, time(), zone))
    return Terms(starts, None if ended is None else kept_until(profile, ended))


def first_day(profile: ArchiveProfile, day: date) -> date:
    """The day that a period is counted from: the day itself, or the last of the year that it is in."""
    if profile.counts_from == "day":
        return day
    month, number = map(int, profile.year_ends.split("-"))
    end = date(day.year, month, number)
    if end >= day:
        return end
    return date(min(day.year + 1, _LAST.year), month, number)


def last_day(period: str, begun: date) -> date | None:
    """The last day of a period, which counts whole; ``None`` where there is none."""
    if period == "forever":
        return None
    count, unit = int(period[:-1]), period[-1]
    if unit == "d":
        return begun + timedelta(days=count) if (_LAST - begun).days >= count else None
    months = begun.year * 12 + begun.month - 1 + count * (12 if unit == "y" else 1)
    year, month = months // 12, months % 12 + 1
    if year > _LAST.year:
        return None
    return date(year, month, min(begun.day, calendar.monthrange(year, month)[1]))


def kept_until(profile: ArchiveProfile, last: date) -> Instant:
    """When a last day is over, in the profile's zone."""
    return start_of_day(profile, last + timedelta(days=1))


def start_of_day(profile: ArchiveProfile, day: date) -> Instant:
    """When a day begins, in the profile's zone."""
    return instant_of(datetime.combine(day, time(), zone_of(profile.timezone)))
