"""Collecting from a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.store import Changed, Taken
from ecluse.exchange.remote import FileGone, NameTaken, Remote, RemoteFile

__all__ = ["BucketRemote", "BucketSource"]


class BucketSource:
    """Buckets of one kind, as a :class:`~ecluse.exchange.remote.Source`.

    Args:
        kind: ``s3``, ``azure`` or ``gcs``.
        open: Opens the bucket of a partner.
    """

    def __init__(self, kind: str, open: Callable[[str], BucketPlace]) -> None:
        self.kind = kind
        self._open = open

    def open(self, name: str) -> Remote:
        """See the port."""
        return BucketRemote(self._open(name))


class BucketRemote:
    """One bucket below a prefix. See :class:`~ecluse.exchange.remote.Remote`.

    Keys that no URL can carry are left out (those with ``.`` or ``..`` between slashes), and so are the empty objects
    that some tools leave for folders, whose keys end in a slash.
    """

    def __init__(self, place: BucketPlace) -> None:
        self._store = place.store
        self._prefix = place.prefix

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """See the port. What changes while a listing goes on is seen from its next page of 1,000."""
        head = self._prefix + (f"{folder}/" if folder else "")
        for each in self._store.list(head, deep=recursive):
            path = each.key[len(self._prefix) :]
            if path.endswith("/") or {"..", "."} & set(each.key.split("/")):
                continue
            yield RemoteFile(path, each.size, each.modified, each.etag)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """See the port."""
        try:
            yield from self._store.read(self._prefix + file.path, file.tag)
        except Changed:
            raise _gone(file) from None

    def delete(self, file: RemoteFile) -> None:
        """See the port."""
        try:
            self._store.delete(self._prefix + file.path, file.tag)
        except Changed:
            raise _gone(file) from None

    def move(self, file: RemoteFile, folder: str) -> None:
        """See the port: a copy, then a deletion. One that was cut between them is finished by another."""
        source = self._prefix + file.path
        target = f"{self._prefix}{folder}/{file.name}"
        if source == target:
            return
        try:
            try:
                self._store.copy(source, target, file.tag)
            except Taken:
                there = self._store.look(target)
                if there is None or (there.etag, there.size) != (file.tag, file.size):
                    raise NameTaken(f"There is a file {folder}/{file.name} already.") from None
            self._store.delete(source, file.tag)
        except Changed:
            raise _gone(file) from None

    def close(self) -> None:
        """Let the bucket go."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _gone(file: RemoteFile) -> FileGone:
    return FileGone(f"{file.path} is not the object that was listed.")
