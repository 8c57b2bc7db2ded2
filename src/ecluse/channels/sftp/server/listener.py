"""The listener: its socket, an event loop and threads of its own, and what all its connections share."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import asyncssh
import structlog
from asyncssh.connection import SSHServerConnectionOptions

from ecluse.channels.guard.gate import Gate
from ecluse.channels.http.errors import ListenFailed
from ecluse.channels.sftp.server.algorithms import SIGNATURES
from ecluse.channels.sftp.server.authority import Authority, Identity
from ecluse.channels.sftp.server.connection import Connection
from ecluse.channels.sftp.server.inbox import Arrivals
from ecluse.channels.sftp.server.operations import Operations
from ecluse.channels.sftp.server.pace import Pace
from ecluse.channels.sftp.server.session import Session
from ecluse.channels.sftp.server.windows import Windows
from ecluse.channels.sftp.server.workers import Workers
from ecluse.errors import EcluseError
from ecluse.evidence.record import Json
from ecluse.exchange.hub import Hub
from ecluse.exchange.tree import Tree
from ecluse.store.port import Tx
from ecluse.trust.directory import Directory
from ecluse.trust.settings.fields import octets, seconds
from ecluse.trust.settings.listeners import SftpListener

__all__ = ["SftpServer", "Shared", "TreeFactory"]

TreeFactory = Callable[[Identity, str], Tree]
"""Opens a partner's folders for one session; the text is the client's address."""

WORKERS: Final = 32
"""Requests at once that wait for storage."""
HASHERS: Final = 2
"""Passwords at once: 40 MiB, and no more than a core or two."""
PACKET: Final = 128 * 1024
"""Octets of the largest packet of a channel; asyncssh takes some more for the frame."""
TELL_EVERY: Final = 60.0
"""Seconds between two events that tell of refused logins."""
REFRESH_EVERY: Final = 2.0
"""Seconds between two looks at the bans of other nodes and operators, and at what open sessions lean on."""
BANNER: Final = "Ecluse"
"""The software's name in the SSH identification; no version of it or of a library."""

_log = structlog.get_logger("ecluse.sftp")


