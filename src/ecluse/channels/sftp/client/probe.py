"""Looking at a partner's server without exchanging anything: for doctor, and to learn a host key."""

from __future__ import annotations

from dataclasses import dataclass

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.sftp.client.algorithms import LEGACY
from ecluse.channels.sftp.client.channel import base_of
from ecluse.channels.sftp.client.connect import Link, Spoken, open_link, shown_keys
from ecluse.channels.sftp.client.errors import NoSuchPlace
from ecluse.channels.sftp.client.login import Login, Route
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.pins import Pins
from ecluse.channels.sftp.client.relation import Relation
from ecluse.channels.sftp.client.steps import octets_of

__all__ = ["ShownKey", "reach", "scan"]


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A host key that a server showed.

    Attributes:
        kind: ``key``, or ``authority`` for who signed the server's certificate.
        algorithm: What kind of key it is.
        fingerprint: ``SHA256:...``.
        line: The public key: kind and base 64.
    """

    kind: str
    algorithm: str
    fingerprint: str
    line: str


def reach(relation: Relation) -> Spoken:
    """Connect as a delivery does, check the host key, log in, and look at the folder.

    Raises:
        EcluseError: What a delivery would fail with.
    """
    loop = LoopThread()
    try:
        return loop.call(_reach(relation.route(), relation.settings.folder))
    finally:
        loop.close()


async def _reach(route: Route, folder: str | None) -> Spoken:
    link: Link = await open_link(route)
    try:
        path = base_of(folder, link)
        facts = await link.session.stat(octets_of(path))
        if facts is None or (facts.mode is not None and not facts.folder):
            raise NoSuchPlace(f"The partner's server has no folder {path}.")
        return link.spoken
    finally:
        link.close()


def scan(host: str, port: int, *, timeout: float = 10) -> list[ShownKey]:
    """The host keys that a server shows. Nothing is trusted and nobody logs in.

    Args:
        host: Name or address; an operator's choice, so private networks are allowed.
        port: Its port.
        timeout: Seconds.

    Raises:
        EcluseError: No SSH server answers there.
    """
    login = Login(host=host, port=port, user="nobody", pins=Pins(()))
    egress = Egress(hosts=frozenset({host.lower()}), networks=PRIVATE_NETWORKS)
    loop = LoopThread()
    try:
        shown = loop.call(shown_keys(Route((login,), LEGACY, egress, timeout)))
    finally:
        loop.close()
    return [
        ShownKey(
            kind,
            key.get_algorithm(),
            key.get_fingerprint(),
            " ".join(key.export_public_key().decode("ascii").split()[:2]),
        )
        for kind, key in shown
    ]
