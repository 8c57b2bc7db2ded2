from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.blobs.behind import DEPTH, THRESHOLD, WriteBehind
from ecluse.blobs.port import BlobUnavailable

PIECE = bytes(THRESHOLD // 2)


class Place:
    """A writer that may fail at one write, or wait before each."""

    def __init__(self, fail_at=None, gate=None):
        self.written = []
        self.fail_at = fail_at
        self.gate = gate
        self.ended = ""

    def write(self, data):
        if self.gate is not None:
            self.gate.wait()
        if len(self.written) == self.fail_at:
            raise BlobUnavailable("The disk is full.")
        self.written.append(bytes(data))

    def commit(self):
        self.ended += "commit"

    def abort(self):
        self.ended += "abort"


@given(st.lists(st.integers(0, THRESHOLD), max_size=8))
def test_everything_in_order_whatever_the_pieces(sizes):
    place = Place()
    writer = WriteBehind(place)
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        writer.write(piece)
    writer.commit()
    assert b"".join(place.written) == b"".join(pieces)
    assert place.ended == "commit"


def test_a_failure_behind_is_raised_at_the_next_call_and_nothing_is_committed():
    place = Place(fail_at=3)
    writer = WriteBehind(place)

    def all_of_it():
        for _ in range(50):
            writer.write(PIECE)
        writer.commit()

    with pytest.raises(BlobUnavailable):
        all_of_it()
    writer.abort()
    writer.abort()
    assert len(place.written) == 3
    assert "commit" not in place.ended
    assert "abort" in place.ended


def test_a_failure_in_the_last_piece_is_raised_by_commit():
    place = Place(fail_at=4)
    writer = WriteBehind(place)
    for _ in range(5):
        writer.write(PIECE)
    with pytest.raises(BlobUnavailable):
        writer.commit()
    assert place.ended == ""


def test_what_is_on_its_way_is_bounded_and_an_abort_ends_the_thread():
    gate = threading.Event()
    gate.set()
    place = Place(gate=gate)
    writer = WriteBehind(place)
    writer.write(PIECE)
    writer.write(PIECE)
    gate.clear()
    for _ in range(DEPTH + 1):
        writer.write(PIECE)
    blocked = threading.Thread(target=writer.write, args=(PIECE,), daemon=True)
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive(), "a slow place slows its writer down"
    gate.set()
    blocked.join(5)
    writer.abort()
    assert place.ended == "abort"
    assert not any(thread.name == "blob-writer" for thread in threading.enumerate())
