"""Blobs in a bucket of any S3-compatible store.

A blob up to one part is one conditional PUT (``If-None-Match: *``), exact under any race. A larger one is a
multipart upload, invisible until it completes; S3 gives that no condition that every store honours, so the
id is looked up just before, and the randomness of ids does the rest.

An upload that was broken off leaves parts that only the store can see: give the bucket a lifecycle rule that
aborts incomplete multipart uploads after a day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from ecluse.blobs.port import BLOB_ID, BlobExists, BlobMissing, BlobUnavailable
from ecluse.errors import Fault

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

__all__ = ["S3Place"]

PART_SIZE: Final = 8 * 1024 * 1024
"""Octets of a part. S3 takes at most 10,000 of them: 83 GB (Amazon S3 User Guide, multipart limits)."""

_PARTS_AT_ONCE: Final = 3  # 8 MiB each in flight: the upload stays within flat memory
_FIRST_READ: Final = 1024 * 1024 + 64 * 1024  # what the vault asks for first, with its tags
_READ_AHEAD: Final = 8 * 1024 * 1024
_PAGE: Final = 1000  # Amazon S3 API Reference, ListObjectsV2: MaxKeys
_CONNECT: Final = timedelta(seconds=5)
_REQUEST: Final = timedelta(seconds=60)

_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: (\d{3})")


class S3Place:
    """A :class:`~ecluse.blobs.port.BlobPlace` in a bucket.

    Args:
        bucket: Its name; it is there.
        prefix: What its keys begin with; several hubs may share a bucket under different ones.
        endpoint: ``https://host[:port]``; Amazon's own where it is empty.
        region: As the store names it.
        access_key_id: With the secret, or both empty: the machine's own role is used.
        secret_access_key: Never shown.
        session_token: For temporary credentials.
        ca: PEM of an authority to trust besides the system's.
        path_style: ``endpoint/bucket/key`` instead of ``bucket.endpoint/key``.
        retries: How often a request that failed for no reason of its own is tried again, within a minute.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str = "",
        region: str = "us-east-1",
        access_key_id: str = "",
        secret_access_key: str = "",
        session_token: str = "",
        ca: bytes = b"",
        path_style: bool = True,
        retries: int = 3,
    ) -> None:
        client: ClientConfig = {"connect_timeout": _CONNECT, "timeout": _REQUEST}
        if endpoint.startswith("http://"):
            client["allow_http"] = True
        if ca:
            client["root_certificate"] = ca
        config: S3Config = {"region": region, "virtual_hosted_style_request": not path_style}
        if endpoint:
            config["endpoint"] = endpoint
        if access_key_id:
            config["access_key_id"] = access_key_id
            config["secret_access_key"] = secret_access_key
        if session_token:
            config["session_token"] = session_token
        self._where = f"{endpoint or 'S3'}/{bucket}"
        try:
            self.store = S3Store(
                bucket,
                prefix=prefix or None,
                config=config,
                client_options=client,
                retry_config={"max_retries": retries, "retry_timeout": _REQUEST},
            )
        except (BaseError, ValueError) as error:
            raise BlobUnavailable(
                f"The object store {self._where} can't be used as it is configured.",
                remedy="Check endpoint, region and certificate of the blob store in ecluse.toml.",
                fault=Fault.USAGE,
            ) from error

    def create(self, id: str) -> S3Writer:
        """See the port."""
        return S3Writer(self, _key(id))

    def open(self, id: str) -> S3Reader:
        """See the port. One request gives the size and the first octets."""
        return S3Reader(self, _key(id))

    def delete(self, id: str) -> None:
        """See the port."""
        try:
            obstore.delete(self.store, _key(id))
        except FileNotFoundError as error:
            if _word(error) == "NoSuchBucket":
                raise self.error(id, error) from error
        except BaseError as error:
            raise self.error(id, error) from error

    def ids(self, after: str = "") -> Iterator[str]:
        """See the port."""
        try:
            for page in obstore.list(self.store, offset=after or None, chunk_size=_PAGE):
                for found in page:
                    if BLOB_ID.fullmatch(found["path"]):
                        yield found["path"]
        except (BaseError, FileNotFoundError) as error:
            raise self.error("", error) from error

    def sweep(self, older_than: float) -> int:
        """See the port. The store's own lifecycle rule does it: nothing here can see unfinished uploads."""
        return 0

    def size(self, id: str) -> int | None:
        """Octets of a blob, or ``None`` where there is none."""
        try:
            return obstore.head(self.store, id)["size"]
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise self.error(id, error) from error

    def error(self, id: str, error: Exception) -> BlobUnavailable:
        """Our error for one of obstore's, whose own text is long and shows requests."""
        word = _word(error)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return BlobUnavailable(
                f"The object store {self._where} denies the access ({word}).",
                code="blobs.denied",
                fault=Fault.OURS,
                remedy="Check the access key, its rights and the clock of this machine.",
            )
        what = f" blob {id}" if id else ""
        return BlobUnavailable(f"The object store {self._where} can't serve{what} at present ({word}).")


