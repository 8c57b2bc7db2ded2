"""What the types of a configuration's fields say: which of them are secrets, which are a choice or ``false``."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec

__all__ = ["Form", "choices", "marked", "metas", "special_fields"]

Form = Literal["secret", "or-false"]


def choices(annotation: object) -> list[object]:
    """The members of a union, without ``None`` (TOML has none)."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for member in get_args(annotation) if member is not type(None)]
    return [annotation]


def metas(annotation: object) -> list[msgspec.Meta]:
    """What is said of a type beside its name."""
    if get_origin(annotation) is Annotated:
        return [meta for meta in get_args(annotation)[1:] if isinstance(meta, msgspec.Meta)]
    return []


def marked(annotation: object, mark: str) -> bool:
    """Whether a type carries a mark (``secret``, ``moment``)."""
    return any(mark in (meta.extra or {}) for meta in metas(annotation))


def special_fields(table: msgspec.Struct, path: str = "") -> Iterator[tuple[Form, str, object]]:
    """(form, dotted path, value) of every field that is set and is a secret, or a choice or ``false``."""
    for name, encoded, form in _plan(type(table)):
        value = getattr(table, name)
        if value is None:
            continue
        where = f"{path}.{encoded}" if path else encoded
        if form in ("secret", "or-false"):
            yield form, where, value
        elif form == "table":
            if isinstance(value, msgspec.Struct):
                yield from special_fields(value, where)
        elif form == "list":
            for number, entry in enumerate(value):
                yield from special_fields(entry, f"{where}[{number}]")
        else:
            for key, entry in value.items():
                yield from special_fields(entry, f"{where}.{key}")


@cache
def _plan(kind: type[msgspec.Struct]) -> tuple[tuple[str, str, Form | Literal["table", "list", "map"]], ...]:
    """(attribute, name in the file, form) of the fields that are special or can hold such."""
    found: list[tuple[str, str, Form | Literal["table", "list", "map"]]] = []
    for field in msgspec.structs.fields(kind):
        members = choices(field.type)
        if any(marked(member, "secret") for member in members):
            found.append((field.name, field.encode_name, "secret"))
        elif bool in members and len(members) > 1:
            found.append((field.name, field.encode_name, "or-false"))
        else:
            form = next((each for each in map(_holding, members) if each is not None), None)
            if form is not None:
                found.append((field.name, field.encode_name, form))
    return tuple(found)


def _holding(member: object) -> Literal["table", "list", "map"] | None:
    origin = get_origin(member)
    if origin is tuple:
        return "list" if _is_special(get_args(member)[0]) else None
    if origin is dict:
        return "map" if _is_special(get_args(member)[1]) else None
    return "table" if origin is None and _is_special(member) else None


def _is_special(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and bool(_plan(kind))
