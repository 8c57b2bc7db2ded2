"""SFTP over one SSH channel: requests out, answers in, many at a time. For the loop's thread alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from typing import Final, Protocol, cast

import asyncssh

from ecluse.channels.sftp.client.errors import Lost, ServerSilent, Unsupported, of_status
from ecluse.errors import EcluseError
from ecluse.wire.sftp import asking
from ecluse.wire.sftp.answers import (
    Answer,
    AnswerReader,
    BrokenAnswer,
    Entry,
    Facts,
    FileFacts,
    Handle,
    More,
    Names,
    Status,
    Version,
)

__all__ = ["Session"]

MAX_BLOCK: Final = 255 * 1024
"""Octets of a read or write that is asked for at most: OpenSSH's packet less its head."""
PLAIN_BLOCK: Final = 32 * 1024
"""The same with a server that tells no limits (draft-ietf-secsh-filexfer-02 s3: all take 34,000 in a packet)."""

_FSYNC, _HARDLINK, _LIMITS = b"fsync@openssh.com", b"hardlink@openssh.com", b"limits@openssh.com"
_POSIX_RENAME: Final = b"posix-rename@openssh.com"
_CHECK_FILE: Final = b"check-file"
_OK, _EOF, _NO_SUCH_FILE = 0, 1, 2


class _Channel(Protocol):
    def write_pieces(self, pieces: Sequence[bytes | memoryview]) -> None: ...
    def abort(self) -> None: ...


Waiter = Callable[["Answer | EcluseError"], None]


