"""What one partner's file and our keyring amount to for SFTP: which way, as whom, with what."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.sftp.client.algorithms import LEGACY, MODERN
from ecluse.channels.sftp.client.login import Login, Route
from ecluse.channels.sftp.client.pins import Pins
from ecluse.channels.sftp.keys import KeyringKeyPair
from ecluse.errors import Fault
from ecluse.model.basics import Instant
from ecluse.trust.addresses import split_host
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.errors import PartnerRefused
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.secrets import ResolveSecret
from ecluse.trust.settings.fields import octets, seconds
from ecluse.trust.settings.places import Sftp

__all__ = ["Relation"]

SSH_PORT = 22


class Relation:
    """SFTP between the organisation and one partner's server, under one configuration.

    Args:
        directory: Everyone, under that configuration.
        partner: The other side.
        secret: From references to secrets.
        now: The moment, for exceptions.

    Raises:
        PartnerRefused: ``trust.no-sftp``: its file has no server.
    """

    def __init__(
        self, directory: Directory, partner: PartnerView, secret: ResolveSecret, now: Instant
    ) -> None:
        if partner.settings.sftp is None:
            raise PartnerRefused(
                f"{partner.name} has no SFTP server that we know.",
                code="trust.no-sftp",
                fault=Fault.USAGE,
                remedy="Choose another channel, or add [sftp] to the partner's file.",
            )
        self.partner = partner
        self.settings: Sftp = partner.settings.sftp
        self._keyring: Keyring = directory.keyring
        self._secret = secret
        self._legacy = "ssh-legacy" in partner.exceptions_at(now)

    @property
    def key(self) -> object:
        """What a kept connection was made for: another setting makes another one."""
        return (self.partner.id, self.settings, self._legacy)

    @property
    def timeout(self) -> float:
        """Seconds that the server may be silent for."""
        return seconds(self.settings.timeout)

    @property
    def rate(self) -> int | None:
        """Octets a second."""
        return octets(self.settings.rate) if self.settings.rate is not None else None

    def route(self) -> Route:
        """How the server is reached. Raises :class:`~ecluse.errors.EcluseError` where a key or secret is missing."""
        settings = self.settings
        hops = [
            self._login(jump.host, jump.user, jump.host_keys, jump.key, None, jump.password)
            for jump in settings.jump
        ]
        hops.append(
            self._login(
                settings.host,
                settings.user,
                settings.host_keys,
                settings.key,
                settings.certificate,
                settings.password,
                agent=settings.agent,
                successor=settings.successor,
            )
        )
        return Route(
            hops=tuple(hops),
            algorithms=LEGACY if self._legacy else MODERN,
            egress=Egress(
                hosts=frozenset({hops[0].host}),
                networks=PRIVATE_NETWORKS if settings.allow_private_network else (),
            ),
            timeout=self.timeout,
        )

    def _login(
        self,
        host: str,
        user: str,
        host_keys: tuple[str, ...],
        key: str | None,
        certificate: str | None,
        password: str | None,
        *,
        agent: bool = False,
        successor: str | None = None,
    ) -> Login:
        name, port = split_host(host, SSH_PORT)
        pairs: list[Callable[[], KeyringKeyPair]] = []
        if successor is not None and successor in self.partner.choices.offered_to(self.partner.id):
            pairs.append(partial(KeyringKeyPair, self._keyring, successor))
        if key is not None:
            pairs.append(partial(KeyringKeyPair, self._keyring, key, certificate))
        for pair in pairs:
            pair()  # what is wrong with a key is said on this thread, before anything is connected
        return Login(
            host=name,
            port=port,
            user=user,
            pins=Pins(host_keys),
            pairs=tuple(pairs),
            password=None if password is None else self._secret(password),
            agent=agent,
        )
