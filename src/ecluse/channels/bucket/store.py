"""The port of an object store, as far as documents are exchanged through one, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant

__all__ = [
    "BucketDenied",
    "BucketMissing",
    "BucketUnavailable",
    "Changed",
    "Held",
    "HoldingStore",
    "ObjectStore",
    "Stored",
    "Taken",
    "Upload",
    "WrongSettings",
]


class BucketUnavailable(EcluseError):
    """The store can't serve at present, or the content was damaged on the way to it."""

    code = "bucket.unavailable"
    fault = Fault.TRANSIENT
    remedy = "Look at the store's own state; the hub tries again."


class BucketMissing(EcluseError):
    """There is no such bucket or container."""

    code = "bucket.missing"
    fault = Fault.PARTNER
    remedy = "Check its name, region and endpoint with the partner."


class BucketDenied(EcluseError):
    """The store denies the access."""

    code = "bucket.denied"
    fault = Fault.PARTNER
    remedy = "Check the keys, their rights on this bucket and prefix, and the clock of this machine."


class WrongSettings(EcluseError):
    """The store does not understand us under these settings."""

    code = "bucket.wrong-settings"
    fault = Fault.USAGE
    remedy = "Check endpoint, region, path_style and keys in the partner's file."


class Taken(Exception):
    """There is an object of that key."""


class Changed(Exception):
    """There is no object of that key any more, or another one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, as the store says.

    Attributes:
        key: Whole, with the prefix.
        size: Octets.
        modified: When it was written.
        etag: Without quotation marks.
        version: Version id, where there is one.
        sha256: What its writer said of its content, in our own metadata; only :meth:`ObjectStore.look` tells.
        message: Id of the message that it was put for, likewise.
    """

    key: str
    size: int
    modified: Instant | None
    etag: str
    version: str = ""
    sha256: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is to be put.

    Attributes:
        size: Octets.
        sha256: Hex digest; kept as metadata.
        message: Id of the message; kept as metadata.
        content_type: Media type.
        tags: Tags of the object.
        chunks: Gives the content from its beginning, in pieces of at most so many octets.
    """

    size: int
    sha256: str
    message: str
    content_type: str
    chunks: Callable[[int], Iterator[bytes]] = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """An object that is whole in the store, and does not lie there yet.

    Attributes:
        id: Finds it again.
        size: Octets.
        parts: Numbers and ETags of its parts.
        compared: As :meth:`ObjectStore.create` says.
    """

    id: str
    size: int
    parts: tuple[tuple[int, str], ...] = field(repr=False)
    compared: str = ""


class ObjectStore(Protocol):
    """One bucket. May be used from several threads.

    Methods raise :class:`~ecluse.errors.EcluseError`, and the two facts of this module where they say so.

    Attributes:
        where: For people: the store and the bucket.
        conditional: A small object is created only where there is none of its key, whatever others do meanwhile.
        conditional_large: The same of one that is uploaded in parts.
    """

    where: str
    conditional: bool
    conditional_large: bool

    def list(self, prefix: str, *, deep: bool) -> Iterator[Stored]:
        """Objects whose key begins with ``prefix``; not ``deep``: none with another ``/`` after it."""

    def look(self, key: str) -> Stored | None:
        """One object, with its metadata."""

    def read(self, key: str, etag: str) -> Iterator[bytes]:
        """The content in pieces of at most 1 MiB. Raises :class:`Changed` unless it is the one of that ETag."""

    def create(self, key: str, upload: Upload, *, replace: bool) -> str:
        """Put an object whole, or leave nothing. Raises :class:`Taken` where there is one, unless ``replace``.

        Gives the digest (``md5``) by which the store's own word for the content was compared with what was sent;
        empty where it gives none.
        """

    def delete(self, key: str, etag: str) -> None:
        """Delete. Raises :class:`Changed` where there is another one; none at all is no error."""

    def copy(self, key: str, to: str, etag: str) -> None:
        """Copy within the bucket. Raises :class:`Changed` or :class:`Taken`."""

    def close(self) -> None:
        """Let go of what is held."""


class HoldingStore(ObjectStore, Protocol):
    """A store that can hold an object back until it is told to let it appear."""

    def hold(self, key: str, upload: Upload) -> Held:
        """Put all of an object's octets (at least one), or leave nothing."""

    def held(self, key: str, id: str) -> Held | None:
        """What is held back under that id; ``None`` where nothing is any more: it appeared, or was dropped."""

    def release(self, key: str, held: Held, *, replace: bool) -> tuple[str, str]:
        """Let it appear; gives ETag and version, as far as the store tells.

        Raises:
            Taken: There is an object of that key, and ``replace`` was not given.
            BucketUnavailable: Whether it did is unknown, unless the code is ``bucket.conflict``.
        """

    def drop(self, key: str, id: str) -> None:
        """Forget it, as far as that can be done. Never raises."""
