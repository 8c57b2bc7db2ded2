"""The second place: where copies of archived bytes are, sealed as they are, on a site of their own.

A place never sees clear text nor a key. It may lock what it holds for a time (S3 Object Lock): then nobody deletes it
before, we neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from ecluse.blobs.local import LocalPlace
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, iso

__all__ = ["Chunks", "CopyLocked", "FolderSecond", "SecondPlace"]

Chunks = Callable[[], Iterator[bytes]]
"""Gives the octets of a copy from the beginning, in pieces."""

_STEP: Final = 1 << 20


class CopyLocked(EcluseError):
    """A second copy can't be deleted yet: its place lets nobody do it before a time."""

    code = "archive.copy-locked"
    fault = Fault.TRANSIENT
    remedy = "Wait: its key is gone, so that nobody can read what lies there; the hub deletes it once the lock ends."

    def __init__(self, place: str, count: int, until: Instant) -> None:
        """Keep the time as :attr:`until`."""
        super().__init__(f"{count} sealed copies in {place} are locked, the last of them until {iso(until)}.")
        self.until = until


class SecondPlace(Protocol):
    """Where second copies are. May be used from several threads.

    Methods raise :class:`~ecluse.errors.EcluseError` where the place can't be used at present.

    Attributes:
        name: Stable; it stands in the log.
        locks: It can lock what it holds.
    """

    name: str
    locks: bool

    def put(self, id: str, size: int, chunks: Chunks, until: Instant | None) -> None:
        """Return when exactly these octets are durable under the id, in the place of whatever was there, and locked
        until ``until`` where that is given and the place locks.
        """

    def read(self, id: str) -> Iterator[bytes]:
        """The octets, in pieces. Raises :class:`~ecluse.blobs.port.BlobMissing` where there are none."""

    def locked_until(self, id: str) -> Instant | None:
        """Until when nobody deletes it; ``None`` where it is not locked, or not there."""

    def lock(self, id: str, until: Instant) -> None:
        """Lock what is there until a time that is later than before."""

    def hold(self, id: str, on: bool) -> None:
        """Let nobody delete what is there while ``on``, whatever its lock says; nothing where the place can't."""

    def forget(self, ids: Sequence[str]) -> None:
        """Return when nothing of these is there any more; also where there never was anything.

        Raises:
            CopyLocked: Some of them can't go yet; the others are gone.
        """


class FolderSecond:
    """A folder: another disk, another machine's share.

    Args:
        name: What it is called.
        root: The folder; made where it is missing.
    """

    locks = False

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._place = LocalPlace(root)

    def put(self, id: str, size: int, chunks: Chunks, until: Instant | None) -> None:
        """See the port. What was there is damaged, or the same: it goes only once this is written whole elsewhere."""
        del until
        writer = self._place.replace(id)
        try:
            for chunk in chunks():
                writer.write(chunk)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def read(self, id: str) -> Iterator[bytes]:
        """See the port."""
        reader = self._place.open(id)
        try:
            for offset in range(0, reader.size, _STEP):
                yield reader.read(offset, _STEP)
        finally:
            reader.close()

    def locked_until(self, id: str) -> Instant | None:
        """See the port."""
        return None

    def lock(self, id: str, until: Instant) -> None:
        """See the port: a folder locks nothing."""

    def hold(self, id: str, on: bool) -> None:
        """See the port: a folder holds nothing."""

    def forget(self, ids: Sequence[str]) -> None:
        """See the port."""
        for id in ids:
            self._place.delete(id)
