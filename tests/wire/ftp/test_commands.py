from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.wire.ftp import MAX_LINE, Command, CommandReader, FtpSyntaxError, Reply, parse_reply, quoted


def read(chunks: list[bytes]) -> list[Command | int]:
    reader, found = CommandReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        while True:
            try:
                command = reader.next()
            except FtpSyntaxError as error:
                found.append(error.reply)
                continue
            if command is None:
                break
            found.append(command)
    return found


def test_a_command_and_its_argument() -> None:
    assert read([b"stor  a b \r\n", b"NOOP\r\n", b"Pwd\n"]) == [
        Command("STOR", " a b "),
        Command("NOOP"),
        Command("PWD"),
    ]


@pytest.mark.parametrize(
    "line", [b"", b" NOOP", b"GO", b"COMMAND", b"12 3", b"A\x00BC", b"\xe2\x82\xac", b"NOOP\t"]
)
def test_what_is_no_command(line: bytes) -> None:
    assert read([line + b"\r\nNOOP\r\n"]) == [500, Command("NOOP")]


def test_an_argument_that_is_not_utf8() -> None:
    assert read([b"STOR \xfc\r\n"]) == [501]


def test_telnet_signals_before_abor() -> None:
    assert read([b"\xff\xf4\xff\xf2ABOR\r\n"]) == [Command("ABOR")]


def test_a_line_that_is_too_long_is_passed_over_in_bounded_memory() -> None:
    reader = CommandReader()
    for _ in range(100):
        reader.feed(b"A" * MAX_LINE)
        assert reader.next() is None
        assert len(reader._buffer) <= MAX_LINE
    reader.feed(b"\r\nNOOP\r\n")
    with pytest.raises(FtpSyntaxError):
        reader.next()
    assert reader.next() == Command("NOOP")


def test_what_was_not_read_is_dropped() -> None:
    reader = CommandReader()
    reader.feed(b"AUTH TLS\r\nUSER birch\r\n")
    assert reader.next() == Command("AUTH", "TLS")
    assert reader.drop() == 12
    assert reader.next() is None


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Command("PASS", "secret"))


@given(
    st.binary(max_size=400)
    | st.lists(st.sampled_from([b"NOOP\r\n", b"STOR x\r\n", b"\xff\xf4", b"\n", b"A" * 900])).map(b"".join),
    st.data(),
)
def test_any_chunking_gives_the_same(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert read(chunks) == read([data])


def test_replies() -> None:
    assert Reply(220, "Hello").encode() == b"220 Hello\r\n"
    assert Reply(211, "End", ("A", "B"), "Features:").encode() == b"211-Features:\r\n A\r\n B\r\n211 End\r\n"
    assert quoted('a"b') == '"a""b"'
    assert parse_reply([b"211-x\r\n", b" y\r\n", b"211 z\r\n"]) == Reply(211, "z")
    with pytest.raises(FtpSyntaxError):
        parse_reply([b"hello\r\n"])


@given(st.text(), st.text(), st.lists(st.text()))
def test_no_text_makes_a_line_of_its_own(text: str, first: str, lines: list[str]) -> None:
    try:
        octets = Reply(250, text, tuple(lines), first).encode()
    except UnicodeEncodeError:
        return  # surrogates: no path of ours has any
    assert octets.count(b"\n") == octets.count(b"\r\n") == (len(lines) + 2 if lines else 1)
    assert octets.splitlines()[-1].startswith(b"250 ")
