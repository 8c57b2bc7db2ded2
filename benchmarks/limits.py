"""What the hardware allows: the speed of the bare algorithms, measured by ``openssl speed`` in the same run.

Every figure is CPU time of one core. A rate is measured once a run, and kept.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

Row: TypeAlias = "dict[str, object]"
"""One result; see :func:`row`."""

SECONDS: Final = 1
"""Of one measurement."""
ROUNDS: Final = 2
"""The better of so many counts: what else runs on the machine only ever makes it slower."""
BULK: Final = 16_384
"""Octets in one call for the rates of large messages: beyond it ``openssl speed`` gets no faster."""


def row(name: str, value: float, unit: str, limit: float, against: str, goal: float | None = None) -> Row:
    """One result.

    Args:
        name: ``module.what``.
        value: What was measured.
        unit: Of value and limit. More is better in a unit that ends in ``/s``, less in any other.
        limit: What the value is compared with.
        against: What the limit is, in words.
        goal: The least ratio that is wanted; ``None`` where the figure is for information.

    Returns:
        The same as a dictionary, with ``ratio``, how much of the limit is reached, and ``met``.
    """
    ratio = value / limit if unit.endswith("/s") else limit / value
    return {
        "name": name,
        "value": float(f"{value:.4g}"),
        "unit": unit,
        "limit": float(f"{limit:.4g}"),
        "ratio": round(ratio, 3),
        "against": against,
        "goal": goal,
        "met": None if goal is None else ratio >= goal,
    }


@cache
def octets_a_second(algorithm: str, size: int = BULK, *, decrypt: bool = False) -> float:
    """How fast a digest or cipher (``sha256``, ``aes-256-cbc``) works through pieces of ``size`` octets."""
    direction = ["-decrypt"] if decrypt else []
    arguments = ("-bytes", str(size), *direction, "-evp", algorithm)
    return max(float(_speed(*arguments)[3]) for _ in range(ROUNDS))


@dataclass(frozen=True, slots=True)
class Rsa:
    """Seconds of one operation with an RSA key.

    Attributes:
        private: Signing; decrypting is the same operation.
        public: Verifying; encrypting is the same operation.
    """

    private: float
    public: float


@cache
def rsa(bits: int = 2048) -> Rsa:
    """RSA with a key of ``bits``."""
    found = [_speed(f"rsa{bits}") for _ in range(ROUNDS)]
    return Rsa(1 / max(float(fields[3]) for fields in found), 1 / max(float(fields[4]) for fields in found))


def _speed(*arguments: str) -> list[str]:
    """The fields of the ``+F`` line of ``openssl speed -mr``: rates of octets, or of signatures and checks."""
    done = subprocess.run(
        ["openssl", "speed", "-mr", "-seconds", str(SECONDS), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("+F")]
    return lines[-1].split(":")
