"""Points, letters, and an arithmetic that adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.posture.engine import Found
from ecluse.posture.grade import CAP, LETTERS, POINTS, Grade, grade_of, hub_grade
from ecluse.posture.rule import Hit, Rule, Severity

RULES = {
    severity: Rule(f"crypto.{severity.value}", severity, "T", "W.", "e", "R.", lambda facts, moment: ())
    for severity in Severity
}


def found(*severities: Severity) -> list[Found]:
    return [
        Found(RULES[severity], "partner:birch", Hit(str(number), "x"))
        for number, severity in enumerate(severities)
    ]


def total(grade: Grade) -> float:
    return round(sum(step.points for step in grade.steps), 1)


def test_nothing_found_is_the_best() -> None:
    assert (grade_of([]).letter, grade_of([]).score) == ("A", 100)


@pytest.mark.parametrize(
    ("severities", "letter", "score"),
    [
        ([Severity.INFO] * 50, "A", 100),
        ([Severity.LOW], "A", 99),
        ([Severity.MEDIUM, Severity.MEDIUM], "A", 90),
        ([Severity.HIGH], "B", 85),
        ([Severity.HIGH, Severity.MEDIUM, Severity.LOW], "B", 79),
        ([Severity.CRITICAL], "D", CAP),
        ([Severity.CRITICAL, Severity.CRITICAL, Severity.HIGH, Severity.HIGH], "F", 0),
    ],
)
def test_letters(severities: list[Severity], letter: str, score: float) -> None:
    grade = grade_of(found(*severities))
    assert (grade.letter, grade.score) == (letter, score)
    assert total(grade) == grade.score


def test_one_rule_counts_twice_at_most() -> None:
    assert grade_of(found(*[Severity.MEDIUM] * 40)).score == 90


def test_the_hub_loses_what_its_partners_lose_on_average() -> None:
    good, bad = grade_of([]), grade_of(found(Severity.HIGH, Severity.HIGH))
    assert hub_grade([], [good, good, bad], []).score == 90
    assert hub_grade(found(Severity.MEDIUM), [good, bad], [bad]).score == 100 - 5 - 15 - 30


def test_a_partner_in_danger_caps_the_hub() -> None:
    danger = grade_of(found(Severity.CRITICAL))
    assert hub_grade([], [danger] + [grade_of([])] * 99, []).score == CAP
    assert hub_grade([], [], [danger] + [grade_of([])] * 99).score == CAP
    assert hub_grade(found(Severity.CRITICAL), [], []).score == CAP


@given(
    st.lists(st.sampled_from(list(Severity)), max_size=60),
    st.lists(st.lists(st.sampled_from(list(Severity)), max_size=9)),
)
def test_the_arithmetic_adds_up(own: list[Severity], partners: list[list[Severity]]) -> None:
    grades = [grade_of(found(*each)) for each in partners]
    for grade in (*grades, hub_grade(found(*own), grades, grades)):
        assert total(grade) == pytest.approx(grade.score, abs=0.051)
        assert 0 <= grade.score <= 100
        assert grade.letter == next(letter for letter, least in LETTERS if grade.score >= least)
    assert list(POINTS.values()) == sorted(POINTS.values(), reverse=True)
