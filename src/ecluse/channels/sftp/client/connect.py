"""To a logged-in SFTP session: egress rules, jump hosts, pinned host keys, login."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncssh
from asyncssh.connection import SSHClientConnectionOptions

from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import Unreachable as NameUnresolved
from ecluse.channels.sftp.client.algorithms import NEEDS_STRICT, Algorithms
from ecluse.channels.sftp.client.errors import (
    HostKeyChanged,
    LoginRefused,
    Lost,
    NoAlgorithm,
    ServerSilent,
    Unreachable,
    Unsupported,
)
from ecluse.channels.sftp.client.pins import Pins, family
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.ssh import Connection, connect, open_sftp
from ecluse.errors import EcluseError, Fault
from ecluse.trust.secrets import Secret
from ecluse.wire.sftp.answers import BrokenAnswer

__all__ = ["Link", "Login", "Route", "Spoken", "open_link", "shown_keys"]

WINDOW: Final = 2 << 20
"""Octets under way on a short line: more is slower there (16 MiB on loopback lost a third)."""
MAX_WINDOW: Final = 32 << 20
"""Octets under way on a long line: at 50 ms it is worth 150 MB/s where 2 MiB gives 35."""
_LINE_RATE: Final = 640 << 20
"""Octets a second that the window should not hold back."""
_PACKET: Final = 128 * 1024
_CONNECT: Final = 30.0
"""Seconds that connecting and logging in may take, where the server's silence may be longer."""
_KEEPALIVE: Final = 30


