"""Text that is not what it seems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.trust.plain import hidden, mixed_scripts, revealed


@pytest.mark.parametrize(
    "text",
    ["\u202eretsA", "As\u200bter", "Aster\n", "As\u3164ter", "A\u034fster", "Aster\ufe0f", "\ud800", "\x00"],
)
def test_hidden_characters(text: str) -> None:
    assert hidden(text)
    shown = revealed(text)
    assert "\\" in shown
    assert not hidden(shown)


@pytest.mark.parametrize("text", ["Aster & Söhne", "Ελλάδα ΑΕ", "ООО Берёза", "株式会社", "شركة", ""])
def test_plain_text(text: str) -> None:
    assert not hidden(text)
    assert revealed(text) == text
    assert mixed_scripts(text) is None


@pytest.mark.parametrize(("text", "word"), [("Вirch Packaging", "Вirch"), ("Pαckaging", "Pαckaging")])
def test_letters_of_two_alphabets_in_one_word(text: str, word: str) -> None:
    assert mixed_scripts(text) == word


@given(st.text())
def test_whatever_comes_is_shown(text: str) -> None:
    assert not hidden(revealed(text))
    mixed_scripts(text)
