from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.blobs.behind import DEPTH, LARGE, PIECE, THRESHOLD, Behind
from ecluse.blobs.port import BlobUnavailable

HALF = bytes(THRESHOLD // 2)


class Work:
    """Takes octets; may fail at one call, or wait before each."""

    def __init__(self, fail_at=None, gate=None):
        self.done = []
        self.fail_at = fail_at
        self.gate = gate

    def __call__(self, data):
        if self.gate is not None:
            self.gate.wait()
        if len(self.done) == self.fail_at:
            raise BlobUnavailable("The disk is full.")
        self.done.append(bytes(data))


@given(st.lists(st.integers(0, THRESHOLD), max_size=8))
def test_everything_in_order_whatever_the_pieces(sizes):
    work = Work()
    behind = Behind(work)
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        behind.feed(piece)
    behind.finish()
    assert b"".join(work.done) == b"".join(pieces)


def test_what_may_change_is_copied():
    work = Work()
    behind = Behind(work)
    buffer = bytearray(b"a" * PIECE)
    for letter in b"abcdefghij":
        buffer[:] = bytes([letter]) * PIECE
        behind.feed(memoryview(buffer))
    behind.finish()
    assert b"".join(work.done) == b"".join(bytes([letter]) * PIECE for letter in b"abcdefghij")


def test_a_failure_behind_is_raised_at_the_next_call_and_nothing_follows_it():
    work = Work(fail_at=3)
    behind = Behind(work)

    def all_of_it():
        for _ in range(50):
            behind.feed(HALF)
        behind.finish()

    with pytest.raises(BlobUnavailable):
        all_of_it()
    behind.cancel()
    behind.cancel()
    assert len(work.done) == 3


def test_a_failure_in_the_last_piece_is_raised_by_finish():
    work = Work(fail_at=4)
    behind = Behind(work)
    for _ in range(5):
        behind.feed(HALF)
    with pytest.raises(BlobUnavailable):
        behind.finish()


def test_what_is_on_its_way_is_bounded_and_a_cancelled_thread_ends():
    gate = threading.Event()
    gate.set()
    behind = Behind(Work(gate=gate))
    behind.feed(HALF)
    behind.feed(HALF)
    gate.clear()
    for _ in range(DEPTH + 1):
        behind.feed(HALF)
    blocked = threading.Thread(target=behind.feed, args=(HALF,), daemon=True)
    blocked.start()
    blocked.join(0.2)
    assert blocked.is_alive(), "slow work slows its feeder down"
    gate.set()
    blocked.join(60)
    behind.cancel()
    assert not any(thread.name == "blob-writer" for thread in threading.enumerate())


@pytest.mark.parametrize("size", [LARGE // 8, LARGE, 2 * LARGE - 1])
def test_read_only_views_are_not_copied_and_come_in_order(size):
    octets = os.urandom(THRESHOLD + 3 * PIECE + 17)
    view = memoryview(octets)
    taken = []
    behind = Behind(lambda data: taken.append(bytes(data)))
    for start in range(0, len(octets), size):
        behind.feed(view[start : start + size])
    behind.finish()
    assert b"".join(taken) == octets
