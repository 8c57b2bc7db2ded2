"""Summaries say the same whatever names they are given: no value becomes an element, an attribute or another value."""

from __future__ import annotations

import string
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.certs import make_identity

from ecluse.app.events import EVENT_KINDS
from ecluse.app.packs.notes import _WORDS, Language, Note
from ecluse.app.packs.readme import readme
from ecluse.app.packs.summary import DETAILED, Broken, Told, Vouchers, summary_page
from ecluse.app.packs.summary.english import ENGLISH
from ecluse.app.packs.summary.french import FRENCH
from ecluse.app.packs.summary.parts import text
from ecluse.model.basics import Instant
from ecluse.model.nouns import Event
from ecluse.model.states import MessageState

LANGUAGES: tuple[Language, ...] = ("en", "fr")
NASTY = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "</title><script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "'-->]]>&lt;b&gt;",
            "\u202efdp.exe",
            "a\x00b\r\nc\u2028d",
            "{0} {message} %s",
            "javascript:alert(1)",
        ]
    ),
)


class Skeleton(HTMLParser):
    """The elements of a page with their attributes, and its text apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, str, tuple[tuple[str, str | None], ...]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(("start", tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(("end", tag, ()))

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def told(value: str, other: str) -> Told:
    facts: dict[str, Any] = {
        "id": "m" + "0" * 26,
        "direction": "out",
        "partner": "birch",
        "protocol": value,
        "protocol_id": value,
        "state": "delivered",
        "created": "2026-03-02T09:14:07.120Z",
        "subject": value,
        "reference": other,
        "reason": value,
        "config_version": 3,
        "origin": other,
        "children": [value, other],
        "documents": [{"name": value, "type": other, "size": 3, "sha256": "0" * 64, "path": None}],
        "mic": {"algorithm": "sha256", "ours": value, "theirs": other, "equal": False},
        "certificates": [
            {
                "sha256": "0" * 64,
                "use": value,
                "owner": other,
                "verdict": {"state": value, "at": other, "source": value},
            }
        ],
        "deliveries": [{"channel": value, "state": other, "attempts": 1, "reason": value}],
        "receipts": [
            {"received": other, "kind": value, "verdict": other, "disposition": value, "positive": True}
        ],
        "answer": {"created": other, "disposition": value, "status": 200, "positive": True},
        "events": [{"index": 5, "at": "2026-03-02T09:14:07.120Z"}],
    }
    event = Event("e1", Instant(0), "message." + (value or "x"), "m", actor=other)
    return Told(facts, [event], other, {})


def page(language: Language, value: str, other: str) -> str:
    broken = Broken(value, 5, other, value, (value, other), (other,))
    vouchers = Vouchers(other, value, 7, value, ((value, other),), (other,), (broken,))
    notes = [Note("octets-gone", "m1", (value,)), Note("no-stamp")]
    return summary_page(language, "2026-03-02T09:14:07.120Z", vouchers, [told(value, other)], notes)


@settings(max_examples=150, deadline=None)
@given(NASTY.filter(bool), NASTY.filter(bool), st.sampled_from(LANGUAGES))
def test_no_value_breaks_out(value: str, other: str, language: Language) -> None:
    found, plain = Skeleton(page(language, value, other)), Skeleton(page(language, "x", "y"))
    assert found.elements == plain.elements
    assert {tag for _, tag, _ in found.elements}.isdisjoint(
        {"script", "img", "a", "iframe", "link", "object"}
    )
    assert text(value) == "" or any(Skeleton(text(value)).texts[0] in each for each in found.texts)


def test_what_is_not_seen_is_spelled_out() -> None:
    assert text("fdp.\u202etxt\x00") == "fdp.\\u{202e}txt\\u{0}"
    assert text("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"
    assert text("\ud800") == "\\u{d800}"


def test_the_page_loads_and_runs_nothing() -> None:
    for language in LANGUAGES:
        whole = page(language, "x", "y")
        assert "default-src 'none'" in whole
        assert "@media print" in whole
        assert all(word not in whole for word in ("<script", "src=", "href=", "url(", "http:", "https:"))
        assert f'<html lang="{language}">' in whole


def test_a_certificate_with_a_hostile_name(tmp_path: Any) -> None:
    certificate = make_identity('<script>"</td>', "ec-p256").certificate
    each = told("x", "y")
    shown = msgspec.structs.replace(each, certificates={"0" * 64: certificate})
    vouchers = Vouchers("o", "k", 1, "r")
    whole = summary_page("en", "2026-03-02T09:14:07.120Z", vouchers, [shown], [])
    assert "<script" not in whole
    assert "&lt;script" in whole


def test_the_hundred_and_first_is_a_line() -> None:
    short = {
        name: value
        for name, value in told("x", "y").facts.items()
        if name in ("id", "direction", "reference", "subject", "state", "created", "mic")
    }
    messages = [told("x", "y")] * DETAILED + [Told(short, [], "z", {})]
    whole = summary_page("fr", "2026-03-02T09:14:07.120Z", Vouchers("o", "k", 1, "r"), messages, [])
    assert whole.count("<section>") == DETAILED
    assert f"Les {DETAILED} premiers" in whole


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_both_languages_say_everything() -> None:
    for name in ENGLISH.__struct_fields__:
        english, french = getattr(ENGLISH, name), getattr(FRENCH, name)
        if isinstance(english, str):
            assert english
            assert french
            assert fields(english) == fields(french), name
        elif name != "event_words":
            assert english.keys() == french.keys(), name
    assert {state.value for state in MessageState} == ENGLISH.states.keys()
    for code, (english, french) in _WORDS.items():
        assert fields(english) == fields(french), code
        assert english != french


@pytest.mark.parametrize(
    "kind",
    [kind for kind in EVENT_KINDS if kind.startswith(("message.", "delivery.", "receipt.kept", "answer."))],
)
def test_every_event_of_a_message_has_french_words(kind: str) -> None:
    assert FRENCH.event_words.get(kind), f"{kind} has no words in French"


def test_the_text_beside_it() -> None:
    assert "ecluse-verify PACK --key LOGKEY" in readme("ecluse/aster", Instant(0))
    assert "{" in readme("o", Instant(0))
    assert "{{" not in readme("o", Instant(0))
