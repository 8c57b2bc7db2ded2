"""One connection of the client, and the pool where it waits for the next request."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Hashable

from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import TlsRefused, Unreachable
from ecluse.channels.http.limits import PIECE_BYTES, ClientLimits
from ecluse.channels.http.message import Peer
from ecluse.channels.http.tls import ClientTls

READ_BYTES = 64 * 1024
"""Bytes asked of the socket at once; an MDN has a few thousand."""


class LineTimeout(TimeoutError):
    """A time-out of :class:`ClientLimits`."""


class Line:
    """A connected socket with deadlines. All its methods raise OSError (ssl.SSLError is one).

    Attributes:
        peer: The other end, with the server's certificate.
        buffer: Bytes received and not yet understood.
        reused: It has carried an exchange before.
        idle_since: Monotonic time when it went to the pool.
    """

    __slots__ = ("_sock", "buffer", "idle_since", "peer", "reused")

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self._sock = sock
        self.peer = peer
        self.buffer = bytearray()
        self.reused = False
        self.idle_since = 0.0

    def send(self, data: bytes | memoryview, stall: float, deadline: float) -> None:
        """Send all of ``data``; each piece has to leave within ``stall`` seconds."""
        if len(data) <= PIECE_BYTES:
            self._sock.settimeout(_within(stall, deadline))
            self._sock.sendall(data)
            return
        view = memoryview(data)
        for at in range(0, len(view), PIECE_BYTES):
            self._sock.settimeout(_within(stall, deadline))
            self._sock.sendall(view[at : at + PIECE_BYTES])

    def receive(self, wait: float, deadline: float) -> bytes:
        """Some bytes; empty at the end."""
        self._sock.settimeout(_within(wait, deadline))
        return self._sock.recv(READ_BYTES)

    def readable(self, *, even_tls: bool) -> bool:
        """Bytes, or the end, have arrived. In TLS that may be a session ticket: ``even_tls`` counts it."""
        if isinstance(self._sock, ssl.SSLSocket) and not even_tls:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def tickets_only(self) -> bool:
        """What has arrived on an idle TLS connection is handshake traffic, and the connection lives."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return False
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close; never raises."""
        try:
            self._sock.close()
        except OSError:
            return


def connect(
    host: str, port: int, tls: ClientTls | None, egress: Egress, limits: ClientLimits, deadline: float
) -> Line:
    """Connect to the first address of ``host`` that answers.

    Raises:
        EgressDenied: The policy refuses the host or an address.
        Unreachable: No address answered, or the handshake was cut.
        TlsRefused: The server's certificate or TLS is not accepted, or ours is not.
    """
    failure = "no address"
    for address in egress.addresses(host, port):
        try:
            until = min(deadline, time.monotonic() + limits.connect)
            sock = socket.create_connection((address, port), timeout=_within(limits.connect, until))
        except OSError as error:
            failure = _reason(error)
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return Line(sock, Peer(address, port))
            sock.settimeout(_within(limits.connect, until))
            return _shake_hands(sock, host, address, port, tls)
        except TlsRefused:
            sock.close()
            raise
        except OSError as error:
            sock.close()
            failure = _reason(error)
    raise Unreachable(f"No connection to {host} port {port}: {failure}.")


def _shake_hands(sock: socket.socket, host: str, address: str, port: int, tls: ClientTls) -> Line:
    try:
        secure = tls.context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise TlsRefused(f"The certificate of {host} is not accepted: {error.verify_message}.") from error
    except (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError):
        raise
    except ssl.SSLError as error:
        raise TlsRefused(f"No TLS connection to {host}: {error.reason or 'handshake failed'}.") from error
    certificate = secure.getpeercert(binary_form=True)
    if tls.pinned and certificate not in tls.pinned:
        secure.close()
        raise TlsRefused(f"The certificate of {host} is not the pinned one.")
    cipher = secure.cipher()
    return Line(secure, Peer(address, port, secure.version(), cipher[0] if cipher else None, certificate))


def _within(wait: float, deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise LineTimeout("the time for the whole exchange is over")
    return min(wait, left)


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return "the other side ended the TLS handshake"
    return error.strerror or type(error).__name__


class Pool:
    """Idle connections for reuse, shared by threads; a connection serves one exchange at a time.

    Args:
        size: Idle connections kept in all; the one unused for longest goes first.
    """

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._idle: dict[Hashable, list[Line]] = {}
        self._count = 0

    def take(self, key: Hashable, max_idle: float) -> Line | None:
        """A connection that was alive when it was looked at, or None."""
        while True:
            with self._lock:
                lines = self._idle.get(key)
                if not lines:
                    return None
                line = lines.pop()
                self._count -= 1
                if not lines:
                    del self._idle[key]
            fresh = time.monotonic() - line.idle_since <= max_idle
            if fresh and (not line.readable(even_tls=True) or line.tickets_only()):
                return line
            line.close()

    def give(self, key: Hashable, line: Line) -> None:
        """Keep a connection on which nothing is under way."""
        line.reused = True
        line.idle_since = time.monotonic()
        with self._lock:
            self._idle.setdefault(key, []).append(line)
            self._count += 1
            surplus = self._oldest() if self._count > self._size else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close what is idle; the pool can still be used."""
        with self._lock:
            lines = [line for group in self._idle.values() for line in group]
            self._idle.clear()
            self._count = 0
        for line in lines:
            line.close()

    def _oldest(self) -> Line:
        key = min(self._idle, key=lambda each: self._idle[each][0].idle_since)
        line = self._idle[key].pop(0)
        self._count -= 1
        if not self._idle[key]:
            del self._idle[key]
        return line
