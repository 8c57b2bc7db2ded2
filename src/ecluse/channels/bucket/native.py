"""Azure Blob Storage and Google Cloud Storage, through obstore."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore

from ecluse.channels.bucket.multipart import AT_ONCE, PART_SIZE, part_size
from ecluse.channels.bucket.store import (
    BucketDenied,
    BucketMissing,
    BucketUnavailable,
    Changed,
    Stored,
    Taken,
    Upload,
    WrongSettings,
)
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.places import Bucket

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import AzureConfig, ClientConfig

__all__ = ["NativeObjects", "open_azure", "open_gcs"]

_PAGE: Final = 1000
_STEP: Final = 1 << 20
_CONNECT: Final = timedelta(seconds=15)
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,64})</Code>")
_STATUS: Final = re.compile(r"status(?: code:)? (\d{3})")
# Azure's names of metadata are identifiers of C#.
_SHA256: Final = "ecluse_sha256"
_MESSAGE: Final = "ecluse_message"


class NativeObjects:
    """See :class:`~ecluse.channels.bucket.store.ObjectStore`.

    Neither service's upload in parts is completed under a condition by obstore: it is looked first whether anything
    has the key.
    """

    conditional = True
    conditional_large = False

    def __init__(self, store: AzureStore | GCSStore, where: str, *, tags: bool) -> None:
        self._store = store
        self._tags = tags
        self.where = where

    def list(self, prefix: str, *, deep: bool) -> Iterator[Stored]:
        """See the port."""
        folder = prefix.rpartition("/")[0]
        with self._errors():
            pages = iter(obstore.list(self._store, prefix=folder or None, chunk_size=_PAGE))
        skip = len(prefix)
        while True:
            with self._errors():
                page = next(pages, None)
            if page is None:
                return
            for each in page:
                key = each["path"]
                if key.startswith(prefix) and (deep or "/" not in key[skip:]):
                    yield _stored(each)

    def look(self, key: str) -> Stored | None:
        """See the port."""
        with self._errors():
            try:
                found = obstore.get(self._store, key, options={"head": True})
            except FileNotFoundError as error:
                if _word(error) in _NO_BUCKET:
                    raise
                return None
            ours = (str(found.attributes.get(name, "")) for name in (_SHA256, _MESSAGE))
            return _stored(found.meta, *ours)

    def read(self, key: str, etag: str) -> Iterator[bytes]:
        """See the port."""
        with self._errors():
            try:
                found = obstore.get(self._store, key, options={"if_match": _quoted(etag)})
            except (FileNotFoundError, PreconditionError, NotModifiedError) as error:
                if _word(error) in _NO_BUCKET:
                    raise
                raise Changed from None
            pieces = iter(found.stream(min_chunk_size=_STEP))
        while True:
            with self._errors():
                piece = next(pieces, None)
            if piece is None:
                return
            data = memoryview(piece)
            for at in range(0, len(data), _STEP):
                yield bytes(data[at : at + _STEP])

    def create(self, key: str, upload: Upload, *, replace: bool) -> str:
        """See the port; neither service's ETag is a digest."""
        attributes = {"Content-Type": upload.content_type, _SHA256: upload.sha256, _MESSAGE: upload.message}
        tags = dict(upload.tags) if self._tags and upload.tags else None
        with self._errors():
            try:
                if upload.size <= PART_SIZE:
                    data = b"".join(upload.chunks(PART_SIZE))
                    obstore.put(
                        self._store,
                        key,
                        data,
                        attributes=attributes,
                        tags=tags,
                        mode="overwrite" if replace else "create",
                        use_multipart=False,
                    )
                    return ""
                size = part_size(upload.size)
                writer = obstore.open_writer(
                    self._store,
                    key,
                    attributes=attributes,
                    tags=tags,
                    buffer_size=size,
                    max_concurrency=AT_ONCE,
                )
                for piece in upload.chunks(_STEP):
                    writer.write(piece)
                if not replace and self.look(key) is not None:
                    raise Taken
                writer.close()
                return ""
            except (AlreadyExistsError, PreconditionError):
                raise Taken from None

    def delete(self, key: str, etag: str) -> None:
        """See the port; obstore deletes under no condition, so it is looked just before."""
        found = self.look(key)
        if found is None:
            return
        if found.etag != etag:
            raise Changed
        with self._errors():
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def copy(self, key: str, to: str, etag: str) -> None:
        """See the port."""
        found = self.look(key)
        if found is None or found.etag != etag:
            raise Changed
        with self._errors():
            try:
                obstore.copy(self._store, key, to, overwrite=False)
            except (AlreadyExistsError, PreconditionError):
                raise Taken from None
            except FileNotFoundError:
                raise Changed from None

    def close(self) -> None:
        """See the port; connections are obstore's."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Our errors for obstore's, whose own text is long and shows requests."""
        try:
            yield
        except (BaseError, OSError) as error:
            raise self._error(error) from None
        except ValueError:
            raise BucketUnavailable(
                f"{self.where} has a key that can't be read: two slashes together, a dot as a name, or a control.",
                remedy="Ask the partner to rename that object, or give a prefix of its own for the exchange.",
            ) from None

    def _error(self, error: Exception) -> EcluseError:
        word, status = _word(error), _status(error)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in ("401", "403"):
            return BucketDenied(f"The store {self.where} denies the access ({word}).")
        if word in _NO_BUCKET or isinstance(error, FileNotFoundError):
            return BucketMissing(f"There is no bucket {self.where} ({word}).")
        return BucketUnavailable(f"The store {self.where} can't serve at present ({word}).")


