"""The port of a place for bytes. What it holds is always sealed: it never sees clear text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from ecluse.errors import EcluseError, Fault

__all__ = [
    "BLOB_ID",
    "BlobExists",
    "BlobMissing",
    "BlobPlace",
    "BlobUnavailable",
    "PlaceReader",
    "PlaceWriter",
]

BLOB_ID: Final = re.compile(r"[0-9a-z]{1,64}")
"""What an id looks like; a place has nothing under any other. No such id is a path, or a trick."""


class BlobUnavailable(EcluseError):
    """The disk or the object store can't take or give the bytes at present."""

    code = "blobs.unavailable"
    fault = Fault.TRANSIENT
    remedy = "Look at the free space and the reachability of the blob store; `ecluse doctor` says which."


class BlobMissing(EcluseError):
    """There is no such blob here."""

    code = "blobs.missing"
    fault = Fault.OURS
    remedy = "Restore the blob store from its backup; `ecluse doctor` lists what is missing."


class BlobExists(EcluseError):
    """There is another blob under this id. It was left as it is."""

    code = "blobs.exists"
    fault = Fault.OURS
    remedy = "Find out what else writes to this blob store: the hub never uses an id twice."


class PlaceWriter(Protocol):
    """One blob being written. Nothing is visible under its id before ``commit`` returns."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def commit(self) -> None:
        """Return when the bytes are durable under the id.

        Raise :class:`BlobExists` where the id is taken, :class:`BlobUnavailable` where they can't be kept.
        """

    def abort(self) -> None:
        """Leave nothing. May be called at any time, also twice, and never raises."""


class PlaceReader(Protocol):
    """One blob, at random."""

    size: int

    def read(self, offset: int, size: int) -> bytes: ...
    def read_now(self, offset: int, size: int) -> memoryview | None:
        """The same without waiting for anything, up to the next call; ``None`` where that can't be at the moment."""

    def close(self) -> None: ...


class BlobPlace(Protocol):
    """Where sealed bytes are kept."""

    def create(self, id: str) -> PlaceWriter:
        """Begin a blob. Ids are made by the hub; see :data:`BLOB_ID`."""

    def open(self, id: str) -> PlaceReader:
        """Raise :class:`BlobMissing` where there is none."""

    def delete(self, id: str) -> None:
        """Return when it is durably gone (also where it never was)."""

    def ids(self, after: str = "") -> Iterator[str]:
        """Committed ids in order."""

    def sweep(self, older_than: float) -> int:
        """Drop what unfinished writers left more than ``older_than`` seconds ago; give their number."""
