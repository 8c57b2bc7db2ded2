"""JSON Schemas of the configuration files, for editors that complete and check TOML."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final, Literal

import msgspec

from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner

__all__ = ["json_schema"]

_FILES: Final[dict[str, type[msgspec.Struct]]] = {
    "ecluse.toml": Hub,
    "partner": Partner,
    "flow": Flow,
    "archive": ArchiveProfile,
}
_ATTRIBUTE: Final = re.compile(r"^ {4}([a-z0-9_]+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def json_schema(file: Literal["ecluse.toml", "partner", "flow", "archive"]) -> dict[str, object]:
    """JSON Schema (2020-12) of one kind of file. What it does not name is not valid."""
    schema, components = msgspec.json.schema_components([_FILES[file]])
    definitions: dict[str, Any] = components
    for definition in definitions.values():
        _describe(definition)
        for name, field in definition.get("properties", {}).items():
            definition["properties"][name] = _or_false(field)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Ecluse: {file}",
        **schema[0],
        "$defs": definitions,
    }


def _describe(definition: dict[str, Any]) -> None:
    """Move the attribute docs of a Struct to its properties."""
    text = inspect.cleandoc(definition.get("description", ""))
    summary, _, attributes = text.partition("Attributes:")
    definition["description"] = " ".join(summary.split())
    for name, words in _ATTRIBUTE.findall(attributes):
        field = definition["properties"].get(name.rstrip("_"))
        if field is not None:
            field["description"] = " ".join(words.split())


def _or_false(field: dict[str, Any]) -> dict[str, Any]:
    """Leave ``true`` out where a union with ``bool`` means "or ``false``", and null, which TOML lacks."""
    options = field.get("anyOf")
    if options is None:
        return field
    kept = [{"const": False} if option == {"type": "boolean"} else option for option in options]
    kept = [option for option in kept if option != {"type": "null"}]
    rest = {name: value for name, value in field.items() if name != "anyOf" and value is not None}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}
