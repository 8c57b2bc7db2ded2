"""Archive profiles and places: what is refused, and what is read."""

from __future__ import annotations

from typing import Any

import pytest

from ecluse.trust.configuration import Configuration
from ecluse.trust.errors import ConfigurationError
from ecluse.trust.files.editors import json_schema

HUB = '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n'
PROFILE = 'name = "Invoices"\nretention = "10y"\nbasis = "the law"\n'
PLACE = '[archive.places.far]\nplace = "/far"\n'
BUCKET = """[archive.places.far]
place = "s3://one/two"
access_key = "env:A"
secret_key = "env:B"
object_lock = "compliance"
"""


def read(profile: str = PROFILE, hub: str = "", **more: str) -> Configuration:
    files = {"ecluse.toml": HUB + hub, "archive/invoices.toml": profile}
    others = {name.replace("__", "/") + ".toml": text for name, text in more.items()}
    return Configuration.from_files({**files, **others})


def codes(*rest: Any, **more: Any) -> set[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as raised:
        read(*rest, **more)
    return {(problem.code, problem.field) for problem in raised.value.problems}


def test_a_profile_is_read_with_its_defaults() -> None:
    profile = read().archive["invoices"]
    assert (profile.begins, profile.counts_from, profile.at_end, profile.dispose) == (
        "deposit",
        "day",
        "dispose",
        ("archive",),
    )
    assert read(PROFILE + 'copy = "far"\nwrite_once = true\n', BUCKET).archive["invoices"].write_once


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('retention = "10"', "retention"),
        ('retention = "0y"', "retention"),
        ('begins = "never"', "begins"),
        ('year_ends = "02-29"', "year_ends"),
        ('year_ends = "13-01"', "year_ends"),
        ('timezone = "Mars/Olympus"', "timezone"),
        ('dispose = ["run"]', "dispose"),
        ('dispose = ["boss"]', "dispose[0]"),
    ],
)
def test_values_that_can_not_be(line: str, field: str) -> None:
    text = PROFILE.replace('retention = "10y"\n', "") if line.startswith("retention") else PROFILE
    assert {found for _, found in codes(text + line + "\n")} == {field}


def test_a_profile_says_on_what_it_rests() -> None:
    assert codes('name = "Invoices"\nretention = "10y"\n') == {("config.missing-field", "basis")}


def test_second_places() -> None:
    assert codes(PROFILE + 'copy = "far"\n') == {("config.unknown-place", "copy")}
    assert codes(PROFILE + "write_once = true\n") == {("config.no-lock", "write_once")}
    assert codes(PROFILE + 'copy = "far"\nwrite_once = true\n', PLACE) == {("config.no-lock", "write_once")}
    forever = PROFILE.replace("10y", "forever") + 'copy = "far"\nwrite_once = true\n'
    assert codes(forever, BUCKET) == {("config.bad-value", "write_once")}
    assert codes(hub=PLACE + 'object_lock = "governance"\n') == {
        ("config.no-lock", "archive.places.far.object_lock")
    }
    assert codes(hub='[archive.places.far]\nplace = "s3://one"\n') == {
        ("config.missing-field", "archive.places.far.access_key")
    }
    assert codes(hub='[archive]\nfixity = "1m"\nclock_gap = "400d"\n') == {
        ("config.bad-value", "archive.fixity"),
        ("config.bad-value", "archive.clock_gap"),
    }


def test_a_profile_that_is_named_has_to_be_there() -> None:
    flow = 'name = "Orders"\n[[to]]\nchannel = "folder:out"\n[archive]\nprofile = "orders"\n'
    partner = 'name = "Birch"\nstate = "invited"\n[archive]\nprofile = "partners"\n'
    hub = '[archive]\nprofile = "all"\n[folders.out]\npath = "out"\n'
    assert codes(hub=hub, flows__orders=flow, partners__birch=partner) == {
        ("config.unknown-profile", "archive.profile")
    }
    with pytest.raises(ConfigurationError) as raised:
        read(hub=hub, flows__orders=flow, partners__birch=partner)
    assert {each.file for each in raised.value.problems} == {
        "ecluse.toml",
        "flows/orders.toml",
        "partners/birch.toml",
    }


def test_ecluse_toml_by_itself_may_name_what_lies_in_other_files() -> None:
    text = HUB + '[archive]\nprofile = "invoices"\n'
    assert Configuration.from_files({"ecluse.toml": text}).hub.archive.profile == "invoices"


def test_an_archive_administrator_signs_with_a_key() -> None:
    assert codes(hub='[[operators]]\nname = "anne"\nroles = ["archive"]\n') == {
        ("config.missing-field", "operators[0].keys")
    }


def test_editors_know_the_fields() -> None:
    schema: Any = json_schema("archive")
    fields = schema["$defs"]["ArchiveProfile"]["properties"]
    assert fields["retention"]["description"].startswith("For how long")
    assert fields["at_end"]["enum"] == ["dispose", "keep", "review"]
