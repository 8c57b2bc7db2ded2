"""The chunked coding: any cut of the bytes gives the same content, and every fault our error."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecluse.wire.http1 import ChunkReader, HttpSyntaxError, encode_chunk


def read(pieces):
    reader, out = ChunkReader(), []
    for piece in pieces:
        out.append(reader.feed(piece))
    return b"".join(out), reader.ended, reader.rest


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.lists(st.integers(0, 1000), max_size=20))
@settings(max_examples=200)
def test_any_cut_gives_the_same(chunks, points):
    coded = b"".join(map(encode_chunk, chunks)) + b"0\r\nX-Trailer: 1\r\n\r\n" + b"GET /next"
    assert read(cut(coded, points)) == (b"".join(chunks), True, b"GET /next")


def test_cut_at_every_byte():
    coded = b'5;a="b"\r\nhello\r\n00001 ;x\r\n!\r\n0;last\r\n\r\n'
    assert read([bytes([byte]) for byte in coded]) == (b"hello!", True, b"")


@pytest.mark.parametrize(
    "coded",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"g\r\n",
        b"-5\r\nhello",
        b"0x5\r\nhello",
        b" 5\r\nhello",
        b"\r\n",
        b"f" * 16 + b"\r\n",
        b"5;" + b"a" * 2000,
        b"5;a\x00\r\nhello",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 3000,
        b"1\r\na\r\n" * 20000,
    ],
)
def test_broken_codings_are_refused_however_they_arrive(coded):
    for size in (1, 7, 100000):
        if len(coded) > 10000 and size == 1:
            continue
        with pytest.raises(HttpSyntaxError):
            read([coded[at : at + size] for at in range(0, len(coded), size)])


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_garbage_gives_our_error_or_content(data):
    try:
        read([data[:7], data[7:]])
    except HttpSyntaxError:
        pass
