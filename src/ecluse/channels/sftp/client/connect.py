"""To an SFTP session: through the jump hosts, with every host key as it is pinned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncssh

from ecluse.channels.sftp.client.errors import (
    HostKeyChanged,
    LoginRefused,
    Lost,
    NoAlgorithm,
    ServerSilent,
    Unsupported,
)
from ecluse.channels.sftp.client.login import Client, ClosedEarly, Login, Route, connect_to, shown
from ecluse.channels.sftp.client.pins import family
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.ssh import Connection, open_sftp
from ecluse.wire.sftp.answers import BrokenAnswer

__all__ = ["Link", "Spoken", "open_link", "shown_keys"]

WINDOW: Final = 2 << 20
"""Octets under way on a short line: more is slower there (16 MiB on loopback lost a third)."""
MAX_WINDOW: Final = 32 << 20
"""Octets under way on a long line: at 50 ms it is worth 150 MB/s where 2 MiB gives 35."""
_LINE_RATE: Final = 640 << 20
"""Octets a second that the window should not hold back."""
_PACKET: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was agreed with a server, for receipts and events.

    Attributes:
        server: Its version line.
        host_key: Fingerprint of what it showed.
        kex: Key exchange.
        cipher: Encryption of what we send.
        mac: Its authentication; empty where the cipher has its own.
        login: What the server took: ``password`` or ``key``.
        user_key: Fingerprint of our key that it took; empty where it took none of the keyring.
        round_trip: Seconds.
    """

    server: str
    host_key: str
    kex: str
    cipher: str
    mac: str
    login: str
    user_key: str
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
        client: Client | None = None
        for hop in route.hops:
            connection, client = await _reach(route, hop, connections[-1] if connections else None)
            connections.append(connection)
        assert client is not None, "a route has one hop at least"
        return await _begin(route, connections, client)
    except BaseException:
        for connection in reversed(connections):
            connection.abort()
        raise


async def _begin(route: Route, connections: Sequence[Connection], client: Client) -> Link:
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
    home = await session.start()
    cipher = str(connection.get_extra_info("send_cipher", ""))
    mac = str(connection.get_extra_info("send_mac", ""))
    spoken = Spoken(
        server=shown(connection.get_extra_info("server_version", "")),
        host_key=client.seen,
        kex=client.kex,
        cipher=cipher,
        mac="" if mac == cipher else mac,
        login="password" if client.gave_password else "key",
        user_key="" if client.gave_password else client.used_key,
        round_trip=round_trip,
    )
    link = Link(connections, session, spoken)
    link.home = home
    return link


async def _reach(route: Route, login: Login, through: Connection | None) -> tuple[Connection, Client]:
    """One server; where it may have the pinned key besides the one that it showed, that is asked for."""
    offered = login.pins.order(route.algorithms.host_keys)
    seen: list[str] = []
    while True:
        client = Client(login)
        try:
            return await connect_to(route, login, through, client, offered), client
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
                    (f"a certificate that is not good ({shown(error.reason)})",),
                    login.pins.expected,
                ) from None
            seen.append(client.seen)
            offered = login.pins.others(offered, client.seen_family)
            if not offered or len(seen) > _MOST_KEYS:
                raise HostKeyChanged(login.place, tuple(seen), login.pins.expected) from None
        except (asyncssh.KeyExchangeFailed, ClosedEarly) as error:
            early = isinstance(error, ClosedEarly)
            if early and not client.met:
                raise
            if seen:  # it has no key of another kind
                raise HostKeyChanged(login.place, tuple(seen), login.pins.expected) from None
            if isinstance(error, ClosedEarly):
                raise
            raise NoAlgorithm(
                f"The server {login.place} and the hub have no algorithm in common: {shown(error.reason)}."
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
            client = Client(route.hops[-1])
            try:
                connection = await connect_to(route, route.hops[-1], through, client, offered)
                connection.abort()  # a pinned key, and a login that needs nothing
            except (asyncssh.KeyExchangeFailed, ClosedEarly) as error:
                if isinstance(error, ClosedEarly):
                    if not found or not error.met:
                        raise
                elif not found:
                    raise NoAlgorithm(
                        f"The server {route.hops[-1].place} and the hub have no algorithm in common: "
                        f"{shown(error.reason)}."
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
