"""Personal data in events: the log holds commitments, and the values lie beside it, where they can be erased.

The log forgets nothing, so nothing enters it that a person may have the right to have erased. Which field of which
event is personal stands in :mod:`ecluse.archive.event_fields`. Such a value is replaced, before the record is hashed,
by a commitment to it under a salt of its own (:func:`ecluse.evidence.record.commit`); salt and value are kept in the
row of the event, outside the record. Erasing them leaves the record, its hash and every proof as they were: it still
shows that something was there, and to whom has the value and the salt, what; to everybody else it says nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ecluse.archive.blanking import nameless
from ecluse.archive.event_fields import ANY, FIELDS, Sort
from ecluse.evidence.record import SALT_SIZE, Json, commit, decode_leaf, record
from ecluse.model.basics import Entropy, Instant
from ecluse.model.nouns import Event, LoggedEvent
from ecluse.store.port import Tx
from ecluse.typed import json_decoder

__all__ = ["ERASED", "FORGED", "conceal", "opened", "reveal", "revealed", "tell", "unclassified", "values_of"]

ERASED: Final = "(erased)"
"""Shown in the place of a value that was erased."""
FORGED: Final = "(not what was recorded)"
"""Shown in the place of a value that is not the one that was committed to: somebody changed the row."""

_PREFIX: Final = "hmac-sha256:"
_SIZE: Final = len(_PREFIX) + 64

_Values = dict[str, tuple[str, str]]
_read = json_decoder(_Values).decode
_encode = msgspec.json.Encoder().encode

unclassified: Final[set[tuple[str, str]]] = set()
"""Kinds and fields of events that were written and stand in no table: the tests let there be none."""


def tell(
    tx: Tx,
    *,
    kind: str,
    subject: str,
    at: Instant,
    data: Mapping[str, Json],
    entropy: Entropy,
    actor: str = "hub",
    node: str = "",
) -> Event:
    """Write an event whose personal values are commitments. Takes and raises what :func:`record` does."""
    told, beside = conceal(kind, data, entropy)
    return record(
        tx,
        kind=kind,
        subject=subject,
        at=at,
        data=told,
        entropy=entropy,
        actor=actor,
        node=node,
        beside=beside,
    )


def conceal(kind: str, data: Mapping[str, Json], entropy: Entropy) -> tuple[Mapping[str, Json], bytes | None]:
    """The facts of an event as they are recorded, and what their commitments stand for if there are any."""
    fields = FIELDS.get(kind)
    if fields is None:
        unclassified.add((kind, "*"))
        return data, None
    values: _Values = {}
    told: dict[str, Json] = {}
    for name, value in data.items():
        sort = fields.get(name) or fields.get(ANY)
        if sort is None:
            unclassified.add((kind, name))
        personal = sort is Sort.PERSONAL or (sort is Sort.PATH and _names_a_file(value))
        if personal:
            value = _concealed(value, values, entropy)
        elif f"{name}[]" in fields and not isinstance(value, str) and isinstance(value, Sequence):
            value = [_within(each, fields[f"{name}[]"], values, entropy) for each in value]
        told[name] = value
    return (told, _encode(values)) if values else (data, None)


def _within(value: Json, sort: Sort, values: _Values, entropy: Entropy) -> Json:
    """One of several facts: of these the name alone is of the sort."""
    if not isinstance(value, Mapping) or sort is not Sort.PERSONAL:
        return value
    return {**value, "name": _concealed(value.get("name", ""), values, entropy)}


def _names_a_file(value: Json) -> bool:
    return isinstance(value, str) and nameless(value) != value


def _concealed(value: Json, values: _Values, entropy: Entropy) -> Json:
    if isinstance(value, str):
        if not value:
            return value
        salt = entropy(SALT_SIZE)
        text = value.encode("utf-8", "backslashreplace").decode()
        commitment = commit(text, salt)
        values[commitment] = salt.hex(), text
        return commitment
    if isinstance(value, Mapping):
        return {name: _concealed(inner, values, entropy) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_concealed(inner, values, entropy) for inner in value]
    return value


def opened(beside: bytes) -> dict[str, tuple[str, str]]:
    """What commitments stand for, with the salts (hexadecimal) by which that is shown; those that hold alone."""
    right = values_of(beside)
    return {each: pair for each, pair in (_read(beside) if right else {}).items() if right[each] == pair[1]}


def values_of(beside: bytes) -> dict[str, str]:
    """What commitments stand for; those that are not what was committed to stand for :data:`FORGED`."""
    try:
        kept = _read(beside) if beside else {}
        return {
            commitment: value
            if hmac.compare_digest(commit(value, bytes.fromhex(salt)), commitment)
            else FORGED
            for commitment, (salt, value) in kept.items()
        }
    except (msgspec.DecodeError, ValueError):
        return {}


def revealed(logged: LoggedEvent) -> dict[str, Any]:
    """The facts of an event with the values that are kept, and :data:`ERASED` for those that are not."""
    return reveal(msgspec.json.decode(decode_leaf(logged.leaf).data), values_of(logged.beside))


def reveal(data: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Facts with values in the place of commitments."""
    return {name: _shown(value, values) for name, value in data.items()}


def _shown(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return values.get(value, ERASED) if _is_commitment(value) else value
    if isinstance(value, dict):
        return {name: _shown(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, values) for inner in value]
    return value


def _is_commitment(text: str) -> bool:
    return len(text) == _SIZE and text.startswith(_PREFIX)
