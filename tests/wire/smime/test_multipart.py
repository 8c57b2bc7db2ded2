from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.smime.errors import MimeError
from ecluse.wire.smime.multipart import (
    MultipartEnded,
    MultipartReader,
    PartData,
    PartEnded,
    PartStarted,
)


def split(data: bytes, boundary: str = "b", *, chunks: list[int] | None = None, **options: object):
    """Parts with the offsets at which they begin, whatever the chunks."""
    reader = MultipartReader(boundary, **options)
    events, at = [], 0
    for size in chunks or [len(data) or 1]:
        events += reader.feed(data[at : at + size])
        at += size
    events += reader.feed(data[at:])
    events += reader.close()
    parts: list[tuple[int, bytes]] = []
    for event in events:
        if isinstance(event, PartStarted):
            parts.append((event.offset, b""))
        elif isinstance(event, PartData):
            assert event.data
            parts[-1] = (parts[-1][0], parts[-1][1] + event.data)
    assert sum(isinstance(event, PartEnded) for event in events) == len(parts)
    assert isinstance(events[-1], MultipartEnded)
    return parts


CASES = [
    (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
    (b"preamble\r\n--b\r\n\r\nbody\r\n\r\n--b--epi", None),
    (b"preamble\r\n--b\r\n\r\nbody\r\n\r\n--b--\r\nepilogue\r\n--b\r\n", [b"\r\nbody\r\n"]),
    (b"--b\none\n--b\ntwo\r\n--b--", [b"one", b"two"]),
    (b"--b\r\n\r\n--b\r\n--b--", [b"", b""]),
    (b"--b\r\n--b\r\n\n--b--", [b"", b""]),
    (b"--b \t\r\none\r\n--b  \r\ntwo\r\n--b-- \r\n", [b"one", b"two"]),
    (
        b"--b\r\n--bb\r\n--b-x\r\n--b--x\r\n --b\r\n-\r\n--\r\n--b--\r\n",
        [b"--bb\r\n--b-x\r\n--b--x\r\n --b\r\n-\r\n--"],
    ),
    (b"--b\r\none\r\r\n--b--\r\n", [b"one\r"]),
    (b"--b\r\none\n\r\n--b--\r\n", [b"one\n"]),
    (b"--b\r\none\r--b--\r\n--b--\r\n", [b"one\r--b--"]),
]


@pytest.mark.parametrize(("data", "parts"), CASES)
def test_parts_are_exact(data, parts):
    if parts is None:
        with pytest.raises(MimeError):
            split(data)
        return
    found = split(data)
    assert [octets for _, octets in found] == parts
    for offset, octets in found:
        assert data[offset : offset + len(octets)] == octets


@given(st.sampled_from([case for case in CASES if case[1] is not None]), st.lists(st.integers(1, 4)))
def test_any_chunking_gives_the_same_parts(case, chunks):
    assert split(case[0], chunks=chunks or None) == split(case[0])


@given(
    st.lists(st.binary(max_size=60).filter(lambda body: b"--b" not in body), min_size=1, max_size=4),
    st.lists(st.integers(1, 30), max_size=30),
)
def test_what_is_put_together_comes_apart(bodies, chunks):
    data = b"".join(b"--bound\r\n" + body + b"\r\n" for body in bodies) + b"--bound--\r\n"
    found = split(data, "bound", chunks=chunks or None)
    assert [octets for _, octets in found] == bodies
    assert all(data[offset : offset + len(octets)] == octets for offset, octets in found)


@given(
    st.lists(st.sampled_from([b"--b", b"\r", b"\n", b"-", b" ", b"x", b"\r\n--b--", b"\r\n--b\r\n"])),
    st.data(),
)
def test_garbage_in_any_chunks_is_read_alike_or_refused(pieces, draw):
    data = b"".join(pieces)
    chunks = draw.draw(st.lists(st.integers(1, 5), max_size=20))
    try:
        expected = split(data)
    except MimeError:
        with pytest.raises(MimeError):
            split(data, chunks=chunks or None)
    else:
        assert split(data, chunks=chunks or None) == expected


@pytest.mark.parametrize(
    "data", [b"", b"--b\r\nx", b"--b\r\nx\r\n--b", b"--b\r\nx\r\n--b\r\n", b"nothing", b"--b--\r\n"]
)
def test_a_missing_end_is_refused(data):
    with pytest.raises(MimeError):
        split(data)


@pytest.mark.parametrize("boundary", ["", " ", "x" * 201, "a\nb"])
def test_an_unusable_boundary_is_refused(boundary):
    with pytest.raises(MimeError):
        MultipartReader(boundary)


def test_too_many_parts_are_refused():
    with pytest.raises(MimeError):
        split(b"--b\r\nx\r\n" * 4 + b"--b--", max_parts=3)


def test_an_epilogue_is_refused_where_none_may_be():
    assert split(b"--b\r\nx\r\n--b--\r\n \r\n", blank_epilogue=True)
    for chunks in ([100], [1] * 30):
        with pytest.raises(MimeError):
            split(b"--b\r\nx\r\n--b--\r\n \r\nmore", blank_epilogue=True, chunks=chunks)


def test_only_a_delimiter_is_held_between_feeds():
    reader = MultipartReader("b" * 70)
    reader.feed(b"--" + b"b" * 70 + b"\r\n")
    big = b"\r\n" * 500_000
    given_back = sum(len(event.data) for event in reader.feed(big) if isinstance(event, PartData))
    assert len(big) - given_back <= 2


def test_a_big_chunk_without_a_delimiter_is_passed_on_without_a_copy():
    reader = MultipartReader("bound")
    reader.feed(b"--bound\r\n")
    chunk = b"x" * 65536
    reader.feed(b"y")
    (event,) = reader.feed(chunk)
    assert event.data is chunk
