"""Writing one document under a passing name on the partner's server, over one connection or several.

What the server has acknowledged, and made durable where it can, is where another attempt of this process goes on. After
a restart of the hub a document is begun anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import DigestDiffers, Lost, ServerSilent, SizeDiffers
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.steps import digest_of, join, make_folders, octets_of, remove_all
from ecluse.channels.sftp.client.transfer import Upload
from ecluse.errors import EcluseError
from ecluse.exchange.once import Staged
from ecluse.wire.sftp.answers import FileFacts
from ecluse.wire.sftp.requests import CREATE, TRUNCATE, WRITE

__all__ = ["Progress", "Terms", "Writing"]

SYNC_EVERY: Final = 64 << 20
"""Octets after which a large file is made durable on the way: what a lost connection costs at most."""
SPLIT: Final = 64 << 20
"""Octets from which a file goes over several connections, where that is agreed."""
SMALL: Final = 1 << 20
"""Octets of a document that is handed over whole: two switches of threads fewer are a third of its time."""


@dataclass(slots=True)
class Progress:
    """How far an attempt of this process came.

    Attributes:
        temporary: Where.
        ranges: [begin, safe up to, end] of each stream.
        synced: What is safe was made durable by the server, and not only taken.
    """

    temporary: str
    ranges: list[list[int]]
    synced: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed on, and what is to be placed.

    Attributes:
        folder: Path of the folder.
        made: The part of it that may be made where it is missing.
        name: The final name.
        temporary: Temporary name of an attempt.
        size: Octets.
        sha256: Their digest.
        chunks: Opens the document from an offset to another.
        attempt: Which attempt this is, from 1.
        replace: It may take another file's place.
        verify: Read the file back.
        streams: Connections for a large file.
    """

    folder: str
    made: tuple[str, ...]
    name: str
    temporary: Callable[[int], str]
    size: int
    sha256: bytes
    chunks: Callable[[int, int], AbstractContextManager[Iterator[bytes]]]
    attempt: int
    replace: bool = False
    verify: bool = False
    streams: int = 1


