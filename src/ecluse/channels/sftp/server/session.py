"""One channel's requests, in order, answered by worker threads; replies only as fast as the client reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import asyncssh

from ecluse.channels.sftp.server.operations import Operations
from ecluse.wire.sftp.errors import BrokenStream
from ecluse.wire.sftp.requests import MAX_PACKET, Read, Request, RequestReader, Stretch, Write

if TYPE_CHECKING:
    from ecluse.channels.sftp.server.channel import SftpChannel
    from ecluse.channels.sftp.server.pace import Pace
    from ecluse.channels.sftp.server.workers import Workers
    from ecluse.model.paths import VirtualPath

__all__ = ["Session"]

BATCH: Final = 64
"""Requests that one trip to a worker's thread answers: a trip costs as much as several small requests."""
AT_ONCE: Final = 8
"""Requests that are answered in the event loop, one after the other, before a worker has the rest: what opens and fills
a small file costs less there than the trip, and no client may hold the others up."""
BATCH_OCTETS: Final = 1 << 20
"""Octets, written or read, of one such trip: what a session holds of replies."""
BUFFER: Final = 2 * MAX_PACKET
"""Octets of requests waiting beyond which the channel's window is not opened again."""
FINISHING: Final = 32
"""Files of one session that are being made durable at once, so that they share a commit."""

_Pieces = tuple[bytes, ...]


class Session(asyncssh.SSHServerSession[bytes]):
    """See the module.

    Requests go to the workers in batches, one batch at a time; a few that wait for nothing are answered at once. Those
    that make a file durable are beside the batches: only what is about the same path waits for them. While one batch
    is worked on, the replies of the one before are written.

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
        workers: Workers,
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
        self._channel: SftpChannel | None = None
        self._held: Request | None = None
        self._answering = False
        self._finishing: dict[int, tuple[VirtualPath, ...]] = {}
        self._finished = 0
        self._window_full = self._line_full = self._too_fast = False
        self._pumping = False
        self._paused = False
        self._started = False
        self._over = False
        self._gone = False
        self._cut = False

    # --- asyncssh calls these -------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """See asyncssh."""
        self._channel = cast("SftpChannel", chan)

    def subsystem_requested(self, subsystem: str) -> bool:
        """SFTP, and nothing else."""
        return subsystem == "sftp"

    def session_started(self) -> None:
        """See asyncssh."""
        self._started = True

    def data_received(self, data: bytes | Stretch, datatype: int | None) -> None:
        """See asyncssh."""
        self._reader.feed(data)
        self._busy()
        if self._reader.pending > BUFFER and not self._paused and self._channel is not None:
            self._paused = True
            self._channel.pause_reading()
        if not self._answering:
            self._pump()

    def eof_received(self) -> bool:
        """The client has asked everything: what it asked is answered yet."""
        self._over = True
        self._pump()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        self._gone = self._over = True
        self._channel = None
        self._pump()

    def pause_writing(self) -> None:
        """See asyncssh: the client's window is full."""
        self._window_full = True

    def resume_writing(self) -> None:
        """See asyncssh."""
        self._window_full = False
        self._busy()
        self._pump()

    # --- the connection and the listener call these -----------------------------------------------------------

    def hold(self, full: bool) -> None:
        """Have replies wait while the line is full, or go on."""
        self._line_full = full
        if not full:
            self._pump()

    @property
    def stalled(self) -> bool:
        """Whether the client keeps us waiting: for the rest of a request, or to take a reply."""
        return self._window_full or (self._reader.pending > 0 and not self._answering)

    @property
    def working(self) -> bool:
        """Whether something that was asked is not answered yet."""
        return self._answering or bool(self._finishing) or self._reader.pending > 0

    # --- the work -------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Give the workers what can be done next, and read on; end where nothing is left to do."""
        if self._pumping:
            return
        self._pumping = True
        self._give_work()
        self._pumping = False
        if self._paused and self._reader.pending <= BUFFER // 2 and self._channel is not None:
            self._paused = False
            self._channel.resume_reading()  # calls data_received, and so this again
        idle = not (self._answering or self._finishing or self._cut)
        if self._over and idle and (self._gone or (self._held is None and not self._too_fast)):
            self._end()

    def _give_work(self) -> None:
        at_once = AT_ONCE
        while not (self._answering or self._gone or self._window_full or self._line_full or self._too_fast):
            if self._held is None and not self._reader.pending:
                return
            try:
                batch = self._collect()
            except BrokenStream:
                self._over = self._gone = True
                return
            if batch:
                at_once -= len(batch)
                if at_once >= 0 and self.operations.instant(batch):
                    self._send(self._answer(batch))
                    continue
                self._answering = True
                self._workers.submit(self._answer, batch, self._answered)
                return
            if not self._finish_held():
                return

    def _answered(self, replies: _Pieces) -> None:
        self._answering = False
        self._pump()  # the workers go on while these replies are encrypted
        self._send(replies)

    def _collect(self) -> list[Request]:
        """The next requests that one thread may answer one after the other."""
        batch: list[Request] = []
        size = 0
        finishes, finishing = self.operations.finishes, self._finishing
        while len(batch) < BATCH and size < BATCH_OCTETS:
            request = self._held if self._held is not None else self._reader.next()
            self._held = None
            if request is None:
                break
            if finishes(request) or (finishing and self._waits(request)):
                self._held = request
                break
            batch.append(request)
            if type(request) is Write:
                size += len(request.data)
            elif type(request) is Read:
                size += min(request.size, MAX_PACKET)
        return batch

    def _answer(self, batch: list[Request]) -> _Pieces:
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

    def _finish_held(self) -> bool:
        """Have the held request answered beside those that follow, where it is one that waits for the disk."""
        request = self._held
        if request is None or not self.operations.finishes(request) or len(self._finishing) >= FINISHING:
            return False
        if self._waits(request):
            return False
        self._held = None
        number = self._finished = self._finished + 1
        self._finishing[number] = self.operations.touches(request)

        def done(replies: _Pieces) -> None:
            del self._finishing[number]
            self._send(replies)
            self._pump()

        begun = self.operations.begin(request)
        if begun is None:
            self._workers.submit(self.operations.answer, request, done)
        else:
            self._workers.after(begun, self.operations.answer, request, done)
        return True

    def _send(self, replies: _Pieces) -> None:
        channel = self._channel
        if channel is None or self._gone or channel.is_closing():
            return
        channel.write_pieces(replies)
        self._busy()
        if self._pace is not None and (wait := self._pace.wait(self.operations)) > 0:
            self._too_fast = True
            asyncio.get_running_loop().call_later(wait, self._slow_enough)

    def _slow_enough(self) -> None:
        self._too_fast = False
        self._pump()

    def _end(self) -> None:
        self._cut = True
        self._workers.submit(lambda operations: operations.cut(), self.operations, self._left)

    def _left(self, _: None) -> None:
        if self._channel is not None:
            self._channel.exit(0)
        self._ended(self)
