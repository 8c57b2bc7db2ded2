"""Days and times as people mean them: zones with their summer time, working days, timetables, deadlines.

A time of day that a change of summer time leaves out is taken right after it; one that comes twice counts once
(as Debian's cron does, whose rules cronsim keeps).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant

__all__ = [
    "BadCalendar",
    "BadTimetable",
    "BadZone",
    "Deadline",
    "Timetable",
    "WorkingDays",
    "instant_of",
    "local",
    "zone_of",
]

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_LOOKED_AHEAD: Final = 4 * 366
"""Days without work that are passed over before a timetable counts as one that never comes."""


class BadZone(EcluseError):
    """There is no such time zone."""

    code = "config.unknown-zone"
    fault = Fault.USAGE
    remedy = 'Give a name of the IANA time zone database, such as "Europe/Paris" or "UTC".'


class BadTimetable(EcluseError):
    """Five cron fields that can't be read, or never come."""

    code = "config.bad-timetable"
    fault = Fault.USAGE
    remedy = 'Give minute, hour, day of month, month and day of week, such as "*/15 8-18 * * mon-fri".'


class BadCalendar(EcluseError):
    """A country, a region or a day that does not exist."""

    code = "config.bad-calendar"
    fault = Fault.USAGE
    remedy = 'Give a country of ISO 3166 ("DE"), its subdivision ("BY"), and days as 2026-12-31.'


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises :class:`BadZone`."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise BadZone(f"There is no time zone {name!a}.") from None


def local(instant: Instant, zone: ZoneInfo) -> datetime:
    """An instant as clocks of a zone show it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).astimezone(zone)


def instant_of(moment: datetime) -> Instant:
    """The inverse of :func:`local`."""
    return Instant((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Which days are working days.

    Attributes:
        weekend: Days of the week without work.
        closed: Days without work besides.
        open: Days of work in spite of all that.
        country: Whose public holidays are free; empty for none.
        region: Its subdivision; empty for the country as a whole.
    """

    weekend: frozenset[str] = frozenset(("sat", "sun"))
    closed: frozenset[date] = frozenset()
    open: frozenset[date] = frozenset()
    country: str = ""
    region: str = ""

    def check(self) -> None:
        """Raise :class:`BadCalendar` where the country or the region is not known."""
        if self.country:
            _holiday(self.country, self.region)

    def __contains__(self, day: date) -> bool:
        """Whether people work on a day."""
        if day in self.open:
            return True
        if day in self.closed or WEEKDAYS[day.weekday()] in self.weekend:
            return False
        return not (self.country and _holiday(self.country, self.region)(day))


@lru_cache(maxsize=64)
def _holiday(country: str, region: str) -> Callable[[date], bool]:
    import holidays  # half a second, and only hubs with a calendar need it

    try:
        days = holidays.country_holidays(country, subdiv=region or None)
        _ = date(2026, 1, 1) in days
    except (NotImplementedError, LookupError, ValueError):
        where = f"{country}-{region}" if region else country
        raise BadCalendar(f"No public holidays are known of {where!a}.") from None
    return days.__contains__


@dataclass(frozen=True, slots=True)
class Timetable:
    """When something is done by itself.

    Attributes:
        cron: Minute, hour, day of month, month, day of week.
        zone: Whose times they are.
        days: Days that count; ``None`` for all of them.
    """

    cron: str
    zone: ZoneInfo
    days: WorkingDays | None = None

    def check(self, now: Instant) -> None:
        """Raise :class:`BadTimetable` unless it comes some day after ``now``."""
        try:
            CronSim(self.cron, datetime(2026, 1, 1))
        except CronSimError as error:
            raise BadTimetable(f"{self.cron!a} can't be read: {error}.") from None
        if len(self.cron.split()) != 5:
            raise BadTimetable(f"{self.cron!a} has not five fields.")
        if self.next(now) is None:
            raise BadTimetable(f"{self.cron!a} never comes.")

    def next(self, after: Instant) -> Instant | None:
        """The first time after an instant; ``None`` where there is none within years."""
        moment = local(after, self.zone)
        for _ in range(_LOOKED_AHEAD):
            try:
                moment = next(CronSim(self.cron, moment))
            except (StopIteration, CronSimError, OverflowError):
                return None
            if self.days is None or moment.date() in self.days:
                return instant_of(moment)
            moment = datetime.combine(moment.date(), time(23, 59, 59), self.zone)
        return None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time of day by which something is expected.

    Attributes:
        by: Hour and minute.
        zone: Whose time it is.
        weekdays: Days of the week on which it is expected.
        days: Of them those that count; ``None`` for all of them.
    """

    by: time
    zone: ZoneInfo
    weekdays: frozenset[str] = frozenset(WEEKDAYS)
    days: WorkingDays | None = None

    def day(self, now: Instant) -> date:
        """The day that it is in the zone."""
        return local(now, self.zone).date()

    def expected(self, day: date) -> bool:
        """Whether anything is expected on a day."""
        return WEEKDAYS[day.weekday()] in self.weekdays and (self.days is None or day in self.days)

    def window(self, day: date) -> tuple[Instant, Instant, Instant]:
        """When a day begins in the zone, when it is too late, and when the day ends."""
        begin = datetime.combine(day, time(), self.zone)
        end = datetime.combine(day + timedelta(days=1), time(), self.zone)
        return instant_of(begin), instant_of(datetime.combine(day, self.by, self.zone)), instant_of(end)

    def next(self, now: Instant) -> Instant | None:
        """The next deadline at or after an instant; ``None`` where none comes within years."""
        day = self.day(now)
        for ahead in range(_LOOKED_AHEAD):
            at = day + timedelta(days=ahead)
            if self.expected(at) and (deadline := self.window(at)[1]) >= now:
                return deadline
        return None