@dataclass(slots=True)
class Writing:
    """The writing of one document.

    Attributes:
        loop: Runs the connections.
        link: A connection; others may use it too.
        more: Opens a further one for this place.
        rate: Kept by all of them together.
        terms: What, and where to.
        progress: How far it came; where it fails, what another attempt can go on from.
    """

    loop: LoopThread
    link: Link
    more: Callable[[], AbstractContextManager[Link]]
    rate: Rate
    terms: Terms
    progress: Progress | None = None

    def run(self) -> Staged:
        """Bring the document there whole.

        Raises:
            Lost: The connection was; what came through can be gone on with.
            ServerSilent: Likewise.
            EcluseError: Nothing of it is left there.
        """
        terms = self.terms
        going_on = self._resumable()
        if going_on is None:
            self.progress = Progress(terms.temporary(terms.attempt), _ranges(terms), synced=True)
        temporary = self._path
        try:
            synced = self._write_ranges(fresh=going_on is None)
            checked = "size"
            # What was not made durable may have been lost in between, its size notwithstanding.
            if terms.verify or (going_on is not None and not going_on.synced):
                if self._digest(temporary) != terms.sha256:
                    raise DigestDiffers(f"The server does not keep what was sent to it as {terms.name}.")
                checked = "digest"
        except (Lost, ServerSilent):
            raise
        except EcluseError:
            self.progress = None
            self._discard(temporary)
            raise
        return Staged(self._progress.temporary, safe=synced, checked=checked)

    @property
    def _progress(self) -> Progress:
        assert self.progress is not None, "there is some from the first step on"
        return self.progress

    @property
    def _path(self) -> str:
        return join(self.terms.folder, self._progress.temporary)

    def _digest(self, path: str) -> bytes:
        return self.loop.call(digest_of(self.link, path, self.terms.size, self.rate))

    def _discard(self, path: str) -> None:
        if self.link.session.alive:
            self.loop.call(remove_all(self.link.session, [octets_of(path)]))

    def _resumable(self) -> Progress | None:
        """What to go on from, if it is still there and was not cut."""
        progress = self.progress
        if progress is None:
            return None
        path = octets_of(join(self.terms.folder, progress.temporary))
        there = self.loop.call(self.link.session.lstat(path))
        most = max((safe for begin, safe, _ in progress.ranges if safe > begin), default=0)
        if there is None or not there.plain or (there.size or 0) < most or not most:
            self._discard(join(self.terms.folder, progress.temporary))
            self.progress = None
            return None
        return progress

    def _write_ranges(self, *, fresh: bool) -> bool:
        progress = self._progress
        if len(progress.ranges) == 1:
            return self._write_one(self.link, progress.ranges[0], fresh=fresh, whole=True)
        self._write_one(self.link, [0, 0, 0], fresh=fresh, whole=False)  # it is there for all of them
        with ThreadPoolExecutor(len(progress.ranges), thread_name_prefix="sftp-stream") as threads:
            work = [threads.submit(self._write_apart, each) for each in progress.ranges[1:]]
            try:
                synced = self._write_one(self.link, progress.ranges[0], fresh=False, whole=False)
            finally:
                for each in work:
                    each.exception()  # all have ended before the file is given up or looked at
            synced = all([synced, *(each.result() for each in work)])
        self.loop.call(self._check_size())
        return synced

    def _write_apart(self, range_: list[int]) -> bool:
        with self.more() as link:
            return self._write_one(link, range_, fresh=False, whole=False)

    def _write_one(self, link: Link, range_: list[int], *, fresh: bool, whole: bool) -> bool:
        """Write one range over one connection; true where the server made it durable."""
        terms, session, loop = self.terms, link.session, self.loop
        progress = self._progress
        _, safe, end = range_
        if whole and end - safe <= SMALL:
            with terms.chunks(safe, end) as chunks:
                data = b"".join(chunks)
            loop.call(self._write_small(link, data, safe, fresh=fresh))
            progress.synced = session.syncs
            range_[1] = end
            return session.syncs
        path = octets_of(self._path)
        handle = loop.call(self._open(session, path, WRITE | CREATE | (TRUNCATE if fresh else 0)))
        upload = loop.call(_upload(link, handle, safe, self.rate))
        if not session.syncs:
            progress.synced = False
        synced_at = safe
        try:
            with terms.chunks(safe, end) as chunks:
                for chunk in chunks:
                    loop.call(upload.send(chunk))
                    if session.syncs and upload.acknowledged - synced_at >= SYNC_EVERY:
                        synced_at = upload.acknowledged
                        loop.call(_sync_behind(session, handle, range_, synced_at))
                    elif not session.syncs:
                        range_[1] = upload.acknowledged
            loop.call(_finish(session, upload, handle, terms.size if whole else None))
        except EcluseError:
            if session.alive:
                loop.call(_close_quietly(session, handle))
            raise
        range_[1] = end
        return session.syncs

    async def _write_small(self, link: Link, data: bytes, offset: int, *, fresh: bool) -> None:
        """The same for what is held whole: without going to and fro between two threads."""
        session = link.session
        path = octets_of(self._path)
        handle = await self._open(session, path, WRITE | CREATE | (TRUNCATE if fresh else 0))
        try:
            upload = Upload(session, handle, offset, link.window, self.rate)
            await upload.send(data)
            await _finish(session, upload, handle, self.terms.size)
        except EcluseError:
            if session.alive:
                await _close_quietly(session, handle)
            raise

    async def _open(self, session: Session, path: bytes, flags: int) -> bytes:
        doing = f"write into {self.terms.folder}"
        try:
            return await session.open(path, flags, doing)
        except EcluseError as error:
            if error.code != "sftp.no-such-file" or not self.terms.made:
                raise
        await make_folders(session, self.terms.made)
        return await session.open(path, flags, doing)

    async def _check_size(self) -> None:
        facts = await self.link.session.lstat(octets_of(self._path))
        _check(facts, self.terms.size)


def _ranges(terms: Terms) -> list[list[int]]:
    if terms.streams == 1 or terms.size < SPLIT:
        return [[0, 0, terms.size]]
    # Cut where the vault's chunks are cut, so that none is opened twice.
    step = max(1 << 20, ((terms.size // terms.streams) >> 20) << 20)
    starts = [step * n for n in range(terms.streams)]
    return [[at, at, end] for at, end in zip(starts, [*starts[1:], terms.size], strict=True)]


async def _upload(link: Link, handle: bytes, offset: int, rate: Rate) -> Upload:
    return Upload(link.session, handle, offset, link.window, rate)


async def _sync_behind(session: Session, handle: bytes, range_: list[int], upto: int) -> None:
    """Have what was acknowledged made durable, without waiting for it."""

    async def work() -> None:
        try:
            await session.sync(handle)
        except EcluseError:
            return
        range_[1] = max(range_[1], upto)

    task = asyncio.get_running_loop().create_task(work())
    _behind.add(task)
    task.add_done_callback(_behind.discard)


_behind: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


async def _finish(session: Session, upload: Upload, handle: bytes, size: int | None) -> None:
    """Everything acknowledged, durable and of the right size: three requests in one round trip."""
    syncing = asyncio.ensure_future(session.sync(handle)) if session.syncs else None
    looking = asyncio.ensure_future(session.fstat(handle))
    try:
        await upload.drain()
        if syncing is not None:
            await syncing
        facts = await looking
    finally:
        for task in (syncing, looking):
            if task is not None and not task.done():
                task.cancel()
    if size is not None:
        _check(facts, size)
    await session.close(handle, "finish the file")


def _check(facts: FileFacts | None, size: int) -> None:
    if facts is None or (facts.size is not None and facts.size != size):
        has = "no file" if facts is None else f"{facts.size} octets"
        raise SizeDiffers(f"The server keeps {has} where {size} octets were sent.")


async def _close_quietly(session: Session, handle: bytes) -> None:
    try:
        await session.close(handle)
    except EcluseError:
        return
