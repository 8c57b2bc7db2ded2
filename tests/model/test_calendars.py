"""Zones, working days, timetables and deadlines, over the changes of summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.model.basics import Instant
from ecluse.model.calendars import (
    BadCalendar,
    BadTimetable,
    BadZone,
    Deadline,
    Timetable,
    WorkingDays,
    instant_of,
    local,
    zone_of,
)

PARIS = zone_of("Europe/Paris")
ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
INSTANTS = st.integers(1_700_000_000_000_000, 1_900_000_000_000_000).map(Instant)


def at(*moment: int) -> Instant:
    return instant_of(datetime(*moment, tzinfo=PARIS))  # type: ignore[arg-type, misc]


def shown(instant: Instant | None) -> str:
    assert instant is not None
    return local(instant, PARIS).isoformat(timespec="minutes")


@pytest.mark.parametrize("name", ["Europe/Pariss", "../etc/passwd", "", "/etc/localtime", "UTC\0", "x" * 500])
def test_no_such_zone(name: str) -> None:
    with pytest.raises(BadZone):
        zone_of(name)


def test_a_time_that_summer_time_leaves_out_comes_right_after_and_one_that_comes_twice_once() -> None:
    table = Timetable("30 2 * * *", PARIS)
    spring = at(2026, 3, 28, 12)
    first = table.next(spring)
    assert shown(first) == "2026-03-29T03:00+02:00"
    assert shown(table.next(first)) == "2026-03-30T02:30+02:00"  # type: ignore[arg-type]
    autumn = table.next(at(2026, 10, 24, 12))
    assert shown(autumn) == "2026-10-25T02:30+02:00"
    assert shown(table.next(autumn)) == "2026-10-26T02:30+01:00"  # type: ignore[arg-type]


def test_working_days() -> None:
    days = WorkingDays(
        country="FR",
        closed=frozenset({date(2026, 9, 22)}),
        open=frozenset({date(2026, 7, 14), date(2026, 9, 26)}),
    )
    works = [day for day in range(14, 29) if date(2026, 9, day) in days]
    assert works == [14, 15, 16, 17, 18, 21, 23, 24, 25, 26, 28]
    assert date(2026, 5, 1) not in days
    assert date(2026, 7, 14) in days, "open in spite of the holiday"
    bavaria = WorkingDays(country="DE", region="BY")
    assert (date(2026, 1, 6) in bavaria, date(2026, 1, 6) in WorkingDays(country="DE")) == (False, True)


@pytest.mark.parametrize("country, region", [("XX", ""), ("DE", "ZZ"), ("__", "x")])
def test_no_such_country_or_region(country: str, region: str) -> None:
    with pytest.raises(BadCalendar):
        WorkingDays(country=country, region=region).check()


def test_a_timetable_passes_over_days_without_work() -> None:
    table = Timetable("0 9 * * *", PARIS, WorkingDays(country="FR"))
    assert shown(table.next(at(2026, 12, 24, 10))) == "2026-12-28T09:00+01:00"


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "61 * * * *", "0 0 31 2 *", "a b c d e", "0 0 * * mon-xyz", "* * * * * *"]
)
def test_no_timetable(cron: str) -> None:
    with pytest.raises(BadTimetable):
        Timetable(cron, PARIS).check(at(2026, 1, 1))


def test_a_calendar_without_work_ends() -> None:
    never = WorkingDays(weekend=frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun")))
    assert Timetable("0 9 * * *", PARIS, never).next(at(2026, 1, 1)) is None
    assert Deadline(time(9), PARIS, days=never).next(at(2026, 1, 1)) is None


@given(INSTANTS, ZONES, st.sampled_from(["*/15 8-18 * * mon-fri", "30 2 * * *", "0 0 1 * *", "* * * * *"]))
def test_the_next_time_is_later_and_its_own(now: Instant, name: str, cron: str) -> None:
    table = Timetable(cron, zone_of(name))
    following = table.next(now)
    assert following is not None
    assert following > now
    assert table.next(Instant(following - 1)) == following, "no time between is left out"


@given(INSTANTS, ZONES, st.times())
def test_a_days_window_holds_its_deadline(now: Instant, name: str, by: time) -> None:
    deadline = Deadline(by.replace(second=0, microsecond=0, tzinfo=None), zone_of(name))
    day = deadline.day(now)
    begin, due, end = deadline.window(day)
    assert begin <= now < end
    assert begin <= due <= end + 3600 * 1_000_000
    assert deadline.window(day + timedelta(days=1))[0] == end
    following = deadline.next(now)
    assert following is not None
    assert following >= now


@given(INSTANTS, ZONES)
def test_local_and_back(now: Instant, name: str) -> None:
    moment = local(now, zone_of(name))
    assert instant_of(moment) == now
    assert moment.astimezone(UTC).tzinfo is UTC
