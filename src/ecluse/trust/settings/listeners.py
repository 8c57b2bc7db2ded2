"""The listeners for partners' file clients: ``[listen.sftp]`` and ``[listen.ftps]`` of ``ecluse.toml``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ecluse.trust.settings.fields import Address, Count, Duration, HostPort, Reference, Size, Strict

__all__ = ["FtpsListener", "Guard", "SftpListener"]

Ports = Annotated[
    str,
    Meta(pattern=r"^[0-9]{2,5}-[0-9]{2,5}$", extra={"expected": 'a range of ports, such as "50000-50099"'}),
]


class Guard(Strict, frozen=True, kw_only=True):
    """Limits on who connects and tries to log in, for each listener.

    Attributes:
        connections: Connections at once, of everybody together.
        connections_per_address: Connections at once from one address.
        sessions_per_partner: Logged-in connections at once of one partner.
        login_time: From the connection to the end of the login.
        login_attempts: Failed attempts on one connection before it is closed.
        ban_score: Failed logins from one address, or for one user, within the window, before a ban.
        ban_window: The window that failed logins are counted in.
        ban_time: How long a ban lasts; it doubles with every further one, to a day at most.
        idle_time: Longest silence of a connection.
        minimum_rate: Octets a second below which a transfer that stalls is cut, over a minute.
    """

    connections: Annotated[int, Meta(ge=1, le=100_000)] = 512
    connections_per_address: Count = 64
    sessions_per_partner: Count = 32
    login_time: Duration = "20s"
    login_attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    ban_score: Count = 10
    ban_window: Duration = "10m"
    ban_time: Duration = "15m"
    idle_time: Duration = "5m"
    minimum_rate: Size = "64 B"


class SftpListener(Strict, frozen=True, kw_only=True):
    """The listener for partners' SFTP clients.

    Attributes:
        address: Host and port.
        public_address: Host and port as partners see them; for cards.
        host_keys: Keys of the keyring that prove our server to partners, the preferred one first; one is made by
            `ecluse cert generate ssh-host --kind ed25519`.
        guard: Limits.
        rekey: Octets after which keys are changed.
    """

    address: Address = "127.0.0.1:4022"
    public_address: HostPort | None = None
    host_keys: tuple[Reference, ...] = ("ssh-host",)
    guard: Guard = Guard()
    rekey: Size = "1 GiB"


class FtpsListener(Strict, frozen=True, kw_only=True):
    """The listener for partners' FTPS clients. There is no FTP in clear text.

    Attributes:
        address: Host and port where TLS is asked for with AUTH TLS (explicit).
        public_address: The same as partners see it; for cards.
        implicit: Host and port where TLS comes first; without it nothing listens there.
        key: Key of the keyring whose certificate is shown.
        successor: A key whose certificate is shown in its place once that was decided (`ecluse rotate begin`).
        client_auth: Whether partners show a certificate of their own.
        min_version: The oldest TLS version that is spoken.
        require_reuse: A data connection must resume the TLS session of its control connection.
        passive_ports: Ports of data connections; any free one where it is not given.
        external_address: Our address as partners see it, where a router stands between.
        guard: Limits.
    """

    address: Address = "127.0.0.1:4021"
    public_address: HostPort | None = None
    implicit: Address | None = None
    key: Reference = "tls"
    successor: Reference | None = None
    client_auth: Literal["none", "optional", "required"] = "none"
    min_version: Literal["1.2", "1.3"] = "1.2"
    require_reuse: bool = True
    passive_ports: Ports | None = None
    external_address: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}$")] | None = None
    guard: Guard = Guard()
