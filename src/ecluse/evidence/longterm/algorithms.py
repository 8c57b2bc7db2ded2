"""Until when an algorithm proves anything: what renewal is planned by, and what verification asks.

The dates are those that authorities on cryptography published; a hub may set others in ``[log.ends]``. They are dates
of planning: who renews before them is never caught by a surprise less than a break.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from ecluse.model.basics import Instant

__all__ = ["FAMILIES", "HASHES", "PUBLISHED", "Algorithms", "End"]

_FAR: Final = Instant(253_402_300_799_000_000)
"""The calendar's last second: no end is published."""
_DAY: Final = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class End:
    """The last day of an algorithm.

    Attributes:
        day: That day, UTC, whole; ``None`` where none is published.
        source: Who says so.
    """

    day: date | None
    source: str


PUBLISHED: Final[Mapping[str, End]] = {
    "sha256": End(
        date(2033, 12, 31),
        "CNSA 2.0 (NSA, 2022) takes SHA-384 and SHA-512 alone from 2033 on; nobody says that SHA-256 is broken",
    ),
    "sha384": End(None, "CNSA 2.0 (NSA, 2022)"),
    "sha512": End(None, "CNSA 2.0 (NSA, 2022)"),
    "sha3_256": End(None, "FIPS 202"),
    "sha3_384": End(None, "FIPS 202"),
    "sha3_512": End(None, "FIPS 202"),
    "rsa-short": End(
        date(2028, 12, 31),
        "ETSI TS 119 312: certificates of RSA keys below 3000 bits end by then",
    ),
    "rsa": End(date(2035, 12, 31), "NIST IR 8547 (initial public draft, 2024): disallowed after 2035"),
    "ecdsa": End(date(2035, 12, 31), "NIST IR 8547 (initial public draft, 2024): disallowed after 2035"),
    "ed25519": End(date(2035, 12, 31), "NIST IR 8547 (initial public draft, 2024): disallowed after 2035"),
    "ml-dsa": End(None, "FIPS 204"),
}
"""By family: a hash by its lower-case name, a signature algorithm by what its keys have in common."""

FAMILIES: Final = tuple(PUBLISHED)
HASHES: Final = ("sha512", "sha3_512", "sha384", "sha3_384", "sha256", "sha3_256")
"""Hashes for a renewal, the preferred first."""

_SHORT: Final = 3000
"""Bits of an RSA key below which it is a short one."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """The table in force.

    Attributes:
        own: Last days that the hub sets itself, by family.
    """

    own: Mapping[str, date] = field(default_factory=dict)

    def end(self, name: str) -> Instant:
        """When an algorithm (``sha256``, ``rsa-3072``, ``ml-dsa-65``) ends; 1970 for one that is not in the table."""
        family = _family(name)
        known = PUBLISHED.get(family)
        if known is None:
            return Instant(0)
        day = self.own.get(family, known.day)
        if day is None or day.year >= 9999:
            return _FAR
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return Instant(int(midnight.timestamp()) * 1_000_000 + _DAY)

    def sound(self, name: str, at: datetime) -> bool:
        """Whether it proves anything to who verifies for the moment ``at``."""
        return int(at.timestamp() * 1_000_000) < self.end(name)

    def mark(self) -> bytes:
        """What changes when the table does, so that plans made by it are made again."""
        rows = (f"{name}={self.own.get(name, end.day)}" for name, end in PUBLISHED.items())
        return ";".join(rows).encode()


def _family(name: str) -> str:
    """The family of an algorithm's name."""
    if name in PUBLISHED:
        return name
    found = re.fullmatch(r"(rsa|ecdsa|ml-dsa)-(\d{1,5})", name)
    if found is None:
        return ""
    if found[1] == "rsa" and int(found[2]) < _SHORT:
        return "rsa-short"
    return found[1]
