"""Objects in parts: a few at once, whole under their key at the end, under a condition, or nothing left."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ecluse.channels.bucket.store import Upload
from ecluse.errors import EcluseError
from ecluse.wire.s3.answers import completion, upload_id, value_of

if TYPE_CHECKING:
    from ecluse.channels.bucket.s3 import S3Objects

__all__ = ["AT_ONCE", "PART_SIZE", "Multipart"]

PART_SIZE: Final = 8 << 20
"""Octets of a part, and of the largest object that goes in one piece. S3 takes 10,000 parts of 5 MiB or more, but the
last (Amazon S3 User Guide, multipart upload limits); :func:`part_size` gives larger ones where those would not do."""
AT_ONCE: Final = 3
"""Parts under way: with the one that is read meanwhile, 32 MiB are held."""

_MOST_PARTS: Final = 10_000
_COPY_PART: Final = 1 << 30  # parts of a copy cost us nothing; the store takes up to 5 GiB each

Headers = Sequence[tuple[str, str]]
Step = Callable[[str], tuple[int, str]]
"""Does one part of the upload of that id; gives its number and ETag."""


def part_size(size: int) -> int:
    """Octets of each part of an object of ``size``."""
    # One part fewer than there may be: pieces end where the sealed chunks do, and may be a little short.
    return max(PART_SIZE, -(-size // (_MOST_PARTS - 100)))


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
        checked: list[str] = []

        def one(number: int, data: bytes) -> Step:
            def put(id: str) -> tuple[int, str]:
                etag, how = self._store.put(self._key, {"partNumber": str(number), "uploadId": id}, (), data)
                checked.append(how)
                return number, etag

            return put

        pieces = enumerate(upload.chunks(part_size(upload.size)), 1)
        self._run(headers, condition, (one(number, data) for number, data in pieces))
        return "md5" if all(checked) else ""

    def copy(self, size: int, source: Headers, condition: Headers) -> None:
        """Copy an object of ``size`` octets; see :meth:`upload`. ``source`` names it, and under which condition."""

        def one(number: int, first: int) -> Step:
            last = min(first + _COPY_PART, size) - 1
            ranged = [*source, ("x-amz-copy-source-range", f"bytes={first}-{last}")]
            return lambda id: self._copy(id, number, ranged)

        starts = enumerate(range(0, size, _COPY_PART), 1)
        self._run((), condition, (one(number, first) for number, first in starts))

    def _run(self, headers: Headers, condition: Headers, steps: Iterator[Step]) -> None:
        store, key = self._store, self._key
        with store.call("POST", key, {"uploads": ""}, headers) as answer:
            id = upload_id(store.ok(answer))
        threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="parts")
        try:
            parts: list[tuple[int, str]] = []
            pending: deque[Future[tuple[int, str]]] = deque()
            for step in steps:
                pending.append(threads.submit(step, id))
                if len(pending) >= AT_ONCE:
                    parts.append(pending.popleft().result())
            parts += [each.result() for each in pending]
            with store.call("POST", key, {"uploadId": id}, condition, completion(parts)) as answer:
                store.written(answer)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            with contextlib.suppress(EcluseError), store.call("DELETE", key, {"uploadId": id}) as answer:
                answer.read()
            raise
        threads.shutdown()

    def _copy(self, id: str, number: int, headers: Headers) -> tuple[int, str]:
        query = {"partNumber": str(number), "uploadId": id}
        with self._store.call("PUT", self._key, query, headers) as answer:
            return number, value_of(self._store.written(answer), "ETag")
