"""A bucket as the second place of the archive: sealed copies, each locked until its retention ends where it can be.

Object Lock (Amazon S3 User Guide, "Locking objects with Object Lock") keeps a *version* of an object: a later one
of the same key may be written over it, and what deletes without naming a version only hides it. So a copy is told by
its key, its lock by its newest version, and deleting goes through all its versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal
from xml.sax.saxutils import escape

from ecluse.archive.place import Chunks, CopyLocked
from ecluse.blobs.port import BLOB_ID, BlobMissing, BlobUnavailable
from ecluse.channels.bucket.multipart import PART_SIZE, Multipart
from ecluse.channels.bucket.s3 import S3Objects
from ecluse.channels.bucket.store import BucketUnavailable, Upload
from ecluse.channels.http.stream import Answered
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Instant
from ecluse.wire.s3.answers import error_code
from ecluse.wire.s3.versions import read_versions

__all__ = ["BucketSecond", "LockMode", "LockRefused"]

LockMode = Literal["none", "governance", "compliance"]

_MODE: Final = "x-amz-object-lock-mode"
_UNTIL: Final = "x-amz-object-lock-retain-until-date"
_HOLD: Final = "x-amz-object-lock-legal-hold"


class LockRefused(EcluseError):
    """A store does not lock what it was told to lock."""

    code = "archive.lock-refused"
    fault = Fault.OURS
    remedy = "Make the bucket with Object Lock, and let the access key set retention (s3:PutObjectRetention)."


class BucketSecond:
    """See :class:`~ecluse.archive.place.SecondPlace`.

    Args:
        name: What it is called.
        store: The bucket.
        prefix: What all keys begin with.
        mode: How objects are locked; ``none`` where the bucket has no Object Lock.
        clock: Tells whether a lock has ended.
    """

    def __init__(self, name: str, store: S3Objects, prefix: str, mode: LockMode, clock: Clock) -> None:
        self.name = name
        self.locks = mode != "none"
        self._store = store
        self._prefix = prefix
        self._mode = mode.upper()
        self._clock = clock

    def put(self, id: str, size: int, chunks: Chunks, until: Instant | None) -> None:
        """See the port. Every part carries a digest, which Object Lock asks for."""
        headers = [("Content-Type", "application/octet-stream")]
        if until is not None and self.locks:
            headers += [(_MODE, self._mode), (_UNTIL, _stamp(until))]
        key = self._key(id)
        if size <= PART_SIZE:
            data = b"".join(chunks())
            if len(data) != size:
                raise BlobUnavailable(f"Blob {id} has not the size that it should have.")
            self._store.put(key, {}, headers, data)
        else:
            upload = Upload(size, "", "", "application/octet-stream", lambda step: chunks())
            Multipart(self._store, key).upload(upload, headers, ())
        if until is not None and self.locks and not self._is_locked(id, until):
            self.lock(id, until)  # not every store takes a lock from the upload of an object in parts

    def read(self, id: str) -> Iterator[bytes]:
        """See the port."""
        with self._store.call("GET", self._key(id)) as answer:
            if answer.status == 404:
                self._missing(id, answer)
            if answer.status != 200:
                self._store.ok(answer)
            yield from answer.chunks()

    def locked_until(self, id: str) -> Instant | None:
        """See the port: what the store says of the newest version."""
        with self._store.call("HEAD", self._key(id)) as answer:
            if answer.status == 404:
                return None
            self._store.ok(answer)
            return _moment(answer.header(_UNTIL)) if answer.header(_MODE) else None

    def lock(self, id: str, until: Instant) -> None:
        """See the port."""
        if not self.locks:
            return
        body = (
            '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Mode>{escape(self._mode)}</Mode><RetainUntilDate>{_stamp(until)}</RetainUntilDate></Retention>"
        ).encode()
        self._store.put(self._key(id), {"retention": ""}, (), body)
        if not self._is_locked(id, until):
            raise LockRefused(
                f"The store {self._store.where} took the copy of {id}, and does not say that it locks it."
            )

    def _is_locked(self, id: str, until: Instant) -> bool:
        locked = self.locked_until(id)
        return locked is not None and locked >= until

    def hold(self, id: str, on: bool) -> None:
        """See the port: a legal hold of Object Lock, set only where it is another."""
        if not self.locks:
            return
        with self._store.call("HEAD", self._key(id)) as answer:
            self._store.ok(answer)
            present = answer.header(_HOLD).upper() == "ON"
        if present is on:
            return
        body = (
            '<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Status>{'ON' if on else 'OFF'}</Status></LegalHold>"
        ).encode()
        self._store.put(self._key(id), {"legal-hold": ""}, (), body)

    def forget(self, ids: Sequence[str]) -> None:
        """See the port. Every version goes, or stays until its lock ends."""
        locked: list[Instant] = []
        for id in ids:
            key = self._key(id)
            for version in self._versions(key) if self.locks else [""]:
                until = self._delete(key, version)
                if until is not None:
                    locked.append(until)
        if locked:
            raise CopyLocked(self.name, len(locked), max(locked))

    def _versions(self, key: str) -> list[str]:
        """Ids of all versions of an object, markers of deletion among them; one empty id where none are kept."""
        found: list[str] = []
        query = {"versions": "", "prefix": key}
        while True:
            with self._store.call("GET", "", query) as answer:
                page = read_versions(self._store.ok(answer))
            found += [version for name, version in page.versions if name == key]
            if not page.key_marker:
                return ["" if version == "null" else version for version in found]
            if page.key_marker == query.get("key-marker") and page.id_marker == query.get(
                "version-id-marker"
            ):
                raise BucketUnavailable(
                    f"{self._store.where} gives the same page of versions again and again."
                )
            query |= {"key-marker": page.key_marker, "version-id-marker": page.id_marker}

    def _delete(self, key: str, version: str) -> Instant | None:
        """Delete a version; gives until when it is locked where it is."""
        query = {"versionId": version} if version else {}
        if self.locks and version:
            with self._store.call("HEAD", key, query) as answer:
                if answer.status == 200:
                    answer.read()
                    until = _moment(answer.header(_UNTIL)) if answer.header(_MODE) else None
                    if until is not None and until > self._clock():
                        return until
                elif answer.status in (404, 405):
                    answer.read()  # gone, or a marker of deletion
                else:
                    self._store.ok(answer)
        with self._store.call("DELETE", key, query) as answer:
            if answer.status != 404:
                self._store.ok(answer)
        return None

    def _key(self, id: str) -> str:
        if not BLOB_ID.fullmatch(id):
            raise BlobMissing("What was asked for is no blob id.")
        return f"{self._prefix}{id}"

    def _missing(self, id: str, answer: Answered) -> None:
        code = error_code(answer.read())
        if code == "NoSuchBucket":
            raise self._store.error(404, code)
        raise BlobMissing(f"There is no copy of blob {id} in {self.name}.")


def _stamp(at: Instant) -> str:
    """ISO 8601 in whole seconds, not before ``at``."""
    whole = -(-at // 1_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> Instant | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Instant(int(moment.timestamp()) * 1_000_000)
