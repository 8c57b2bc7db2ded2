from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.sftp import asking, replies
from ecluse.wire.sftp.answers import (
    MAX_ANSWER,
    AnswerReader,
    BrokenAnswer,
    Data,
    Facts,
    Handle,
    More,
    Names,
    Status,
    Version,
)
from ecluse.wire.sftp.attributes import FOLDER, PLAIN, Attributes
from ecluse.wire.sftp.requests import CREATE, WRITE, Init, Open, Rename, RequestReader, Sync, Write

VERSION = replies.version()


def read(data: bytes, cuts: list[int] = []):  # noqa: B006
    reader = AnswerReader()
    found = []
    at = 0
    for cut in [*sorted(cuts), len(data)]:
        found += reader.feed(data[at:cut])
        at = cut
    return found


STREAM = b"".join(
    (
        VERSION,
        replies.status(1, replies.Status.OK),
        replies.status(2, replies.Status.FAILURE, "No space left on device"),
        replies.handle(3, b"h\0\xff"),
        *replies.data(4, b"d" * 5000),
        replies.names(5, [("a", "l", Attributes(1, PLAIN | 0o600, 7)), ("b", "l", Attributes())]),
        replies.attributes(6, Attributes(1 << 40, FOLDER, 0xFFFFFFFF)),
        replies.limits(7, 9),
    )
)


def test_every_answer_of_our_own_server_is_read():
    version, ok, full, handle, data, names, facts, more = read(STREAM)
    assert isinstance(version, Version)
    assert version.id == 3
    assert version.extensions[b"fsync@openssh.com"] == b"1"
    assert ok == Status(1, 0, b"Success")
    assert full == Status(2, 4, b"No space left on device")
    assert handle == Handle(3, b"h\0\xff")
    assert isinstance(data, Data)
    assert bytes(data.octets) == b"d" * 5000
    assert isinstance(names, Names)
    assert [(entry.name, entry.facts.size, entry.facts.plain) for entry in names.entries] == [
        (b"a", 1, True),
        (b"b", None, True),
    ]
    assert isinstance(facts, Facts)
    assert (facts.facts.size, facts.facts.folder, facts.facts.modified) == (1 << 40, True, 0xFFFFFFFF)
    assert isinstance(more, More)
    assert len(more.octets) == 32


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_cut_gives_the_same(cuts):
    def plain(answers):
        return [bytes(a.octets) if isinstance(a, Data) else a for a in answers]

    assert plain(read(STREAM, cuts)) == plain(read(STREAM))


@given(st.binary(max_size=300), st.integers(101, 205))
def test_garbage_gives_our_error(body, kind):
    packet = (len(body) + 5).to_bytes(4, "big") + bytes((kind,)) + bytes(4) + body
    try:
        answers = read(VERSION + packet)
    except BrokenAnswer:
        return
    assert len(answers) == 2


@given(st.binary(min_size=1, max_size=200), st.integers(9, len(STREAM)))
def test_changed_octets_give_our_error(noise, at):
    broken = STREAM[:at] + noise + STREAM[at + len(noise) :]
    try:
        read(broken)
    except BrokenAnswer:
        pass


@pytest.mark.parametrize("length", [0, 4, MAX_ANSWER + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_at_once(length):
    with pytest.raises(BrokenAnswer):
        read(VERSION + length.to_bytes(4, "big"))


def test_the_first_answer_is_the_version_and_no_other_is():
    with pytest.raises(BrokenAnswer):
        read(replies.status(1, replies.Status.OK))
    with pytest.raises(BrokenAnswer):
        read(VERSION + VERSION)


def test_our_own_server_reads_what_is_asked():
    reader = RequestReader()
    for packet in (
        asking.init(),
        asking.open_file(1, b"a/b", WRITE | CREATE),
        asking.write_head(2, b"h", 1 << 33, 3) + b"abc",
        asking.extended(3, b"fsync@openssh.com", asking.text(b"h")),
        asking.rename(4, b"a", b"b"),
        asking.extended(5, b"posix-rename@openssh.com", asking.text(b"a"), asking.text(b"b")),
    ):
        reader.feed(packet)
    assert isinstance(reader.next(), Init)
    opened = reader.next()
    assert isinstance(opened, Open)
    assert (opened.path, opened.flags) == (b"a/b", WRITE | CREATE)
    written = reader.next()
    assert isinstance(written, Write)
    assert (written.offset, bytes(written.data)) == (1 << 33, b"abc")
    assert isinstance(reader.next(), Sync)
    assert reader.next() == Rename(4, b"a", b"b", replace=False)
    assert reader.next() == Rename(5, b"a", b"b", replace=True)
