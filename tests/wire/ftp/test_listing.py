from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.ftp import (
    FACTS,
    FtpSyntaxError,
    Listed,
    fact_line,
    list_line,
    parse_facts,
    parse_list,
    parse_time,
    time_text,
)

NOW = int(datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()) * 1_000_000


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "-rw-r--r--   1 1000     users      1234 Nov 22 02:10 order 1.xml",
            Listed("order 1.xml", "file", 1234, at(2026, 11, 22, 2, 10)),
        ),
        ("-r--r--r-- 1 ftp ftp 7 Dec 31 23:59 a", Listed("a", "file", 7, at(2025, 12, 31, 23, 59), False)),
        ("-rw-r--r-- 1 ftp ftp 7 Jan  5  2024 a", Listed("a", "file", 7, at(2024, 1, 5))),
        ("-rw-r--r-- 1 ftp ftp 7 Feb 29 10:00 leap", Listed("leap", "file", 7, at(2024, 2, 29, 10, 0))),
        ("drwxr-xr-x+  2 0 0 4096 Jan  5  2024 in", Listed("in", "folder", 0, at(2024, 1, 5))),
        ("lrwxrwxrwx 1 0 0 4 Jan  5  2024 link -> /etc", Listed("link -> /etc", "other", 0, at(2024, 1, 5))),
        ("-rw-r--r--   1 owner      99 Nov 21 12:00 no-group", Listed("no-group", "file", 99, at(2026, 11, 21, 12, 0))),
        ("11-22-26  03:39AM       <DIR>          out", Listed("out", "folder", 0, at(2026, 11, 22, 3, 39))),
        ("11-22-2026  12:05PM     12345 big f.txt", Listed("big f.txt", "file", 12345, at(2026, 11, 22, 12, 5))),
        ("11-22-26  12:05AM             1 midnight", Listed("midnight", "file", 1, at(2026, 11, 22, 0, 5))),
        ("total 12", None),
        ("", None),
    ],
)  # fmt: skip
def test_forms_of_list(line: str, entry: Listed | None) -> None:
    assert parse_list(line, NOW) == entry


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "-rw-r--r-- 1 a b c Nov 22 02:10 x",
        "-rw-r--r-- 1 a b 1 Foo 22 02:10 x",
        "13-45-26 03:39AM 1 x",
        "-rw-r--r-- 1 a b 1 Feb 30 02:10 x",
    ],
)
def test_what_is_no_entry(line: str) -> None:
    with pytest.raises(FtpSyntaxError):
        parse_list(line, NOW)


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "Type=file;Size=12;Modify=20261122031500.123;Perm=adfrw; a b",
            Listed("a b", "file", 12, at(2026, 11, 22, 3, 15) + 123_000),
        ),
        ("type=cdir;modify=20261122031500; /", Listed("/", "other", 0, at(2026, 11, 22, 3, 15))),
        ("type=OS.unix=slink:/x;size=1; l", Listed("l", "other", 1, None)),
        ("type=dir;perm=el; d", Listed("d", "folder", 0, None, False)),
    ],
)  # fmt: skip
def test_facts(line: str, entry: Listed) -> None:
    assert parse_facts(line) == entry


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nothing",
        "type=file;size=x; a",
        "type=file;modify=2026; a",
        "type=file;size=99999999999999999999; a",
        "type=file; ",
    ],
)
def test_what_are_no_facts(line: str) -> None:
    with pytest.raises(FtpSyntaxError):
        parse_facts(line)


names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(
    lambda name: name.strip() == name
)
entries = st.builds(
    Listed,
    name=names,
    kind=st.sampled_from(["file", "folder"]),
    size=st.integers(0, 1 << 60),
    modified=st.integers(0, at(2200, 1, 1) // 1_000_000).map(lambda second: second * 1_000_000),
    writable=st.booleans(),
)


@given(entries)
def test_what_is_written_is_read_again(entry: Listed) -> None:
    size = entry.size if entry.kind == "file" else 0
    found = parse_facts(fact_line(entry))
    assert (found.name, found.kind, found.size, found.modified) == (
        entry.name,
        entry.kind,
        size,
        entry.modified,
    )
    listed = parse_list(
        list_line(Listed(entry.name, entry.kind, size, entry.modified, entry.writable), NOW), NOW
    )
    assert listed is not None
    assert (listed.name, listed.kind, listed.size) == (entry.name, entry.kind, size)


@given(entries, st.lists(st.sampled_from(FACTS), unique=True))
def test_only_the_chosen_facts(entry: Listed, facts: list[str]) -> None:
    line = fact_line(entry, tuple(facts))
    assert {part.partition("=")[0] for part in line[: -len(entry.name) - 1].split(";") if part} <= set(facts)


@given(
    st.text()
    | st.from_regex(r"[-dl][-rwx]{9} +\d+ +\w+ +\w+ +\d+ +[A-Z][a-z]{2} +\d+ +[\d:]+ .*")
    | st.from_regex(r"\d\d-\d\d-\d\d +\d+:\d\d[AP]M +(<DIR>|\d+) .+")
    | st.from_regex(r"(type|size|modify)=[^;]*;(size|modify)=\d*; .+")
)
def test_garbage_gives_our_error(line: str) -> None:
    for parse in (lambda text: parse_list(text, NOW), parse_facts, parse_time):
        try:
            parse(line)
        except FtpSyntaxError:
            pass


@given(st.integers(0, at(9999, 12, 31) // 1_000_000))
def test_times(second: int) -> None:
    assert parse_time(time_text(second * 1_000_000)) == second * 1_000_000
