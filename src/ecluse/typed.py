"""JSON, MessagePack and plain values to our types, safely from several threads at once.

msgspec learns a type when it is first used, and counts it as known before it has learned all of it: another thread
that uses it meanwhile reads memory that nobody wrote, and the process ends (msgspec 0.22 in CPython 3.11: with four
threads at once it did each time). So every type is learned here, one at a time. Without a type
(``msgspec.json.decode(data)``) nothing is learned, and encoding needs none of it.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final, TypeVar, overload

import msgspec

__all__ = ["convert", "from_json", "from_msgpack", "json_decoder", "msgpack_decoder"]

T = TypeVar("T")

_LEARNING: Final = Lock()
_JSON: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


@overload
def json_decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def json_decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def json_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """What decodes JSON to a type."""
    decoder = _JSON.get(kind)
    if decoder is None:
        with _LEARNING:
            decoder = _JSON[kind] = msgspec.json.Decoder(kind)
    return decoder


def msgpack_decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    """What decodes MessagePack to a type."""
    with _LEARNING:
        return msgspec.msgpack.Decoder(kind)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """JSON as a value of ``kind``. Raises :class:`msgspec.DecodeError` and its :class:`msgspec.ValidationError`."""
    return json_decoder(kind).decode(data)


def from_msgpack(data: bytes, kind: type[T]) -> T:
    """MessagePack as a value of ``kind``. Raises as :func:`from_json`."""
    return msgpack_decoder(kind).decode(data)


@overload
def convert(value: object, kind: type[T]) -> T: ...
@overload
def convert(value: object, kind: Any) -> Any: ...
def convert(value: object, kind: Any) -> Any:
    """A plain value as one of ``kind``. Raises :class:`msgspec.ValidationError`."""
    json_decoder(kind)
    return msgspec.convert(value, kind)
