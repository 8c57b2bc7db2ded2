"""Templates of names: read once, harmless whatever they are given."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.model.naming import FIELDS, KEY_FIELDS, BadTemplate, Facts, Template, stem_of
from ecluse.model.paths import VirtualPath
from ecluse.model.patterns import matches

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


def facts(**changes: object) -> Facts:
    known: dict[str, object] = {
        "name": "order.edi.gz",
        "original": "order.edi",
        "partner": "birch",
        "flow": "orders",
        "id": "m01",
        "reference": "4711",
        "at": MOMENT,
        "number": lambda: 42,
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "template, made",
    [
        ("{name}", "order.edi.gz"),
        ("{stem}-{counter:6}{suffix}", "order-000042.edi"),
        ("{date:%Y%m%d-%H%M%S}_{date:%j.%G%V%u.%y%f}.txt", "20260102-030405_002.2026015.26000678.txt"),
        ("{date}.x", "20260102.x"),
        ("{{{partner}}}-{flow}-{id}-{reference}.edi", "{birch}-orders-m01-4711.edi"),
        ("plain.txt", "plain.txt"),
        ("{date:100%%}.x", "100%.x"),
    ],
)
def test_what_is_made(template: str, made: str) -> None:
    assert Template.parse(template, file_name=True).file_name(facts()) == made


@pytest.mark.parametrize(
    "template, why",
    [
        ("{nme}", "no field"),
        ("{name", "not closed"),
        ("name}", "no {"),
        ("{}", "no field"),
        ("{name.__class__}", "no field"),
        ("{name!r}", "no field"),
        ("{0}", "no field"),
        ("{NAME}", "no field"),
        ("{name:>10}", "no format"),
        ("{counter:0}", "no such width"),
        ("{counter:13}", "no such width"),
        ("{counter:x}", "no such width"),
        ("{date:%Z}", "not known"),
        ("{date:%}", "not known"),
        ("{date:%-d}", "not known"),
        ("in/{name}", "folder"),
        ("a\\{name}", "folder"),
        ("a\x00b", "control"),
        ("{date:%Y\x07}", "control"),
    ],
)
def test_what_is_no_template(template: str, why: str) -> None:
    with pytest.raises(BadTemplate, match=why):
        Template.parse(template, file_name=True)


def test_keys_have_their_own_fields() -> None:
    assert Template.parse("{partner}-{stem}", fields=KEY_FIELDS).text(facts()) == "birch-order"
    for field in set(FIELDS) - set(KEY_FIELDS):
        with pytest.raises(BadTemplate, match="here"):
            Template.parse(f"{{{field}}}", fields=KEY_FIELDS)


def test_a_document_without_a_number_has_its_id() -> None:
    assert Template.parse("{reference}.edi").file_name(facts(reference="")) == "m01.edi"


def test_the_counter_is_asked_for_each_time_it_stands_there() -> None:
    numbers = iter(range(1, 9))
    assert Template.parse("{counter}-{counter:2}").file_name(facts(number=lambda: next(numbers))) == "1-02"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadTemplate):
        assert Template.parse(text, file_name=True).file_name(facts())


@given(
    st.lists(st.sampled_from([*(f"{{{field}}}" for field in FIELDS), "-", "a", "."]), min_size=1, max_size=6),
    st.text(max_size=60),
    st.text(max_size=300),
    st.text(max_size=60),
)
def test_no_document_makes_a_name_dangerous(
    pieces: list[str], name: str, reference: str, partner: str
) -> None:
    template = Template.parse("".join(pieces), file_name=True)
    known = facts(name=name, original=name, reference=reference, partner=partner)
    made = template.file_name(known)
    path = VirtualPath.parse(made)
    assert path.names == (made,) or len(path.names) == 1
    assert "/" not in made
    assert "\\" not in made
    assert made not in (".", "..")
    assert 0 < len(made.encode()) <= 255
    subject = template.text(known)
    assert "\n" not in subject
    assert subject.isprintable() or not subject.isascii()
    assert len(subject) <= 500


@given(st.text("ab*?[].{", max_size=10), st.text("xyz", max_size=5))
def test_its_pattern_fits_what_it_makes(literal: str, name: str) -> None:
    template = Template.parse(literal.replace("{", "{{") + "{stem}", file_name=True)
    assert matches(template.pattern(), template.plain(facts(original=name)))


def test_stems() -> None:
    assert [stem_of(name) for name in ("a.b.c", "a", ".a", "a.", "")] == [
        ("a.b", ".c"),
        ("a", ""),
        (".a", ""),
        ("a.", ""),
        ("", ""),
    ]
