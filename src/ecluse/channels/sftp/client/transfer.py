"""The octets of a file, both ways: many requests under way, in bounded memory. For the loop's thread alone."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

from ecluse.channels.sftp.client.errors import of_status
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.session import Session
from ecluse.errors import EcluseError
from ecluse.wire.sftp import asking
from ecluse.wire.sftp.answers import Answer, BrokenAnswer, Data, Status

__all__ = ["MAX_REQUESTS", "Download", "Upload"]

MAX_REQUESTS: Final = 128
"""Requests under way at most: OpenSSH's client has 64, and no server is known that minds twice that."""

_STEP: Final = 1 << 20


class _Line:
    """What both ways share: waiting until the server has answered something."""

    def __init__(self, session: Session, handle: bytes, window: int, rate: Rate) -> None:
        self._session = session
        self._handle = handle
        self._window = window
        self._rate = rate
        self._error: EcluseError | None = None
        self._moved: asyncio.Future[None] | None = None

    def _wake(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)

    def _stop(self, error: EcluseError) -> None:
        self._error = self._error or error
        self._wake()

    async def _progress(self) -> None:
        """Wait for the next answer; the server may take so long and no longer."""
        self._moved = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._session.timeout):
                await self._moved
        except TimeoutError:
            self._session.silent()
        finally:
            self._moved = None


class Upload(_Line):
    """Writes a file from an offset on.

    Args:
        session: Where to.
        handle: The open file.
        offset: Where the first octets go.
        window: Octets that may be under way.
        rate: Octets a second.

    Attributes:
        acknowledged: Every octet before this offset was taken by the server.
    """

    def __init__(self, session: Session, handle: bytes, offset: int, window: int, rate: Rate) -> None:
        super().__init__(session, handle, window, rate)
        self.acknowledged = offset
        self._offset = offset
        self._order: deque[int] = deque()
        self._taken: set[int] = set()
        self._ends: dict[int, int] = {}

    async def send(self, octets: bytes) -> None:
        """Send the next octets; comes back when they are under way.

        Raises:
            EcluseError: The server refused some of what was sent, or is gone.
        """
        view = memoryview(octets)
        block = self._session.write_block
        for at in range(0, len(view), block):
            piece = view[at : at + block]
            while self._error is None and self._order and not self._room(len(piece)):
                await self._progress()
            if self._error is not None:
                raise self._error
            await self._rate.take(len(piece))
            self._send(piece)

    def _room(self, size: int) -> bool:
        return len(self._order) < MAX_REQUESTS and self._offset - self.acknowledged + size <= self._window

    def _send(self, piece: memoryview) -> None:
        offset, self._offset = self._offset, self._offset + len(piece)
        self._order.append(offset)
        self._ends[offset] = self._offset
        self._session.submit(
            partial(self._answered, offset),
            lambda id: asking.write_head(id, self._handle, offset, len(piece)),
            piece,
        )

    def _answered(self, offset: int, answer: Answer | EcluseError) -> None:
        if isinstance(answer, EcluseError):
            self._stop(answer)
            return
        if not isinstance(answer, Status):
            self._stop(BrokenAnswer("The server's answer to a write is no status."))
            return
        if answer.code:
            self._stop(of_status(answer, "write the file"))
            return
        self._taken.add(offset)
        while self._order and self._order[0] in self._taken:
            first = self._order.popleft()
            self._taken.discard(first)
            self.acknowledged = self._ends.pop(first)
        self._wake()

    async def drain(self) -> None:
        """Wait until everything is acknowledged. Raises as :meth:`send` does."""
        while self._order and self._error is None:
            await self._progress()
        if self._error is not None:
            raise self._error


class _Slot:
    """One read on its way."""

    __slots__ = ("at", "left", "parts")

    def __init__(self, at: int, left: int) -> None:
        self.at = at
        self.left = left
        self.parts: list[bytes | memoryview] = []


class Download(_Line):
    """Reads a file of a known size.

    Args:
        session: Where from.
        handle: The open file.
        size: Octets to read.
        window: Octets that may be under way or held.
        rate: Octets a second.
    """

    def __init__(self, session: Session, handle: bytes, size: int, window: int, rate: Rate) -> None:
        super().__init__(session, handle, window, rate)
        self._size = size
        self._asked = 0
        self._given = 0
        self._slots: deque[_Slot] = deque()
        self.short = False

    async def next(self) -> bytes:
        """The next octets, at most 1 MiB; none at the end, or where the file ended too early (:attr:`short`).

        Raises:
            EcluseError: The server refuses, or is gone.
        """
        await self._fill()
        found: list[bytes | memoryview] = []
        size = 0
        while self._slots and size < _STEP - self._session.read_block:
            slot = self._slots[0]
            while slot.left and self._error is None and not self.short:
                await self._progress()
            if self._error is not None:
                raise self._error
            if self.short:
                return b""
            self._slots.popleft()
            for part in slot.parts:
                size += len(part)
            found += slot.parts
            if self._slots and self._slots[0].left and found:
                break
        self._given += size
        await self._fill()
        return b"".join(found)

    async def ask_ahead(self) -> None:
        """Ask for what may be under way; comes back when that is asked. :meth:`next` does the same."""
        await self._fill()

    async def _fill(self) -> None:
        while (
            self._error is None
            and self._asked < self._size
            and len(self._slots) < MAX_REQUESTS
            and (self._asked - self._given < self._window or not self._slots)
        ):
            size = min(self._session.read_block, self._size - self._asked)
            await self._rate.take(size)
            slot = _Slot(self._asked, size)
            self._asked += size
            self._slots.append(slot)
            self._ask(slot)

    def _ask(self, slot: _Slot) -> None:
        at, left = slot.at, slot.left
        self._session.submit(
            partial(self._answered, slot), lambda id: asking.read(id, self._handle, at, left)
        )

    def _answered(self, slot: _Slot, answer: Answer | EcluseError) -> None:
        if isinstance(answer, Data):
            size = len(answer.octets)
            if not 0 < size <= slot.left:
                self._stop(BrokenAnswer("The server gives other octets than were asked for."))
                return
            slot.parts.append(answer.octets)
            slot.at += size
            slot.left -= size
            if slot.left and self._error is None:
                try:
                    self._ask(slot)
                except EcluseError as error:
                    self._stop(error)
            self._wake()
        elif isinstance(answer, EcluseError):
            self._stop(answer)
        elif isinstance(answer, Status) and answer.code == 1:
            self.short = True
            self._wake()
        elif isinstance(answer, Status):
            self._stop(of_status(answer, "read the file"))
        else:
            self._stop(BrokenAnswer("The server's answer to a read is neither data nor a status."))
