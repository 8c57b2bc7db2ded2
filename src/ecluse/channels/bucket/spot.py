"""One document to one key: the steps of :mod:`ecluse.exchange.once` in a store that can hold an object back.

The passing name is the id of an upload in parts: nobody sees what it holds, and completing it is the one step that
makes the object, and ends the id.
"""

from __future__ import annotations

from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.store import Held, HoldingStore, Stored, Taken, Upload
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document
from ecluse.exchange.once import InDoubt, Spot, Staged, Standing
from ecluse.exchange.remote import NameTaken
from ecluse.model.nouns import Part

__all__ = ["BucketSpot", "is_ours", "taken"]


class BucketSpot:
    """See :class:`~ecluse.exchange.once.Spot`.

    Args:
        place: The bucket.
        store: Its store.
        path: Of the document, below the place's prefix.
        message: Id of the message.
        document: What; not empty.
        replace: It may take another object's place.

    Attributes:
        etag: Of the object that appeared, as far as the store told.
        version: Its version, likewise.
    """

    def __init__(
        self,
        place: BucketPlace,
        store: HoldingStore,
        path: str,
        message: str,
        document: Document,
        *,
        replace: bool,
    ) -> None:
        self._place = place
        self._store = store
        self._key = place.prefix + path
        self._message = message
        self._document = document
        self._replace = replace
        self._held: Held | None = None
        self.etag = ""
        self.version = ""

    @property
    def path(self) -> str:
        """The key."""
        return self._key

    def tidy(self, spared: str) -> None:
        """See the port: uploads that a killed hub left are dropped by the bucket's own rules."""

    def check_free(self) -> None:
        """See the port."""
        if not self._replace and self._store.look(self._key) is not None:
            raise taken(self._store.where, self._key)

    def stage(self) -> Staged:
        """See the port."""
        part = self._document.part
        upload = Upload(
            part.size,
            part.sha256,
            self._message,
            part.content_type,
            self._document.chunks,
            self._place.tags,
        )
        self._held = self._store.hold(self._key, upload)
        return Staged(self._held.id, safe=True, checked=f"size {self._held.compared}".strip())

    def standing(self, mark: str) -> Standing:
        """See the port. Some stores know an upload for a while after it was completed."""
        self._held = self._store.held(self._key, mark)
        if self._held is None or self.holds():
            return Standing.GONE
        return Standing.WHOLE if self._held.size == self._document.part.size else Standing.TORN

    def holds(self) -> bool:
        """See the port: what the object says of itself is asked for."""
        found = self._store.look(self._key)
        if found is None or not is_ours(found, self._document.part, self._message):
            return False
        self.etag, self.version = found.etag, found.version
        return True

    def appear(self, mark: str) -> str:
        """See the port."""
        assert self._held is not None, "it was put, or looked at, just before"
        if not self._store.conditional_large:
            self.check_free()
        try:
            self.etag, self.version = self._store.release(self._key, self._held, replace=self._replace)
        except Taken:
            raise taken(self._store.where, self._key) from None
        except EcluseError as error:
            if error.code == "bucket.unavailable" or error.code.startswith("http."):
                raise InDoubt(f"{self._key} was sent whole, and was to be completed. {error.cause}") from None
            raise
        return "completed"

    def drop(self, mark: str) -> None:
        """See the port."""
        self._store.drop(self._key, mark)


def is_ours(found: Stored, part: Part, message: str) -> bool:
    """Whether an object says that it is this document of this message."""
    return (found.size, found.sha256, found.message) == (part.size, part.sha256, message)


def taken(where: str, key: str) -> NameTaken:
    """Another object has the key."""
    return NameTaken(f"Another object has the key {key} in {where}.")


_: type[Spot] = BucketSpot
