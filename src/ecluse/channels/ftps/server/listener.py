"""The listening sockets, and a thread for each connection."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ecluse.channels.ftps.server.limits import SessionLimits
from ecluse.channels.ftps.server.reception import Reception, Visit
from ecluse.channels.ftps.server.session import Session
from ecluse.channels.ftps.server.stream import Stream, plain_address
from ecluse.channels.ftps.server.table import COMMANDS
from ecluse.channels.http.errors import ListenFailed
from ecluse.wire.ftp import Reply

__all__ = ["Door", "FtpsServer"]

BACKLOG: Final = 128
LOOK_EVERY: Final = 2.0
"""Seconds between two looks at what open sessions lean on: certificates, exceptions and secrets end by themselves."""

_log = structlog.get_logger("ecluse.ftps")


@dataclass(frozen=True, slots=True)
class Door:
    """An address to listen on.

    Attributes:
        host: A name or an IP address.
        port: 0 for any.
        implicit: TLS comes first.
    """

    host: str
    port: int
    implicit: bool = False


class FtpsServer:
    """Accepts, and gives each connection a thread: transfers block, and wait for the disk.

    Args:
        doors: Where to listen.
        reception: The hub's.
        limits: What each session is granted; called for each, so that it follows the configuration.
    """

    def __init__(self, doors: Sequence[Door], reception: Reception, limits: SessionLimits) -> None:
        self._doors = tuple(doors)
        self._reception = reception
        self.limits = limits
        self._sockets: list[socket.socket] = []
        self._threads: dict[threading.Thread, tuple[Stream, Visit]] = {}
        self._lock = threading.Lock()
        self._quit = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="ftps-acceptor", daemon=True)

    def start(self) -> list[int]:
        """Listen; give the ports, in the order of the doors.

        Raises:
            ListenFailed: An address can't be listened on.
        """
        for door in self._doors:
            try:
                family = socket.getaddrinfo(door.host, door.port, type=socket.SOCK_STREAM)[0][0]
                sock = socket.create_server((door.host, door.port), family=family, backlog=BACKLOG)
            except OSError as error:
                self._close()
                raise ListenFailed(
                    f"{door.host}:{door.port} can't be listened on: {error.strerror}."
                ) from None
            sock.setblocking(False)
            self._sockets.append(sock)
        self._acceptor.start()
        return [int(sock.getsockname()[1]) for sock in self._sockets]

    def stop(self, grace: float) -> None:
        """Accept nothing more, let sessions end for ``grace`` seconds, then cut them: uploads are kept aside."""
        self._quit.set()
        if self._acceptor.is_alive():
            self._acceptor.join()
        self._close()
        until = time.monotonic() + grace
        while self._running() and time.monotonic() < until:
            time.sleep(0.05)
        for stream, _ in self._running().values():
            stream.cut()
        for thread in self._running():
            thread.join(5.0)

    def follow(self) -> None:
        """End the sessions of those that could not log in any more. Done every few seconds; at once where the
        configuration changed.
        """
        for stream, visit in self._running().values():
            if not visit.welcome():
                _log.info("session ended: its login would fail by now")
                stream.cut()

    def _running(self) -> dict[threading.Thread, tuple[Stream, Visit]]:
        with self._lock:
            return dict(self._threads)

    def _close(self) -> None:
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        poll = select.poll()
        doors = {}
        for sock, door in zip(self._sockets, self._doors, strict=True):
            poll.register(sock, select.POLLIN)
            doors[sock.fileno()] = sock, door
        looked = time.monotonic()
        while not self._quit.is_set():
            if time.monotonic() - looked >= LOOK_EVERY:
                self.follow()
                looked = time.monotonic()
            for number, _ in poll.poll(250):
                sock, door = doors[number]
                try:
                    connection, address = sock.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError as error:  # no descriptors left: others have to end first
                    _log.warning("connection not accepted", error=error.strerror)
                    time.sleep(0.1)
                    continue
                self._serve(connection, plain_address(str(address[0])), door)

    def _serve(self, connection: socket.socket, peer: str, door: Door) -> None:
        stream = Stream(connection)
        visit = self._reception.visit(peer)
        if visit.refused:
            if not door.implicit:
                with contextlib.suppress(OSError):
                    connection.send(Reply(421, visit.refused).encode())
            stream.close()
            visit.left()
            return
        session = Session(stream, peer, visit, self._reception, self.limits, COMMANDS, implicit=door.implicit)

        def run() -> None:
            try:
                session.run()
            finally:
                stream.close()
                with self._lock:
                    self._threads.pop(threading.current_thread(), None)

        thread = threading.Thread(target=run, name="ftps-session", daemon=True)
        with self._lock:
            self._threads[thread] = stream, visit
        try:
            thread.start()
        except RuntimeError:  # no threads left
            with self._lock:
                self._threads.pop(thread, None)
            stream.close()
            visit.left()
