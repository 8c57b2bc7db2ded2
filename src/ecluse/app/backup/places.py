"""Places of backups: a flat room of objects, each written once and whole, in a folder or in a bucket.

An object's id says what it is by its first letter, and when it was made by the others:

    b…  the sealed bytes of a blob, under the blob's own id
    p…  a pack of chunks, sealed for the recipients
    t…  a table: which chunks make up the streams of one backup, and in which packs they are
    m…  a manifest: a backup is there once its manifest is
    k…  keys of blobs (in their own place), sealed for the recipients
    e…  what was erased, for whoever restores an older backup (likewise)
    i…  which of those count
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from ecluse.app.backup.errors import PlaceChanged
from ecluse.app.unlocking import place_at
from ecluse.blobs.port import BlobMissing, BlobPlace
from ecluse.model.basics import Instant, new_id
from ecluse.trust.secrets import SecretResolver
from ecluse.trust.settings.backup import BackupPlace

__all__ = [
    "ERASURES",
    "KEYS",
    "KEY_INDEX",
    "MANIFEST",
    "PACK",
    "TABLE",
    "Place",
    "PlaceLike",
    "made_before",
    "open_place",
]

MANIFEST: Final = "m"
TABLE: Final = "t"
PACK: Final = "p"
KEYS: Final = "k"
KEY_INDEX: Final = "i"
ERASURES: Final = "e"

PlaceLike = BackupPlace | str
"""As the configuration has it, or a folder."""


class Place:
    """A place of backups.

    Args:
        blobs: Holds the objects.
        name: As people know it.
    """

    def __init__(self, blobs: BlobPlace, name: str) -> None:
        self.blobs = blobs
        self.name = name

    def put(self, id: str, data: bytes) -> None:
        """Return when the object is there, durably. Raises as :class:`~ecluse.blobs.port.PlaceWriter` does."""
        writer = self.blobs.create(id)
        try:
            writer.write(data)
            writer.commit()
        except BaseException:
            writer.abort()
            raise

    def get(self, id: str) -> bytes:
        """The object. Raises :class:`~ecluse.blobs.port.BlobMissing`."""
        with closing(self.blobs.open(id)) as reader:
            return reader.read(0, reader.size)

    def size(self, id: str) -> int:
        """Octets of the object. Raises :class:`~ecluse.blobs.port.BlobMissing`."""
        with closing(self.blobs.open(id)) as reader:
            return reader.size

    def still_has(self, ids: Iterable[str]) -> None:
        """Return where all of these are there. A disk that was unmounted meanwhile leaves a folder that takes others.

        Raises:
            PlaceChanged: One is not.
        """
        for id in ids:
            try:
                self.size(id)
            except BlobMissing:
                raise PlaceChanged(
                    f"{self.name} does not hold {id} any more, which was there before."
                ) from None

    def ids(self, kind: str, after: str = "") -> Iterator[str]:
        """Objects of a kind, oldest first."""
        for id in self.blobs.ids(max(after, kind)):
            if not id.startswith(kind):
                return
            yield id

    def newest(self, kind: str) -> str | None:
        """The newest object of a kind."""
        return max(self.ids(kind), default=None)

    def delete(self, id: str) -> None:
        """Return when it is durably gone."""
        self.blobs.delete(id)


def open_place(folder: Path, place: PlaceLike, resolver: SecretResolver) -> Place:
    """Open a place.

    Args:
        folder: The hub's, which relative paths begin at.
        place: Which.
        resolver: From references to secrets.

    Raises:
        BlobUnavailable: It can't be made or reached.
    """
    settings = BackupPlace(place=place) if isinstance(place, str) else place
    return Place(place_at(folder, settings, resolver), settings.place)


def made_before(id: str, moment: Instant) -> bool:
    """Whether an object's id says that it is older."""
    return id[1:] < new_id("", moment, bytes)
