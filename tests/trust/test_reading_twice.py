"""A table is accepted at once or looked at field by field: both ways come to the same."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trust import HUB, NOW, PARTNER, certificate, pem

from ecluse.trust import Configuration, ConfigurationError
from ecluse.trust.errors import Problem
from ecluse.trust.files import reading
from ecluse.trust.settings.schema import Hub, Partner

RICH = """name = "Birch"
[as2]
id = "BIRCH"
url = "https://as2.birch.example/as2"
sign = false
basic_auth = { user = "aster", password = "env:BIRCH" }
[account]
user = "birch"
password = "keyring:birch"
folders = ["orders", "invoices"]
[s3]
bucket = "b"
access_key = "env:A"
secret_key = "file:x"
[s3.tags]
kind = "order"
[[certificates]]
file = "certificates/birch.pem"
from = "2026-01-01"
[[exceptions]]
algorithm = "sha-1"
reason = "old software"
until = "2027-01-01"
"""
ODD = st.one_of(
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from(
        [
            "",
            "sha-1",
            "3des",
            "open sesame",
            "env:X",
            "env:1",
            "a\x07b",
            "2026-13-01",
            "x" * 300,
            "5 GiB",
            "10m",
        ]
    ),
    st.dates(),
    st.lists(st.sampled_from(["verify", "encrypt", "tls", "x"]), max_size=4),
    st.just({}),
    st.just({"nothing": 1}),
)


def places(table: Any, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = []
    items = table.items() if isinstance(table, dict) else enumerate(table)
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_one_field_changed(data: st.DataObject) -> None:
    table = tomllib.loads(RICH)
    for _ in range(data.draw(st.integers(0, 2))):
        path = data.draw(st.sampled_from(places(table)))
        place: Any = table
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = copy.deepcopy(data.draw(ODD))
    text = tomli_w.dumps(table)
    both: list[tuple[Partner | None, list[Problem]]] = []
    accepted = reading._accepted
    for way in (accepted, lambda table, kind: None):
        problems: list[Problem] = []
        reading._accepted = way  # type: ignore[assignment]
        try:
            both.append((reading.read_toml(text, Partner, "birch.toml", problems), problems))
        finally:
            reading._accepted = accepted
    assert both[0] == both[1]


def test_a_choice_or_false_is_never_true() -> None:
    problems: list[Problem] = []
    assert reading.read_toml(HUB + "[inbox]\nfolder = true\n", Hub, "ecluse.toml", problems) is None
    assert [problem.field for problem in problems] == ["inbox.folder"]


# --- reading another version --------------------------------------------------------------------------------

FILES = {
    "ecluse.toml": HUB,
    "partners/birch.toml": PARTNER,
    "certificates/birch.pem": pem(certificate("Birch")),
    "partners/cedar.toml": PARTNER.replace("birch", "cedar")
    .replace("BIRCH", "CEDAR")
    .replace("Birch", "Cedar"),
    "certificates/cedar.pem": pem(certificate("Cedar")),
}
PAST = '[[exceptions]]\nalgorithm = "sha-1"\nreason = "old"\nuntil = "2026-01-01"\n'
CHANGES = st.sampled_from(
    [
        ("partners/birch.toml", PARTNER + PAST),
        ("partners/birch.toml", PARTNER.replace("https", "ftp")),
        ("partners/birch.toml", PARTNER.replace("BIRCH", "CEDAR")),
        ("partners/birch.toml", None),
        ("certificates/birch.pem", None),
        ("certificates/birch.pem", "nothing"),
        ("certificates/birch.pem", pem(certificate("Birch", end=2021))),
        ("certificates/birch.pem", pem(certificate("Birch", "1024"))),
        ("certificates/birch.pem", pem(certificate("Birch two"))),
        ("ecluse.toml", HUB.replace("ASTER", "CEDAR")),
        ("ecluse.toml", HUB + '[[revocation.authorities]]\ncertificate = "certificates/none.pem"\n'),
        ("flows/orders.toml", 'name = "Orders"\nfrom = "as2:birch"\nto = ["as2:cedar"]\n'),
    ]
)


def outcome(files: dict[str, str], before: Configuration | None, now: Any) -> object:
    try:
        read = Configuration.from_files(files, now, before=before)
    except ConfigurationError as error:
        return [str(problem) for problem in error.problems]
    return read.hub, dict(read.partners), dict(read.certificates), dict(read.flows), dict(read.files)


@settings(max_examples=120, deadline=None)
@given(st.lists(CHANGES, max_size=3), st.sampled_from([None, NOW]))
def test_what_was_read_before_changes_nothing_but_the_time_it_takes(changes: Any, now: Any) -> None:
    before = Configuration.from_files(FILES, NOW)
    files = dict(FILES)
    for path, text in changes:
        if text is None:
            files.pop(path, None)
        else:
            files[path] = text
    assert outcome(files, before, now) == outcome(files, None, now)
