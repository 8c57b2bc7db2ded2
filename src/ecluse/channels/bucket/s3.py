"""S3 over our own HTTP client: every request signed, every write conditional, connected to a checked address.

obstore, which Azure and Google go through, can neither complete an upload in parts under a condition, nor delete or
copy under one, nor list a bucket with a key in it that its own paths can't be (``a//b``): one such object that a
partner puts there would stop all collecting.
"""

from __future__ import annotations

import contextlib
import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from ecluse.channels.bucket.multipart import PART_SIZE, Multipart
from ecluse.channels.bucket.store import (
    BucketDenied,
    BucketMissing,
    BucketUnavailable,
    Changed,
    Held,
    Stored,
    Taken,
    Upload,
    WrongSettings,
)
from ecluse.channels.http.egress import Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.message import Peer
from ecluse.channels.http.stream import Answered, request
from ecluse.channels.http.tls import ClientTls
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Instant
from ecluse.wire.http1.dates import http_date
from ecluse.wire.s3.answers import error_code, read_page
from ecluse.wire.s3.sign import EMPTY, Signer, key_path, query_text

__all__ = ["MAX_COPY", "S3Access", "S3Objects"]

MAX_COPY: Final = 5 << 30
"""Octets that are copied by one request (Amazon S3 User Guide, "Copying objects"); more goes in parts."""

