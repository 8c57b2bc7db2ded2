"""Rules that look at one field of a file: which one, what is weak there, and what would be better."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from ecluse.posture.rule import Fix, Hit, Moment, Path, Put, Toml, in_words
from ecluse.trust.settings.fields import octets, seconds

__all__ = [
    "CHANNELS",
    "Settled",
    "Test",
    "above",
    "all_of",
    "being",
    "below",
    "dotted",
    "each",
    "empty",
    "given",
    "larger",
    "longer",
    "matching",
    "one_of",
    "places",
    "shorter",
    "smaller",
    "weak",
]

CHANNELS: Final = ("as2", "sftp", "ftps", "s3", "azure", "gcs", "webdav")
"""Tables of a partner's file that lead to a server of theirs."""

Test: TypeAlias = Callable[[object], bool]


class Settled(Protocol):
    """Facts with the settings of a file."""

    @property
    def settings(self) -> msgspec.Struct:
        """As the file says."""


S = TypeVar("S", bound=Settled, contravariant=True)


# --- what is weak -------------------------------------------------------------------------------------------------


def being(value: object) -> Test:
    """It is exactly that."""
    return lambda found: found == value and type(found) is type(value)


def one_of(*values: object) -> Test:
    """It is one of them."""
    return lambda found: found in values


def empty(found: object) -> bool:
    """It is not set, or a list without entries."""
    return found is None or found == ()


def given(found: object) -> bool:
    """It is set, or a list with entries."""
    return not empty(found)


def above(limit: int) -> Test:
    """A number above ``limit``."""
    return lambda found: isinstance(found, int) and found > limit


def below(limit: int) -> Test:
    """A number below ``limit``."""
    return lambda found: isinstance(found, int) and found < limit


def longer(limit: str) -> Test:
    """A duration longer than ``limit``."""
    most = seconds(limit)
    return lambda found: isinstance(found, str) and seconds(found) > most


def shorter(limit: str) -> Test:
    """A duration shorter than ``limit``."""
    least = seconds(limit)
    return lambda found: isinstance(found, str) and seconds(found) < least


def larger(limit: str) -> Test:
    """A size larger than ``limit``."""
    most = octets(limit)
    return lambda found: isinstance(found, str) and octets(found) > most


def smaller(limit: str) -> Test:
    """A size smaller than ``limit``."""
    least = octets(limit)
    return lambda found: isinstance(found, str) and octets(found) < least


def matching(test: Callable[[str], object]) -> Test:
    """A text that ``test`` gives something true for."""
    return lambda found: isinstance(found, str) and bool(test(found))


# --- where --------------------------------------------------------------------------------------------------------


def places(settings: object, path: str) -> Iterator[tuple[Path, object]]:
    """Every place that a dotted path leads to, with what is there.

    ``[]`` behind a name goes through an array, ``{}`` through a table of tables. A table that is not there is passed
    over; a field that is not set is given as ``None``.
    """
    yield from _walk(settings, _steps(path), ())


@cache
def _steps(path: str) -> tuple[tuple[str, str, str], ...]:
    """For each name of a path: as in the file, as in the Struct, and how to go on."""
    steps = []
    for part in path.split("."):
        name = part.removesuffix("[]").removesuffix("{}")
        steps.append((name, "from_" if name == "from" else name, part[len(name) :]))
    return tuple(steps)


def _walk(value: object, steps: Sequence[tuple[str, str, str]], at: Path) -> Iterator[tuple[Path, object]]:
    for depth, (name, attribute, how) in enumerate(steps):
        value = getattr(value, attribute)
        at = (*at, name)
        rest = steps[depth + 1 :]
        if how == "[]" and isinstance(value, tuple):
            for number, item in enumerate(value):
                yield from _walk(item, rest, (*at, number)) if rest else iter([((*at, number), item)])
            return
        if how == "{}" and isinstance(value, dict):
            for key, item in value.items():
                yield from _walk(item, rest, (*at, key)) if rest else iter([((*at, key), item)])
            return
        if value is None and rest:
            return
    yield at, value


def dotted(path: Path) -> str:
    """A path for people: ``to[0].openpgp``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def weak(
    *paths: str, test: Test, better: Toml | None = None, only: Callable[[S], bool] | None = None
) -> Callable[[S, Moment], Iterator[Hit]]:
    """A look at fields.

    Args:
        paths: Dotted; see :func:`places`.
        test: What is weak.
        better: What the fix puts there; without it there is no edit.
        only: Where it is worth a look at all.
    """
    simple = [_Reach(path) for path in paths if "[" not in path and "{" not in path]
    winding = [path for path in paths if "[" in path or "{" in path]

    def look(facts: S, moment: Moment) -> Iterator[Hit]:
        if only is not None and not only(facts):
            return
        settings = facts.settings
        for reach in simple:
            value = reach(settings)
            if value is not _NOTHING and test(value):
                yield _hit(reach.path, value, better)
        for path in winding:
            for at, value in places(settings, path):
                if test(value):
                    yield _hit(at, value, better)

    return look


_NOTHING: Final = object()


class _Reach:
    """One field behind plain names: it is asked for of every partner, and most have no such table."""

    __slots__ = ("_last", "_tables", "path")

    def __init__(self, path: str) -> None:
        steps = _steps(path)
        self.path: Path = tuple(name for name, _, _ in steps)
        self._tables = tuple(attribute for _, attribute, _ in steps[:-1])
        self._last = steps[-1][1]

    def __call__(self, settings: object) -> object:
        for table in self._tables:
            settings = getattr(settings, table)
            if settings is None:
                return _NOTHING
        return getattr(settings, self._last)


def _hit(at: Path, value: object, better: Toml | None) -> Hit:
    name = dotted(at)
    observed = f"{name} is not set" if value is None else f"{name} = {in_words(value)}"
    return Hit(name, observed, fix=Fix((Put(at, better),)) if better is not None else None)


def each(names: Sequence[str], field: str) -> tuple[str, ...]:
    """The same field of several tables."""
    return tuple(f"{name}.{field}" for name in names)


def all_of(*looks: Callable[..., Iterator[Hit]]) -> Callable[..., Iterator[Hit]]:
    """What any of some looks finds."""

    def look(facts: object, moment: Moment) -> Iterator[Hit]:
        for one in looks:
            yield from one(facts, moment)

    return look
