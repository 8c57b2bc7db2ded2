"""Witnesses: hubs that sign that each head of a log continues every head of it that they saw before.

``service`` is our hub as a witness for others' logs, ``client`` what our log asks its witnesses; what these signed is
kept as records of the kind :data:`COSIGNATURE`, one for each checkpoint and witness.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import json_decoder

__all__ = ["COSIGNATURE", "Cosignature", "cosignatures", "keep_cosignature", "kept_cosignatures"]

COSIGNATURE: Final = "cosignature"
"""Kind of the records; the key is the size in twenty digits, a colon, and the witness's name."""

_PAGE: Final = 500


class Cosignature(msgspec.Struct, frozen=True):
    """What a witness signed, as it is kept.

    Attributes:
        size: Of the checkpoint.
        origin: Of the log.
        witness: Name of the witness.
        lines: Its signature lines, each with its newline; verified when they were kept.
        at: When the witness signed, in seconds since 1970, as it says.
    """

    size: int
    origin: str
    witness: str
    lines: tuple[str, ...]
    at: int


_decode = json_decoder(Cosignature).decode


def kept_cosignatures(view: View, size: int) -> list[Cosignature]:
    """What witnesses signed of the checkpoint of ``size``, in order of their names."""
    found: list[Cosignature] = []
    prefix = f"{size:020d}:"
    for record in view.records(COSIGNATURE, after=prefix, limit=_PAGE):
        if not record.key.startswith(prefix):
            break
        try:
            found.append(_decode(record.body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # `verify_log` names it
    return found


def cosignatures(view: View, size: int) -> list[bytes]:
    """The signature lines of witnesses over the checkpoint of ``size``, each with its newline, to follow its own."""
    return [line.encode() for kept in kept_cosignatures(view, size) for line in kept.lines]


def keep_cosignature(tx: Tx, kept: Cosignature, now: Instant) -> None:
    """Keep what a witness signed."""
    key = f"{kept.size:020d}:{kept.witness}"
    tx.put_record(Record(COSIGNATURE, key, now, msgspec.json.encode(kept), owner=kept.witness))
