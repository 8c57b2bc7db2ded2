"""Objects in parts: a few at once, whole under their key at the end, under a condition, or nothing left."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ecluse.channels.bucket.store import BucketUnavailable, Upload
from ecluse.errors import EcluseError
from ecluse.wire.s3.answers import Part, completion, error_code, read_parts, upload_id, value_of

if TYPE_CHECKING:
    from ecluse.channels.bucket.s3 import S3Objects

__all__ = ["AT_ONCE", "PART_SIZE", "Multipart"]

PART_SIZE: Final = 8 << 20
"""Octets of a part, and of the largest object that goes in one piece. S3 takes 10,000 parts of 5 MiB or more, but the
last (Amazon S3 User Guide, multipart upload limits); :func:`part_size` gives larger ones where those would not do."""
AT_ONCE: Final = 3
"""Parts under way: with the one that is read meanwhile, 32 MiB are held."""

_STEP: Final = 1 << 20
_MOST_PARTS: Final = 10_000
_FEW_PARTS: Final = 1_000
"""What OpenStack Swift takes unless its operator allows more (s3api, ``max_upload_part_num``)."""
_LARGE_PART: Final = 16 << 20
"""Octets of a part that :data:`_FEW_PARTS` are worth: larger ones would cost too much memory."""
_COPY_PART: Final = 1 << 30  # parts of a copy cost us nothing; the store takes up to 5 GiB each

Headers = Sequence[tuple[str, str]]
Step = Callable[[str], tuple[int, str]]
"""Does one part of the upload of that id; gives its number and ETag."""


def part_size(size: int) -> int:
    """Octets of each part of an object of ``size``."""
    # A little fewer parts than there may be: pieces end where the sealed chunks do, and may be a little short.
    few = max(PART_SIZE, -(-size // (_FEW_PARTS - 10)))
    return few if few <= _LARGE_PART else max(_LARGE_PART, -(-size // (_MOST_PARTS - 100)))


def _joined(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Pieces of at least ``size`` octets, but the last; less than a step more.

    Read in small steps: a document's own pieces of that size would be held three times while they are opened. What was
    written into ``BytesIO`` is given without a copy.
    """
    held = BytesIO()

    def taken() -> bytes:
        nonlocal held
        full, held = held, BytesIO()
        return full.getvalue()

    for chunk in chunks:
        held.write(chunk)
        if held.tell() >= size:
            yield taken()
    if held.tell():
        yield taken()


class Multipart:
    """One upload in parts.

    Args:
        store: The bucket.
        key: Of the object.
    """

    def __init__(self, store: S3Objects, key: str) -> None:
        self._store = store
        self._key = key

    def upload(self, upload: Upload, headers: Headers, condition: Headers) -> str:
        """Put an object; gives ``md5`` where the ETags of all its parts are theirs.

        Args:
            upload: What.
            headers: Of the object.
            condition: Under which it is completed.

        Raises:
            Taken: There is one of that key.
        """
        id, parts, compared = self.stage(upload, headers)
        with self._or_abort(id):
            self.complete(id, parts, condition)
        return compared

    def stage(self, upload: Upload, headers: Headers) -> tuple[str, list[tuple[int, str]], str]:
        """Put all parts of an object, which appears once they are completed.

        Returns:
            Id of the upload; numbers and ETags of its parts; how they were compared, as :meth:`upload` says.
        """
        checked: list[str] = []

        def one(number: int, data: bytes) -> Step:
            def put(id: str) -> tuple[int, str]:
                etag, how = self._store.put(self._key, {"partNumber": str(number), "uploadId": id}, (), data)
                checked.append(how)
                return number, etag

            return put

        pieces = enumerate(_joined(upload.chunks(_STEP), part_size(upload.size)), 1)
        at_once = AT_ONCE if part_size(upload.size) == PART_SIZE else AT_ONCE - 1
        id, parts = self._run(headers, (one(number, data) for number, data in pieces), at_once)
        return id, parts, "md5" if all(checked) else ""

    def complete(self, id: str, parts: Sequence[tuple[int, str]], condition: Headers) -> tuple[str, str]:
        """Let the object appear; gives its ETag and its version, as far as the store tells.

        Raises:
            Taken: There is one of that key.
            BucketUnavailable: Whether it did is unknown, unless the code is ``bucket.conflict``.
        """
        store = self._store
        query = {"uploadId": id}
        with store.call("POST", self._key, query, condition, completion(parts), resend=False) as answer:
            if answer.status == 409:
                # Somebody else wrote or deleted there at this moment (Amazon S3 API Reference,
                # CompleteMultipartUpload): it has to be uploaded anew.
                answer.read()
                raise BucketUnavailable(
                    f"Something else happened to {self._key} at the same moment.", code="bucket.conflict"
                )
            body = store.written(answer)
            return value_of(body, "ETag").strip('"'), answer.header("x-amz-version-id")

    def parts(self, id: str) -> list[Part] | None:
        """The parts of an upload; ``None`` where there is none of that id: completed, or aborted."""
        store, query = self._store, {"uploadId": id}
        found: list[Part] = []
        while True:
            with store.call("GET", self._key, query) as answer:
                if answer.status == 404:
                    code = error_code(answer.read())
                    if code == "NoSuchUpload":
                        return None
                    raise store.error(404, code)
                page = read_parts(store.ok(answer))
            found += page.parts
            if not page.after:
                return found
            if page.after == query.get("part-number-marker"):
                raise BucketUnavailable(f"{store.where} gives the same page of parts again and again.")
            query["part-number-marker"] = page.after

    def abort(self, id: str) -> None:
        """Forget an upload, as far as that can be done."""
        with (
            contextlib.suppress(EcluseError),
            self._store.call("DELETE", self._key, {"uploadId": id}) as answer,
        ):
            answer.read()

    def copy(self, size: int, source: Headers, condition: Headers) -> None:
        """Copy an object of ``size`` octets; see :meth:`upload`. ``source`` names it, and under which condition."""

        def one(number: int, first: int) -> Step:
            last = min(first + _COPY_PART, size) - 1
            ranged = [*source, ("x-amz-copy-source-range", f"bytes={first}-{last}")]
            return lambda id: self._copy(id, number, ranged)

        starts = enumerate(range(0, size, _COPY_PART), 1)
        id, parts = self._run((), (one(number, first) for number, first in starts), AT_ONCE)
        with self._or_abort(id):
            self.complete(id, parts, condition)

    def _run(
        self, headers: Headers, steps: Iterator[Step], at_once: int
    ) -> tuple[str, list[tuple[int, str]]]:
        with self._store.call("POST", self._key, {"uploads": ""}, headers) as answer:
            id = upload_id(self._store.ok(answer))
        threads = ThreadPoolExecutor(at_once, thread_name_prefix="parts")
        with self._or_abort(id):
            try:
                parts: list[tuple[int, str]] = []
                pending: deque[Future[tuple[int, str]]] = deque()
                for step in steps:
                    pending.append(threads.submit(step, id))
                    if len(pending) >= at_once:
                        parts.append(pending.popleft().result())
                parts += [each.result() for each in pending]
            finally:
                threads.shutdown(cancel_futures=True)
        return id, parts

    @contextlib.contextmanager
    def _or_abort(self, id: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.abort(id)
            raise

    def _copy(self, id: str, number: int, headers: Headers) -> tuple[int, str]:
        query = {"partNumber": str(number), "uploadId": id}
        with self._store.call("PUT", self._key, query, headers) as answer:
            return number, value_of(self._store.written(answer), "ETag")
