"""Patterns of file names: ``*`` any characters, ``?`` one, ``[a-z]`` and ``[!a-z]`` one of a set; case does not count.

Case does not count because it is the first thing that a partner's next release changes, and a document that nobody
takes is worse than one that is taken. Names are compared in Unicode's composed form, as both are written today.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Names", "matches", "overlap"]


@dataclass(frozen=True, slots=True)
class _Set:
    """One character: of some ranges, or of none of them. No ranges and ``other`` is any character."""

    ranges: tuple[tuple[str, str], ...]
    other: bool = False

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.other


_ANY = _Set((), other=True)
_Token = _Set | None
"""``None`` is ``*``."""


def fold(text: str) -> str:
    """Text as it is compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@lru_cache(maxsize=4096)
def _tokens(pattern: str) -> tuple[_Token, ...]:
    pattern = fold(pattern)
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif character == "?":
            tokens.append(_ANY)
        elif character == "[" and (end := pattern.find("]", at + 1 + pattern[at : at + 1].count("!"))) > 0:
            other = pattern[at] == "!"
            tokens.append(_Set(_ranges(pattern[at + other : end]), other))
            at = end + 1
        else:
            tokens.append(_Set(((character, character),)))
    return tuple(tokens)


def _ranges(text: str) -> tuple[tuple[str, str], ...]:
    ranges = []
    at = 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-":
            ranges.append((text[at], text[at + 2]))
            at += 3
        else:
            ranges.append((text[at], text[at]))
            at += 1
    return tuple(ranges)


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern. Takes time by the product of their lengths at most, whatever they are."""
    tokens, text = _tokens(pattern), fold(name)
    token = at = 0
    star, retry = -1, 0
    while at < len(text):
        wanted = tokens[token] if token < len(tokens) else _NONE
        if wanted is None:
            star, retry = token, at
            token += 1
        elif wanted.has(text[at]):
            token += 1
            at += 1
        elif star >= 0:
            retry += 1
            token, at = star + 1, retry
        else:
            return False
    return all(rest is None for rest in tokens[token:])


_NONE = _Set(())


def overlap(one: str, other: str) -> bool:
    """Whether some name may fit both patterns. In doubt (sets of characters) it says that one may."""
    left, right = _tokens(one), _tokens(other)
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        a, b = place
        if a == len(left) and b == len(right):
            return True
        x = left[a] if a < len(left) else _NONE
        y = right[b] if b < len(right) else _NONE
        if x is None:
            todo.append((a + 1, b))
            if b < len(right):
                todo.append((a, b + 1))
        elif y is None:
            todo.append((a, b + 1))
            if a < len(left):
                todo.append((a + 1, b))
        elif _meet(x, y):
            todo.append((a + 1, b + 1))
    return False


def _meet(one: _Set, other: _Set) -> bool:
    if one.other or other.other:
        fixed = other if one.other else one
        return fixed.other or any(low != high or one.has(low) == other.has(low) for low, high in fixed.ranges)
    return any(low <= end and begin <= high for low, high in one.ranges for begin, end in other.ranges)


@dataclass(frozen=True, slots=True)
class Names:
    """Which names are taken.

    Attributes:
        taken: Patterns of which one has to fit.
        left: Patterns of which none may fit.
    """

    taken: Sequence[str] = ("*",)
    left: Sequence[str] = ()

    def refusal(self, name: str) -> str:
        """Why a name is not taken, in one sentence; empty where it is."""
        for pattern in self.left:
            if matches(pattern, name):
                return f"its name fits {pattern}, which is left"
        if any(pattern == "*" or matches(pattern, name) for pattern in self.taken):
            return ""
        return f"its name does not fit {_either(self.taken)}"


def _either(patterns: Iterable[str]) -> str:
    return " or ".join(patterns)