class Session(asyncssh.SSHClientSession[bytes]):
    """One SFTP session.

    Every method raises :class:`~ecluse.errors.EcluseError` only. After one that was not the server's plain refusal,
    the session is over (:attr:`alive`).

    Args:
        timeout: Seconds that the server may be silent for.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.read_block = self.write_block = PLAIN_BLOCK
        self._chan: _Channel | None = None
        self._reader = AnswerReader()
        self._waiting: dict[int, Waiter] = {}
        self._next = 0
        self._now: Callable[[], float] = lambda: 0.0
        self._heard = 0.0
        self._error: EcluseError | None = None
        self._extensions: dict[bytes, bytes] = {}

    # --- asyncssh calls these -------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """See asyncssh. The channel is one of :mod:`ecluse.channels.sftp.client.ssh`."""
        self._chan = cast(_Channel, chan)
        self._now = chan.get_loop().time

    def data_received(self, data: bytes | memoryview, datatype: asyncssh.DataType) -> None:
        """See asyncssh. What comes on the error stream is dropped."""
        if datatype is not None or self._error is not None:
            return
        try:
            for answer in self._reader.feed(data):
                waiter = self._waiting.pop(-1 if isinstance(answer, Version) else answer.id, None)
                if waiter is None:
                    raise BrokenAnswer("The server answers what was not asked.")
                waiter(answer)
                self._heard = self._now()
        except BrokenAnswer as error:
            self.fail(error)

    def eof_received(self) -> bool:
        """See asyncssh."""
        self.fail(Lost("The partner's server ended the session."))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        self.fail(Lost("The connection to the partner's server was lost."))

    # --- asking ---------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether more can be asked."""
        return self._error is None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._error is None and not self._waiting

    def fail(self, error: EcluseError) -> None:
        """End the session: whoever waits gets ``error``."""
        if self._error is not None:
            return
        self._error = error
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting.values():
            waiter(copy(error))
        if self._chan is not None:
            self._chan.abort()

    def submit(self, waiter: Waiter, make: Callable[[int], bytes], data: memoryview | None = None) -> None:
        """Send a request whose answer ``waiter`` gets, on this thread.

        Args:
            waiter: Also gets the error that ends the session.
            make: The packet for a number.
            data: What follows the packet's own octets.
        """
        if self._error is not None:
            raise copy(self._error)  # raised by many: each needs a traceback of its own
        assert self._chan is not None, "asyncssh gave the channel before the session"
        id = self._next = (self._next + 1) & 0x7FFFFFFF
        self._waiting[id] = waiter
        packet = make(id)
        try:
            self._chan.write_pieces((packet,) if data is None else (packet, data))
        except OSError:
            self.fail(Lost("The connection to the partner's server was lost."))
            raise self._error from None  # type: ignore[misc]  # fail() sets it

    async def ask(self, make: Callable[[int], bytes]) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            ServerSilent: None came in time.
            Lost: The session ended.
        """
        future, waiter = _promise()
        self.submit(waiter, make)
        return await self._within(future)

    async def _within(self, future: asyncio.Future[Answer]) -> Answer:
        # A request may stand behind megabytes on a slow line: as long as others are answered, that is no silence.
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not future.done():
            left = max(begun, self._heard) + self.timeout - loop.time()
            if left <= 0:
                self.silent()
                break
            await asyncio.wait((future,), timeout=left)
        return await future

    def silent(self) -> None:
        """End the session because the server does not answer."""
        self.fail(ServerSilent(f"The partner's server did not answer for {self.timeout:g} seconds."))

    # --- the operations -------------------------------------------------------------------------------------

    async def start(self) -> bytes:
        """Agree on version 3 and learn what the server offers.

        Returns:
            The folder that the login leads to.
        """
        future, waiter = _promise()
        self._waiting[-1] = waiter
        assert self._chan is not None, "asyncssh gave the channel before the session"
        self._chan.write_pieces((asking.init(),))
        answer = await self._within(future)
        if not isinstance(answer, Version) or answer.id != 3:
            error = Unsupported("The server does not speak version 3 of SFTP.")
            self.fail(error)
            raise error
        self._extensions = answer.extensions
        _, home = await asyncio.gather(self._learn_limits(), self.realpath(b"."))
        return home

    async def _learn_limits(self) -> None:
        if _LIMITS not in self._extensions:
            return
        limits = await self.ask(lambda id: asking.extended(id, _LIMITS))
        if isinstance(limits, More) and len(limits.octets) >= 24:
            reads, writes = (int.from_bytes(limits.octets[at : at + 8], "big") for at in (8, 16))
            self.read_block = min(MAX_BLOCK, reads or PLAIN_BLOCK)
            self.write_block = min(MAX_BLOCK, writes or PLAIN_BLOCK)

    @property
    def syncs(self) -> bool:
        """Whether the server makes a file durable when it is asked to."""
        return _FSYNC in self._extensions

    @property
    def links(self) -> bool:
        """Whether the server gives a file a second name."""
        return _HARDLINK in self._extensions

    @property
    def replaces(self) -> bool:
        """Whether the server renames over another file in one step."""
        return _POSIX_RENAME in self._extensions

    @property
    def digests(self) -> bool:
        """Whether the server tells digests (draft-ietf-secsh-filexfer-extensions-00 s3)."""
        return _CHECK_FILE in self._extensions or b"check-file-handle" in self._extensions

    async def open(self, path: bytes, flags: int, doing: str) -> bytes:
        """The handle of a file; ``doing`` ends the sentence "The server refuses to ..."."""
        answer = await self.ask(lambda id: asking.open_file(id, path, flags))
        return self._handle(answer, doing)

    async def close(self, handle: bytes, doing: str = "close a file") -> None:
        """Give a handle back."""
        self._done(await self.ask(lambda id: asking.about_handle("close", id, handle)), doing)

    async def fstat(self, handle: bytes) -> FileFacts:
        """What an open file is."""
        answer = await self.ask(lambda id: asking.about_handle("fstat", id, handle))
        return self._facts(answer, "look at an open file")

    async def lstat(self, path: bytes) -> FileFacts | None:
        """What a name is, a link itself; ``None`` where there is none."""
        return await self._look("lstat", path)

    async def stat(self, path: bytes) -> FileFacts | None:
        """What a name leads to; ``None`` where there is none."""
        return await self._look("stat", path)

    async def _look(self, what: str, path: bytes) -> FileFacts | None:
        answer = await self.ask(lambda id: asking.about_path(what, id, path))
        if isinstance(answer, Status) and answer.code in (_NO_SUCH_FILE, 10):
            return None
        return self._facts(answer, "look at a file")

    async def realpath(self, path: bytes) -> bytes:
        """A path as the server writes it."""
        answer = await self.ask(lambda id: asking.about_path("realpath", id, path))
        if isinstance(answer, Names) and len(answer.entries) == 1:
            return answer.entries[0].name
        raise self._unfit(answer, "say where we are")

    async def remove(self, path: bytes) -> bool:
        """Delete a file; false where there is none."""
        answer = await self.ask(lambda id: asking.about_path("remove", id, path))
        if isinstance(answer, Status) and answer.code == _NO_SUCH_FILE:
            return False
        self._done(answer, "delete a file")
        return True

    async def make_folder(self, path: bytes) -> Status:
        """Make a folder; the caller reads the status."""
        return self._status(await self.ask(lambda id: asking.make_folder(id, path)))

    async def set_times(self, path: bytes, modified: int) -> Status:
        """Ask for other times of a file, in seconds since 1970."""
        return self._status(await self.ask(lambda id: asking.set_times(id, path, modified)))

    async def rename(self, path: bytes, to: bytes) -> Status:
        """Rename, not over another file; the caller reads the status."""
        return self._status(await self.ask(lambda id: asking.rename(id, path, to)))

    async def replace(self, path: bytes, to: bytes) -> Status:
        """Rename over what is there."""
        fields = (asking.text(path), asking.text(to))
        return self._status(await self.ask(lambda id: asking.extended(id, _POSIX_RENAME, *fields)))

    async def link(self, path: bytes, to: bytes) -> Status:
        """Give a file a second name, which no file may have."""
        fields = (asking.text(path), asking.text(to))
        return self._status(await self.ask(lambda id: asking.extended(id, _HARDLINK, *fields)))

    async def sync(self, handle: bytes) -> None:
        """Have the server make a file durable."""
        answer = await self.ask(lambda id: asking.extended(id, _FSYNC, asking.text(handle)))
        self._done(answer, "make a file durable")

    async def digest(self, path: bytes) -> bytes | None:
        """SHA-256 of a file where the server tells it; else ``None``."""
        fields = (asking.text(path), asking.text(b"sha256"), bytes(8), bytes(8), bytes(4))
        answer = await self.ask(lambda id: asking.extended(id, b"check-file-name", *fields))
        # The name of the algorithm, then its octets: one digest, as the block size of 0 asks for the whole file.
        if (
            isinstance(answer, More)
            and answer.octets[:10] == asking.text(b"sha256")
            and len(answer.octets) == 42
        ):
            return answer.octets[10:]
        return None

    async def open_folder(self, path: bytes) -> bytes:
        """The handle of a folder."""
        answer = await self.ask(lambda id: asking.about_path("opendir", id, path))
        return self._handle(answer, "list a folder")

    async def read_folder(self, handle: bytes) -> tuple[Entry, ...] | None:
        """The next names of a folder; ``None`` at the end."""
        page = await self.ask(lambda id: asking.about_handle("readdir", id, handle))
        if isinstance(page, Names):
            return page.entries
        if isinstance(page, Status) and page.code == _EOF:
            return None
        raise self._unfit(page, "list a folder")

    # --- reading answers ------------------------------------------------------------------------------------

    def _status(self, answer: Answer) -> Status:
        if isinstance(answer, Status):
            return answer
        raise self._unfit(answer, "do that")

    def _done(self, answer: Answer, doing: str) -> None:
        if not isinstance(answer, Status) or answer.code != _OK:
            raise self._unfit(answer, doing)

    def _handle(self, answer: Answer, doing: str) -> bytes:
        if isinstance(answer, Handle):
            return answer.handle
        raise self._unfit(answer, doing)

    def _facts(self, answer: Answer, doing: str) -> FileFacts:
        if isinstance(answer, Facts):
            return answer.facts
        raise self._unfit(answer, doing)

    def _unfit(self, answer: Answer, doing: str) -> EcluseError:
        if isinstance(answer, Status) and answer.code != _OK:
            return of_status(answer, doing)
        error = BrokenAnswer("The server's answer does not fit what was asked.")
        self.fail(error)
        return error


def _promise() -> tuple[asyncio.Future[Answer], Waiter]:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def keep(answer: Answer | EcluseError) -> None:
        if future.done():
            return
        if isinstance(answer, EcluseError):
            future.set_exception(answer)
            future.exception()  # who asked may have stopped waiting
        else:
            future.set_result(answer)

    return future, keep
