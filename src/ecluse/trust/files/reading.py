"""From the text of a TOML file to its Struct, with every problem on the way and not only the first."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from functools import cache
from typing import Final, Literal, TypeVar, get_args, get_origin

import msgspec

from ecluse.trust.errors import Problem
from ecluse.trust.files.shape import choices, marked, metas, special_fields
from ecluse.trust.settings.fields import REFERENCE_PATTERN
from ecluse.typed import convert

__all__ = ["MAX_FILE", "read_toml"]

MAX_FILE: Final = 1 << 18
"""Characters of one configuration file: a hundred times a real one."""

MAX_DOTS: Final = 2000
"""Dots on one line: the parser's time grows with the square of a dotted key's length."""

WEAK: Final = re.compile(
    r"^(md-?[245]|sha-?[01]$|rsa-sha1|rc-?[24]|3?des|triple-?des|blowfish|idea|cast|seed)"
)
"""Names that are known, so that the refusal can say why. None of them is ever written."""

_REFERENCE: Final = re.compile(REFERENCE_PATTERN[1:-1])

S = TypeVar("S", bound=msgspec.Struct)
Report = Callable[[str, str, str, str], None]


def read_toml(text: str, kind: type[S], file: str, problems: list[Problem]) -> S | None:
    """Read one file strictly.

    Args:
        text: The file's text.
        kind: The Struct that it must fit.
        file: Its name for problems.
        problems: Everything wrong is added here.

    Returns:
        The Struct, or ``None`` where anything was wrong.
    """
    found: list[Problem] = []

    def report(code: str, field: str, cause: str, remedy: str) -> None:
        found.append(Problem(code, file, field, cause, remedy))

    table = _parse(text, report)
    result = None if table is None else _accepted(table, kind)
    if table is not None and result is None:
        _struct(table, kind, "", report)
        if not found:
            try:
                result = convert(_plain(table), kind)
            except (msgspec.ValidationError, ValueError, RecursionError):
                report(
                    "config.bad-value",
                    "",
                    "The file does not fit its schema.",
                    "Compare it with the reference.",
                )
    problems.extend(found)
    return result


def _parse(text: str, report: Report) -> dict[str, object] | None:
    if len(text) > MAX_FILE:
        report("config.too-large", "", f"The file is larger than {MAX_FILE} characters.", "Make it smaller.")
        return None
    if any(line.count(".") > MAX_DOTS for line in text.splitlines()):
        report("config.not-toml", "", "A line has too many dots.", "Write one value on a line.")
        return None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's message tells the place, and at most one character of the text.
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)", str(error))
        report(
            "config.not-toml",
            "",
            f"The file is not TOML at {place.group(1) if place else 'some place'}.",
            "Mend the syntax there: texts stand in double quotes, tables in square brackets.",
        )
    except (ValueError, RecursionError, OverflowError):
        report("config.not-toml", "", "The file holds a value that TOML can't have.", "Mend the value.")
    return None


def _accepted(table: dict[str, object], kind: type[S]) -> S | None:
    """The Struct of a table with nothing wrong in it; ``None`` where it has to be looked at field by field.

    That takes three times as long, and tells what is wrong.
    """
    try:
        if not _sound(table):
            return None
        result = convert(table, kind)
    except (msgspec.ValidationError, ValueError, RecursionError):
        return None
    for form, _, value in special_fields(result):
        if value is True if form == "or-false" else not _is_reference(value):
            return None
    return result


def _sound(value: object) -> bool:
    """Whether a value has nothing in it that a schema does not see: control characters, dates, things twice."""
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, dict):
        return all(name.isprintable() and _sound(item) for name, item in value.items())
    if isinstance(value, list):
        texts = [item for item in value if isinstance(item, str)]
        return len(set(texts)) == len(texts) and all(map(_sound, value))
    return isinstance(value, int | float)


def _plain(value: object) -> object:
    """TOML's dates as the texts that the schema takes."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value


