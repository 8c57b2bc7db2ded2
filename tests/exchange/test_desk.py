"""What the open accounts of one node share: room that uploads take, and what was read of a document."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ecluse.exchange import desk as desk_module
from ecluse.exchange.desk import Desk, Ranges
from ecluse.exchange.mailbox.order import RECENT, Ahead, Recent
from ecluse.model.basics import PartnerId

BIRCH, CEDAR = PartnerId("birch"), PartnerId("cedar")
PIECES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 20)).map(lambda p: (p[0], p[0] + p[1])), max_size=12
)


@given(PIECES, PIECES, st.integers(0, 60))
def test_ranges_cover_what_was_added(
    first: list[tuple[int, int]], second: list[tuple[int, int]], size: int
) -> None:
    ranges, other = Ranges(), Ranges()
    for piece in first:
        ranges.add(*piece)
    for piece in second:
        other.add(*piece)
    ranges.merge(other)
    octets = {octet for start, end in first + second for octet in range(start, end)}
    assert ranges.cover(size) == (octets >= set(range(size)))


def test_ranges_are_bounded() -> None:
    ranges = Ranges()
    for start in range(0, 100_000, 2):
        ranges.add(start, start + 1)
    ranges.add(0, 100_000)
    assert ranges.cover(100_000)


def test_room_is_counted_by_partner() -> None:
    desk = Desk()
    assert desk.take_room(BIRCH, 10, 1) == (10, 1)
    assert desk.take_room(BIRCH, 5) == (15, 1)
    assert desk.take_room(CEDAR, 1) == (1, 0)
    assert desk.take_room(BIRCH, -15, -1) == (0, 0)
    assert desk.take_room(CEDAR, -1) == (0, 0)


def test_what_was_read_is_remembered_for_some_time() -> None:
    desk = Desk()
    ranges = Ranges()
    ranges.add(0, 5)
    assert not desk.note_read("f1", ranges, 10)
    assert not desk.was_read("f1", 10)
    ranges.add(5, 10)
    assert desk.note_read("f1", ranges, 10)
    assert desk.was_read("f1", 10)
    for number in range(desk_module.REMEMBERED):
        desk.note_read(f"g{number}", ranges, 10)
    assert not desk.was_read("f1", 10)
    desk.forget("g5")
    assert not desk.was_read("g5", 10)


@given(st.permutations(range(12)), st.integers(1, 7))
def test_any_order_becomes_the_order(order: list[int], step: int) -> None:
    data = bytes(range(12 * step))
    ahead, found = Ahead(), b""
    for number in order:
        ahead.hold(number * step, data[number * step : (number + 1) * step])
        while (piece := ahead.due(len(found))) is not None:
            assert piece[0] == len(found)
            found += piece[1]
    assert found == data
    assert not ahead


@given(
    st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9),
    st.integers(0, 60),
    st.integers(0, 30),
)
def test_recent_octets_are_known(pieces: list[bytes], offset: int, size: int) -> None:
    recent, at = Recent(), 100
    for piece in pieces:
        recent.note(at, piece)
        at += len(piece)
    data = b"".join(pieces)
    assert recent.read(100 + offset, size) == data[offset : offset + size]
    assert recent.read(99, 2) is None


def test_older_octets_are_forgotten() -> None:
    recent = Recent()
    for number in range(10):
        recent.note(number * RECENT, bytes(RECENT))
    assert recent.read(8 * RECENT, 1) is None
    assert recent.read(9 * RECENT, RECENT) == bytes(RECENT)
