"""A download in pieces: the next is read while one is sent, but for the last, which a pick-up hangs on."""

from __future__ import annotations

import threading
import time

import pytest

from ecluse.channels.ftps.server.data import AHEAD_FROM, pieces
from ecluse.exchange.tree import NoSpace

PIECE = 1 << 20
LARGE = AHEAD_FROM + 3 * PIECE + 5


class Reader:
    """A file whose octets tell where they stand."""

    def __init__(self, size: int, fails_at: int = -1) -> None:
        self.size = size
        self.fails_at = fails_at
        self.asked: list[int] = []
        self.busy = threading.Event()
        self.pause = 0.0

    def read(self, offset: int, size: int) -> bytes:
        assert not self.busy.is_set(), "two threads at once"
        self.busy.set()
        time.sleep(self.pause)
        self.asked.append(offset)
        self.busy.clear()
        if offset == self.fails_at:
            raise NoSpace("It can't be read.")
        return bytes([offset // PIECE % 251]) * max(0, min(size, self.size - offset))

    def close(self) -> None: ...

    def abandon(self) -> None: ...


@pytest.mark.parametrize("offset", [0, 1, PIECE, LARGE - 1, LARGE, LARGE + 1])
@pytest.mark.parametrize("size", [0, 1, PIECE, AHEAD_FROM - 1, AHEAD_FROM, AHEAD_FROM + PIECE, LARGE])
def test_all_of_it_comes_in_its_order(size: int, offset: int) -> None:
    got = list(pieces(Reader(size), offset, PIECE))
    assert sum(map(len, got)) == max(0, size - offset)
    assert [piece[0] for piece in got] == [at // PIECE % 251 for at in range(offset, size, PIECE)]


@pytest.mark.parametrize("size", [AHEAD_FROM, AHEAD_FROM + 1, LARGE])
def test_the_last_piece_is_read_when_those_before_were_sent(size: int) -> None:
    reader, sent = Reader(size), 0
    for piece in pieces(reader, 0, PIECE):
        time.sleep(0.002)
        sent += len(piece)
        if sent < size:
            assert max(reader.asked) + PIECE < size, "all was handed out before it was sent"


def test_who_stops_in_between_leaves_nobody_reading() -> None:
    reader = Reader(LARGE)
    going = pieces(reader, 0, PIECE)
    next(going)
    reader.pause = 0.05
    next(going)
    going.close()
    asked = len(reader.asked)
    assert not reader.busy.is_set()
    time.sleep(0.1)
    assert len(reader.asked) == asked


@pytest.mark.parametrize("at", [0, PIECE, 3 * PIECE])
def test_what_can_not_be_read_is_raised(at: int) -> None:
    with pytest.raises(NoSpace):
        list(pieces(Reader(LARGE, fails_at=at), 0, PIECE))
