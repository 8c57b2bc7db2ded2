"""The server: sockets, places, deadlines, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from email.utils import formatdate

from structlog.typing import FilteringBoundLogger

from ecluse.channels.http.errors import ListenFailed
from ecluse.channels.http.limits import Limits
from ecluse.channels.http.message import Handler, Peer, Refused
from ecluse.channels.http.protocol import Connection, Shared
from ecluse.channels.http.respond import canned

BACKLOG = 1024
"""Connections that the kernel keeps for us; it lowers the figure to ``net.core.somaxconn``."""
ACCEPT_PAUSE = 0.1
"""Seconds before the next try where the process has no file descriptor left."""
HANDOVER_TIME = 0.5
"""Seconds that a stop gives to connections between their acceptance and their first byte. The loop hands a plain one
over within an iteration, and one that is cancelled there would neither be served nor be told that it is lost."""
CLEAN_UP_TIME = 1.0
"""Seconds for handlers whose request was given up to clean up before they are cancelled."""


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """Where to listen: an IP address (not a name), a port (0: any free one), and TLS where it is spoken."""

    address: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class _Bound:
    socket: socket.socket
    tls: ssl.SSLContext | None


class Server:
    """Listens, and gives every request to ``handler``, which may be called many times at once.

    An exception in the handler is answered with 500, logged here, and not shown to the peer. A handler is
    not cancelled when its peer goes away: only reading the body tells it. ``refused`` is told of every request
    that is answered before it reaches the handler. Must be used from one event loop.
    """

    def __init__(
        self,
        handler: Handler,
        listeners: Sequence[Listener],
        limits: Limits,
        log: FilteringBoundLogger,
        refused: Refused | None = None,
    ) -> None:
        self._handler = handler
        self._listeners = tuple(listeners)
        self._limits = limits
        self._log = log
        self._refused = refused
        self._bound: dict[int, _Bound] = {}
        self._shared: Shared | None = None
        self._accepting: set[asyncio.Task[None]] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """Connections open, those in their TLS handshake included."""
        return self._shared.taken if self._shared else 0

    @property
    def requests(self) -> int:
        """Requests with the handler."""
        return len(self._shared.tasks) if self._shared else 0

    async def start(self) -> list[int]:
        """Listen everywhere, or nowhere.

        Returns:
            The ports, in the order of the listeners.

        Raises:
            ListenFailed: An address can't be listened on.
        """
        loop = asyncio.get_running_loop()
        self._shared = Shared(self._handler, self._limits, self._log, loop, refused=self._refused)
        _mark_time(self._shared)
        ports = []
        try:
            for number, listener in enumerate(self._listeners):
                self._bound[number] = _Bound(_listen(listener), listener.tls)
                ports.append(int(self._bound[number].socket.getsockname()[1]))
        except ListenFailed:
            self._close_sockets()
            raise
        for bound in self._bound.values():
            self._spawn(self._accept(bound, self._shared), self._accepting)
        self._ticker = loop.create_task(self._tick(self._shared))
        return ports

    def replace_tls(self, listener: Listener, context: ssl.SSLContext) -> None:
        """Use another context for the connections that ``listener`` accepts from here on.

        Raises:
            ValueError: It is none of this server's listeners, or one without TLS.
        """
        for number, known in enumerate(self._listeners):
            if known is listener and known.tls is not None:
                self._bound[number].tls = context
                return
        raise ValueError("That is no TLS listener of this server.")

    async def stop(self, grace: float) -> None:
        """Accept nothing more, finish the requests under way within ``grace`` seconds, close everything.

        Handlers still at work after that get :class:`~ecluse.channels.http.errors.ServerStopped` from their
        body, and are cancelled a second later.
        """
        shared = self._shared
        if shared is None:
            return
        shared.stopping = True
        await _cancel(self._accepting)
        self._close_sockets()
        if self._adopting:
            await asyncio.wait(self._adopting, timeout=HANDOVER_TIME)
        await _cancel(self._adopting)
        for connection in tuple(shared.connections):
            connection.drain()
        deadline = shared.loop.time() + grace
        # What is being adopted is not cancelled: its socket would have two owners. It ends once it is a connection.
        while (shared.connections or self._adopting) and shared.loop.time() < deadline:
            await asyncio.sleep(0.01)
        await _cancel(self._adopting)
        for connection in tuple(shared.connections):
            connection.abandon()
        if shared.tasks:
            await asyncio.wait(shared.tasks, timeout=CLEAN_UP_TIME)
        await _cancel(shared.tasks)
        if self._ticker is not None:
            await _cancel({self._ticker})
        self._shared = None

    def _spawn(self, work: Coroutine[object, None, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _accept(self, bound: _Bound, shared: Shared) -> None:
        while True:
            try:
                sock, name = await shared.loop.sock_accept(bound.socket)
            except OSError as error:
                # ECONNABORTED and its like concern one peer; these concern us all, and last.
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    shared.log.warning("http.accept-failed", reason=errno.errorcode[error.errno])
                    await asyncio.sleep(ACCEPT_PAUSE)
                continue
            peer = Peer(str(name[0]).removeprefix("::ffff:"), int(name[1]))
            if not shared.take(peer.address):
                _turn_away(sock, shared, bound.tls is not None)
                continue
            self._spawn(self._adopt(sock, peer, bound.tls, shared), self._adopting)

    async def _adopt(
        self, sock: socket.socket, peer: Peer, tls: ssl.SSLContext | None, shared: Shared
    ) -> None:
        connection = Connection(shared, peer)
        try:
            await shared.loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=tls,
                ssl_handshake_timeout=self._limits.handshake_time if tls else None,
                ssl_shutdown_timeout=self._limits.linger if tls else None,
            )
        except (OSError, TimeoutError) as error:
            # ssl.SSLError and the loop's own time-out are OSErrors: the peer's fault, all of them.
            shared.log.info("http.handshake-failed", peer=peer.address, reason=type(error).__name__)
        finally:
            if not connection.made:
                shared.release(peer.address)
                sock.close()

    async def _tick(self, shared: Shared) -> None:
        while True:
            await asyncio.sleep(self._limits.tick)
            _mark_time(shared)
            for connection in tuple(shared.connections):
                connection.tick(shared.now)

    def _close_sockets(self) -> None:
        for bound in self._bound.values():
            bound.socket.close()
        self._bound.clear()


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def _mark_time(shared: Shared) -> None:
    shared.now = shared.loop.time()
    shared.date = formatdate(usegmt=True)


def _listen(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        sock = socket.create_server((listener.address, listener.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such port"
        raise ListenFailed(f"Can't listen on {listener.address} port {listener.port}: {reason}.") from error
    sock.setblocking(False)
    return sock


def _turn_away(sock: socket.socket, shared: Shared, tls: bool) -> None:
    """Say 503 where that can be said without waiting, and close."""
    with contextlib.suppress(OSError), sock:
        if not tls:
            sock.setblocking(False)
            sock.send(canned(503, shared.date))
