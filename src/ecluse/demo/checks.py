"""What does not hold stops the demo; what is not there yet is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["Unheld", "until"]

T = TypeVar("T")

_LOOK: Final = 0.03
"""Seconds between two looks."""


class Unheld(Exception):
    """Something that the demo claims does not hold; its text says what."""


def until(look: Callable[[], T | None], seconds: float, otherwise: str) -> T:
    """Look again and again until there is something true, and give it.

    Raises:
        Unheld: With ``otherwise``, after ``seconds``.
    """
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise Unheld(f"{otherwise} (waited {seconds:.0f} s)")
        time.sleep(_LOOK)
    return found
