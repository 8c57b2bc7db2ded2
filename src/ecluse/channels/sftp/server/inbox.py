"""Where the octets of all connections of a listener arrive, one after the other: they are not copied on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ecluse.channels.sftp.server.connection import Connection

__all__ = ["Arrivals", "Inbox"]

ROOM: Final = 512 * 1024
"""Octets that are taken of a socket at once."""
FRONT: Final = 256 * 1024
"""Octets of a packet that was not whole, which is put before what follows: more than the largest packet."""


class Arrivals:
    """The memory. The event loop fills it and has it read before it turns to another connection."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(FRONT + ROOM))
        self.room = self._view[FRONT:]

    def with_front(self, front: bytes, size: int) -> memoryview:
        """The last ``size`` octets that arrived, behind others."""
        start = FRONT - len(front)
        self._view[start:FRONT] = front
        return self._view[start : FRONT + size]


class Inbox(asyncio.BufferedProtocol):
    """Stands between a connection and its socket.

    Args:
        connection: Whose.
        arrivals: Where what arrives is put.
    """

    def __init__(self, connection: Connection, arrivals: Arrivals) -> None:
        self._connection = connection
        self._arrivals = arrivals

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._connection.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """See asyncio."""
        self._connection.eof_received()
        return None

    def pause_writing(self) -> None:
        """See asyncio."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._connection.resume_writing()

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio."""
        return self._arrivals.room

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio."""
        connection = self._connection
        front = connection.take_back(FRONT)
        connection.received(self._arrivals.with_front(front, nbytes), nbytes)
