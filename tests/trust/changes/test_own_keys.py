"""Every field that names a key of ours is told with which key that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, get_args, get_origin

import msgspec

from ecluse.trust.changes.own_keys import NAMED, NAMED_OPENPGP
from ecluse.trust.changes.sensitive import normal
from ecluse.trust.settings.archive import ArchiveProfile
from ecluse.trust.settings.fields import Reference
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Hub, Partner


def named(kind: object, path: str = "") -> Iterator[str]:
    """Dotted paths of the fields that name something in the keyring."""
    if kind == Reference:
        yield path
        return
    origin = get_origin(kind)
    if origin is Annotated:
        return
    if origin is tuple:
        inside = get_args(kind)[0]
        yield from named(inside, path if inside == Reference else f"{path}[]")
    elif origin is dict:
        yield from named(get_args(kind)[1], f"{path}.*")
    elif origin is not None:
        for member in get_args(kind):
            yield from named(member, path)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            yield from named(field.type, f"{path}.{field.encode_name}" if path else field.encode_name)


def test_no_field_that_names_a_key_is_forgotten() -> None:
    for kind, table in (("hub", Hub), ("partner", Partner), ("flow", Flow), ("archive", ArchiveProfile)):
        fields = {normal(each) for each in named(table)}
        told = {*NAMED.get(kind, ()), *NAMED_OPENPGP.get(kind, ())}
        assert fields <= told, fields - told
        # listen.log.key has a pattern of its own in place of the type.
        assert told - fields <= {"listen.log.key"}, told - fields