def _struct(table: dict[str, object], kind: type[msgspec.Struct], path: str, report: Report) -> None:
    fields = _fields(kind)
    for name in table:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f'Did you mean "{close[0]}"?' if close else f"Known here: {', '.join(fields)}."
            where = _join(path, name)
            report("config.unknown-field", where, "There is no such field.", hint)
    for name, field in fields.items():
        where = _join(path, name)
        if name in table:
            _value(table[name], field.type, where, report)
        elif field.required:
            report(
                "config.missing-field", where, "The field is missing.", f"Expected {_expected(field.type)}."
            )


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a table by their name in the file: to resolve their types anew takes a millisecond."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _value(value: object, annotation: object, path: str, report: Report) -> None:
    members = choices(annotation)
    struct = next((c for c in members if isinstance(c, type) and issubclass(c, msgspec.Struct)), None)
    if struct is not None:
        if isinstance(value, dict):
            _struct(value, struct, path, report)
        else:
            report("config.bad-value", path, "This is not a table.", f"Expected a table [{path}].")
        return
    if get_origin(members[0]) is tuple:
        _list(value, get_args(members[0])[0], path, report)
        return
    if get_origin(members[0]) is dict:
        _mapping(value, members[0], path, report)
        return
    if marked(members[0], "secret"):
        _reference(value, path, report)
        return
    if value is True and bool in members and len(members) > 1:
        report("config.bad-value", path, "True is no choice here.", f"Expected {_expected(annotation)}.")
        return
    if isinstance(value, date | datetime | time) and not marked(members[0], "moment"):
        _refuse(value, annotation, path, report)
        return
    try:
        plain = _plain(value)
        convert(plain, annotation)
    except (msgspec.ValidationError, ValueError, RecursionError):
        _refuse(value, annotation, path, report)
    else:
        if isinstance(plain, str) and not plain.isprintable():
            report(
                "config.bad-value",
                path,
                "There is a control character in it.",
                "Write plain text on one line.",
            )


def _list(value: object, item: object, path: str, report: Report) -> None:
    if not isinstance(value, list):
        report("config.bad-value", path, "This is not a list.", f"Expected a list of {_expected(item)}.")
        return
    for number, entry in enumerate(value):
        _value(entry, item, f"{path}[{number}]", report)
    texts = [entry for entry in value if isinstance(entry, str)]
    if len(set(texts)) != len(texts):
        report("config.bad-value", path, "Something stands in the list twice.", "Name each once.")


def _mapping(value: object, annotation: object, path: str, report: Report) -> None:
    """A table whose names are the file's own."""
    if not isinstance(value, dict):
        report("config.bad-value", path, "This is not a table.", f"Expected a table [{path}].")
        return
    key, item = get_args(annotation)
    for name, entry in value.items():
        where = _join(path, name)
        _value(name, key, where, report)
        _value(entry, item, where, report)


def _reference(value: object, path: str, report: Report) -> None:
    """A secret field. What stands there is never repeated: it may be the secret."""
    if _is_reference(value):
        return
    report(
        "config.literal-secret",
        path,
        "A secret itself must not stand in a configuration file.",
        "Put the secret elsewhere and name it: env:NAME, file:path or keyring:name.",
    )


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and _REFERENCE.fullmatch(value) is not None


def _refuse(value: object, annotation: object, path: str, report: Report) -> None:
    if isinstance(value, str) and WEAK.match(value.lower().replace("_", "-")):
        report(
            "config.weak-algorithm",
            path,
            f"{value[:40]!a} is too weak, and is never written.",
            f"Expected {_expected(annotation)}.",
        )
        return
    shown = f"{value[:60]!a}" if isinstance(value, str) else f"a {_kind(value)}"
    report("config.bad-value", path, f"{shown} does not fit.", f"Expected {_expected(annotation)}.")


def _kind(value: object) -> str:
    names = {bool: "boolean", int: "whole number", float: "number", dict: "table", list: "list"}
    return names.get(type(value), "date")


def _expected(annotation: object) -> str:
    """What a field takes, in words."""
    members = choices(annotation)
    words = [_expected_one(member, alone=len(members) == 1) for member in members]
    return " or ".join(words)


def _expected_one(annotation: object, *, alone: bool) -> str:
    for meta in metas(annotation):
        if meta.extra and "expected" in meta.extra:
            return str(meta.extra["expected"])
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f'"{value}"' for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"a list of {_expected(get_args(annotation)[0])}"
    if annotation is bool:
        return "true or false" if alone else "false"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return "a table"
    return "a text"


def _join(path: str, name: str) -> str:
    # A field name that is not a plain word is shown quoted and cut: it may be anything.
    shown = name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else f"{name[:64]!a}"
    return f"{path}.{shown}" if path else shown
