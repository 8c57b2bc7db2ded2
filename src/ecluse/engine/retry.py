"""When to try again: by whose fault it was, exponentially, with full jitter.

With full jitter the wait is drawn evenly between nothing and the backoff: of all the ways to spread retries
it clears a partner's backlog with the fewest calls after an outage, as no two senders march in step
(Brooker, "Exponential Backoff and Jitter", 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ecluse.errors import Fault
from ecluse.model.basics import Entropy

__all__ = ["BACKOFFS", "Backoff", "RetryPolicy"]

_DAY: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How one class of fault is tried again.

    Attributes:
        base: Seconds that the first wait is at most.
        cap: Seconds that any wait is at most.
        attempts: After so many, counting the first, the job is dead.
        age: Seconds since the work came up after which it is dead whatever the count.
    """

    base: float
    cap: float
    attempts: int
    age: float


BACKOFFS: Final[Mapping[Fault, Backoff]] = MappingProxyType(
    {
        # Two days and a half on average: a weekend on which a partner's server is down.
        Fault.TRANSIENT: Backoff(base=4, cap=3600, attempts=130, age=4 * _DAY),
        # They may mend it within their working day, and each try costs them a look.
        Fault.PARTNER: Backoff(base=60, cap=4 * 3600, attempts=30, age=3 * _DAY),
        # A full disk or a database that is away: patient, and quick when it is back.
        Fault.OURS: Backoff(base=4, cap=600, attempts=1000, age=4 * _DAY),
        Fault.PERMANENT: Backoff(base=0, cap=0, attempts=1, age=0),
        Fault.USAGE: Backoff(base=0, cap=0, attempts=1, age=0),
    }
)


class RetryPolicy:
    """The table, and the drawing of a wait from it.

    Args:
        backoffs: One for every fault.
    """

    __slots__ = ("backoffs",)

    def __init__(self, backoffs: Mapping[Fault, Backoff] = BACKOFFS) -> None:
        self.backoffs = backoffs

    def wait(self, fault: Fault, attempts: int, entropy: Entropy, age: float = 0) -> float | None:
        """Seconds until the next attempt, or ``None`` where there is to be none.

        Args:
            fault: Whose fault the last attempt's failure was.
            attempts: How many were made, of whatever outcome.
            entropy: Source of eight random octets.
            age: Seconds since the work came up; 0 where that is not known.
        """
        backoff = self.backoffs[fault]
        if attempts >= backoff.attempts or age > backoff.age:
            return None
        # Past 2**32 the cap has long won; the bound keeps the power within a float.
        most = min(backoff.cap, backoff.base * 2.0 ** min(max(attempts, 1) - 1, 32))
        return most * (int.from_bytes(entropy(8), "big") / (1 << 64))

    @property
    def most_attempts(self) -> int:
        """The largest count of any class; a job that was claimed far oftener kills its process."""
        return max(backoff.attempts for backoff in self.backoffs.values())
