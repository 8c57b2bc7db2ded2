"""Entries of the register: what counts when, and what can't be recorded."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.model.basics import Instant, PartnerId
from ecluse.trust.assurance import AssuranceError, Entry, check_entry, entry_from, entry_record
from ecluse.trust.settings.fields import instant_from


def entry(**changes: Any) -> Entry:
    fields: dict[str, Any] = {"partner": PartnerId("birch"), "topic": "certification", "name": "iso-27001"}
    return Entry(**{**fields, "begins": "2025-03-01", "ends": "2028-02-29", **changes})


def at(day: str) -> Instant:
    moment = instant_from(day)
    assert moment is not None
    return moment


@pytest.mark.parametrize(
    ("day", "state"),
    [
        ("2025-02-28", "not-begun"),
        ("2025-03-01", "valid"),
        ("2027-12-30", "valid"),
        ("2028-01-01", "ending"),
        ("2028-02-29", "ending"),
        ("2028-03-01", "ended"),
    ],
)
def test_an_entry_counts_from_its_first_to_its_last_day(day: str, state: str) -> None:
    assert entry().state(at(day)) == state


@pytest.mark.parametrize(
    ("day", "state"), [("2026-01-01", "valid"), ("2026-05-15", "ending"), ("2026-06-02", "due")]
)
def test_an_entry_is_due_before_it_ends(day: str, state: str) -> None:
    assert entry(due="2026-06-01").state(at(day)) == state
    assert entry(topic="agreement", name="gdpr", ends="", due="2026-06-01").state(at(day)) == state


def test_what_has_no_end_is_never_due() -> None:
    lasting = entry(topic="agreement", name="gdpr", begins="", ends="")
    assert lasting.looked_at is None
    assert lasting.state(at("9000-01-01")) == "valid"
    assert entry_record(lasting, at("2026-01-01")).due is None


def test_a_record_gives_the_entry_back() -> None:
    full = entry(scope="Lyon", issuer="Certia", reference="FR-1", answers={"a": "b"}, due="2026-06-01")
    record = entry_record(full, at("2026-01-01"))
    assert entry_from(record) == full
    assert (record.key, record.owner, record.due) == (
        "birch/certification/iso-27001",
        "birch",
        at("2026-06-02"),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": ""},
        {"ends": "2029-12-31"},
        {"ends": "2025-02-01"},
        {"begins": "2025-02-30"},
        {"ends": "soon"},
        {"due": "2026-13-01"},
        {"name": "ISO 27001"},
        {"name": "../x"},
        {"scope": "a\nb"},
        {"issuer": "x" * 2001},
        {"reference": "\u202egnp"},
        {"answers": {str(number): "x" for number in range(501)}},
    ],
)
def test_what_can_not_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AssuranceError) as refused:
        check_entry(entry(**changes))
    assert refused.value.remedy


@given(st.text(), st.text(), st.text(), st.text())
def test_garbage_gives_our_errors(name: str, begins: str, ends: str, due: str) -> None:
    with contextlib.suppress(AssuranceError):
        check_entry(entry(name=name, begins=begins, ends=ends, due=due)).state(at("2026-01-01"))