class _Owner(asyncssh.SSHServer):
    """What asyncssh asks of a server; whatever is not here is refused."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._shared.authority.takes_passwords()

    def kbdint_auth_supported(self) -> bool:
        return False


class Shared:
    """What the connections of one listener share.

    Args:
        hub: The chamber.
        gate: Who may connect.
        authority: Who a client is.
        open_tree: A partner's folders.
    """

    packet = PACKET

    def __init__(self, hub: Hub, gate: Gate, authority: Authority, open_tree: TreeFactory) -> None:
        self.hub = hub
        self.gate = gate
        self.authority = authority
        self.connections: set[Connection] = set()
        self.sessions: set[Session] = set()
        self.windows = Windows()
        self.arrivals = Arrivals()
        self.workers = Workers(WORKERS, "sftp")
        self._open_tree = open_tree
        self._paces: dict[tuple[str, int], Pace] = {}
        self._refused: Counter[str] = Counter()

    def owner(self) -> asyncssh.SSHServer:
        """For one connection."""
        return _Owner(self)

    def session(self, connection: Connection, window: int) -> Session:
        """A session, with a window that is given back at its end, of the partner that a connection belongs to."""
        identity = connection.identity
        assert identity is not None, "channels are opened after the login"
        account = identity.view.settings.account
        pace = None
        if account is not None and account.rate is not None:
            key = (identity.view.id, octets(account.rate))
            pace = self._paces.setdefault(key, Pace(key[1]))
        operations = Operations(self._open_tree(identity, connection.address), identity.user)

        def ended(session: Session) -> None:
            self.sessions.discard(session)
            self.windows.take_back(window)

        session = Session(operations, self.workers, pace, ended, connection.busy)
        self.sessions.add(session)
        return session

    def opened(self, connection: Connection) -> None:
        """A partner logged in: an event, durable soon after."""
        identity = connection.identity
        assert identity is not None, "told after the login"
        facts: dict[str, Json] = {
            "protocol": "sftp",
            "method": identity.method,
            "shown": identity.shown,
            **connection.negotiated,
        }
        partner, hub = identity.view.id, self.hub
        agreed = connection.negotiated
        seen = {
            "login": identity.method,
            "user-key": identity.shown,
            "host-key": connection.host_key,
            "host-key-algorithm": agreed["host_key"],
            "kex": agreed["kex"],
            "cipher": agreed["cipher"],
            "mac": agreed["mac"],
            "version": agreed["client"],
        }
        hub.sightings.saw_all(partner, "account-sftp", seen)

        def work(tx: Tx) -> None:
            hub.event(tx, "session.opened", partner, facts, actor=f"partner:{partner}")

        hub.store.submit(work).add_done_callback(_reported)
        _log.info("session opened", partner=partner, address=connection.address, method=identity.method)

    def keeps(self, connection: Connection, host_key: str) -> None:
        """A partner's client had us prove a host key that it does not know: it keeps that one from here on."""
        identity = connection.identity
        if identity is not None:
            self.hub.sightings.saw(identity.view.id, "account-sftp", "host-key-kept", host_key)

    def login_failed(self, address: str, user: str) -> None:
        """A login failed; told of by number."""
        self._refused["login"] += 1
        if self._refused["login"] <= 10:
            _log.info("login failed", address=address, user=user[:64])

    def refused(self, reason: str, address: str) -> None:
        """A connection was not taken; told of by number."""
        self._refused[reason] += 1
        if self._refused[reason] <= 10:
            _log.info("connection refused", reason=reason, address=address)

    def tell_refused(self) -> None:
        """Write the event of what was refused since the last one."""
        refused, self._refused = self._refused, Counter()
        if not refused:
            return
        hub = self.hub

        def work(tx: Tx) -> None:
            hub.event(tx, "session.refused", "sftp", {"protocol": "sftp", **refused})

        hub.store.submit(work).add_done_callback(_reported)