_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})


def open_azure(settings: Bucket, endpoint: str, key: str, ca: bytes) -> NativeObjects:
    """A container of Azure Blob Storage.

    Args:
        settings: What the partner's file says.
        endpoint: URL of the account's blob service.
        key: The account's key, or (``?sv=...``) a shared access signature.
        ca: PEM of authorities, or empty.

    Raises:
        WrongSettings: They can't be used.
    """
    config: AzureConfig = {"account_name": settings.account or "", "endpoint": endpoint}
    if "sig=" in key:
        config["sas_key"] = key.lstrip("?")
    else:
        config["account_key"] = key
    try:
        store = AzureStore(
            settings.bucket,
            config=config,
            client_options=_client(settings, endpoint, ca),
            retry_config={"max_retries": 0, "retry_timeout": _CONNECT},
        )
    except (BaseError, ValueError):
        raise WrongSettings(f"The container {settings.bucket} can't be used as it is configured.") from None
    return NativeObjects(store, f"{settings.account}/{settings.bucket}", tags=True)


def open_gcs(settings: Bucket, endpoint: str, key: str, ca: bytes) -> NativeObjects:
    """A bucket of Google Cloud Storage.

    Args:
        settings: What the partner's file says.
        endpoint: URL of the service.
        key: The service account's JSON.
        ca: PEM of authorities, or empty.

    Raises:
        WrongSettings: They can't be used.
    """
    try:
        account = json.loads(key)
        if settings.endpoint is not None:
            account["gcs_base_url"] = endpoint
        store = GCSStore(
            settings.bucket,
            config={"service_account_key": json.dumps(account)},
            client_options=_client(settings, endpoint, ca),
            retry_config={"max_retries": 0, "retry_timeout": _CONNECT},
        )
    except (BaseError, ValueError, TypeError):
        raise WrongSettings(
            f"The bucket {settings.bucket} can't be used as it is configured.",
            remedy="secret_key refers to the JSON of a service account, as Google gives it.",
        ) from None
    return NativeObjects(store, f"gcs/{settings.bucket}", tags=False)


def _client(settings: Bucket, endpoint: str, ca: bytes) -> ClientConfig:
    # obstore's time-out is for a whole request; an hour and more for one part would be a dead line all the same.
    silence = timedelta(seconds=max(seconds(settings.timeout), 300.0))
    client: ClientConfig = {"connect_timeout": _CONNECT, "timeout": silence, "proxy_excludes": "*"}
    if endpoint.startswith("http://"):
        client["allow_http"] = True
    if ca:
        client["root_certificate"] = ca
    return client


def _stored(meta: ObjectMeta, sha256: str = "", message: str = "") -> Stored:
    modified = Instant(round(meta["last_modified"].timestamp() * 1_000_000))
    etag = (meta["e_tag"] or "").strip('"')
    return Stored(meta["path"], meta["size"], modified, etag, meta["version"] or "", sha256, message)


def _quoted(etag: str) -> str:
    return f'"{etag}"'


def _word(error: Exception) -> str:
    """The store's own word for an error, or the status, and nothing else of its text."""
    found = _CODE.search(str(error))
    return found[1] if found else _status(error) or "no answer"


def _status(error: Exception) -> str:
    found = _STATUS.search(str(error))
    return found[1] if found else ""
