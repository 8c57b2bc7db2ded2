"""Delivering into a bucket: once, under a key that follows from the document alone.

Every attempt looks first: what lies there with this message's id and digest in its metadata is what an earlier attempt
brought, even where its answer was lost; the same content of another message is another document. Then it is put under
the condition that nothing lies there, and looked at again: the receipt says what the store showed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.blobs.vault import VaultReader
from ecluse.channels.bucket.multipart import PART_SIZE
from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.store import BucketUnavailable, ObjectStore, Stored, Taken, Upload
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import Landed, file_names, folder_of, landed, target_of
from ecluse.model.nouns import Answer, Delivery, Message, Part

__all__ = ["UNCONDITIONAL", "BucketChannel"]

UNCONDITIONAL: Final = "no-conditional-write"
"""Note in a receipt: the store could not be held to create the object only where there was none. It was looked at just
before and just after."""


class BucketChannel:
    """Buckets of one kind.

    Args:
        kind: ``s3``, ``azure`` or ``gcs``.
        hub: What the chamber shares.
        open: Opens the bucket of a partner.
    """

    def __init__(self, kind: str, hub: Hub, open: Callable[[str], BucketPlace]) -> None:
        self.kind = kind
        self._hub = hub
        self._open = open

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Put each document.

        Raises:
            NameTaken: Another object has its key.
            EcluseError: Any of :mod:`~ecluse.channels.bucket.store` and of the HTTP client.
        """
        target = target_of(message)
        folder = folder_of(target)
        place = self._open(delivery.channel.partition(":")[2])
        try:
            replace = place.replace if target.replace is None else target.replace
            files: list[Landed] = []
            notes: dict[str, None] = {}
            for name, document in zip(file_names(message), self._hub.documents(message), strict=True):
                path = f"{folder}/{name}" if folder else name
                file, exact = _put(place, path, message.id, document, replace=replace)
                files.append(file)
                if not exact:
                    notes[UNCONDITIONAL] = None
            return landed(files, notes, bucket=place.store.where)
        finally:
            place.store.close()

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""


def _put(
    place: BucketPlace, path: str, message: str, document: Document, *, replace: bool
) -> tuple[Landed, bool]:
    """Put one document; true beside it where nothing could come between looking and writing."""
    store, part, key = place.store, document.part, place.prefix + path
    found = store.look(key)
    if found is not None and _same(found, part, message):
        return _landed(path, found, part, before=True), True
    if found is not None and not replace:
        raise _taken(store, key)
    upload = Upload(part.size, part.sha256, message, part.content_type, document.chunks, place.tags)
    try:
        compared, before = store.create(key, upload, replace=replace), False
    except Taken:
        compared, before = "", True
    found = store.look(key)
    if found is None or not _same(found, part, message):
        if before or found is not None:
            raise _taken(store, key)
        raise BucketUnavailable(
            f"What was put into {store.where} is not there.",
            remedy="Ask the partner what takes objects away so soon; the hub tries again.",
        )
    exact = replace or (store.conditional if part.size <= PART_SIZE else store.conditional_large)
    return _landed(path, found, part, compared, before=before), exact


def _same(found: Stored, part: Part, message: str) -> bool:
    return (found.size, found.sha256, found.message) == (part.size, part.sha256, message)


def _taken(store: ObjectStore, key: str) -> NameTaken:
    return NameTaken(f"Another object has the key {key} in {store.where}.")


def _landed(path: str, found: Stored, part: Part, compared: str = "", *, before: bool) -> Landed:
    checked = f"size {compared}".strip()
    return Landed(path, found.size, part.sha256, checked, found.etag, found.version, before)
