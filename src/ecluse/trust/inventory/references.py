"""References to secrets that a configuration names: found by the type of a field, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ecluse.trust.files.shape import special_fields
from ecluse.trust.inventory.credential import Kind

__all__ = ["kept_in", "kind_of", "secret_references"]

_ACCESS: Final = frozenset({"access_key", "secret_key"})
"""Fields whose secret is the key of an interface, and no password."""
_SOURCES: Final = {"env": "environment", "file": "file", "keyring": "keyring"}


def secret_references(table: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """(dotted path of the field, reference) of every secret that a table of the configuration names."""
    for form, path, value in special_fields(table):
        if form == "secret" and isinstance(value, str):
            yield path, value


def kind_of(field: str) -> Kind:
    """Whether the secret of a field is a password or the key of an interface."""
    return "access-key" if field.rpartition(".")[2] in _ACCESS else "password"


def kept_in(reference: str) -> str:
    """Where the secret itself is: ``environment``, ``file``, ``keyring``."""
    scheme = reference.partition(":")[0]
    return _SOURCES.get(scheme, scheme)
