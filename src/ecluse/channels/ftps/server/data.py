"""Data connections: passive only, from the control connection's address, in its TLS session (RFC 4217 section 10)."""

from __future__ import annotations

import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Final

from ecluse.channels.ftps.server.errors import ConnectionCut, TlsFailed, TooSlow
from ecluse.channels.ftps.server.limits import Pace, SessionLimits
from ecluse.channels.ftps.server.stream import Stream, plain_address
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.tree import TreeReader, TreeWriter

__all__ = ["DataPort", "NoPort", "receive", "send", "send_lines"]

UPLOAD_BLOCK: Final = 1 << 18
"""Octets that are kept at once: 16 records of TLS."""
DOWNLOAD_BLOCK: Final = 1 << 20
LISTING_BLOCK: Final = 1 << 16
_BACKLOG: Final = 4
"""Connections that wait to be looked at: the client's, and those of whoever tries to be first."""


class NoPort(EcluseError):
    """No port of the passive range is free."""

    code = "ftps.no-port"
    fault = Fault.OURS
    remedy = "Widen passive_ports in [listen.ftps] of ecluse.toml, and the firewall with it."


class DataPort:
    """A port where one data connection is waited for.

    Args:
        control: Whose client may connect.
        peer: Its address.
        limits: Of the listener.

    Raises:
        NoPort: None is free.
    """

    def __init__(self, control: Stream, peer: str, limits: SessionLimits) -> None:
        self._peer = peer
        self._limits = limits
        self._socket = _listen(control.family, control.local, limits.passive_ports)
        self.strangers = 0
        """Connections from elsewhere that were closed."""

    @property
    def number(self) -> int:
        """The port."""
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Wait no longer. Never raises."""
        self._socket.close()

    def accept(self, context: ssl.SSLContext, control: Stream, readable: Callable[[], bool]) -> Stream:
        """The data connection, in TLS. Connections of others are closed, and do not end the waiting.

        Args:
            context: The control connection's own.
            control: Watched meanwhile, and while the data connection is used.
            readable: Called when there is something to read there; see :meth:`Stream.watch`.

        Raises:
            TooSlow: The client did not connect in time.
            TlsFailed: It did, without TLS, or in another session.
        """
        deadline = time.monotonic() + self._limits.data_time
        try:
            while True:
                stream = Stream(self._next(deadline))
                stream.watch(control, readable)
                try:
                    self._secure(stream, context, deadline)
                except ConnectionCut:
                    stream.close()
                    continue  # a port scanner, or a client that tries again
                except BaseException:
                    stream.close()
                    raise
                return stream
        finally:
            self.close()

    def _next(self, deadline: float) -> socket.socket:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow("No data connection came.")
            poll.poll(left * 1000 + 1)
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            if plain_address(str(address[0])) == self._peer:
                return sock
            self.strangers += 1
            sock.close()

    def _secure(self, stream: Stream, context: ssl.SSLContext, deadline: float) -> None:
        stream.secure(context, deadline)
        tls = stream.tls
        # The context is the control connection's alone, so that a session it resumes began there.
        if self._limits.require_reuse and not (tls is not None and tls.session_reused):
            raise TlsFailed("The data connection does not resume the TLS session of its control connection.")


def _listen(family: socket.AddressFamily, address: str, ports: range) -> socket.socket:
    tried: Iterator[int] = iter(random.sample(ports, len(ports)) if ports else (0,))
    for port in tried:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            continue
        sock.setblocking(False)
        return sock
    raise NoPort("No port for a data connection is free.")


def receive(stream: Stream, writer: TreeWriter, offset: int, pace: Pace) -> int:
    """Take an upload from ``offset`` on, up to its proper end; give how many octets came.

    Raises:
        EcluseError: It was cut, or can't be kept. What came before is with the writer.
    """
    view = memoryview(bytearray(pace.block(UPLOAD_BLOCK)))
    total, ended = 0, False
    while not ended:
        filled, cut = 0, None
        try:
            while filled < len(view):
                count = stream.read(view[filled:], pace.deadline)
                if count == 0:
                    ended = True
                    break
                filled += count
        except EcluseError as error:
            cut = error
        if filled:
            writer.write(offset + total, bytes(view[:filled]))
            total += filled
        if cut is not None:
            raise cut
        stream.glance()
        time.sleep(pace.took(filled))
    return total


def send(stream: Stream, reader: TreeReader, offset: int, pace: Pace) -> int:
    """Send a file from ``offset`` on, and wait until the client has it all; give how many octets went.

    Raises:
        EcluseError: The client does not have it all.
    """
    at, size = offset, pace.block(DOWNLOAD_BLOCK)
    while block := reader.read(at, size):
        stream.write(block, pace.deadline)
        at += len(block)
        stream.glance()
        time.sleep(pace.took(len(block)))
    stream.finish(pace.deadline)
    return at - offset


def send_lines(stream: Stream, lines: Iterator[str], pace: Pace) -> None:
    """Send the lines of a listing as they come. Raises as :func:`send` does."""
    block = bytearray()
    for line in lines:
        block += line.encode() + b"\r\n"
        if len(block) >= LISTING_BLOCK:
            stream.write(bytes(block), pace.deadline)
            stream.glance()
            pace.took(len(block))
            block.clear()
    stream.write(bytes(block), pace.deadline)
    stream.finish(pace.deadline)
