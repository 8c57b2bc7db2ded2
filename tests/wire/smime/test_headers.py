from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.errors import EcluseError
from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.headers import (
    MAX_FIELDS,
    MAX_HEADER_BLOCK,
    Headers,
    HeaderScanner,
    parse_headers,
    write_headers,
)


def scan(data: bytes, chunk: int, *, require: bool) -> tuple[Headers, bytes]:
    scanner = HeaderScanner(require=require)
    for at in range(0, len(data), chunk):
        found = scanner.feed(data[at : at + chunk])
        if found is not None:
            return found[0], found[1] + data[at + chunk :]
    return scanner.close()


def test_fields_keep_order_and_are_found_in_any_case():
    headers = parse_headers(b"B: 2\r\na: 1\r\nB:3\r\n\r\n")
    assert headers.fields == (("B", "2"), ("a", "1"), ("B", "3"))
    assert headers.get("b") == "2"
    assert headers.get_all("b") == ("2", "3")
    assert "A" in headers
    assert headers.raw.endswith(b"\r\n\r\n")


def test_folded_lines_are_unfolded_with_tabs_and_bare_lf():
    headers = parse_headers(b"Content-Type: multipart/signed;\r\n\tboundary=x;\n  micalg=sha1\n\n")
    assert headers.get("content-type") == "multipart/signed; boundary=x; micalg=sha1"


def test_octets_beyond_ascii_are_read_as_utf8_or_latin1():
    assert parse_headers("A: é".encode()).get("a") == "é"
    assert parse_headers("A: é".encode("latin-1")).get("a") == "é"


@pytest.mark.parametrize(
    "raw",
    [
        b" a: 1\r\n\r\n",
        b"no colon\r\n\r\n",
        b": value\r\n",
        b"a b: 1\r\n",
        b"A: 1\r\n" * (MAX_FIELDS + 1),
        b"A: " + b"x" * MAX_HEADER_BLOCK,
    ],
)
def test_what_is_no_header_block_is_refused(raw):
    with pytest.raises(MimeError):
        parse_headers(raw)


def test_nothing_written_is_folded_or_breaks_out_of_its_line():
    assert write_headers([("A", "x" * 2000)]).count(b"\r\n") == 2
    for name, value in (("A", "x\r\nB: y"), ("A", "x\ny"), ("A\r\nB", "x"), ("A", "\0"), ("A", "\ud800")):
        with pytest.raises(MimeError):
            write_headers([(name, value)])


@pytest.mark.parametrize("chunk", [1, 3, 10_000])
@pytest.mark.parametrize(
    "data",
    [
        b"UNA:+.? '\r\nUNB+UNOA:2'\r\n\r\nUNH'",
        b"ISA*00*          *00*\r\n",
        b"Note: this is text\r\n\r\nand no header\r\n",
        b"\r\nleading blank line",
        b"\n",
        b"<?xml version='1.0'?>\n<a b:c='d'/>",
        bytes(range(256)) * 10,
        b"",
        b"Content-Type: cut short",
    ],
)
def test_content_without_a_mime_header_is_all_payload(data, chunk):
    headers, rest = scan(data, chunk, require=False)
    assert (headers.raw, rest) == (b"", data)


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_mime_header_is_found_whatever_the_chunks(chunk, end):
    data = b"X: 1" + end + b"CONTENT-TYPE: text/plain" + end + end + b"body" + end + end + b"more"
    for require in (False, True):
        headers, rest = scan(data, chunk, require=require)
        assert headers.get("content-type") == "text/plain"
        assert headers.raw + rest == data
        assert rest.startswith(b"body")


def test_a_part_may_have_an_empty_header():
    assert scan(b"\r\nbody", 1, require=True) == (Headers((), b"\r\n"), b"body")


def test_an_endless_header_is_refused_or_payload():
    data = b"Content-Type: " + b"x" * (MAX_HEADER_BLOCK + 1)
    assert scan(data, 8192, require=False) == (Headers(), data)
    with pytest.raises(MimeError):
        scan(data, 8192, require=True)


@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_scanning_loses_nothing_and_raises_our_errors_only(data, chunk, require):
    try:
        headers, rest = scan(data, chunk, require=require)
    except EcluseError:
        return
    assert headers.raw + rest == data
    assert scan(data, len(data) or 1, require=require) == (headers, rest)


_names = st.text(st.sampled_from("ABCxyz-0"), min_size=1, max_size=20)
_values = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), max_size=60
)


@given(st.lists(st.tuples(_names, _values.map(lambda text: text.strip(" \t"))), max_size=20))
def test_what_is_written_is_read_back(fields):
    try:
        raw = write_headers(fields)
    except MimeError:
        return
    assert parse_headers(raw).fields == tuple(fields)
