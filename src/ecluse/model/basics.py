"""Time, randomness and identity: the three things that a simulation must be able to hand in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
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

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def system_clock() -> Instant:
    """The machine's wall clock."""
    return Instant(time.time_ns() // 1000)


def system_entropy(size: int) -> bytes:
    """``size`` octets from the operating system."""
    return os.urandom(size)


def new_id(prefix: str, now: Instant, entropy: Entropy) -> str:
    """An id that sorts by time: prefix, 10 characters of milliseconds, 16 of randomness (80 bits).

    Args:
        prefix: One letter that tells the kind (``m`` message, ``d`` delivery, ``b`` blob...).
        now: When it is made.
        entropy: Source of the 10 random octets.
    """
    number = ((now // 1000) << 80) | int.from_bytes(entropy(10), "big")
    digits = []
    for _ in range(26):
        number, low = divmod(number, 32)
        digits.append(_ALPHABET[low])
    return prefix + "".join(reversed(digits))


def iso(instant: Instant) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant / 1_000_000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
