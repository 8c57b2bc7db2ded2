"""A fix, put into the text of the file that it is about; and the line that a finding's place stands on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Final

from ecluse.posture.rule import Path, Put
from ecluse.trust.files.tomltext import edited

__all__ = ["file_of", "line_of", "with_puts"]

_STEP: Final = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")


def file_of(subject: str) -> str:
    """The configuration file of a subject: ``ecluse.toml``, ``partners/birch.toml``, ``flows/orders.toml``."""
    kind, _, name = subject.partition(":")
    return f"{kind}s/{name}.toml" if name else "ecluse.toml"


def with_puts(text: str, puts: Sequence[Put]) -> str:
    """The file with some fields changed. Its comments stay where that can be.

    Args:
        text: TOML that was read before.
        puts: The edits. Places in arrays are those of the text, whatever the other edits take out.
    """
    before = tomllib.loads(text)
    wanted = deepcopy(before)
    # From the end of an array: what is taken out must not move what is still to be edited.
    for put in sorted(puts, key=lambda each: _order(each.path), reverse=True):
        _put(wanted, put.path, put.value)
    tables = before.keys() | wanted.keys()
    return edited(
        text, {key: wanted.get(key) for key in sorted(tables) if before.get(key) != wanted.get(key)}
    )


def _order(path: Path) -> tuple[tuple[int, str, int], ...]:
    return tuple((1, "", step) if isinstance(step, int) else (0, step, 0) for step in path)


def _put(table: dict[str, Any], path: Path, value: object) -> None:
    here: Any = table
    for at, step in enumerate(path[:-1]):
        if isinstance(step, int):
            here = here[step]
            continue
        if step not in here:
            if value is None:
                return
            here[step] = {}
        here = here[step]
        if not isinstance(here, dict | list) or (isinstance(here, list) and at + 1 < len(path) and not here):
            return
    last = path[-1]
    if value is not None:
        here[last] = deepcopy(value)
    elif isinstance(last, int):
        del here[last]
    else:
        here.pop(last, None)


def line_of(text: str, place: str) -> int:
    """The line (from 1) that a dotted place stands on, or its table; 1 where neither is found.

    It is for people who look: a place within a text over several lines may be told of another line.
    """
    steps = [name or int(number) for name, number in _STEP.findall(place)]
    best = 1
    table: list[str] = []
    counts: dict[str, int] = {}
    wanted = [step for step in steps if isinstance(step, str)]
    numbers = [step for step in steps if isinstance(step, int)]
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"-]+)\s*\]\]?", line)
        if header:
            table = header.group(2).replace('"', "").split(".")
            if header.group(1) == "[[":
                counts[header.group(2)] = counts.get(header.group(2), -1) + 1
                if numbers and counts[header.group(2)] != numbers[0]:
                    table = ["\0"]
            if table == wanted or (table and table == wanted[: len(table)]):
                best = number
            if table == wanted:
                return number
            continue
        key = re.match(r"\s*([A-Za-z0-9_-]+)\s*=", line)
        if key and [*table, key.group(1)] == wanted[: len(table) + 1]:
            return number
    return best
