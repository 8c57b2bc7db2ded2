"""From a partner's file to a WebDAV server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.seen import as_server
from ecluse.channels.http.tls import partner_tls
from ecluse.channels.webdav.client import DavAccess, DavClient, WebDavRefused
from ecluse.errors import Fault
from ecluse.model.basics import Clock
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import ResolveSecret
from ecluse.trust.settings.fields import seconds
from ecluse.trust.sightings import Sightings

__all__ = ["WebDavPlace", "WebDavPlaces"]


@dataclass(frozen=True, slots=True)
class WebDavPlace:
    """A server, as one partner's file says.

    Attributes:
        client: It.
        folder: Where we deliver to, below its URL.
        replace: A document may take the place of a file of the same name.
    """

    client: DavClient
    folder: str = ""
    replace: bool = False


class WebDavPlaces:
    """Opens partners' servers under the configuration in force. May be used from any thread.

    Args:
        directory: Gives everyone, as of now.
        resolve: From references to secrets; asked anew each time.
        clock: For certificates' windows.
        pool: Where connections are kept.
        sightings: Told of the servers' TLS.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        resolve: ResolveSecret,
        clock: Clock,
        pool: Pool,
        sightings: Sightings,
    ) -> None:
        self._directory = directory
        self._resolve = resolve
        self._clock = clock
        self._pool = pool
        self._sightings = sightings

    def open(self, partner: str) -> WebDavPlace:
        """The server of a partner; nothing is sent yet.

        Raises:
            PartnerRefused: There is no such active partner, or no certificate of their server is valid.
            SecretError: A secret can't be had.
            WebDavRefused: The partner's file has no server.
        """
        directory = self._directory()
        view = directory.check_active(directory.partner(partner))
        settings = view.settings.webdav
        if settings is None:
            raise WebDavRefused(
                f"Nothing is exchanged with {view.name} by WebDAV.",
                fault=Fault.OURS,
                remedy="Add [webdav] to the partner's file, or give the delivery up.",
            )
        host = (urlsplit(settings.url).hostname or "").lower()
        private = PRIVATE_NETWORKS if settings.allow_private_network else ()
        silence = seconds(settings.timeout)
        basic = None
        if settings.user is not None:
            password = self._resolve(settings.password).reveal_text() if settings.password else ""
            basic = (settings.user, password)
        tls = None
        if settings.url.lower().startswith("https:"):
            key = view.client_key(settings.tls)
            keyring = directory.keyring
            tls = partner_tls(
                view.tls_anchors(self._clock()),
                settings.tls.min_version,
                keyring.chain(key) if key else (),
                keyring.tls_key(key) if key else None,
            )
        access = DavAccess(
            url=settings.url.rstrip("/"),
            egress=Egress(hosts=frozenset({host}), networks=private),
            tls=tls,
            basic=basic,
            limits=ClientLimits(stall=silence, reply_time=silence),
            met=lambda peer: self._sightings.saw_all(view.id, "webdav", as_server(peer)),
        )
        return WebDavPlace(
            DavClient(access, self._pool), (settings.folder or "").strip("/"), settings.replace
        )
