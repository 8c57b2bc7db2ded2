"""What the hardware allows: the speed of the bare algorithms, measured by ``openssl speed`` in the same run.

Every figure is CPU time of one core. A rate is measured once a run, and kept.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

Row: TypeAlias = "dict[str, object]"
"""One result: ``name``, ``value``, ``unit``, ``limit`` and ``ratio``.

The limit is what can't be beaten (the bare algorithms), or, where ``goal`` is there, the product's own goal.
"""

SECONDS: Final = "1"
"""Of each measurement."""
BULK: Final = 16_384
"""Octets in one call for the rates of large messages: beyond it ``openssl speed`` gets no faster."""


def _speed(*arguments: str) -> list[list[str]]:
    """The ``+F`` lines of ``openssl speed -mr``, split into fields."""
    done = subprocess.run(
        ["openssl", "speed", "-mr", "-seconds", SECONDS, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return [line.split(":") for line in done.stdout.splitlines() if line.startswith("+F")]


@cache
def octets_a_second(algorithm: str, size: int = BULK, *, decrypt: bool = False) -> float:
    """How fast a digest or cipher (``sha256``, ``aes-256-cbc``) works through pieces of ``size`` octets."""
    direction = ["-decrypt"] if decrypt else []
    return float(_speed("-bytes", str(size), *direction, "-evp", algorithm)[-1][3])


@dataclass(frozen=True, slots=True)
class Rsa:
    """Seconds of one operation with an RSA key: decrypting costs as much as signing, encrypting as verifying."""

    sign: float
    verify: float


@cache
def rsa(bits: int = 2048) -> Rsa:
    """RSA with a key of ``bits``."""
    _, _, _, signs, verifies = _speed(f"rsa{bits}")[-1]
    return Rsa(1 / float(signs), 1 / float(verifies))


def row(name: str, value: float, unit: str, limit: float) -> Row:
    """``ratio`` is how much of the limit is reached, for rates and for times alike."""
    ratio = value / limit if unit.endswith("/s") else limit / value
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "limit": round(limit, 2),
        "ratio": round(ratio, 3),
    }
