"""The vault: clear text goes in and comes out, sealed bytes lie in a place, in flat memory.

A small blob never touches the place: its sealed bytes ride in its row, and are as durable as that. A larger
one is durable in the place before ``finish`` returns; its row and its wrapped key are then the caller's to
write, in one transaction with whatever the blob is about. A blob whose row was never written is an orphan,
and :meth:`Vault.sweep` deletes it after a time of grace.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from ecluse.blobs.behind import Behind
from ecluse.blobs.keywrap import KeyWrap
from ecluse.blobs.port import BlobMissing, BlobPlace, BlobUnavailable, PlaceReader, PlaceWriter
from ecluse.blobs.sealed import (
    CHUNK,
    HEADER_SIZE,
    KEY_SIZE,
    SALT_SIZE,
    SEALED_CHUNK,
    Damaged,
    Opener,
    Sealer,
    sealed_size,
)
from ecluse.blobs.stock import KeyStock, Ready
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Entropy, Instant, new_id
from ecluse.model.nouns import BlobRow

__all__ = [
    "INLINE_LIMIT",
    "LOOK_AGAIN",
    "MAX_WRITING",
    "ORPHAN_GRACE",
    "BlobDamaged",
    "Sealed",
    "Vault",
    "VaultReader",
    "VaultWriter",
]

INLINE_LIMIT: Final = 64 * 1024
"""Clear octets up to which a blob rides in its row: below it, one fsync less outweighs a larger database."""

MAX_WRITING: Final = 12 * 3600
"""Seconds from ``create`` to ``finish``. It is below the grace of the sweep, so that a blob that was long in
coming is never taken for an orphan between its last byte and its row."""

ORPHAN_GRACE: Final = 24 * 3600
"""Seconds after which a blob without a row is an orphan."""

LOOK_AGAIN: Final = 5.0
"""Seconds after which an open reader asks whether its key is still kept: what was shredded is not read for longer."""

_SPAN: Final = 1 << 20  # sealed and opened at once: 64 chunks; larger spans measured no faster
_PAGE: Final = 500


class BlobDamaged(EcluseError):
    """The bytes at rest are not those that were sealed."""

    code = "blobs.damaged"
    fault = Fault.OURS
    remedy = (
        "Restore this blob from the backup of the blob store; the disk or who can write to it is suspect."
    )


class Sealed(NamedTuple):
    """A finished blob: what the caller writes down.

    Attributes:
        row: Size, digest and, for a small blob, the sealed bytes.
        wrapped_key: The blob's key, wrapped.
    """

    row: BlobRow
    wrapped_key: bytes


class VaultWriter:
    """One blob on its way in. Made by :meth:`Vault.create`; left as a context unfinished, it is aborted."""

    __slots__ = (
        "_behind",
        "_created",
        "_hash",
        "_held",
        "_key",
        "_out",
        "_sealer",
        "_size",
        "_taken",
        "_vault",
        "_wrapped",
        "id",
    )

    def __init__(self, vault: Vault, *, digest: bool = True, behind: bool = True) -> None:
        self._vault = vault
        ready = vault.stock.take() if vault.stock is not None else None
        if ready is None:
            created = vault.clock()
            ready = Ready(new_id("b", created, vault.entropy), created, vault.entropy(KEY_SIZE), b"")
        self.id, self._created, self._key, self._wrapped = ready
        self._sealer = Sealer(self._key, vault.entropy(SALT_SIZE), self.id)
        self._hash = hashlib.sha256() if digest else None
        self._size = self._taken = 0
        self._behind = Behind(self._take) if behind else None
        self._held: list[bytes] = []
        self._out: PlaceWriter | None = None

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take clear text. Raises :class:`BlobUnavailable` where the place can't take it."""
        self._size += len(data)
        if self._behind is not None:
            self._behind.feed(data)
        else:
            self._take(data)

    def _take(self, data: bytes | bytearray | memoryview) -> None:
        """Digest, seal and write: on the caller's thread, or behind its back where there is much."""
        if self._hash is not None:
            self._hash.update(data)
        self._taken += len(data)
        if self._out is None:
            if self._taken <= self._vault.inline_limit:
                self._held.append(bytes(data))
                return
            self._out = self._vault.place.create(self.id)
            self._out.write(self._sealer.header)
            if self._held:
                self._out.write(self._sealer.seal(b"".join(self._held)))
                self._held.clear()
        if len(data) <= _SPAN:
            sealed = self._sealer.seal(data)
            if sealed:
                self._out.write(sealed)
            return
        view = memoryview(data)
        for start in range(0, len(view), _SPAN):
            self._out.write(self._sealer.seal(view[start : start + _SPAN]))

    def finish(self) -> Sealed:
        """Give the row and the wrapped key; the place has the bytes, unless they are in the row.

        Raises:
            BlobUnavailable: They are not durable. Nothing is left.
        """
        try:
            if self._behind is not None:
                self._behind.finish()
                self._behind = None  # the two refer to each other
            wrapped = self._wrapped or self._vault.wrap.wrap(self._key)
            inline = None
            if self._out is None:
                sealer = self._sealer
                inline = b"".join((sealer.header, sealer.seal(b"".join(self._held)), sealer.finish()))
            else:
                self._check_age()
                self._out.write(self._sealer.finish())
                self._out.commit()
        except BaseException:
            self.abort()
            raise
        self._out = None
        digest = self._hash.digest() if self._hash is not None else b""
        return Sealed(BlobRow(self.id, self._size, digest, inline, self._created), wrapped)

    def _check_age(self) -> None:
        if self._vault.clock() - self._created > MAX_WRITING * 1_000_000:
            raise BlobUnavailable(
                f"A blob was more than {MAX_WRITING // 3600} hours in the writing.",
                remedy="Let the sender try again over a faster line.",
            )

    def abort(self) -> None:
        """Leave nothing. May be called at any time, also twice or after :meth:`finish`; never raises."""
        if self._behind is not None:
            self._behind.cancel()
            self._behind = None
        out, self._out = self._out, None
        self._held.clear()
        if out is not None:
            out.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class VaultReader:
    """One blob, in clear, at random. Not for several threads at once. Closes as a context.

    Where it can ask whether its key is still kept, it does every :data:`LOOK_AGAIN` seconds, and forgets a key that is
    not: whoever began to read before a deletion does not read on for hours.
    """

    __slots__ = ("_clock", "_fetched", "_id", "_kept", "_key", "_looked", "_opener", "_place", "size")

    def __init__(
        self, row: BlobRow, key: bytes, place: PlaceReader, clock: Clock, kept: Callable[[], bool] | None
    ) -> None:
        self.size = row.size
        self._clock = clock
        self._kept = kept
        self._looked = clock()
        self._id = row.id
        self._key = key
        self._place = place
        self._opener: Opener | None = None
        self._fetched: tuple[int, memoryview] | None = None
        if place.size != sealed_size(row.size):
            place.close()
            raise self._damaged()

    def read(self, offset: int, size: int) -> bytes:
        """``size`` octets from ``offset``, fewer where the blob ends.

        Raises:
            BlobDamaged: An octet of the chunks that hold them is wrong.
            BlobMissing: ``blobs.deleted``: the key was deleted since it was opened.
            BlobUnavailable: The place can't give them at present.
        """
        return bytes(self.view(offset, size))

    def view(self, offset: int, size: int) -> memoryview:
        """The same octets, not copied; what is behind the view does not change."""
        end = min(offset + size, self.size)
        if offset < 0 or offset >= end:
            return memoryview(b"")
        if self._late():
            self._look()
        first, past = offset // CHUNK, (end - 1) // CHUNK + 1
        clear = self._open(first, past)
        start = offset - first * CHUNK
        return memoryview(clear)[start : start + end - offset].toreadonly()

    def at_hand(self, offset: int, size: int) -> bool:
        """Whether :meth:`view` of the same range, if it comes next, waits for nothing."""
        if self._late():
            return False
        start, end = _sealed_range(offset, min(offset + size, self.size), self._place.size)
        if self._opener is None:
            start = 0 if start == HEADER_SIZE else end  # the header comes with the first chunk, or by itself
        data = self._place.read_now(start, end - start) if start < end else None
        self._fetched = None if data is None else (start, data)
        return data is not None

    def chunks(self, offset: int = 0, size: int | None = None, step: int = _SPAN) -> Iterator[bytes]:
        """The same range in pieces of at most ``step`` octets."""
        end = self.size if size is None else min(offset + size, self.size)
        while offset < end:
            # Cutting where the chunks are cut opens each of them once.
            past = min(offset + step, end)
            if past < end and past - past % CHUNK > offset:
                past -= past % CHUNK
            yield self.read(offset, past - offset)
            offset = past

    def close(self) -> None:
        """Let the place go."""
        self._place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _late(self) -> bool:
        return self._kept is not None and not 0 <= self._clock() - self._looked < LOOK_AGAIN * 1_000_000

    def _look(self) -> None:
        """Ask whether the key is still kept; forget it where it is not."""
        if self._kept is not None and not self._kept():
            self._key, self._opener, self._fetched = b"", None, None
            raise BlobMissing(
                f"The bytes of {self._id} were deleted while they were read.",
                code="blobs.deleted",
                remedy="None: they are gone for good; the log has who deleted them, and why.",
            )
        self._looked = self._clock()

    def _open(self, first: int, past: int) -> bytearray:
        start = HEADER_SIZE + first * SEALED_CHUNK
        end = min(HEADER_SIZE + past * SEALED_CHUNK, self._place.size)
        try:
            if self._opener is not None:
                return self._opener.open(first, self._fetch(start, end))
            if first:
                self._opener = Opener(self._key, bytes(self._fetch(0, HEADER_SIZE)), self._id)
                return self._opener.open(first, self._fetch(start, end))
            data = self._fetch(0, end)  # header and chunks in one go: a far place is asked once
            self._opener = Opener(self._key, bytes(data[:HEADER_SIZE]), self._id)
            return self._opener.open(0, memoryview(data)[HEADER_SIZE:])
        except Damaged:
            raise self._damaged() from None

    def _fetch(self, start: int, end: int) -> bytes | memoryview:
        fetched, self._fetched = self._fetched, None
        if fetched is not None and fetched[0] == start and len(fetched[1]) == end - start:
            return fetched[1]
        data = self._place.read(start, end - start)
        if len(data) != end - start:
            raise Damaged
        return data

    def _damaged(self) -> BlobDamaged:
        return BlobDamaged(f"Blob {self._id} is damaged: its bytes at rest are not those that were sealed.")


