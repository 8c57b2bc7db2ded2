"""Patterns of file names."""

from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.model.patterns import Names, matches, overlap

PATTERN = st.text("ab*?.[]!-", max_size=8)
NAME = st.text("ab.-]!", max_size=8)


@pytest.mark.parametrize(
    "pattern, name, fits",
    [
        ("*.edi", "ORDER.EDI", True),
        ("*.edi", "order.edi.tmp", False),
        ("*", "", True),
        ("", "", True),
        ("?", "", False),
        ("order-[0-9][0-9].xml", "order-42.xml", True),
        ("order-[0-9][0-9].xml", "order-4a.xml", False),
        ("[!a-c]*", "dog", True),
        ("[!a-c]*", "cat", False),
        ("[]]", "]", True),
        ("[!]]", "]", False),
        ("[ab", "[ab", True),
        ("caf\u00e9*", "cafe\u0301.txt", True),
        ("stra\u00dfe", "STRASSE", True),
        ("a*b*c", "aXXbYYc", True),
        ("a*b*c", "aXXbYY", False),
        ("***", "x", True),
    ],
)
def test_what_fits(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


@given(st.text("ab*?.", max_size=10), st.text("ab.", max_size=10))
def test_it_is_what_the_standard_library_says(pattern: str, name: str) -> None:
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_pattern_and_a_name(pattern: str, name: str) -> None:
    assert isinstance(matches(pattern, name), bool)
    assert matches("*", name)
    literal = "".join(f"[{each}]" if each in "*?[" else each for each in name)
    assert matches(literal, name)


def test_no_pattern_takes_long() -> None:
    begun = time.perf_counter()
    assert not matches("*a" * 60 + "b", "a" * 255)
    assert overlap("*a" * 60, "a*" * 60 + "b*a")
    assert time.perf_counter() - begun < 25


@given(PATTERN, PATTERN, NAME)
def test_two_patterns_that_one_name_fits_overlap(one: str, other: str, name: str) -> None:
    if matches(one, name) and matches(other, name):
        assert overlap(one, other)
    assert overlap(one, other) is overlap(other, one)


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6))
def test_patterns_overlap_only_where_a_name_fits_both(one: str, other: str) -> None:
    if overlap(one, other):
        # Two patterns of this length share a name of their lengths together, if they share any.
        length = len(one) + len(other)
        import itertools

        names = (
            "".join(letters)
            for n in range(min(length, 8) + 1)
            for letters in itertools.product("ab", repeat=n)
        )
        assert any(matches(one, name) and matches(other, name) for name in names)


def test_names_say_why_not() -> None:
    names = Names(("*.edi", "*.xml"), ("old*",))
    assert names.refusal("a.EDI") == ""
    assert names.refusal("old.edi") == "its name fits old*, which is left"
    assert names.refusal("a.pdf") == "its name does not fit *.edi or *.xml"
    assert re.fullmatch(r"", Names().refusal("anything"))
