"""Data connections: passive only, from the control connection's address, in its TLS session (RFC 4217 section 10)."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ecluse.channels.ftps.server.errors import ConnectionCut, TlsFailed, TooSlow
from ecluse.channels.ftps.server.limits import Pace, SessionLimits
from ecluse.channels.ftps.server.stream import Stream, plain_address
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.tree import TreeReader, TreeWriter

__all__ = ["DataPort", "NoPort", "pieces", "receive", "send", "send_lines"]

FIRST_BLOCK: Final = 1 << 16
"""Octets of an upload that are kept at once while it may be a small one, which needs no large buffer."""
UPLOAD_BLOCK: Final = 1 << 20
"""The same once it is a large one: 64 records of TLS, and what the vault hands over to its own thread uncopied."""
DOWNLOAD_BLOCK: Final = 1 << 20
AHEAD_FROM: Final = 4 << 20
"""Octets from which a download is read ahead: below, a thread costs more than it saves."""
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
    view = memoryview(bytearray(pace.block(FIRST_BLOCK)))
    total = 0
    while True:
        filled, error = stream.fill(view, pace.wait)
        if filled:
            writer.write(offset + total, bytes(view[:filled]))
            total += filled
        if error is not None:
            raise error
        if filled < len(view):
            return total
        stream.glance()
        _rest(pace.took(filled))
        if len(view) < UPLOAD_BLOCK:
            view = memoryview(bytearray(pace.block(UPLOAD_BLOCK)))


def send(stream: Stream, reader: TreeReader, offset: int, pace: Pace) -> int:
    """Send a file from ``offset`` on, and wait until the client has it all; give how many octets went.

    Raises:
        EcluseError: The client does not have it all.
    """
    total = 0
    with contextlib.closing(pieces(reader, offset, pace.block(DOWNLOAD_BLOCK))) as blocks:
        for block in blocks:
            stream.write(block, pace.deadline)
            total += len(block)
            stream.glance()
            _rest(pace.took(len(block)))
    stream.finish(pace.deadline)
    return total


def pieces(reader: TreeReader, offset: int, size: int) -> Generator[bytes | memoryview, None, None]:
    """A file from ``offset`` on, ``size`` octets at a time; of a large one the next are read while these are sent.

    The last ones never are: the reader counts what it was asked for as handed out, and a document of which all was
    handed out is taken for picked up. Closing the generator waits until nothing is being read any more.
    """
    if reader.size - offset < AHEAD_FROM:
        while block := reader.read(offset, size):
            offset += len(block)
            yield block
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ftps-ahead") as pool:
        block = reader.read(offset, size)
        while block:
            offset += len(block)
            ahead = pool.submit(reader.read, offset, size) if offset + size < reader.size else None
            yield block
            block = ahead.result() if ahead is not None else reader.read(offset, size)


def _rest(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)


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
