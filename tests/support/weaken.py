"""Every field of a configuration weakened by turn: what a hurried or hostile hand could write there instead."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import tomli_w

from ecluse.trust.settings import fields

ADDED: dict[str, Any] = {
    "Name": "x",
    "As2Id": "OTHER",
    "Reference": "other",
    "Url": "http://elsewhere.example/x",
    "Label": "other",
    "HostPort": "elsewhere.example",
    "FolderPath": "elsewhere",
    "CertificatePath": "certificates/other.pem",
    "ChannelName": "folder:orders",
    "Day": "2030-01-01",
    "Moment": "",
    "SshPublicKey": "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "B" * 43,
    "HostKey": "SHA256:" + "B" * 43,
    "Network": "0.0.0.0/0",
    "Address": "0.0.0.0:4999",
    "SecretReference": "env:SECRET",
    "Duration": "9999d",
    "Size": "999 TiB",
}
"""By the alias of a field's type, what may stand there."""

_ALIASES = {name: getattr(fields, name) for name in ADDED}


def alias_of(annotation: object) -> str:
    """Name of a field's type, as :mod:`ecluse.trust.settings.fields` has it; empty where it has none."""
    return next((name for name, known in _ALIASES.items() if known == annotation), "")


def members(annotation: object) -> list[object]:
    """The members of a union, without ``None``; a single one otherwise."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [each for each in get_args(annotation) if each is not type(None)]
    return [annotation]


def bounds(annotation: object) -> Iterator[int]:
    """The least and the most of an integer."""
    for meta in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        if isinstance(meta, msgspec.Meta):
            yield from (each for each in (meta.ge, meta.le) if isinstance(each, int))


def others(annotation: object, value: object) -> Iterator[object]:
    """What could stand in a field instead of ``value``, for the worse."""
    for option in members(annotation):
        alias = alias_of(option)
        bare = get_args(option)[0] if get_origin(option) is Annotated else option
        if option is bool:
            yield from (False, True) if len(members(annotation)) == 1 else (False,)
        elif get_origin(bare) is Literal:
            yield from get_args(bare)
        elif alias == "Duration":
            yield from ("1ms", "9999d")
            if isinstance(value, str) and fields.seconds(value) > fields.seconds("1d"):
                yield from ("1d", "60d")
        elif alias == "Size":
            yield from ("1 B", "999 TiB")
        elif alias == "Moment":
            yield from ("2026-06-20", "2030-01-01")
        elif alias == "SecretReference":
            yield from ("env:SECRET", "hunter2")
        elif alias == "Url" and isinstance(value, str):
            yield from (value.replace("https:", "http:"), value + "?api_key=1")
        elif alias:
            yield ADDED[alias]
        elif bare is int:
            yield from bounds(option)
        elif bare is str:
            yield "x"
        elif get_origin(bare) is tuple:
            yield ()
            if not isinstance(value, tuple) or not value or not isinstance(value[0], msgspec.Struct):
                item = alias_of(get_args(bare)[0])
                choices = get_args(get_args(bare)[0]) if get_origin(get_args(bare)[0]) is Literal else ()
                for added in (ADDED[item],) if item else choices:
                    yield (*(value or ()), added)  # type: ignore[misc]
                    yield (added,)
    if type(None) in get_args(annotation):
        yield None


def weakened(settings: msgspec.Struct, path: str = "") -> Iterator[tuple[str, object]]:
    """(path, what stands there instead) for every field, those of tables within included."""
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        where = f"{path}.{field.encode_name}" if path else field.encode_name
        if isinstance(value, msgspec.Struct):
            yield from weakened(value, where)
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            yield from weakened(value[0], f"{where}.0")
        elif isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, msgspec.Struct):
                    yield from weakened(item, f"{where}.{name}")
        for other in others(field.type, value):
            if other != value:
                yield where, other


def as_toml(settings: msgspec.Struct) -> str:
    """The file that says the same."""
    return tomli_w.dumps(_plain(msgspec.to_builtins(settings)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
