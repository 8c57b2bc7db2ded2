"""Change some tables of a TOML file and leave the rest as somebody wrote it, comments included.

What is changed is found by its lines, which a text over several lines could deceive: so the result is read again,
and where it does not mean what was wanted, the whole file is written anew without its comments.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import tomli_w

__all__ = ["edited"]

_HEADER: Final = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_-]+)(?:\s*[.\]].*)?$")


def edited(text: str, changes: Mapping[str, object | None]) -> str:
    """The text with some of its top-level values changed.

    Args:
        text: TOML that can be read.
        changes: Key to what shall stand there: a value, a table, a list of tables; ``None`` removes it. A table of
            plain values is changed line by line, anything else is put in whole.

    Returns:
        TOML that reads as the old one with ``changes``.
    """
    before = tomllib.loads(text)
    wanted: dict[str, Any] = {**before, **{key: value for key, value in changes.items() if value is not None}}
    for key in [key for key, value in changes.items() if value is None]:
        wanted.pop(key, None)
    if wanted == before:
        return text
    lines = text.splitlines()
    for key, value in changes.items():
        if before.get(key) != value:
            lines = _changed(lines, key, before.get(key), value)
    result = "\n".join(lines).strip("\n") + "\n"
    try:
        if tomllib.loads(result) == wanted:
            return result
    except tomllib.TOMLDecodeError:
        pass
    return tomli_w.dumps(wanted)


def _changed(lines: list[str], key: str, before: object, value: object | None) -> list[str]:
    blocks = _blocks(lines)
    if (
        not isinstance(value, dict)
        and not _tables(value)
        and not isinstance(before, dict)
        and not _tables(before)
    ):
        return [*_plain(blocks[0][1], key, value), *(line for _, block in blocks[1:] for line in block)]
    if isinstance(value, dict) and isinstance(before, dict) and _flat(value, before):
        whole = [block for name, block in blocks if name == key]
        if len(whole) == 1:
            for name in dict.fromkeys((*before, *value)):
                if before.get(name) != value.get(name):
                    whole[0][:] = [whole[0][0], *_plain(whole[0][1:], name, value.get(name))]
            return [line for _, block in blocks for line in block]
    place = next((at for at, (name, _) in enumerate(blocks) if name == key), len(blocks))
    kept = [(name, block) for name, block in blocks if name != key]
    if value is not None:
        added = ["", *tomli_w.dumps({key: value}).strip("\n").splitlines(), ""]
        kept.insert(min(place, len(kept)), (key, added))
    return [line for _, block in kept for line in block]


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The head of the file, then each table, its header first."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in lines:
        match = _HEADER.match(line)
        if match is not None:
            blocks.append((match.group(1), [line]))
        else:
            blocks[-1][1].append(line)
    return blocks


def _plain(lines: list[str], key: str, value: object | None) -> list[str]:
    """Lines of one table with one plain value changed."""
    pattern = re.compile(rf"^\s*{re.escape(key)}\s*=")
    place = next((at for at, line in enumerate(lines) if pattern.match(line)), None)
    new = [] if value is None else tomli_w.dumps({key: value}).strip("\n").splitlines()
    if place is not None:
        end = place + 1
        while end < len(lines) and not _complete("\n".join(lines[place:end])):
            end += 1
        return [*lines[:place], *new, *lines[end:]]
    last = max((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), default=-1)
    return [*lines[: last + 1], *new, *lines[last + 1 :]]


def _complete(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _flat(*tables: dict[str, Any]) -> bool:
    return not any(isinstance(each, dict) or _tables(each) for table in tables for each in table.values())


def _tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)
