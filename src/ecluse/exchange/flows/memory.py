"""What a run of a flow works with: what was seen of files before, and connections to where they lie."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import Remote, RemoteFile, Source
from ecluse.model.basics import Instant
from ecluse.store.port import StoreUnavailable

__all__ = ["REMEMBERED", "Lines", "Memory", "fingerprint", "identity"]

REMEMBERED: Final = 200_000
"""Files that were seen and are not taken yet, remembered from look to look: 25 MB. Others are new at each look."""

_STALE: Final = 3600 * 1_000_000


class Memory:
    """What a node remembers of the files of one flow: when each was first seen as it is, and which need nothing more.

    It forgets rather than grows. What is forgotten of the first kind is looked at twice again; of the second, it is
    found in the store again.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}
        self._done: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def first_seen(self, file: RemoteFile, now: Instant) -> Instant:
        """When the file was first seen as it is: ``now`` where it never was."""
        with self._lock:
            key = fingerprint(file)
            seen = self._seen.get(key)
            if seen is not None:
                return Instant(seen)
            if len(self._seen) >= REMEMBERED:
                # The oldest may have gone long ago; those that are looked at again and again are not pushed out.
                oldest = next(iter(self._seen))
                if now - self._seen[oldest] < _STALE:
                    return now
                del self._seen[oldest]
            self._seen[key] = now
            return now

    def peek(self, file: RemoteFile, now: Instant) -> Instant:
        """The same without remembering it."""
        with self._lock:
            return Instant(self._seen.get(fingerprint(file), now))

    def forget(self, file: RemoteFile) -> None:
        """The file is gone."""
        with self._lock:
            self._seen.pop(fingerprint(file), None)

    def done(self, file: RemoteFile) -> None:
        """The file, as it is, needs nothing more."""
        with self._lock:
            key = fingerprint(file)
            self._seen.pop(key, None)
            if len(self._done) >= REMEMBERED:
                del self._done[next(iter(self._done))]
            self._done[key] = None

    def is_done(self, file: RemoteFile) -> bool:
        """Whether :meth:`done` was said of it."""
        with self._lock:
            return fingerprint(file) in self._done

    def keep_only(self, listed: set[bytes]) -> None:
        """Forget the files that a whole listing did not have."""
        with self._lock:
            self._seen = {key: at for key, at in self._seen.items() if key in listed}
            self._done = {key: None for key in self._done if key in listed}

    @property
    def size(self) -> int:
        """How many files are remembered."""
        return len(self._seen) + len(self._done)


class Lines:
    """The connections of one run: opened as they are needed, given back, and let go once they fail."""

    def __init__(self, source: Source, place: str) -> None:
        self._source = source
        self._place = place
        self._idle: list[Remote] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def line(self) -> Iterator[Remote]:
        """A connection for one thread. One that something transient happened to is not used again."""
        with self._lock:
            own = self._idle.pop() if self._idle else None
        if own is None:
            own = self._source.open(self._place)
        try:
            yield own
        except EcluseError as error:
            if error.fault is Fault.TRANSIENT and not isinstance(error, StoreUnavailable):
                own.close()
                raise
            self._give(own)
            raise
        except BaseException:
            own.close()
            raise
        self._give(own)

    def _give(self, own: Remote) -> None:
        with self._lock:
            self._idle.append(own)

    def close(self) -> None:
        """Let all of them go."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()


def fingerprint(file: RemoteFile) -> bytes:
    """What tells a file, as it is, from others and from itself once anything of it was changed; 16 octets."""
    return sha256(identity(file) + file.change.encode()).digest()[:16]


def identity(file: RemoteFile) -> bytes:
    """What tells a file, as it was written, from others."""
    return msgspec.json.encode([file.path, file.size, file.modified, file.tag])
