"""One channel's requests, in order, answered by worker threads; replies only as fast as the client reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import asyncssh

from ecluse.channels.sftp.server.operations import Operations
from ecluse.wire.sftp.errors import BrokenStream
from ecluse.wire.sftp.requests import MAX_PACKET, Read, Request, RequestReader, Write

if TYPE_CHECKING:
    from ecluse.channels.sftp.server.pace import Pace
    from ecluse.model.paths import VirtualPath

__all__ = ["Session"]

BATCH: Final = 64
"""Requests that one trip to a worker's thread answers: a trip costs as much as several small requests."""
BATCH_OCTETS: Final = 1 << 20
"""Octets, written or read, of one such trip: what a session holds of replies."""
BUFFER: Final = 2 * MAX_PACKET
"""Octets of requests waiting beyond which the channel's window is not opened again."""
FINISHING: Final = 32
"""Files of one session that are being made durable at once, so that they share a commit."""


class Session(asyncssh.SSHServerSession[bytes]):
    """See the module.

    Args:
        operations: What requests do.
        workers: Where they do it.
        pace: How fast the partner may go; ``None`` without a limit.
        ended: Called once, when nothing of the session is left.
        busy: Called whenever the client asked for something, or took a reply.
    """

    def __init__(
        self,
        operations: Operations,
        workers: Executor,
        pace: Pace | None,
        ended: Callable[[Session], None],
        busy: Callable[[], None],
    ) -> None:
        self.operations = operations
        self._workers = workers
        self._pace = pace
        self._ended = ended
        self._busy = busy
        self._reader = RequestReader()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._held: Request | None = None
        self._finishing: dict[asyncio.Task[None], tuple[VirtualPath, ...]] = {}
        self._paused = False
        self._over = False
        self._gone = False
        self._task: asyncio.Task[None] | None = None
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None

    # --- asyncssh calls these -------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """See asyncssh."""
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        """SFTP, and nothing else."""
        return subsystem == "sftp"

    def session_started(self) -> None:
        """See asyncssh."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """See asyncssh."""
        self._reader.feed(data)
        if self._reader.pending > BUFFER and not self._paused and self._channel is not None:
            self._paused = True
            self._channel.pause_reading()
        self._arrived.set()

    def eof_received(self) -> bool:
        """The client has asked everything: what it asked is answered yet."""
        self._over = True
        self._arrived.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        self._gone = self._over = True
        self._channel = None
        self._arrived.set()
        self._writable.set()
        if self._task is None:
            self._ended(self)

    def pause_writing(self) -> None:
        """See asyncssh."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See asyncssh."""
        self._writable.set()

    # --- the work -------------------------------------------------------------------------------------------

    @property
    def stalled(self) -> bool:
        """Whether the client keeps us waiting: for the rest of a request, or to take a reply."""
        return not self._writable.is_set() or self._reader.pending > 0

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            replies: tuple[bytes, ...] = ()
            while not self._gone:
                batch = self._collect()
                if batch:
                    job = loop.run_in_executor(self._workers, self._answer, batch)
                    try:
                        if replies:
                            await self._send(replies)
                    finally:
                        replies = await job
                    continue
                if replies:
                    await self._send(replies)
                    replies = ()
                    continue
                if self._finish_next():
                    continue
                if self._held is not None:
                    await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)
                    continue
                if self._over:
                    break
                self._arrived.clear()
                await self._arrived.wait()
            if not self._gone and self._finishing:
                await asyncio.wait(self._finishing)
        except BrokenStream:
            pass
        finally:
            if self._finishing:
                await asyncio.wait(self._finishing)
            await loop.run_in_executor(self._workers, self.operations.cut)
            if self._channel is not None and not self._gone:
                self._channel.exit(0)
            self._ended(self)

    def _collect(self) -> list[Request]:
        """The next requests that one thread may answer one after the other."""
        batch: list[Request] = []
        size = 0
        while len(batch) < BATCH and size < BATCH_OCTETS:
            request = self._held if self._held is not None else self._reader.next()
            self._held = None
            if request is None:
                break
            if self.operations.finishes(request) or (self._finishing and self._waits(request)):
                self._held = request
                break
            batch.append(request)
            if type(request) is Write:
                size += len(request.data)
            elif type(request) is Read:
                size += min(request.size, MAX_PACKET)
        if self._paused and self._reader.pending <= BUFFER // 2 and self._channel is not None:
            self._paused = False
            self._channel.resume_reading()
        return batch

    def _answer(self, batch: list[Request]) -> tuple[bytes, ...]:
        answer = self.operations.answer
        if len(batch) == 1:
            return answer(batch[0])
        return tuple(piece for request in batch for piece in answer(request))

    def _waits(self, request: Request) -> bool:
        """Whether a request is about what is being made durable at this moment."""
        touched = self.operations.touches(request)
        return any(
            one.names[: len(other.names)] == other.names or other.names[: len(one.names)] == one.names
            for one in touched
            for paths in self._finishing.values()
            for other in paths
        )

    def _finish_next(self) -> bool:
        """Have the held request answered beside those that follow, where it is one that waits for the disk."""
        request = self._held
        if request is None or not self.operations.finishes(request) or len(self._finishing) >= FINISHING:
            return False
        if self._waits(request):
            return False
        self._held = None
        task = asyncio.get_running_loop().create_task(self._finish(request))
        self._finishing[task] = self.operations.touches(request)
        task.add_done_callback(self._finishing.pop)
        return True

    async def _finish(self, request: Request) -> None:
        replies = await asyncio.get_running_loop().run_in_executor(
            self._workers, self.operations.answer, request
        )
        await self._send(replies)

    async def _send(self, replies: tuple[bytes, ...]) -> None:
        """Write replies, and return when the client can be sent more."""
        channel = self._channel
        if channel is None or self._gone or channel.is_closing():
            return
        channel.write(replies[0] if len(replies) == 1 else b"".join(replies))
        self._busy()
        if not self._writable.is_set():
            await self._writable.wait()
            self._busy()
        if self._pace is not None:
            await self._pace.keep(self.operations)
