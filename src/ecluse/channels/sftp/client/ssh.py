"""asyncssh's client connection and channel, with the shorter way of packets where its version fits."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import asyncssh
from asyncssh.channel import SSHClientChannel
from asyncssh.connection import SSHClientConnection, SSHClientConnectionOptions
from asyncssh.connection import _connect as _asyncssh_connect

from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.hotpath import FITS

__all__ = ["Connection", "connect", "open_sftp"]

if TYPE_CHECKING:
    from ecluse.channels.sftp.hotpath import PlainChannel as Way
    from ecluse.channels.sftp.hotpath import PlainPackets as Packets
elif FITS:
    from ecluse.channels.sftp.hotpath import FastChannel as Way
    from ecluse.channels.sftp.hotpath import FastPackets as Packets
else:
    from ecluse.channels.sftp.hotpath import PlainChannel as Way
    from ecluse.channels.sftp.hotpath import PlainPackets as Packets


class Connection(Packets, SSHClientConnection):
    """A connection to a server."""

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """See asyncio. Through a jump host octets come as views into its packets."""
        super().data_received(bytes(data), datatype)

    def eof_received(self) -> None:
        """See asyncio. A packet that came just before the end is judged in a task, which fails one turn later."""
        self._loop.call_soon(super().eof_received)


class SftpChannel(Way, SSHClientChannel[bytes]):
    """A channel with SFTP on it."""


async def connect(
    options: SSHClientConnectionOptions, sock: socket.socket | None, seconds: float
) -> Connection:
    """Connect over a socket, or through the options' tunnel, and log in; as :func:`asyncssh.connect` does."""
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(loop, options, wait="auth")

    return await asyncio.wait_for(_asyncssh_connect(options, None, loop, 0, sock, make, "SFTP to"), seconds)


async def open_sftp(connection: Connection, session: Session, window: int, packet: int) -> None:
    """Begin SFTP on a connection. Raises as :meth:`asyncssh.SSHClientConnection.create_session` does.

    Args:
        connection: Logged in.
        session: Gets what the server sends.
        window: Octets that the server may send ahead.
        packet: Octets of the largest packet with data.
    """
    connection._update_recv_pktlen(packet)
    loop = asyncio.get_running_loop()
    channel = SftpChannel(connection, loop, "strict", None, "strict", window, packet)
    await channel.create(
        lambda: session, None, "sftp", {}, False, None, None, {}, False, None, None, False, False
    )


_: type[asyncssh.SSHClientConnection] = Connection