_PAGE: Final = "1000"  # Amazon S3 API Reference, ListObjectsV2: the most keys of a page
_REPLY: Final = (
    16 << 20
)  # a page of 1,000 keys of 1,024 octets, three octets each once encoded, and the rest of each
_GONE: Final = (404, 412)
_SKEW: Final = 15 * 60 * 1_000_000  # Amazon S3 API Reference, "Error responses": RequestTimeTooSkewed
_BUSY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_DAMAGED: Final = frozenset({"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "IncompleteBody"})
_REGION: Final = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
)


@dataclass(frozen=True, slots=True)
class S3Access:
    """How a bucket is reached.

    Attributes:
        endpoint: ``https://host[:port]``.
        bucket: Its name.
        path_style: ``endpoint/bucket/key`` instead of ``bucket.endpoint/key``.
        signer: Who signs.
        egress: What may be reached; the bucket's host among it.
        tls: How the store is trusted; ``None`` for plain HTTP.
        limits: Times.
        conditional: The store honours ``If-None-Match`` and ``If-Match`` on writes.
        met: Told who answered a request.
    """

    endpoint: str
    bucket: str
    path_style: bool
    signer: Signer = field(repr=False)
    egress: Egress
    tls: ClientTls | None
    limits: ClientLimits
    conditional: bool = True
    met: Callable[[Peer], object] | None = None


class S3Objects:
    """See :class:`~ecluse.channels.bucket.store.ObjectStore`.

    Args:
        access: Where, and as whom.
        clock: For signatures.
        pool: Where connections are kept.
    """

    def __init__(self, access: S3Access, clock: Clock, pool: Pool | None = None) -> None:
        self._access = access
        self._clock = clock
        self._pool = pool
        place = urlsplit(access.endpoint)
        self._scheme = place.scheme
        self._host = place.netloc if access.path_style else f"{access.bucket}.{place.netloc}"
        self._base = f"/{key_path(access.bucket)}/" if access.path_style else "/"
        self.where = f"{place.netloc}/{access.bucket}"
        self.conditional = self.conditional_large = access.conditional

    def list(self, prefix: str, *, deep: bool) -> Iterator[Stored]:
        """See the port."""
        query = {"list-type": "2", "encoding-type": "url", "max-keys": _PAGE, "prefix": prefix}
        if not deep:
            query["delimiter"] = "/"
        while True:
            with self.call("GET", "", query) as answer:
                page = read_page(self.ok(answer))
            for each in page.objects:
                modified = None if each.modified is None else Instant(each.modified)
                yield Stored(each.key, each.size, modified, each.etag)
            if not page.after:
                return
            if page.after == query.get("continuation-token"):
                raise BucketUnavailable(
                    f"The store {self.where} gives the same page of a listing again and again."
                )
            query["continuation-token"] = page.after

    def look(self, key: str) -> Stored | None:
        """See the port."""
        with self.call("HEAD", key) as answer:
            if answer.status == 404:
                return None
            self.ok(answer)
            modified = http_date(answer.header("last-modified"))
            return Stored(
                key,
                int(answer.header("content-length") or 0),
                None if modified is None else Instant(modified),
                answer.header("etag").strip('"'),
                answer.header("x-amz-version-id"),
                answer.header("x-amz-meta-ecluse-sha256"),
                answer.header("x-amz-meta-ecluse-message"),
            )

    def read(self, key: str, etag: str) -> Iterator[bytes]:
        """See the port."""
        with self.call("GET", key, headers=[("If-Match", f'"{etag}"')]) as answer:
            if answer.status in _GONE:
                if error_code(answer.read()) == "NoSuchBucket":
                    raise self.error(404, "NoSuchBucket")
                raise Changed
            if answer.status != 200:
                self.ok(answer)
            if answer.header("etag").strip('"') != etag:
                raise Changed
            yield from answer.chunks()

    def create(self, key: str, upload: Upload, *, replace: bool) -> str:
        """See the port. The store is given two digests of each piece, and its ETag is compared with one of them."""
        headers, condition = _of(upload), self._condition(replace)
        if upload.size > PART_SIZE:
            return Multipart(self, key).upload(upload, headers, condition)
        return self.put(key, {}, [*headers, *condition], b"".join(upload.chunks(PART_SIZE)))[1]

    def hold(self, key: str, upload: Upload) -> Held:
        """See the port: an upload in parts, be it in one."""
        id, parts, compared = Multipart(self, key).stage(upload, _of(upload))
        return Held(id, upload.size, tuple(parts), compared)

    def held(self, key: str, id: str) -> Held | None:
        """See the port."""
        parts = Multipart(self, key).parts(id)
        if parts is None:
            return None
        return Held(id, sum(part.size for part in parts), tuple((part.number, part.etag) for part in parts))

    def release(self, key: str, held: Held, *, replace: bool) -> tuple[str, str]:
        """See the port."""
        return Multipart(self, key).complete(held.id, held.parts, self._condition(replace))

    def drop(self, key: str, id: str) -> None:
        """See the port."""
        Multipart(self, key).abort(id)

    def _condition(self, replace: bool) -> Sequence[tuple[str, str]]:
        return [("If-None-Match", "*")] if self.conditional and not replace else []

    def put(
        self, key: str, query: Mapping[str, str], headers: Sequence[tuple[str, str]], data: bytes
    ) -> tuple[str, str]:
        """Put an object, or one part of it; gives the ETag as it came, and ``md5`` where it is that of the data."""
        digest = hashlib.md5(data, usedforsecurity=False)
        content = ("Content-MD5", b64encode(digest.digest()).decode("ascii"))
        with self.call("PUT", key, query, [*headers, content], data) as answer:
            self.written(answer)
            etag = answer.header("etag")
        # The ETag of what a store encrypts under a key of its own is no digest (Amazon S3 API Reference, Object).
        return etag, "md5" if etag.strip('"') == digest.hexdigest() else ""

    def delete(self, key: str, etag: str) -> None:
        """See the port. Where the store keeps versions, this one stays behind a marker."""
        found = self.look(key)
        if found is None:
            return
        if found.etag != etag:
            raise Changed
        if not (self.conditional and self._delete(key, [("If-Match", f'"{etag}"')])):
            # Not every store takes the condition, and Swift compares another ETag with it where an object is in parts:
            # what has changed in between shows by a look.
            if self.conditional and not self._is(key, etag):
                raise Changed
            self._delete(key, [])

    def _delete(self, key: str, condition: Sequence[tuple[str, str]]) -> bool:
        """False where the store does not do it under this condition."""
        with self.call("DELETE", key, headers=condition) as answer:
            if condition and answer.status in (412, 501):
                answer.read()
                return False
            if answer.status != 404:
                self.ok(answer)
            return True

    def _is(self, key: str, etag: str) -> bool:
        found = self.look(key)
        return found is not None and found.etag == etag

    def copy(self, key: str, to: str, etag: str) -> None:
        """See the port."""
        source, target = self.look(key), self.look(to)
        if source is None or source.etag != etag:
            raise Changed
        if target is not None:
            raise Taken
        headers = [
            ("x-amz-copy-source", key_path(f"/{self._access.bucket}/{key}")),
            ("x-amz-copy-source-if-match", f'"{etag}"'),
        ]
        condition = [("If-None-Match", "*")] if self.conditional else []
        if source.size > MAX_COPY:
            Multipart(self, to).copy(source.size, headers, condition)
            return
        with self.call("PUT", to, headers=headers + condition) as answer:
            if answer.status in (412, 501) and condition:
                answer.read()
            else:
                self.written(answer)
                return
        if self.look(to) is not None:
            raise Taken
        # Not every store takes the condition for the target's: Swift asks it of the source.
        with self.call("PUT", to, headers=headers) as answer:
            if answer.status == 412:
                raise Changed
            self.written(answer)

    def close(self) -> None:
        """See the port; connections are the pool's."""

    @contextlib.contextmanager
    def call(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        resend: bool = True,
    ) -> Iterator[Answered]:
        """One signed request for a key of the bucket, or (empty) for the bucket itself."""
        access = self._access
        path = self._base + key_path(key)
        text = query_text(query or {})
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY
        signed = access.signer.headers(method, self._host, path, text, headers, digest, self._clock())
        url = f"{self._scheme}://{self._host}{path}{'?' if text else ''}{text}"
        with request(
            method,
            url,
            signed,
            body,
            egress=access.egress,
            tls=access.tls,
            limits=access.limits,
            pool=self._pool,
            met=access.met,
            resend=resend,
        ) as answer:
            yield answer

    def ok(self, answer: Answered) -> bytes:
        """The content of a positive answer; our error for any other."""
        if 200 <= answer.status < 300:
            return answer.read()
        code = error_code(answer.read())
        theirs = http_date(answer.header("date"))
        if answer.status == 403 and not code and theirs and abs(theirs - self._clock()) > _SKEW:
            code = "RequestTimeTooSkewed"  # an answer to HEAD says no more than its status
        raise self.error(answer.status, code, answer.header("x-amz-bucket-region"))

    def written(self, answer: Answered) -> bytes:
        """The content of the answer to a write, which may be an error though its status is positive."""
        if answer.status == 412:
            answer.read()
            raise Taken
        body = self.ok(answer)
        if code := error_code(body):
            raise Taken if code == "PreconditionFailed" else self.error(500, code)
        return body

    def error(self, status: int, code: str, region: str = "") -> EcluseError:
        """Our error for one of the store's."""
        word = code or f"status {status}"
        if code == "NoSuchBucket" or (status == 404 and not code):
            return BucketMissing(f"There is no bucket {self.where} ({word}).")
        if code in _CLOCK:
            return BucketDenied(
                f"The store {self.where} says that the clock of this machine is wrong ({word}).",
                code="bucket.clock",
                fault=Fault.OURS,
                remedy="Set the clock by NTP; the hub tries again.",
            )
        if code in _REGION or 300 <= status < 400:
            hint = f" It says that the region is {region[:40]}." if region else ""
            return WrongSettings(f"The bucket {self.where} is not served here ({word}).{hint}")
        if code in _DAMAGED:
            return BucketUnavailable(
                f"What reached {self.where} is not what was sent ({word}).", code="bucket.damaged"
            )
        if status in (401, 403) or code == "AccessDenied":
            return BucketDenied(f"The store {self.where} denies the access ({word}).")
        if status in _BUSY:
            return BucketUnavailable(f"The store {self.where} can't serve at present ({word}).")
        return WrongSettings(f"The store {self.where} refuses the request ({word}).", fault=Fault.PARTNER)


def _of(upload: Upload) -> list[tuple[str, str]]:
    """Headers of the object."""
    headers = [
        ("Content-Type", upload.content_type),
        ("x-amz-meta-ecluse-message", upload.message),
        ("x-amz-meta-ecluse-sha256", upload.sha256),
    ]
    if upload.tags:
        headers.append(("x-amz-tagging", urlencode(dict(upload.tags))))
    return headers
