"""One TCP connection of a client, in clear or in TLS, with a deadline for everything that waits."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from ecluse.channels.ftps.server.errors import ConnectionCut, TlsFailed, TooSlow
from ecluse.errors import EcluseError

__all__ = ["Stream", "plain_address"]

_SLICE: Final = 1 << 18
"""Octets handed to OpenSSL at once; it makes records of 16 KiB from them."""


def plain_address(address: str) -> str:
    """An address as text, an IPv4 one that came through an IPv6 socket as what it is."""
    return address.removeprefix("::ffff:").partition("%")[0]


class Stream:
    """For one thread at a time, but for :meth:`cut`.

    Args:
        sock: The connection; the stream owns it from here on.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._raw = sock
        self._sock: socket.socket | ssl.SSLSocket = sock
        self._beside: tuple[int, Callable[[], bool]] | None = None

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS connection; ``None`` before there is one."""
        return self._sock if isinstance(self._sock, ssl.SSLSocket) else None

    @property
    def local(self) -> str:
        """Our address."""
        return str(self._sock.getsockname()[0])

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AddressFamily(self._sock.family)

    def fileno(self) -> int:
        """For a poll."""
        return self._sock.fileno()

    def watch(self, other: Stream, readable: Callable[[], bool]) -> None:
        """While this one waits, call ``readable`` when ``other`` has something to read, until it gives false."""
        self._beside = (other.fileno(), readable)

    def glance(self) -> None:
        """Do so without waiting, for a stream that never has to."""
        if self._beside is not None and _readable(self._beside[0], 0) and not self._beside[1]():
            self._beside = None

    def readable(self, wait: float) -> bool:
        """Whether something comes within ``wait`` seconds."""
        return _readable(self.fileno(), wait)

    def secure(self, context: ssl.SSLContext, deadline: float) -> None:
        """Become a TLS server.

        Args:
            context: What to show, accept and resume.
            deadline: On the monotonic clock.

        Raises:
            TlsFailed, ConnectionCut, TooSlow: There is no TLS.
        """
        try:
            # A connection that ends without close_notify was cut: what came is not the whole (RFC 8446 section 6.1).
            tls = context.wrap_socket(
                self._raw, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        except (OSError, ValueError):
            raise ConnectionCut("The connection ended before TLS began.") from None
        self._sock = tls
        try:
            self._shake_hands(tls, deadline)
        except BaseException:
            self.close()  # nothing can be said on it any more, in clear or in TLS
            raise

    def _shake_hands(self, tls: ssl.SSLSocket, deadline: float) -> None:
        while True:
            try:
                tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline)
            except ssl.SSLError as error:
                raise TlsFailed(f"TLS was not agreed on ({error.reason or 'no answer'}).") from None
            except (OSError, ValueError):
                raise ConnectionCut("The connection ended while TLS began.") from None

    def read(self, into: memoryview, deadline: float) -> int:
        """Wait for octets; give how many there are, 0 at a proper end.

        Raises:
            ConnectionCut, TooSlow: There are none, and never will be.
        """
        while True:
            found = self.read_now(into)
            if found is not None:
                return found
            self._wait(select.POLLIN, deadline)

    def fill(self, into: memoryview, wait: float) -> tuple[int, EcluseError | None]:
        """Read until ``into`` is full or all has come; give how many octets there are.

        Args:
            into: Where to.
            wait: Seconds of silence that are borne.

        Returns:
            The number, less than was asked for only at a proper end or beside the error that came instead.
        """
        filled, size = 0, len(into)
        try:
            while filled < size:
                # A record of TLS at a time, of which there are 64 in a mebibyte: nothing else is done for each.
                found = self.read_now(into[filled:])
                if found is None:
                    self._wait(select.POLLIN, time.monotonic() + wait)
                elif found == 0:
                    break
                else:
                    filled += found
        except EcluseError as error:
            return filled, error
        return filled, None

    def read_now(self, into: memoryview) -> int | None:
        """The same, with ``None`` where one would have to wait."""
        try:
            return self._sock.recv_into(into)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ssl.SSLWantWriteError:
            return None
        except ssl.SSLZeroReturnError:
            return 0
        except (OSError, ValueError):
            raise ConnectionCut("The connection was cut.") from None

    def write(self, data: bytes | memoryview, deadline: float) -> None:
        """Send all of it.

        Raises:
            ConnectionCut, TooSlow: It can't be sent.
        """
        view, at = memoryview(data), 0
        while at < len(view):
            try:
                at += self._sock.send(view[at : at + _SLICE])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, deadline)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except (OSError, ValueError):
                raise ConnectionCut("The connection was cut.") from None

    def finish(self, deadline: float) -> None:
        """End our half properly, and wait for the other side's end: then all that was sent has arrived.

        Raises:
            ConnectionCut, TooSlow: The other side did not end properly.
        """
        scrap = memoryview(bytearray(4096))
        try:
            while not self._say_goodbye():
                self._wait(select.POLLOUT, deadline)
            self._raw_shutdown(socket.SHUT_WR)
            while self._drain(scrap):
                self._wait(select.POLLIN, deadline)
        except OSError:
            raise ConnectionCut("The connection was cut before all had arrived.") from None
        finally:
            self.close()

    def close(self) -> None:
        """Let it go. Never raises."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def cut(self) -> None:
        """End it, from any thread: whoever waits on it is told."""
        with contextlib.suppress(OSError):
            self._raw_shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Say goodbye without waiting for an answer, and close. Never raises."""
        self._say_goodbye()
        self.close()

    def _say_goodbye(self) -> bool:
        """Send close_notify, where there is TLS; false where one has to wait for room to."""
        if isinstance(self._sock, ssl.SSLSocket):
            try:
                self._sock.unwrap()
            except ssl.SSLWantWriteError:
                return False
            except (OSError, ValueError):
                return True  # it waits for theirs, or there is nobody any more: the next step tells
        return True

    def _raw_shutdown(self, how: int) -> None:
        # ssl.SSLSocket.shutdown would forget its TLS state under a thread that reads.
        socket.socket.shutdown(self._sock, how)

    def _drain(self, scrap: memoryview) -> bool:
        """Read what the other side says after we ended; false once it ended too."""
        try:
            while True:
                found = socket.socket.recv_into(self._sock, scrap)
                if found == 0:
                    return False
        except BlockingIOError:
            return True
        except OSError:
            raise ConnectionCut("The connection was cut before all had arrived.") from None

    def _wait(self, event: int, deadline: float) -> None:
        poll = select.poll()
        fd = self._sock.fileno()
        if fd < 0:
            raise ConnectionCut("The connection was closed.")
        poll.register(fd, event)
        while True:
            if self._beside is not None:
                poll.register(self._beside[0], select.POLLIN)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow("The client was silent for too long.")
            ready = poll.poll(left * 1000 + 1)
            here = any(number == fd for number, _ in ready)
            if self._beside is not None and any(number == self._beside[0] for number, _ in ready):
                number, readable = self._beside
                if not readable():
                    poll.unregister(number)
                    self._beside = None
            if here:
                return


def _readable(number: int, wait: float) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(wait * 1000))
