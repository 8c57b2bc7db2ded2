"""A fix in the text of its file; where a finding stands there."""

from __future__ import annotations

import tomllib

import pytest

from ecluse.posture.edits import file_of, line_of, with_puts
from ecluse.posture.rule import Put

TEXT = """\
name = "Birch"
state = "active"

[as2]
id = "BIRCH"
encrypt = false

[as2.tls]
min_version = "1.2"

[[exceptions]]
algorithm = "sha-1"
reason = "an old product"
until = "2026-12-31"

[[exceptions]]
algorithm = "3des"
reason = "the same"
until = "2026-12-31"
"""


def read(*puts: Put) -> dict[str, object]:
    return tomllib.loads(with_puts(TEXT, puts))


@pytest.mark.parametrize(
    ("subject", "file"),
    [("hub", "ecluse.toml"), ("partner:birch", "partners/birch.toml"), ("flow:orders", "flows/orders.toml")],
)
def test_file(subject: str, file: str) -> None:
    assert file_of(subject) == file


def test_values_are_put_where_they_belong() -> None:
    wanted = tomllib.loads(TEXT)
    wanted["as2"]["encrypt"] = "aes-256-cbc"
    wanted["as2"]["tls"]["min_version"] = "1.3"
    assert read(Put(("as2", "encrypt"), "aes-256-cbc"), Put(("as2", "tls", "min_version"), "1.3")) == wanted


def test_comments_stay() -> None:
    text = '# ours\nname = "Birch"\n\n[as2]\n# theirs\nid = "BIRCH"\nencrypt = false  # until June\n'
    put = Put(("as2", "encrypt"), "aes-256-cbc")
    assert with_puts(text, [put]) == (
        '# ours\nname = "Birch"\n\n[as2]\n# theirs\nid = "BIRCH"\nencrypt = "aes-256-cbc"\n'
    )


def test_tables_that_are_not_there_are_made() -> None:
    assert read(Put(("account", "second_factor"), True))["account"] == {"second_factor": True}
    assert read(Put(("as2", "retry", "attempts"), 12))["as2"]["retry"] == {"attempts": 12}  # type: ignore[index]


def test_values_are_taken_out() -> None:
    assert "encrypt" not in read(Put(("as2", "encrypt"), None))["as2"]  # type: ignore[operator]
    assert read(Put(("nothing", "there"), None)) == tomllib.loads(TEXT)


def test_places_in_arrays_are_those_of_the_text() -> None:
    both = read(Put(("exceptions", 0), None), Put(("exceptions", 1), None))
    assert both["exceptions"] == []
    second = read(Put(("exceptions", 0), None), Put(("exceptions", 1, "until"), "2026-08-01"))
    assert [each["algorithm"] for each in second["exceptions"]] == ["3des"]  # type: ignore[index,attr-defined]
    assert second["exceptions"][0]["until"] == "2026-08-01"  # type: ignore[index]


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("state", 2),
        ("as2.encrypt", 6),
        ("as2.tls.min_version", 9),
        ("as2.require_signed", 4),
        ("exceptions[1].until", 19),
        ("exceptions[0]", 11),
        ("account.password", 1),
        ("seen.as2.host-key.SHA256:ab/cd+e", 1),
        ("", 1),
    ],
)
def test_lines(place: str, line: int) -> None:
    assert line_of(TEXT, place) == line


def test_a_strange_text_has_a_line_too() -> None:
    assert line_of("", "as2.encrypt") == 1
    assert line_of("[[[\n=\n", "a[0].b") == 1
