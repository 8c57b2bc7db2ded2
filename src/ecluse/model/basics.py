"""Time, randomness and identity: the three things that a simulation must be able to hand in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NewType

__all__ = [
    "Clock",
    "DeliveryId",
    "Entropy",
    "Instant",
    "MessageId",
    "PartnerId",
    "iso",
    "new_id",
    "system_clock",
    "system_entropy",
]

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

MessageId = NewType("MessageId", str)
"""The hub's own id of a message (``m…``); never the protocol's."""

DeliveryId = NewType("DeliveryId", str)
"""The hub's id of one message to one channel (``d…``)."""

PartnerId = NewType("PartnerId", str)
"""The name of a partner's file: lower case letters, digits and dashes."""

Clock = Callable[[], Instant]
Entropy = Callable[[int], bytes]

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, which sorts as the numbers do and has no i, l, o, u."""
_FORTY_BITS = (1 << 40) - 1
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)


def system_clock() -> Instant:
    """The machine's wall clock."""
    return Instant(time.time_ns() // 1000)


class _Pool:
    """Octets drawn ahead, for the many small draws of a message; what was given is forgotten here."""

    __slots__ = ("_at", "_lock", "_octets")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._octets = bytearray()
        self._at = 0

    def draw(self, size: int) -> bytes:
        with self._lock:
            end = self._at + size
            if end > len(self._octets):
                self._octets, self._at, end = bytearray(os.urandom(_POOL)), 0, size
            taken = bytes(self._octets[self._at : end])
            self._octets[self._at : end] = bytes(size)
            self._at = end
            return taken

    def forget(self) -> None:
        """A forked child must not give what its parent gives."""
        self._lock = threading.Lock()
        self._octets = bytearray()
        self._at = 0


_POOL = 4096
_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)


def system_entropy(size: int) -> bytes:
    """``size`` octets of the operating system's randomness. May be called from any thread."""
    return _pool.draw(size) if size <= 64 else os.urandom(size)


def new_id(prefix: str, now: Instant, entropy: Entropy) -> str:
    """An id that sorts by time: prefix, 10 characters of milliseconds, 16 of randomness (80 bits).

    Args:
        prefix: One letter that tells the kind (``m`` message, ``d`` delivery, ``b`` blob...).
        now: When it is made.
        entropy: Source of the 10 random octets.
    """
    octets = entropy(10)
    return f"{prefix}{_moment(now // 1000)}{_forty_bits(octets[:5])}{_forty_bits(octets[5:])}"


@lru_cache(maxsize=16)
def _moment(milliseconds: int) -> str:
    """Milliseconds as 10 characters, 50 bits; many ids are made in one."""
    return _PAIRS[milliseconds >> 40 & 1023] + _forty_bits((milliseconds & _FORTY_BITS).to_bytes(5, "big"))


def _forty_bits(octets: bytes) -> str:
    """Five octets as 8 characters."""
    number = int.from_bytes(octets, "big")
    return (
        _PAIRS[number >> 30]
        + _PAIRS[number >> 20 & 1023]
        + _PAIRS[number >> 10 & 1023]
        + _PAIRS[number & 1023]
    )


def iso(instant: Instant) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant / 1_000_000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