class S3Writer:
    """See :class:`~ecluse.blobs.port.PlaceWriter`."""

    __slots__ = ("_held", "_id", "_place", "_upload")

    def __init__(self, place: S3Place, id: str) -> None:
        self._place = place
        self._id = id
        self._held: bytearray | None = bytearray()
        self._upload: obstore.WritableFile | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See the port."""
        if self._held is not None:
            self._held += data
            if len(self._held) > PART_SIZE:
                data, self._held = self._held, None
                self._upload = obstore.open_writer(
                    self._place.store, self._id, buffer_size=PART_SIZE, max_concurrency=_PARTS_AT_ONCE
                )
        if self._upload is not None:
            try:
                self._upload.write(data)
            except (BaseError, OSError) as error:
                raise self._place.error(self._id, error) from error

    def commit(self) -> None:
        """See the port."""
        if self._upload is not None:
            if self._place.size(self._id) is not None:
                raise self._taken()
            upload, self._upload = self._upload, None
            try:
                upload.close()
            except (BaseError, OSError) as error:
                raise self._place.error(self._id, error) from error
            return
        data, self._held = bytes(self._held or b""), None
        try:
            obstore.put(self._place.store, self._id, data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            # After a time-out the first try may have won, and the second is told that the name is taken.
            if not self._is_there(data):
                raise self._taken() from None
        except (BaseError, OSError) as error:
            raise self._place.error(self._id, error) from error

    def abort(self) -> None:
        """See the port. Parts already sent are the store's to forget."""
        self._held = self._upload = None

    def _is_there(self, data: bytes) -> bool:
        if self._place.size(self._id) != len(data):
            return False
        reader = self._place.open(self._id)
        return reader.read(0, len(data)) == data

    def _taken(self) -> BlobExists:
        return BlobExists(f"There is a blob {self._id} already.")


class S3Reader:
    """See :class:`~ecluse.blobs.port.PlaceReader`. Whoever reads on in order is read ahead for."""

    __slots__ = ("_at", "_buffer", "_id", "_place", "size")

    def __init__(self, place: S3Place, id: str) -> None:
        self._place = place
        self._id = id
        self._at = 0
        try:
            found = obstore.get(place.store, id, options={"range": (0, _FIRST_READ)})
            self.size = found.meta["size"]
            self._buffer = found.bytes().to_bytes()
        except FileNotFoundError as error:
            if _word(error) == "NoSuchBucket":
                raise place.error(id, error) from error
            raise BlobMissing(f"Blob {id} is not in the blob store.") from None
        except BaseError as error:
            # A store may refuse any range of an empty object (RFC 9110, section 14.1.2).
            if place.size(id) != 0:
                raise place.error(id, error) from error
            self.size, self._buffer = 0, b""

    def read_now(self, offset: int, size: int) -> memoryview | None:
        """See the port: what was read ahead."""
        start = offset - self._at
        if start < 0 or start + size > len(self._buffer):
            return None
        return memoryview(self._buffer)[start : start + size]

    def read(self, offset: int, size: int) -> bytes:
        """See the port."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        held = self._at + len(self._buffer)
        if self._at <= offset and end <= held:
            return self._buffer[offset - self._at : end - self._at]
        if self._at <= offset <= held:
            head = self._buffer[offset - self._at :]
            self._fill(held, min(max(end, held + _READ_AHEAD), self.size))
            return head + self._buffer[: end - held]
        self._fill(offset, end)
        return self._buffer[: end - offset]

    def close(self) -> None:
        """See the port."""
        self._buffer = b""

    def _fill(self, start: int, end: int) -> None:
        try:
            self._buffer = obstore.get_range(self._place.store, self._id, start=start, end=end).to_bytes()
        except FileNotFoundError:
            raise BlobMissing(f"Blob {self._id} is no longer in the blob store.") from None
        except BaseError as error:
            raise self._place.error(self._id, error) from error
        self._at = start


def _key(id: str) -> str:
    if not BLOB_ID.fullmatch(id):
        raise BlobMissing("What was asked for is no blob id.")
    return id


def _word(error: Exception) -> str:
    """The store's own word for an error, or the status, and nothing else of its text."""
    text = str(error)
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found else "no answer"