@dataclass(frozen=True, slots=True)
class Login:
    """One server and who we are there.

    Attributes:
        host: Its name or address.
        port: Its port.
        user: Our user name.
        pins: What it must show.
        pair: Makes the key pair that we log in with; a fresh one for each connection.
        password: Our password.
        agent: Let the SSH agent of this process log in.
    """

    host: str
    port: int
    user: str
    pins: Pins = field(repr=False)
    pair: Callable[[], asyncssh.SSHKeyPair] | None = field(default=None, repr=False)
    password: Secret | None = None
    agent: bool = False

    @property
    def place(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """How a partner's server is reached.

    Attributes:
        hops: The jump hosts in order, and at the end the server itself.
        algorithms: What may be spoken.
        egress: What may be connected to.
        timeout: Seconds that a server may be silent for.
    """

    hops: tuple[Login, ...]
    algorithms: Algorithms
    egress: Egress
    timeout: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was agreed with a server, for receipts and events.

    Attributes:
        server: Its version line.
        host_key: Fingerprint of what it showed.
        kex: Key exchange.
        cipher: Encryption of what we send.
        round_trip: Seconds.
    """

    server: str
    host_key: str
    kex: str
    cipher: str
    round_trip: float


class Link:
    """One logged-in connection with one SFTP session on it.

    Attributes:
        session: The session.
        spoken: What was agreed.
        window: Octets to have under way, by the measured round trip.
        home: The folder that the login leads to.
    """

    def __init__(self, connections: Sequence[Connection], session: Session, spoken: Spoken) -> None:
        self._connections = tuple(connections)
        self.session = session
        self.spoken = spoken
        self.window = window_for(spoken.round_trip)
        self.home = b"."

    @property
    def renames_safely(self) -> bool:
        """Whether renaming never takes another file's place, even in a race.

        OpenSSH renames a plain file by link(2) and unlink(2) (process_rename in sftp-server.c): in one request, so
        that no lost answer leaves both names.
        """
        return self.spoken.server.startswith("SSH-2.0-OpenSSH")

    def close(self) -> None:
        """Let the connection and those below it go; on the loop's thread."""
        for connection in reversed(self._connections):
            connection.abort()


def window_for(round_trip: float) -> int:
    """Octets to have under way on a line of this round trip."""
    return max(WINDOW, min(MAX_WINDOW, int(round_trip * _LINE_RATE)))


class _Client(asyncssh.SSHClient):
    """Judges host keys and gives passwords, each once."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: asyncssh.SSHClientConnection | None = None
        self._password = login.password
        self._typed = login.password
        self.seen = ""
        self.seen_family = ""
        self.kex = ""
        self.unsafe = False
        self.key: asyncssh.SSHKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.key = key
        self._saw(key.get_fingerprint(), family(key.get_algorithm()))
        return self._login.pins.is_key(key) and not self.unsafe

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.key = key
        self._saw(f"an authority {key.get_fingerprint()}", "certificate")
        return self._login.pins.is_authority(key) and not self.unsafe

    def _saw(self, fingerprint: str, kind: str) -> None:
        self.seen, self.seen_family = fingerprint, kind
        # asyncssh has no public word for these; its version is pinned, and a test looks at what comes out.
        exchange = getattr(self._connection, "_kex", None)
        self.kex = getattr(exchange, "algorithm", b"").decode("ascii", "replace")
        cipher = getattr(self._connection, "_enc_alg_cs", b"").decode("ascii", "replace")
        self.unsafe = cipher in NEEDS_STRICT and not getattr(self._connection, "_strict_kex", False)

    @property
    def connected(self) -> bool:
        """Whether a connection took the socket over."""
        return self._connection is not None

    def password_auth_requested(self) -> str | None:
        password, self._password = self._password, None
        return None if password is None else password.reveal_text()

    def kbdint_auth_requested(self) -> str | None:
        return None if self._typed is None else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        # One hidden question is the password; anything else is a question that nobody is there to answer.
        if len(prompts) > 1 or prompts[0][1] or self._typed is None:
            return None
        password, self._typed = self._typed, None
        return [password.reveal_text()]


async def open_link(route: Route) -> Link:
    """Connect, check every host key, log in and start SFTP.

    Raises:
        HostKeyChanged: A server shows a key that is not pinned. Nothing was told to it.
        NoAlgorithm: A server speaks old algorithms only.
        LoginRefused: A server does not take our login.
        Unreachable: Anything before the login, including a server that takes too long.
        EgressDenied: The first server is at an address that may not be connected to.
        EcluseError: SFTP does not begin.
    """
    connections: list[Connection] = []
    try:
        client: _Client | None = None
        for hop in route.hops:
            connection, client = await _reach(route, hop, connections[-1] if connections else None)
            connections.append(connection)
        assert client is not None, "a route has one hop at least"
        return await _begin(route, connections, client)
    except BaseException:
        for connection in reversed(connections):
            connection.abort()
        raise


async def _begin(route: Route, connections: Sequence[Connection], client: _Client) -> Link:
    connection = connections[-1]
    place = route.hops[-1].place
    loop = asyncio.get_running_loop()
    session = Session(route.timeout)
    try:
        async with asyncio.timeout(route.timeout):
            begun = loop.time()
            await connection._make_global_request(b"keepalive@openssh.com")
            round_trip = loop.time() - begun
            await open_sftp(connection, session, window_for(round_trip), _PACKET)
    except TimeoutError:
        raise ServerSilent(f"The server {place} did not begin SFTP in {route.timeout:g} seconds.") from None
    except asyncssh.ChannelOpenError:
        raise Unsupported(f"The server {place} offers no SFTP to this user.") from None
    except (asyncssh.Error, OSError):
        raise Lost(f"The server {place} ended the connection before SFTP began.") from None
    await session.start()
    spoken = Spoken(
        server=_shown(connection.get_extra_info("server_version", "")),
        host_key=client.seen,
        kex=client.kex,
        cipher=str(connection.get_extra_info("send_cipher", "")),
        round_trip=round_trip,
    )
    link = Link(connections, session, spoken)
    link.home = await session.realpath(b".")
    return link


async def _reach(route: Route, login: Login, through: Connection | None) -> tuple[Connection, _Client]:
    """One server; where it may have the pinned key besides the one that it showed, that is asked for."""
    offered = login.pins.order(route.algorithms.host_keys)
    seen: list[str] = []
    while True:
        client = _Client(login)
        try:
            return await _connect(route, login, through, client, offered), client
        except asyncssh.HostKeyNotVerifiable as error:
            if not client.seen:
                raise BrokenAnswer(f"The server {login.place} shows a host key that can't be read.") from None
            if client.unsafe:
                raise NoAlgorithm(
                    f"The server {login.place} does not do strict key exchange, which its cipher needs."
                ) from None
            if login.pins.trusts(client.seen):
                raise HostKeyChanged(
                    login.place,
                    (f"a certificate that is not good ({_shown(error.reason)})",),
                    login.pins.expected,
                ) from None
            seen.append(client.seen)
            offered = login.pins.others(offered, client.seen_family)
            if not offered or len(seen) > _MOST_KEYS:
                raise HostKeyChanged(login.place, tuple(seen), login.pins.expected) from None
        except asyncssh.KeyExchangeFailed as error:
            if seen:
                raise HostKeyChanged(login.place, tuple(seen), login.pins.expected) from None
            raise NoAlgorithm(
                f"The server {login.place} and the hub have no algorithm in common: {_shown(error.reason)}."
            ) from None


_MOST_KEYS: Final = 6
"""Kinds of host keys that a server can have."""


async def shown_keys(route: Route) -> list[tuple[str, asyncssh.SSHKey]]:
    """Every host key that the last server shows, kind by kind, without logging in there.

    Returns:
        (``key`` or ``authority``, the key), the preferred first.

    Raises:
        EcluseError: As :func:`open_link`, but for what is about the last server's own key and login.
    """
    connections: list[Connection] = []
    found: list[tuple[str, asyncssh.SSHKey]] = []
    try:
        for hop in route.hops[:-1]:
            connection, _ = await _reach(route, hop, connections[-1] if connections else None)
            connections.append(connection)
        through = connections[-1] if connections else None
        offered = route.algorithms.host_keys
        while offered and len(found) <= _MOST_KEYS:
            client = _Client(route.hops[-1])
            try:
                connection = await _connect(route, route.hops[-1], through, client, offered)
                connection.abort()  # a pinned key, and a login that needs nothing
            except asyncssh.KeyExchangeFailed as error:
                if not found:
                    raise NoAlgorithm(
                        f"The server {route.hops[-1].place} and the hub have no algorithm in common: "
                        f"{_shown(error.reason)}."
                    ) from None
                break
            except (asyncssh.HostKeyNotVerifiable, LoginRefused):
                pass
            if client.key is None:
                break
            authority = client.seen_family == "certificate"
            found.append(("authority" if authority else "key", client.key))
            offered = tuple(
                name
                for name in offered
                if ("-cert-" not in name if authority else family(name) != client.seen_family)
            )
        return found
    finally:
        for connection in reversed(connections):
            connection.abort()


async def _connect(
    route: Route,
    login: Login,
    through: Connection | None,
    client: _Client,
    host_keys: Sequence[str],
) -> Connection:
    seconds = min(route.timeout, _CONNECT)
    agent = os.environ.get("SSH_AUTH_SOCK") if login.agent else None
    if login.agent and agent is None and login.pair is None and login.password is None:
        raise LoginRefused(
            "There is no SSH agent to log in with.",
            code="sftp.no-agent",
            fault=Fault.USAGE,
            remedy="Start the hub with SSH_AUTH_SOCK in its environment.",
        )
    sock = await _socket(route.egress, login, seconds) if through is None else None
    try:
        options = await SSHClientConnectionOptions.construct(
            None,
            config=None,
            host=login.host,
            port=login.port,
            tunnel=through,
            family=socket.AF_UNSPEC,
            local_addr=None,
            client_factory=lambda: client,
            username=login.user,
            # Nothing of this machine's own SSH is used: its files, its keys, its agent unless it is asked for.
            known_hosts=([], [], []),
            x509_trusted_certs=None,
            client_keys=[] if login.pair is None else [login.pair()],
            agent_path=agent,
            gss_host=None,
            disable_trivial_auth=True,
            preferred_auth=("publickey", "password", "keyboard-interactive"),
            kex_algs=list(route.algorithms.kex),
            encryption_algs=list(route.algorithms.ciphers),
            mac_algs=list(route.algorithms.macs),
            signature_algs=list(route.algorithms.signatures),
            server_host_key_algs=list(host_keys),
            compression_algs=["none"],
            login_timeout=seconds,
            keepalive_interval=_KEEPALIVE,
        )
        return await connect(options, sock, seconds)
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
        raise
    except asyncssh.PermissionDenied:
        raise LoginRefused(
            f"The server {login.place} does not take the login of the user {login.user}."
        ) from None
    except TimeoutError:
        raise Unreachable(f"The server {login.place} did not answer in {seconds:g} seconds.") from None
    except asyncssh.ChannelOpenError as error:
        raise Unreachable(f"The jump host does not reach {login.place}: {_shown(error.reason)}.") from None
    except (asyncssh.ConnectionLost, OSError):
        raise Unreachable(f"The server {login.place} closed the connection before the login.") from None
    except asyncssh.DisconnectError as error:
        raise Unreachable(f"The server {login.place} ended the login: {_shown(error.reason)}.") from None
    except EcluseError:
        raise
    except Exception:  # noqa: BLE001  # whatever a hostile server's octets make of the library
        raise BrokenAnswer(f"The server {login.place} does not speak SSH as it should.") from None
    finally:
        if sock is not None and not client.connected:
            sock.close()


async def _socket(egress: Egress, login: Login, seconds: float) -> socket.socket:
    """A connection to one of the checked addresses of the first server."""
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.run_in_executor(None, egress.addresses, login.host, login.port)
    except NameUnresolved as error:
        raise Unreachable(error.cause) from None
    reason = "no address"
    for address in addresses:
        family_ = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family_, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(seconds):
                await loop.sock_connect(sock, (address, login.port))
        except TimeoutError:
            sock.close()
            reason = f"no answer in {seconds:g} seconds"
        except OSError as error:
            sock.close()
            reason = (error.strerror or "no connection").lower()
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise Unreachable(f"The server {login.place} can't be reached: {reason}.")


def _shown(text: object) -> str:
    """A server's own words, fit to be shown."""
    return "".join(c if c.isprintable() else "?" for c in str(text))[:200]
