"""Calendar periods as law counts them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.archives import instant, profile

from ecluse.archive.periods import last_day, terms


def ends(deposited: str, day: str = "", event: str = "", **changes: Any) -> int | None:
    return terms(profile(**changes), instant(deposited), day, event).ends


@pytest.mark.parametrize(
    ("period", "begun", "last"),
    [
        ("10y", "2026-03-15", "2036-03-15"),
        ("1y", "2024-02-29", "2025-02-28"),
        ("4y", "2024-02-29", "2028-02-29"),
        ("1m", "2026-01-31", "2026-02-28"),
        ("18m", "2026-08-31", "2028-02-29"),
        ("90d", "2026-01-01", "2026-04-01"),
    ],
)
def test_a_period_ends_on_the_day_of_the_same_number(period: str, begun: str, last: str) -> None:
    assert last_day(period, date.fromisoformat(begun)) == date.fromisoformat(last)


def test_the_last_day_counts_whole() -> None:
    assert ends("2026-03-15T13:00:00", retention="1y") == instant("2027-03-16")


def test_days_are_those_of_the_zone() -> None:
    found = terms(profile(retention="1y", timezone="Europe/Paris"), instant("2026-06-30T22:30:00"))
    assert found.starts == instant("2026-06-30T22:00:00")  # the first of July in Paris
    assert found.ends == instant("2027-07-01T22:00:00")


def test_from_the_end_of_the_year() -> None:
    year = {"begins": "document", "counts_from": "year-end"}
    assert ends("2026-04-01", "2026-03-15", **year) == instant("2037-01-01")
    assert ends("2026-04-01", "2025-12-31", **year) == instant("2036-01-01")
    assert ends("2026-04-01", "2026-03-15", year_ends="03-31", **year) == instant("2036-04-01")
    assert ends("2026-04-02", "2026-04-01", year_ends="03-31", **year) == instant("2037-04-01")


def test_the_document_s_own_date_or_the_deposit() -> None:
    assert ends("2026-04-01", "2026-03-15", begins="document", retention="30d") == instant("2026-04-15")
    assert ends("2026-04-01", begins="document", retention="30d") == instant("2026-05-02")


def test_an_event_begins_it() -> None:
    waiting = terms(profile(begins="event"), instant("2026-04-01"), "2026-03-15")
    assert (waiting.starts, waiting.ends) == (None, None)
    begun = terms(profile(begins="event"), instant("2026-04-01"), event="2030-06-30")
    assert (begun.starts, begun.ends) == (instant("2030-06-30"), instant("2040-07-01"))


def test_for_ever_has_no_end() -> None:
    found = terms(profile(retention="forever"), instant("2026-04-01"))
    assert (found.starts, found.ends) == (instant("2026-04-01"), None)
    assert last_day("999y", date(9990, 1, 1)) is None
    assert last_day("99999d", date(9990, 1, 1)) is None


@given(
    st.dates(date(1990, 1, 1), date(2100, 12, 31)), st.integers(1, 99), st.sampled_from("ymd"), st.booleans()
)
def test_no_period_is_shorter_than_it_says(begun: date, count: int, unit: str, year: bool) -> None:
    last = last_day(f"{count}{unit}", begun)
    assert last is not None
    least = {"y": 365 * count, "m": 28 * count, "d": count}[unit]
    assert last - begun >= timedelta(days=least)
    settings = profile(
        retention=f"{count}{unit}", counts_from="year-end" if year else "day", begins="document"
    )
    found = terms(settings, instant("2026-01-01"), begun.isoformat())
    assert found.ends is not None
    assert found.ends >= instant((last + timedelta(days=1)).isoformat())
