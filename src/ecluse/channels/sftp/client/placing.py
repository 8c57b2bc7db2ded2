"""One document to one name on the partner's server, exactly once.

    1  look at what an earlier attempt left: our document under its name, or whole under its temporary name
    2  write under a temporary name of this attempt, fsync where the server has it, compare the size
    3  write down that it is there whole
    4  let it appear under its name in one step that fails where there is a file of that name

A doubtful end is looked into before anything is sent again. Since no two attempts share a temporary name, and a later
one removes those of earlier ones before it looks at the final name, an attempt that lost its lease can't make the file
appear behind the back of the one that has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import (
    DigestDiffers,
    Doubtful,
    Lost,
    ServerSilent,
    SizeDiffers,
    of_status,
)
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.steps import (
    digest_of,
    join,
    make_folders,
    octets_of,
    remove_all,
    rename_free,
)
from ecluse.channels.sftp.client.transfer import Upload
from ecluse.errors import EcluseError
from ecluse.exchange.remote import NameTaken
from ecluse.wire.sftp.answers import FileFacts, Status
from ecluse.wire.sftp.requests import CREATE, TRUNCATE, WRITE

__all__ = ["Memory", "Placed", "Placing", "Progress", "Terms"]

SYNC_EVERY: Final = 64 << 20
"""Octets after which a large file is made durable on the way: what a lost connection costs at most."""
SPLIT: Final = 64 << 20
"""Octets from which a file goes over several connections, where that is agreed."""
SMALL: Final = 1 << 20
"""Octets of a document that is handed over whole: two switches of threads fewer are a third of its time."""
EARLIER: Final = 16
"""Attempts whose temporary names are cleared; older ones ended long before their lease did."""


class Memory(Protocol):
    """What must survive the process between two attempts."""

    def uploaded(self, path: str, temporary: str, *, synced: bool) -> None:
        """Write down, durably, that the document is whole under its temporary name and is about to appear.

        Raises:
            Lost: Another attempt has begun meanwhile.
        """

    def withdrawn(self, path: str, temporary: str) -> None:
        """Write down that we are about to remove what :meth:`uploaded` told of."""

    def left(self, path: str) -> tuple[str, bool] | None:
        """(temporary name, synced) of what was uploaded to ``path`` and not withdrawn."""

    def appeared(self, path: str) -> bool:
        """Whether the document may have appeared there, in whatever attempt: also before a person had it resent."""


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

    @property
    def path(self) -> str:
        """The final path."""
        return join(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class Placed:
    """A document that is where it belongs.

    Attributes:
        path: The final path.
        how: ``hardlink``, ``rename``, ``posix-rename``; ``found`` (an earlier attempt had done it) or ``taken`` (the
            same, and the file was fetched since).
        fsynced: The server made it durable.
        compared: ``size``, or ``digest`` where the octets were compared.
    """

    path: str
    how: str
    fsynced: bool
    compared: str


@dataclass(slots=True)
class Placing:
    """The work of one document.

    Args:
        loop: Runs the connections.
        link: A connection; others may use it too.
        more: Opens a further one for this place.
        rate: Kept by all of them together.
        memory: What survives the process.
        progress: What an earlier attempt of this process left.
    """

    loop: LoopThread
    link: Link
    more: Callable[[], AbstractContextManager[Link]]
    rate: Rate
    memory: Memory
    terms: Terms
    progress: Progress | None = None
    _temporary: str = field(default="", init=False)
    _left_over: bool = field(default=False, init=False)

    def run(self) -> Placed:
        """Place the document.

        Raises:
            NameTaken: Another file has the name.
            Doubtful: It was asked to appear, and no answer came. Another attempt finds out.
            EcluseError: Anything else; :attr:`progress` tells what another attempt of this process can go on from.
        """
        terms = self.terms
        if terms.attempt > 1:
            placed = self._earlier()
            if placed is not None:
                return placed
        if self._temporary:  # whole already
            return self._publish(synced=True, compared="size")
        synced, compared = self._write()
        self.memory.uploaded(terms.path, self._temporary, synced=synced)
        return self._publish(synced=synced, compared=compared)

    # --- what an earlier attempt left -----------------------------------------------------------------------

    def _earlier(self) -> Placed | None:
        terms, session = self.terms, self.link.session
        left = self.memory.left(terms.path)
        going_on = self.progress.temporary if self.progress is not None else ""
        spared = {left[0] if left is not None else "", going_on}
        first = max(1, terms.attempt - EARLIER)
        stale = [name for n in range(first, terms.attempt) if (name := terms.temporary(n)) not in spared]
        self.loop.call(remove_all(session, [octets_of(join(terms.folder, name)) for name in stale]))
        found = self.loop.call(session.lstat(octets_of(terms.path)))
        if found is not None and self.memory.appeared(terms.path) and self._is_ours(found):
            if left is not None:
                self._discard(left[0])
            return Placed(terms.path, "found", fsynced=bool(left and left[1]), compared="digest")
        if found is not None and not terms.replace:
            self._withdraw(left)
            raise self._taken()
        if left is None:
            return None
        there = self.loop.call(session.lstat(octets_of(join(terms.folder, left[0]))))
        if there is None and left[1] and found is None:
            # It was durable under its temporary name, and only the last step took that away.
            return Placed(terms.path, "taken", fsynced=True, compared="size")
        if there is not None and there.plain and there.size == terms.size and left[1]:
            self._temporary = left[0]
            return None
        self._withdraw(left)
        return None

    def _is_ours(self, found: FileFacts) -> bool:
        if not found.plain or found.size != self.terms.size:
            return False
        return self._digest(self.terms.path) == self.terms.sha256

    def _withdraw(self, left: tuple[str, bool] | None) -> None:
        if left is not None:
            self.memory.withdrawn(self.terms.path, left[0])
            self._discard(left[0])

    # --- writing --------------------------------------------------------------------------------------------

    def _write(self) -> tuple[bool, str]:
        terms = self.terms
        going_on = self._resumable()
        if going_on is None:
            self._temporary = terms.temporary(terms.attempt)
            self.progress = Progress(self._temporary, _ranges(terms), synced=True)
        else:
            self._temporary = going_on.temporary
        resumed_unsynced = going_on is not None and not going_on.synced
        try:
            synced = self._write_ranges(fresh=going_on is None)
            # What was not made durable may have been lost in between, its size notwithstanding.
            if terms.verify or resumed_unsynced:
                if self._digest(join(terms.folder, self._temporary)) != terms.sha256:
                    raise DigestDiffers(f"The server does not keep what was sent to it as {terms.name}.")
                return synced, "digest"
        except (Lost, ServerSilent):
            raise
        except EcluseError:
            self.progress = None
            self._discard(self._temporary)
            raise
        return synced, "size"

    def _resumable(self) -> Progress | None:
        """What to go on from, if it is still there and was not cut."""
        progress = self.progress
        if progress is None:
            return None
        path = octets_of(join(self.terms.folder, progress.temporary))
        there = self.loop.call(self.link.session.lstat(path))
        most = max((safe for begin, safe, _ in progress.ranges if safe > begin), default=0)
        if there is None or not there.plain or (there.size or 0) < most or not most:
            self._discard(progress.temporary)
            self.progress = None
            return None
        return progress

    def _write_ranges(self, *, fresh: bool) -> bool:
        progress = self.progress
        assert progress is not None, "the caller made it"
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
        progress = self.progress
        assert progress is not None, "the caller made it"
        _, safe, end = range_
        if whole and end - safe <= SMALL:
            with terms.chunks(safe, end) as chunks:
                data = b"".join(chunks)
            loop.call(self._write_small(link, data, safe, fresh=fresh))
            progress.synced = session.syncs
            range_[1] = end
            return session.syncs
        path = octets_of(join(terms.folder, self._temporary))
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
        path = octets_of(join(self.terms.folder, self._temporary))
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
        facts = await self.link.session.lstat(octets_of(join(self.terms.folder, self._temporary)))
        _check(facts, self.terms.size)

    # --- the last step --------------------------------------------------------------------------------------

    def _publish(self, *, synced: bool, compared: str) -> Placed:
        terms = self.terms
        try:
            how = self.loop.call(self._appear())
        except (Lost, ServerSilent) as error:
            raise Doubtful(
                f"{terms.name} was sent whole, and the last answer did not come. {error.cause}"
            ) from None
        except EcluseError:
            self.progress = None
            self._withdraw((self._temporary, synced))
            raise
        self.progress = None
        if how == "found":
            self._discard(self._temporary)
            compared = "digest"
        elif self._left_over:
            self._discard_apart(self._temporary)
        return Placed(terms.path, how, fsynced=synced, compared=compared)

    async def _appear(self) -> str:
        """Give the file its name."""
        terms, session = self.terms, self.link.session
        path = octets_of(join(terms.folder, self._temporary))
        final = octets_of(terms.path)
        if terms.replace:
            return await self._replace(session, path, final)
        named = await rename_free(self.link, path, final)
        self._left_over = named.left_over
        return named.how if named.how else await self._judge(named.status)

    async def _replace(self, session: Session, path: bytes, final: bytes) -> str:
        if session.replaces:
            status = await session.replace(path, final)
            if status.code == 0:
                return "posix-rename"
            raise of_status(status, "let a file take another's place")
        status = await session.rename(path, final)
        if status.code != 0 and await session.lstat(final) is not None:
            await session.remove(final)
            status = await session.rename(path, final)
        if status.code != 0:
            raise of_status(status, "rename the file")
        return "rename"

    async def _judge(self, status: Status | None) -> str:
        """The name was refused: is it ours, somebody else's, or is there another reason?"""
        session, terms = self.link.session, self.terms
        found = await session.lstat(octets_of(terms.path))
        if found is None and status is not None:
            raise of_status(status, "rename the file")
        # One that was taken away since the look is nobody's: the next attempt asks for the name again.
        same = found is not None and found.plain and found.size == terms.size
        if terms.attempt > 1 and same and await self._digest_of(terms.path) == terms.sha256:
            return "found"
        raise self._taken()

    def _taken(self) -> NameTaken:
        return NameTaken(f"The partner's server has another file named {self.terms.path}.")

    # --- helpers --------------------------------------------------------------------------------------------

    def _digest(self, path: str) -> bytes:
        return self.loop.call(self._digest_of(path))

    async def _digest_of(self, path: str) -> bytes:
        return await digest_of(self.link, path, self.terms.size, self.rate)

    def _discard(self, temporary: str) -> None:
        """Remove a temporary file, as far as that can be done."""
        if self.link.session.alive:
            path = octets_of(join(self.terms.folder, temporary))
            self.loop.call(remove_all(self.link.session, [path]))

    def _discard_apart(self, temporary: str) -> None:
        """The same over a connection of its own; where that can't be had, the file stays."""
        try:
            with self.more() as link:
                self.loop.call(remove_all(link.session, [octets_of(join(self.terms.folder, temporary))]))
        except EcluseError:
            return


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