class SftpServer:
    """The SFTP listener of one node.

    Args:
        hub: The chamber.
        settings: ``[listen.sftp]``.
        directory: Gives the one in force.
        host_keys: Gives the pairs that prove our server, the preferred one first. Clients hear of all of them after
            the login (hostkeys-00@openssh.com).
        gate: Who may connect.
        open_tree: A partner's folders.
    """

    def __init__(
        self,
        hub: Hub,
        settings: SftpListener,
        directory: Callable[[], Directory],
        host_keys: Callable[[], Sequence[asyncssh.SSHKeyPair]],
        gate: Gate,
        open_tree: TreeFactory,
    ) -> None:
        self._settings = settings
        self._host_keys = host_keys
        self._shown = list(host_keys())
        self._options: SSHServerConnectionOptions | None = None
        self._renewing: set[asyncio.Task[None]] = set()
        self._hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="sftp-password")
        authority = Authority(directory, self._hashers, hub.clock, gate.shut)
        self._shared = Shared(hub, gate, authority, open_tree)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quit: asyncio.Event | None = None
        self._grace = 0.0
        self.port = 0

    def start(self) -> None:
        """Listen. :attr:`port` is the bound port then.

        Raises:
            ListenFailed: The address can't be listened on.
        """
        host, _, port = self._settings.address.rpartition(":")
        listening = _bind(host.strip("[]"), int(port))
        self.port = listening.getsockname()[1]
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(listening, started), name="sftp", daemon=True)
        self._thread.start()
        started.result()
        _log.info("serving sftp", address=f"{host}:{self.port}")

    def stop(self, grace: float) -> None:
        """Accept nothing more, give what is under way ``grace`` seconds, and end. Half uploads are kept aside."""
        if self._thread is None or self._loop is None or self._quit is None:
            return
        self._grace = grace
        self._loop.call_soon_threadsafe(self._quit.set)
        self._thread.join()
        self._thread = None
        self._shared.workers.stop()
        self._hashers.shutdown(wait=False, cancel_futures=True)

    def follow(self) -> None:
        """The configuration changed: end the sessions of those that could not log in any more, at once.

        Other host keys are shown to who connects from here on.
        """
        if self._loop is None or self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._end_disallowed)
        try:
            pairs = list(self._host_keys())
        except EcluseError as error:
            _log.error("host keys not taken up", **error.as_dict())
            return
        if [pair.public_data for pair in pairs] != [pair.public_data for pair in self._shown]:
            self._shown = pairs
            self._loop.call_soon_threadsafe(self._renew)

    def _renew(self) -> None:
        task = asyncio.ensure_future(self._take_up_options())
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def _take_up_options(self) -> None:
        self._options = await self._make_options()
        _log.info("host keys renewed", keys=len(self._shown))

    def _end_disallowed(self) -> None:
        for connection in list(self._shared.connections):
            identity = connection.identity
            if identity is not None and not self._shared.authority.still(identity, connection.address):
                _log.info("session ended: its login would fail by now", partner=identity.view.id)
                connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The account was changed.")

    def _run(self, listening: socket.socket, started: Future[None]) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve(listening, started))

    async def _serve(self, listening: socket.socket, started: Future[None]) -> None:
        loop = self._loop = asyncio.get_running_loop()
        quit = self._quit = asyncio.Event()
        try:
            await self._take_up_options()

            def connection() -> Connection:
                assert self._options is not None, "made before the first connection"
                return Connection(loop, self._options, self._shared)

            server = await loop.create_server(connection, sock=listening, backlog=128)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            started.set_exception(error)
            return
        started.set_result(None)
        housekeeping = loop.create_task(self._keep_house())
        await quit.wait()
        housekeeping.cancel()
        server.close()
        await self._end_sessions()
        self._shared.tell_refused()

    async def _make_options(self) -> SSHServerConnectionOptions:
        guard = self._settings.guard
        options: SSHServerConnectionOptions = await SSHServerConnectionOptions.construct(
            server_factory=self._shared.owner,
            server_version=BANNER,
            server_host_keys=self._shown,
            send_server_host_keys=True,
            config=None,
            signature_algs=[*SIGNATURES],
            compression_algs=["none"],
            gss_host=None,
            host_based_auth=False,
            kbdint_auth=False,
            allow_pty=False,
            x11_forwarding=False,
            agent_forwarding=False,
            line_editor=False,
            encoding=None,
            login_timeout=seconds(guard.login_time),
            keepalive_interval=max(15.0, seconds(guard.idle_time) / 3),
            keepalive_count_max=3,
            rekey_bytes=octets(self._settings.rekey),
            max_pktsize=PACKET,
        )
        return options

    async def _keep_house(self) -> None:
        told = time.monotonic()
        while True:
            await asyncio.sleep(REFRESH_EVERY)
            self._end_disallowed()
            try:
                await asyncio.to_thread(self._shared.gate.bans.refresh)
                if time.monotonic() - told >= TELL_EVERY:
                    told = time.monotonic()
                    self._shared.tell_refused()
            except EcluseError as error:
                _log.warning("bans not taken up", **error.as_dict())

    async def _end_sessions(self) -> None:
        shared = self._shared
        until = time.monotonic() + self._grace
        while any(session.working for session in shared.sessions) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        for connection in list(shared.connections):
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The server is going down.")
        while (shared.connections or shared.sessions) and time.monotonic() < until + 5:
            await asyncio.sleep(0.02)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.setblocking(False)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise ListenFailed(f"{host}:{port} can't be listened on: {error.strerror}.") from None
    return listening


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _reported(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        _log.error("event not kept", crash=type(error).__name__)
