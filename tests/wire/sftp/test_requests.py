"""Requests out of the stream: any chunking gives the same, garbage gives our error or a Malformed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.sftp import replies, requests
from ecluse.wire.sftp.attributes import Attributes, read_attributes
from ecluse.wire.sftp.errors import BrokenStream
from ecluse.wire.sftp.listing import long_name
from ecluse.wire.sftp.replies import Status
from ecluse.wire.sftp.requests import MAX_PACKET, Request, RequestReader


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def packet(kind: int, id: int, *parts: bytes) -> bytes:
    body = struct.pack(">BI", kind, id) + b"".join(parts)
    return struct.pack(">I", len(body)) + body


INIT = packet(1, 3)
SAMPLES: list[tuple[bytes, Request]] = [
    (packet(3, 1, text(b"/a"), struct.pack(">II", 26, 0)), requests.Open(1, b"/a", 26, Attributes())),
    (packet(4, 2, text(b"h")), requests.Close(2, b"h")),
    (packet(5, 3, text(b"h"), struct.pack(">QI", 7, 9)), requests.Read(3, b"h", 7, 9)),
    (packet(6, 4, text(b"h"), struct.pack(">Q", 7), text(b"data")), requests.Write(4, b"h", 7, b"data")),
    (packet(6, 5, text(b""), struct.pack(">Q", 0), text(b"")), requests.Write(5, b"", 0, b"")),
    (packet(7, 6, text(b"x")), requests.PathAttributes(6, b"x")),
    (packet(17, 6, text(b"x")), requests.PathAttributes(6, b"x")),
    (packet(8, 7, text(b"h")), requests.HandleAttributes(7, b"h")),
    (
        packet(9, 8, text(b"x"), struct.pack(">IQIIIII", 15, 5, 0, 0, 0o644, 1, 2)),
        requests.SetPath(8, b"x", Attributes(5, 0o644, 2)),
    ),
    (packet(10, 9, text(b"h"), struct.pack(">III", 8, 1, 2)), requests.SetHandle(9, b"h", Attributes(modified=2))),
    (packet(11, 10, text(b"x")), requests.OpenFolder(10, b"x")),
    (packet(12, 11, text(b"h")), requests.ListFolder(11, b"h")),
    (packet(13, 12, text(b"x")), requests.Remove(12, b"x")),
    (packet(14, 13, text(b"x"), bytes(4)), requests.MakeFolder(13, b"x")),
    (packet(15, 14, text(b"x")), requests.RemoveFolder(14, b"x")),
    (packet(16, 15, text(b".")), requests.RealPath(15, b".")),
    (packet(18, 16, text(b"a"), text(b"b")), requests.Rename(16, b"a", b"b", False)),
    (packet(19, 17, text(b"a")), requests.ReadLink(17, b"a")),
    (packet(20, 18, text(b"a"), text(b"b")), requests.Link(18, b"a", b"b")),
    (
        packet(200, 19, text(b"posix-rename@openssh.com"), text(b"a"), text(b"b")),
        requests.Rename(19, b"a", b"b", True),
    ),
    (packet(200, 20, text(b"fsync@openssh.com"), text(b"h")), requests.Sync(20, b"h")),
    (packet(200, 21, text(b"statvfs@openssh.com"), text(b"/")), requests.Space(21)),
    (packet(200, 22, text(b"limits@openssh.com")), requests.Limits(22)),
    (packet(200, 23, text(b"hardlink@openssh.com"), text(b"a"), text(b"b")), requests.Link(23, b"a", b"b")),
    (packet(200, 24, text(b"copy-data")), requests.Unsupported(24)),
    (packet(99, 25, b"whatever"), requests.Unsupported(25)),
    (packet(3, 26, text(b"/a")), requests.Malformed(26)),
    (packet(4, 27, text(b"h"), b"more"), requests.Malformed(27)),
    (packet(6, 28, text(b"h"), struct.pack(">Q", 7), struct.pack(">I", 100), b"short"), requests.Malformed(28)),
    (packet(6, 29), requests.Malformed(29)),
    (packet(5, 30, text(b"h" * 300), struct.pack(">QI", 7, 9)), requests.Malformed(30)),
    (
        packet(9, 31, text(b"x"), struct.pack(">II", 0x80000000, 1), text(b"name"), text(b"value")),
        requests.SetPath(31, b"x", Attributes()),
    ),
    (packet(9, 32, text(b"x"), struct.pack(">II", 0x80000000, 0xFFFFFFFF)), requests.Malformed(32)),
]  # fmt: skip


def read(chunks: list[bytes]) -> list[Request]:
    reader, found = RequestReader(), []
    for chunk in chunks:
        reader.feed(memoryview(chunk))
        while (request := reader.next()) is not None:
            found.append(request)
    return found


@pytest.mark.parametrize(("octets", "request_"), SAMPLES)
def test_each_request(octets: bytes, request_: Request) -> None:
    assert read([INIT + octets]) == [requests.Init(3), request_]


@given(st.lists(st.sampled_from(SAMPLES), max_size=12), st.lists(st.integers(1, 40), max_size=60))
def test_any_chunking_gives_the_same(samples: list[tuple[bytes, Request]], sizes: list[int]) -> None:
    stream = INIT + b"".join(octets for octets, _ in samples)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(stream[at : at + size])
        at += size
    chunks.append(stream[at:])
    assert read(chunks) == [requests.Init(3), *(request for _, request in samples)]


@given(st.binary(max_size=400))
def test_garbage_gives_our_errors(octets: bytes) -> None:
    try:
        found = read([INIT, octets])
    except BrokenStream:
        return
    assert found[0] == requests.Init(3)


@given(st.integers(0, 255), st.binary(max_size=100))
def test_garbage_packets_are_requests(kind: int, content: bytes) -> None:
    found = read([INIT, packet(kind, 77, content)])
    assert found[1].id == 77


@pytest.mark.parametrize(
    "octets",
    [struct.pack(">I", MAX_PACKET + 1), struct.pack(">I", 4), struct.pack(">I", 0), packet(4, 3, text(b"h"))],
)
def test_streams_that_can_not_be_followed(octets: bytes) -> None:
    with pytest.raises(BrokenStream):
        read([octets])


def test_nothing_is_made_before_it_is_asked_for() -> None:
    reader = RequestReader()
    reader.feed(INIT + packet(5, 3, text(b"h"), struct.pack(">QI", 7, 9)) * 1000)
    assert reader.next() == requests.Init(3)
    assert reader.pending == 1000 * 26 + 0 or reader.pending > 20_000


@given(
    st.integers(0, 2**64 - 1) | st.none(),
    st.integers(0, 2**32 - 1) | st.none(),
    st.integers(0, 2**32 - 1) | st.none(),
)
def test_attributes_come_back(size: int | None, mode: int | None, modified: int | None) -> None:
    made = Attributes(size, mode, modified)
    encoded = made.encode()
    assert read_attributes(encoded, 0) == (made, len(encoded))


def test_replies() -> None:
    assert replies.status(7, Status.OK) == packet(101, 7, bytes(4), text(b"Success"), text(b""))
    assert replies.status(7, Status.EOF, "no more") == packet(
        101, 7, struct.pack(">I", 1), text(b"no more"), text(b"en")
    )
    assert replies.handle(7, b"h") == packet(102, 7, text(b"h"))
    assert b"".join(replies.data(7, b"octets")) == packet(103, 7, text(b"octets"))
    entry = ("name", "line", Attributes(1, 0o100600, 5))
    expected = packet(
        104,
        7,
        struct.pack(">I", 1),
        text(b"name"),
        text(b"line"),
        struct.pack(">IQIIIII", 15, 1, 0, 0, 0o100600, 5, 5),
    )
    assert replies.names(7, [entry]) == expected
    assert replies.version().startswith(struct.pack(">IBI", len(replies.version()) - 4, 2, 3))
    assert len(replies.space(1, total=1 << 40, free=5, files=9, files_free=3)) == 4 + 1 + 4 + 11 * 8
    assert len(replies.limits(1, 64)) == 4 + 1 + 4 + 32


@pytest.mark.parametrize(
    ("modified", "now", "shown"),
    [
        (0, 100, "Jan  1 00:00"),
        (0, 10**9, "Jan  1  1970"),
        (2**40, 0, "Feb  7  2106"),
        (-5, 0, "Jan  1 00:00"),
    ],
)
def test_long_name(modified: int, now: int, shown: str) -> None:
    line = long_name("a b", "birch", folder=False, writable=True, size=12, modified=modified, now=now)
    assert line == f"-rw-------    1 birch    birch          12 {shown} a b"


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 255)), min_size=1, max_size=6),
    st.lists(st.integers(2_000, 150_000), min_size=1, max_size=8),
    st.integers(0, 400_000),
)
def test_stretches_are_read_as_one(writes: list[tuple[int, int]], sizes: list[int], first: int) -> None:
    """Whatever the buffers and the pieces of them are; what is large is not copied where it lies together."""
    stream = INIT + b"".join(
        packet(6, 1, text(b"h"), struct.pack(">Q", 0), text(bytes([fill]) * size)) for size, fill in writes
    )
    reader = RequestReader()
    found: list[Request] = []
    for part in (stream[:first], stream[first:]):
        buffer, at = bytearray(10 + len(part)), 10
        while at < len(buffer):
            end = min(len(buffer), at + sizes[at % len(sizes)])
            buffer[at:end] = part[at - 10 : end - 10]
            reader.feed(requests.Stretch(buffer, at, end))
            at = end
            while (request := reader.next()) is not None:
                found.append(request)
    assert reader.pending == 0
    data = [each.data for each in found if isinstance(each, requests.Write)]
    assert [bytes(each) for each in data] == [bytes([fill]) * size for size, fill in writes]
    assert all(each.readonly for each in data if isinstance(each, memoryview))
