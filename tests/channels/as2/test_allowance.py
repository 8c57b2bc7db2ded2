from __future__ import annotations

from ecluse.channels.as2.allowance import Allowance
from ecluse.model.basics import Instant


def test_an_allowance():
    second = 1_000_000
    allowance = Allowance(2, 10)
    start = 1_790_000_000 * second
    assert [allowance.take(Instant(start)) for _ in range(4)] == [0, 0, None, None]
    assert allowance.take(Instant(start + 11 * second)) == 2
    assert allowance.take(Instant(start + 12 * second)) is None
    assert [allowance.take(Instant(start + 3600 * second)) for _ in range(3)] == [1, 0, None]
    # A clock that is set back neither fills it nor keeps it empty until it is as late again.
    assert allowance.take(Instant(start)) is None
    assert allowance.take(Instant(start + 11 * second)) == 2