def _sealed_range(offset: int, end: int, most: int) -> tuple[int, int]:
    """Where the chunks lie that hold some octets of clear text."""
    first, past = offset // CHUNK, (end - 1) // CHUNK + 1
    return HEADER_SIZE + first * SEALED_CHUNK, min(HEADER_SIZE + past * SEALED_CHUNK, most)


class _Inline:
    """The bytes of a row as a place."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]

    def read_now(self, offset: int, size: int) -> memoryview | None:
        return memoryview(self._data)[offset : offset + size]

    def close(self) -> None:
        pass


class Vault:
    """Seals blobs into a place and opens them again. May be used from any thread.

    Args:
        place: Where sealed bytes are kept.
        wrap: Who wraps the keys.
        entropy: Source of ids, keys and salts.
        clock: For the ids.
        inline_limit: Clear octets up to which a blob rides in its row.

    Attributes:
        stock: Keys that are durable already; ``None`` where each is made with its blob.
    """

    def __init__(
        self,
        place: BlobPlace,
        wrap: KeyWrap,
        entropy: Entropy,
        clock: Clock,
        inline_limit: int = INLINE_LIMIT,
    ) -> None:
        self.place = place
        self.wrap = wrap
        self.entropy = entropy
        self.clock = clock
        self.inline_limit = inline_limit
        self.stock: KeyStock | None = None

    def create(self, *, digest: bool = True, behind: bool = True) -> VaultWriter:
        """Begin a blob, with an id and a key of its own.

        Args:
            digest: False where the same octets are digested elsewhere: the row then has no digest. What guards
                the bytes at rest is the sealing, not the digest.
            behind: Whether a large blob is sealed and written on a thread of its own. False for a caller that reads
                TLS in Python: a record of 16 KiB at a time it lets go of the interpreter, and two threads that ask
                each other for it so often are slower than one (two cores, the client on one of them: 344 MB/s on one
                thread, 223 on two; 2.1 and 2.2 s of CPU a GB).
        """
        return VaultWriter(self, digest=digest, behind=behind)

    def open(self, row: BlobRow, wrapped_key: bytes, kept: Callable[[], bool] | None = None) -> VaultReader:
        """Open a blob.

        Args:
            row: What is known of it.
            wrapped_key: Its key.
            kept: Asks whether the key is still kept; without it nobody does.

        Raises:
            BlobDamaged: The bytes at rest have not the length that they were sealed with.
            BlobMissing: The place has no such blob.
            KeyWrapFailed: The wrapped key does not open.
        """
        key = self.wrap.unwrap(wrapped_key)
        place = _Inline(row.inline) if row.inline is not None else self.place.open(row.id)
        return VaultReader(row, key, place, self.clock, kept)

    def discard(self, sealed: Sealed) -> None:
        """Delete a finished blob whose row will not be written. Never raises: the sweep finds what is left."""
        if sealed.row.inline is None:
            with contextlib.suppress(EcluseError):
                self.place.delete(sealed.row.id)

    def sweep(self, rows: Callable[[str, int], Sequence[str]], grace: int = ORPHAN_GRACE) -> int:
        """Delete what unfinished writers left, and blobs without a row; give the number of both.

        Args:
            rows: Up to so many ids of the store that sort after the given one, in order.
            grace: Seconds since its creation for which a blob may be without a row; at least
                :data:`ORPHAN_GRACE` where writers are at work.
        """
        swept = self.place.sweep(grace)
        limit = new_id("b", Instant(max(0, self.clock() - grace * 1_000_000)), bytes)
        known: Sequence[str] = ()
        at = 0
        for id in self.place.ids():
            if id >= limit:
                break
            while at < len(known) and known[at] < id:
                at += 1
            if at == len(known):
                # The row of ``id`` itself must be on the page, so the page begins just before it.
                known, at = rows(id[:-1], _PAGE), 0
                while at < len(known) and known[at] < id:
                    at += 1
            if at == len(known) or known[at] != id:
                self.place.delete(id)
                swept += 1
        return swept
