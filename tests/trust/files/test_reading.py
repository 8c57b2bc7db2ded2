"""Whatever stands in the files, only our errors come out."""

from __future__ import annotations

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import HUB, NOW, PARTNER, files

from ecluse.trust import Configuration, ConfigurationError
from ecluse.trust.files.reading import MAX_FILE, read_toml
from ecluse.trust.settings.schema import Hub, Partner

RICH = (
    PARTNER
    + 'from = 2026-01-01\nuse = ["verify", "encrypt"]\n[as2.retry]\nattempts = 3\n'
    + '[[exceptions]]\nalgorithm = "sha-1"\nreason = "old server"\nuntil = 2026-12-31\n'
)
HUB_RICH = HUB + '[store]\npassword = "env:P"\n[listen.as2]\naddress = "[::1]:4080"\n'


def read(contents: dict[str, str]) -> None:
    try:
        configuration = Configuration.from_files(contents, NOW)
    except ConfigurationError as error:
        problems = error.problems
    else:
        problems = ()
        assert configuration.hub.organisation.name
    assert all(problem.code.startswith(("config.", "trust.")) for problem in problems)


PIECES = [*"[]{}=.\n\x00", '"', "'''", "]]", "0x", "nan", "inf", "1e400", "-1", "9" * 5000, "true", "[as2]"]
PIECES += ["2026-99-01", "0000-01-01", "\\u0000", "\ud800", "{a.b.c=[[[1]]]}"]


@st.composite
def mutations(draw: st.DrawFn, text: str) -> str:
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.text(max_size=6) | st.sampled_from(PIECES))
        text = text[:start] + piece + text[end:]
    return text


@settings(max_examples=250, deadline=None)
@given(mutations(RICH))
def test_any_mutation_of_a_partner_gives_our_errors_only(text: str):
    read(files(text))


@settings(max_examples=150, deadline=None)
@given(mutations(HUB_RICH))
def test_any_mutation_of_the_hub_gives_our_errors_only(text: str):
    read(files(hub=text))


@settings(max_examples=60, deadline=None)
@given(mutations(files()["certificates/birch.pem"]))
def test_any_mutation_of_a_certificate_gives_our_errors_only(text: str):
    read({**files(), "certificates/birch.pem": text})


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        ["name", "state", "as2", "certificates", "exceptions"]
        + [f"as2.{name}" for name in ("id", "url", "sign", "retry", "tls", "async_receipt_hosts", "max_size")]
    ),
    _VALUES,
)
def test_any_value_in_any_field_gives_our_errors_only(field: str, value: object):
    table: dict[str, object] = {"name": "Birch", "as2": {"id": "BIRCH"}}
    head, _, tail = field.partition(".")
    if tail:
        table[head] = {"id": "BIRCH", tail: value}
    else:
        table[head] = value
    try:
        text = tomli_w.dumps(table)
    except (TypeError, ValueError):
        return
    read(files(text))


def test_depth_and_size_are_bounded():
    for text in (
        "a = " + "[" * 100_000,
        "[as2]\nsubject." + ".".join("a" * 20_000) + " = 1",
        "x" * (MAX_FILE + 1),
        "a = " + "{a = " * 5000,
    ):
        problems: list = []
        assert read_toml(text, Partner, "partners/x.toml", problems) is None
        assert problems
        problems.clear()
        assert read_toml(text, Hub, "ecluse.toml", problems) is None
        assert problems
