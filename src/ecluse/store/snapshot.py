"""The state of one moment, copied out whole while others go on writing; and put back into an empty database.

What comes out are *streams*: a name, and octets cut into chunks. The cuts stay where they were while what is between
them stays as it was, so that who keeps chunks by their digest keeps what changed since the last time and no more. The
keys of blobs are in none of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = ["CHUNK", "BadSnapshot", "DatabaseNotEmpty", "cut_rows"]

CHUNK: Final = 64 * 1024
"""Octets of a chunk of a file; about as many of a chunk of rows. Smaller ones keep less that did not change, and cost
more to tell apart: of a page of 4 KiB that changes, sixteen are kept anew."""

_MOST: Final = 16 * CHUNK
_LEAST: Final = CHUNK // 4
_OFTEN: Final = 256
"""One row of so many ends a chunk that has enough: rows have some 100 to 1000 octets."""


class BadSnapshot(EcluseError):
    """What should be a snapshot of the state is none, or one that this release can't take."""

    code = "store.bad-snapshot"
    fault = Fault.OURS
    remedy = "Restore another backup, with the release that made it or a later one."


class DatabaseNotEmpty(EcluseError):
    """The database that a snapshot is to be put into has something in it."""

    code = "store.not-empty"
    fault = Fault.USAGE
    remedy = "Make a database of its own for what is restored; nothing is ever written over."


def cut_rows(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows joined to chunks of about :data:`CHUNK` octets, cut by what the rows say and not by where they stand."""
    held: list[bytes] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= _MOST or (size >= _LEAST and zlib.crc32(row) % _OFTEN == 0):
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)
