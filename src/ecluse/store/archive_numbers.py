"""The numbers that an archived document is found by: its own, those that it names, and the ends of both."""

from __future__ import annotations

import re
from typing import Final

from ecluse.model.archive import Archived
from ecluse.store.rows import clean

__all__ = ["OWN", "TEXT", "WORD", "numbers", "searched"]

OWN: Final = "own:"
"""What the kind of an own number begins with; the type of the document follows."""
WORD: Final = "word"
TEXT: Final = "text"
"""Kind of what stands in a remittance text and may be a number."""
_FURTHER: Final = "own"
_MAX_WORDS: Final = 4
"""Words of a number from which on it is found: ``RE-2026-000118`` has three."""
_STARTS: Final = re.compile(r"(?<![^\W_])(?=[^\W_])|(?<=[^\d])0+(?=[1-9])|^0+(?=[1-9])")


def searched(number: str) -> str:
    """A number as it is looked up: in lower case, without what a database does not take."""
    return clean(number.casefold().strip())


def numbers(archived: Archived) -> set[tuple[str, str]]:
    """Pairs of a number as it is looked up, and its kind."""
    own = OWN + archived.type
    found = {(archived.reference, own)} if archived.reference else set()
    found |= {(number, own if kind == _FURTHER else kind) for kind, number in archived.refs}
    whole = {(searched(number), kind) for number, kind in found}
    words = {word for number, _ in whole for word in _ends(number)}
    return {pair for pair in whole if pair[0]} | {(word, WORD) for word in words}


def _ends(number: str) -> list[str]:
    """The number from its second word on, from its third on...; and without leading zeros."""
    starts = {match.end() for match in _STARTS.finditer(number)} - {0}
    return [number[start:] for start in sorted(starts)[:_MAX_WORDS] if len(number) - start > 1]
