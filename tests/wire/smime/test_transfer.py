from __future__ import annotations

import base64
import contextlib
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.transfer import decoder, is_identity


def decode(encoding: str | None, data: bytes, chunks: list[int]) -> bytes:
    undo, out, at = decoder(encoding), b"", 0
    for size in chunks:
        out += undo.feed(data[at : at + size])
        at += size
    return out + undo.feed(data[at:]) + undo.finish()


@given(st.binary(max_size=300), st.lists(st.integers(1, 7)), st.booleans())
def test_base64_in_any_chunking(data, chunks, lines):
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n") if lines else base64.b64encode(data)
    assert decode("Base64", encoded, chunks) == data
    assert decode("BASE64", encoded.replace(b"=", b""), chunks) == data


@given(st.binary(max_size=200), st.lists(st.integers(1, 7)))
def test_quoted_printable_in_any_chunking(data, chunks):
    encoded = quopri.encodestring(data)
    assert decode("Quoted-Printable", encoded, chunks) == decode("quoted-printable", encoded, [])


def test_quoted_printable_is_undone():
    assert decode("quoted-printable", b"a=3Db=\r\nc=E9\r\n", [2, 2, 2, 1]) == b"a=bc\xe9\r\n"


@pytest.mark.parametrize("name", [None, "", "binary", "BINARY", "7bit", "8Bit", "binary (as is)"])
def test_absent_and_plain_encodings_change_nothing(name):
    assert is_identity(name)
    assert decode(name, b"a\r\n=\0", [1]) == b"a\r\n=\0"


@pytest.mark.parametrize("data", [b"ab*d", b"abcde", b"ab==cdef", b"YQ==YQ==", b"===="])
def test_bad_base64_is_refused(data):
    for chunks in ([], [1] * len(data)):
        with pytest.raises(MimeError):
            decode("base64", data, chunks)


def test_an_unknown_encoding_is_refused():
    with pytest.raises(MimeError):
        decoder("x-uuencode")


@given(st.binary(max_size=100), st.sampled_from(["base64", "quoted-printable"]), st.lists(st.integers(1, 9)))
def test_garbage_gives_our_errors_only(data, encoding, chunks):
    with contextlib.suppress(MimeError):
        assert len(decode(encoding, data, chunks)) <= len(data)
