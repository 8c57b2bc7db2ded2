"""One server: a socket to a checked address, its host key judged, and a login.

Nothing of this machine's own SSH is used: no files below ``~/.ssh``, and its agent only where that is asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncssh
from asyncssh.connection import SSHClientConnectionOptions

from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import Unreachable as NameUnresolved
from ecluse.channels.sftp.client.algorithms import NEEDS_STRICT, Algorithms
from ecluse.channels.sftp.client.errors import LoginRefused, Unreachable
from ecluse.channels.sftp.client.pins import Pins, family
from ecluse.channels.sftp.client.ssh import Connection, connect
from ecluse.channels.sftp.keys import KeyringKeyPair
from ecluse.errors import EcluseError, Fault
from ecluse.trust.secrets import Secret
from ecluse.wire.sftp.answers import BrokenAnswer

__all__ = ["Client", "ClosedEarly", "Login", "Route", "connect_to", "shown"]

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
        pairs: Make the key pairs that we log in with, in the order in which they are offered; fresh ones for each
            connection.
        password: Our password.
        agent: Let the SSH agent of this process log in.
    """

    host: str
    port: int
    user: str
    pins: Pins = field(repr=False)
    pairs: tuple[Callable[[], KeyringKeyPair], ...] = field(default=(), repr=False)
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


class ClosedEarly(Unreachable):
    """A server closed the connection before anybody was logged in.

    Attributes:
        met: It had told its version: then it may have found no algorithm in common, which it does not say.
    """

    met = False


class Client(asyncssh.SSHClient):
    """Judges host keys and gives passwords, each once."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: asyncssh.SSHClientConnection | None = None
        self._password = login.password
        self._typed = login.password
        self.pairs: list[KeyringKeyPair] = []
        self.seen = ""
        self.seen_family = ""
        self.kex = ""
        self.unsafe = False
        self.key: asyncssh.SSHKey | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """See asyncssh."""
        self._connection = conn

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """See asyncssh: whether the key is pinned."""
        self.key = key
        self._saw(key.get_fingerprint(), family(key.get_algorithm()))
        return self._login.pins.is_key(key) and not self.unsafe

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """See asyncssh: whether who signed the host certificate is pinned; it checks name and time itself."""
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
    def met(self) -> bool:
        """Whether the server told its version, and no key exchange came about."""
        told = self._connection is not None and self._connection.get_extra_info("server_version")
        return bool(told) and not self.kex

    @property
    def used_key(self) -> str:
        """Fingerprint of the key of the keyring that the login was proven with; empty where it was not by one."""
        return next((pair.fingerprint for pair in reversed(self.pairs) if pair.signed), "")

    @property
    def gave_password(self) -> bool:
        """Whether the server was told the password."""
        return self._login.password is not None and (self._password is None or self._typed is None)

    @property
    def connected(self) -> bool:
        """Whether a connection took the socket over."""
        return self._connection is not None

    def password_auth_requested(self) -> str | None:
        """See asyncssh: the password, once."""
        password, self._password = self._password, None
        return None if password is None else password.reveal_text()

    def kbdint_auth_requested(self) -> str | None:
        """See asyncssh."""
        return None if self._typed is None else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """See asyncssh: the password for one hidden question, once."""
        if not prompts:
            return []
        # One hidden question is the password; anything else is a question that nobody is there to answer.
        if len(prompts) > 1 or prompts[0][1] or self._typed is None:
            return None
        password, self._typed = self._typed, None
        return [password.reveal_text()]


async def connect_to(
    route: Route,
    login: Login,
    through: Connection | None,
    client: Client,
    host_keys: Sequence[str],
) -> Connection:
    """Connect to one server and log in.

    Args:
        route: The rules for the whole way.
        login: The server.
        through: The server before it; ``None`` for the first.
        client: Judges its host key.
        host_keys: Algorithms that it may show one by.

    Raises:
        HostKeyNotVerifiable, KeyExchangeFailed: Of asyncssh: the host key is not pinned; nothing in common.
        ClosedEarly, LoginRefused, Unreachable, BrokenAnswer, EgressDenied: Ours.
    """
    seconds = min(route.timeout, _CONNECT)
    client.pairs = [pair() for pair in login.pairs]
    async with _keys(login, client.pairs) as keys:
        return await _connect_with(route, login, through, client, host_keys, keys, seconds)


@asynccontextmanager
async def _keys(login: Login, pairs: Sequence[KeyringKeyPair]) -> AsyncIterator[list[asyncssh.SSHKeyPair]]:
    """The key pairs to log in with: those of the keyring first, then those of the agent."""
    own: list[asyncssh.SSHKeyPair] = [*pairs]
    path = os.environ.get("SSH_AUTH_SOCK") if login.agent else None
    if path is None:
        if login.agent and not own and login.password is None:
            raise _no_agent("There is no SSH agent to log in with.")
        yield own
        return
    try:
        agent = await asyncssh.connect_agent(path)
        theirs: list[asyncssh.SSHKeyPair] = [*await agent.get_keys()]
    except (OSError, ValueError, asyncssh.Error):
        raise _no_agent("The SSH agent does not answer.") from None
    try:
        yield own + theirs[:_MOST_OFFERED]
    finally:
        agent.close()


def _no_agent(cause: str) -> LoginRefused:
    remedy = "Start the hub with SSH_AUTH_SOCK in its environment, and an agent behind it."
    return LoginRefused(cause, code="sftp.no-agent", fault=Fault.USAGE, remedy=remedy)


_MOST_OFFERED: Final = 5
"""Keys of an agent that are offered: OpenSSH's server ends the login after six."""


async def _connect_with(
    route: Route,
    login: Login,
    through: Connection | None,
    client: Client,
    host_keys: Sequence[str],
    keys: list[asyncssh.SSHKeyPair],
    seconds: float,
) -> Connection:
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
            known_hosts=([], [], []),
            x509_trusted_certs=None,
            client_keys=keys or None,
            agent_path=None,
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
        raise Unreachable(f"The jump host does not reach {login.place}: {shown(error.reason)}.") from None
    except (asyncssh.ConnectionLost, OSError):
        early = ClosedEarly(f"The server {login.place} closed the connection before the login.")
        early.met = client.met
        raise early from None
    except asyncssh.DisconnectError as error:
        raise Unreachable(f"The server {login.place} ended the login: {shown(error.reason)}.") from None
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


def shown(text: object) -> str:
    """A server's own words, fit to be shown."""
    return "".join(c if c.isprintable() else "?" for c in str(text))[:200]
