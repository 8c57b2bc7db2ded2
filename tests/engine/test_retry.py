"""Waits: within their bounds, spread evenly over them, and finite."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecluse.engine.retry import BACKOFFS, Backoff, RetryPolicy
from ecluse.errors import Fault

POLICY = RetryPolicy()


@given(
    fault=st.sampled_from(list(Fault)),
    attempts=st.integers(0, 10_000),
    draw=st.binary(min_size=8, max_size=8),
    age=st.floats(0, 1e9),
)
def test_a_wait_is_within_its_bounds_or_there_is_none(
    fault: Fault, attempts: int, draw: bytes, age: float
) -> None:
    backoff = BACKOFFS[fault]
    wait = POLICY.wait(fault, attempts, lambda _: draw, age)
    if attempts >= backoff.attempts or age > backoff.age:
        assert wait is None
    else:
        assert wait is not None
        assert 0 <= wait <= min(backoff.cap, backoff.base * 2.0 ** min(max(attempts - 1, 0), 40))


@pytest.mark.parametrize("fault", [Fault.PERMANENT, Fault.USAGE])
def test_what_no_retry_can_help_is_not_retried(fault: Fault) -> None:
    assert POLICY.wait(fault, 1, bytes) is None


def test_jitter_is_full_and_even() -> None:
    policy = RetryPolicy({Fault.TRANSIENT: Backoff(base=10, cap=40, attempts=100, age=1e9)})
    source = random.Random(7)
    for attempts, most in ((1, 10), (2, 20), (3, 40), (4, 40), (50, 40)):
        waits = [policy.wait(Fault.TRANSIENT, attempts, source.randbytes) for _ in range(4000)]
        tenths = [0] * 10
        for wait in waits:
            assert wait is not None
            tenths[int(wait * 10 / most)] += 1
        assert min(tenths) > 300
        assert max(tenths) < 500


def middle(size: int) -> bytes:
    return b"\x80" + bytes(size - 1)


def test_the_patience_is_days_and_not_for_ever() -> None:
    for fault in (Fault.TRANSIENT, Fault.PARTNER, Fault.OURS):
        attempts, total = 1, 0.0
        while (
            wait := POLICY.wait(fault, attempts, lambda size: b"\x80" + bytes(size - 1), total)
        ) is not None:
            attempts, total = attempts + 1, total + wait
        assert 1.2 < total / 86_400 < 5


def test_the_largest_count() -> None:
    assert POLICY.most_attempts == max(backoff.attempts for backoff in BACKOFFS.values())
