"""Delivering into a bucket: once, under a key that follows from the document alone.

In S3 a document is held back as an upload in parts until it is remembered, and then completed under the condition that
nothing lies there. obstore can't hold back what goes to Azure and Google: there, and for empty objects, every attempt
looks first; what lies there with this message's id and digest in its metadata is what an earlier attempt brought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ecluse.blobs.vault import VaultReader
from ecluse.channels.bucket.multipart import PART_SIZE
from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.s3 import S3Objects
from ecluse.channels.bucket.spot import BucketSpot, is_ours, taken
from ecluse.channels.bucket.store import ObjectStore, Stored, Taken, Upload
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.once import FOUND, Memory, deliver_once
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remembered import Remembered
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
            memory = Remembered(self._hub, message, delivery, place.store.where)
            for name, document in zip(file_names(message), self._hub.documents(message), strict=True):
                path = f"{folder}/{name}" if folder else name
                if isinstance(place.store, S3Objects) and document.part.size:
                    spot = BucketSpot(place, place.store, path, message.id, document, replace=replace)
                    file = _released(spot, path, memory, document.part, again=delivery.attempts > 1)
                    exact = replace or place.store.conditional_large
                else:
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


def _released(spot: BucketSpot, path: str, memory: Memory, part: Part, *, again: bool) -> Landed:
    came = deliver_once(spot, memory, again=again)
    checked = "size" if came.how == FOUND else came.staged.checked
    return Landed(path, part.size, part.sha256, checked, spot.etag, spot.version, came.before)


def _put(
    place: BucketPlace, path: str, message: str, document: Document, *, replace: bool
) -> tuple[Landed, bool]:
    """Put one document at once, where the store can hold nothing back; true beside it where nothing could come between
    looking and writing.
    """
    store, part, key = place.store, document.part, place.prefix + path
    found = store.look(key)
    if found is not None and is_ours(found, part, message):
        return _landed(path, found, part, before=True), True
    if found is not None and not replace:
        raise taken(store.where, key)
    upload = Upload(part.size, part.sha256, message, part.content_type, document.chunks, place.tags)
    try:
        compared, before = store.create(key, upload, replace=replace), False
    except Taken:
        compared, before = "", True
    found = store.look(key)
    if found is not None and is_ours(found, part, message):
        return _landed(path, found, part, compared, before=before), _exact(store, part, replace)
    if before or found is not None:
        raise taken(store.where, key)
    # The store said that it has it: who took it away so soon may do so.
    return Landed(path, part.size, part.sha256, compared), _exact(store, part, replace)


def _exact(store: ObjectStore, part: Part, replace: bool) -> bool:
    return replace or (store.conditional if part.size <= PART_SIZE else store.conditional_large)


def _landed(path: str, found: Stored, part: Part, compared: str = "", *, before: bool) -> Landed:
    checked = f"size {compared}".strip()
    return Landed(path, found.size, part.sha256, checked, found.etag, found.version, before)
