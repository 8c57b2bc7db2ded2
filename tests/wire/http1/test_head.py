"""Heads: what is read, what is refused, and that nothing else is ever raised."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.wire.http1 import (
    MAX_FIELDS,
    HttpSyntaxError,
    encode_head,
    parse_request_head,
    parse_response_head,
    request_framing,
    response_framing,
)

HOST = b"Host: aster.example\r\n"


def framing(fields: bytes, first: bytes = b"POST / HTTP/1.1"):
    return request_framing(parse_request_head(first + b"\r\n" + HOST + fields))


def status_of(fields: bytes, first: bytes = b"POST / HTTP/1.1") -> int:
    with pytest.raises(HttpSyntaxError) as caught:
        framing(fields, first)
    return caught.value.status


def test_a_head_is_read_as_sent():
    head = parse_request_head(
        b"POST /as2?x=1 HTTP/1.1\r\nHost: a\r\nAS2-From:  Aster Co \t\r\nX: caf\xe9\r\nE:"
    )
    assert (head.method, head.target, head.minor) == ("POST", "/as2?x=1", 1)
    assert head.fields == (("host", "a"), ("as2-from", "Aster Co"), ("x", "café"), ("e", ""))


def test_a_folded_field_is_unfolded():
    head = parse_request_head(
        b"POST / HTTP/1.1\r\nContent-Type: multipart/signed;\r\n\tmicalg=sha1 \r\n  ; a=b"
    )
    assert head.fields == (("content-type", "multipart/signed; micalg=sha1  ; a=b"),)


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length:\r\n 5",
        b"transfer-encoding:\r\n\tchunked",
        b"X: 1\r\nConnection: keep-alive,\r\n close",
    ],
)
def test_a_fold_in_a_field_that_frames_is_refused(field):
    assert status_of(field) == 400


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"POST /", 400),
        (b"POST  / HTTP/1.1", 400),
        (b"POST / HTTP/1.1 ", 400),
        (b"POST /a b HTTP/1.1", 400),
        (b"P(ST / HTTP/1.1", 400),
        (b"POST /\x00 HTTP/1.1", 400),
        (b"POST / HTTP/2.0", 505),
        (b"POST / HTTP/1.2", 505),
        (b"POST / HTTP/0.9", 505),
        (b"POST / http/1.1", 400),
        (b"POST /" + b"a" * 8000 + b" HTTP/1.1", 414),
        (b" POST / HTTP/1.1", 400),
    ],
)
def test_bad_request_lines(first, status):
    assert status_of(b"A: b", first) == status


@pytest.mark.parametrize(
    "field",
    [b"A : b", b": b", b"A", b"A: b\x00", b"A: b\rc", b"A: b\nc: d", b"\x80: b", b" A: b\r\n", b"A: \x7f"],
)
def test_bad_fields(field):
    with pytest.raises(HttpSyntaxError):
        parse_request_head(b"POST / HTTP/1.1\r\n" + field)


def test_the_number_of_fields_is_bounded():
    fields = b"\r\n".join(b"A: b" for _ in range(MAX_FIELDS - 1))
    assert framing(fields).length == 0
    assert status_of(fields + b"\r\nA: b") == 431


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        (b"Content-Length: 5\r\nContent-Length: 5", 400),
        (b"Content-Length: 5\r\nContent-Length: 6", 400),
        (b"Content-Length: 5, 5", 400),
        (b"Content-Length: +5", 400),
        (b"Content-Length: -5", 400),
        (b"Content-Length: 0x5", 400),
        (b"Content-Length: 5_0", 400),
        (b"Content-Length:", 400),
        (b"Content-Length: \xb2", 400),
        (b"Content-Length: " + b"9" * 19, 400),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: chunked, chunked", 501),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        (b"Transfer-Encoding:", 501),
        (b"Host: birch.example", 400),
        (b"Expect: 200-ok", 417),
    ],
)
def test_ambiguous_framing_is_refused(fields, status):
    assert status_of(fields) == status


def test_framing_of_requests():
    assert framing(b"Content-Length: 007").length == 7
    chunked = framing(b"Transfer-Encoding: Chunked\r\nExpect: 100-Continue")
    assert chunked.chunked
    assert chunked.length is None
    assert chunked.expect_continue
    assert framing(b"A: b").keep_alive
    assert not framing(b"Connection: foo, Close").keep_alive
    old = framing(b"Expect: 100-continue", b"POST / HTTP/1.0")
    assert not old.keep_alive
    assert not old.expect_continue
    assert status_of(b"Transfer-Encoding: chunked", b"POST / HTTP/1.0") == 400


def test_framing_of_responses():
    def of(block: bytes, method: str = "POST"):
        return response_framing(parse_response_head(block), method)

    assert of(b"HTTP/1.1 200 OK\r\nContent-Length: 3").length == 3
    assert of(b"HTTP/1.1 200\r\nContent-Length: 3", "HEAD").length == 0
    assert of(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked").length == 0
    to_end = of(b"HTTP/1.1 200 OK\r\nA: b")
    assert (to_end.length, to_end.keep_alive) == (None, False)
    with pytest.raises(HttpSyntaxError):
        parse_response_head(b"HTTP/2 200 OK")


def test_headers_are_written_as_given_or_refused():
    assert encode_head("GET / HTTP/1.1", [("A", "b c"), ("X-É"[:2] + "y", "é")]) == (
        b"GET / HTTP/1.1\r\nA: b c\r\nX-y: \xe9\r\n\r\n"
    )
    for name, value in [
        ("A", "b\r\nX: y"),
        ("A", "b\n"),
        ("A", "b\x00"),
        ("A:", "b\r"),
        ("A b", "c"),
        ("", "b"),
        ("A\r\nB", "c"),
        ("A", "€"),
    ]:
        with pytest.raises(ValueError, match="The") as caught:
            encode_head("GET / HTTP/1.1", [("Ok", "1"), (name, value)])
        assert "secret" not in str(caught.value)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_garbage_gives_our_error_or_a_head(data):
    for block in (data, b"POST / HTTP/1.1\r\nHost: a\r\n" + data, b"HTTP/1.1 200 OK\r\n" + data):
        try:
            request_framing(parse_request_head(block))
        except HttpSyntaxError:
            pass
        try:
            response_framing(parse_response_head(block), "POST")
        except HttpSyntaxError:
            pass


@pytest.mark.parametrize(
    "block",
    [
        b"A: " + b"b" * 65536 + b"\x00",
        b"A: b\r\n" * 98 + b"A" * 65000,
        b"A" * 65536,
        b"A:" + b" " * 65536 + b"\r\n" + b" " * 60000 + b"\x01",
        b"A: b\r\n \r\n" * 7000,
        b"A:" + b" " * 65000 + b"x\r\n y\x00",
        b"Host:" * 13000 + b"\r\n ",
    ],
)
def test_no_head_takes_long(block):
    start = time.process_time()
    with pytest.raises(HttpSyntaxError):
        parse_request_head(b"POST / HTTP/1.1\r\n" + block)
    assert time.process_time() - start < 0.1
