"""From a partner's file to an open bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ecluse.channels.bucket.native import open_azure, open_gcs
from ecluse.channels.bucket.s3 import S3Access, S3Objects
from ecluse.channels.bucket.store import ObjectStore, WrongSettings
from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.seen import as_server
from ecluse.channels.http.tls import ClientTls, client_tls
from ecluse.model.basics import Clock, PartnerId
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import ResolveSecret
from ecluse.trust.settings.fields import seconds
from ecluse.trust.settings.places import Bucket
from ecluse.trust.sightings import Sightings
from ecluse.wire.s3.sign import Signer

__all__ = ["BucketPlace", "BucketPlaces"]

_REPLY: Final = 16 << 20
"""Octets of an answer: a page of 1,000 keys of 1,024 octets, each thrice that once encoded, and what is beside them."""


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """An open bucket, as one partner's file says.

    Attributes:
        store: It.
        prefix: What all keys begin with.
        replace: A document may take the place of an object of the same key.
        tags: Tags of the objects that we write.
    """

    store: ObjectStore
    prefix: str = ""
    replace: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class BucketPlaces:
    """Opens partners' buckets under the configuration in force. May be used from any thread.

    Args:
        directory: Gives everyone, as of now.
        resolve: From references to secrets; asked anew each time.
        folder: The hub's, which paths of ``ca`` are relative to.
        clock: For signatures.
        pool: Where connections are kept.
        sightings: Told of the TLS of S3 stores; obstore, which the others go through, does not tell of theirs.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        resolve: ResolveSecret,
        folder: Path,
        clock: Clock,
        pool: Pool,
        sightings: Sightings,
    ) -> None:
        self._directory = directory
        self._resolve = resolve
        self._folder = folder
        self._clock = clock
        self._pool = pool
        self._sightings = sightings

    def open(self, kind: str, partner: str) -> BucketPlace:
        """Open a partner's bucket; nothing is sent yet, but the store's name is looked up.

        Raises:
            PartnerRefused: There is no such active partner.
            SecretError: A secret can't be had.
            WrongSettings: The partner's file has no such bucket, or what it says can't be used.
            EgressDenied, Unreachable: The store's address is not allowed, or unknown.
        """
        directory = self._directory()
        view = directory.check_active(directory.partner(partner))
        settings = getattr(view.settings, kind)
        if not isinstance(settings, Bucket):
            raise WrongSettings(
                f"Nothing is exchanged with {view.name} by {kind}.",
                remedy=f"Add [{kind}] to the partner's file, or give the delivery up.",
            )
        if kind == "s3":
            opened = self._s3(view.id, settings)
        else:
            opened = {"azure": self._azure, "gcs": self._gcs}[kind](settings)
        return BucketPlace(opened, settings.prefix, settings.replace, settings.tags)

    def _s3(self, partner: PartnerId, settings: Bucket) -> ObjectStore:
        endpoint = (settings.endpoint or f"https://s3.{settings.region}.amazonaws.com").rstrip("/")
        host = urlsplit(endpoint).hostname or ""
        named = host if settings.path_style else f"{settings.bucket}.{host}"
        signer = Signer(self._secret(settings.access_key), self._secret(settings.secret_key), settings.region)
        access = S3Access(
            endpoint=endpoint,
            bucket=settings.bucket,
            path_style=settings.path_style,
            signer=signer,
            egress=egress_of(settings, named),
            tls=_tls(self._ca(settings)) if endpoint.startswith("https:") else None,
            limits=limits_of(settings),
            conditional=settings.conditional,
            met=lambda peer: self._sightings.saw_all(partner, "s3", as_server(peer)),
        )
        return S3Objects(access, self._clock, self._pool)

    def _azure(self, settings: Bucket) -> ObjectStore:
        endpoint = settings.endpoint or f"https://{settings.account}.blob.core.windows.net"
        check_endpoint(settings, endpoint)
        return open_azure(settings, endpoint, self._secret(settings.secret_key), self._ca(settings))

    def _gcs(self, settings: Bucket) -> ObjectStore:
        endpoint = settings.endpoint or "https://storage.googleapis.com"
        check_endpoint(settings, endpoint)
        return open_gcs(settings, endpoint, self._secret(settings.secret_key), self._ca(settings))

    def _secret(self, reference: str | None) -> str:
        if reference is None:
            raise WrongSettings(
                "A bucket has no credentials.", remedy="Add references to them to the partner's file."
            )
        return self._resolve(reference).reveal_text()

    def _ca(self, settings: Bucket) -> bytes:
        if settings.ca is None:
            return b""
        try:
            return self._directory().configuration.authority(settings.ca, self._folder)
        except OSError as error:
            raise WrongSettings(f"The file {settings.ca} can't be read: {error.strerror}.") from None


def egress_of(settings: Bucket, host: str) -> Egress:
    """What a connection to the bucket may reach."""
    private = PRIVATE_NETWORKS if settings.allow_private_network else ()
    return Egress(hosts=frozenset({host.lower()}), networks=private)


def check_endpoint(settings: Bucket, endpoint: str) -> None:
    """Look up where an endpoint leads, before a library that resolves names by itself connects to it."""
    place = urlsplit(endpoint)
    host = (place.hostname or "").lower()
    egress_of(settings, host).addresses(host, place.port or (443 if place.scheme == "https" else 80))


def limits_of(settings: Bucket) -> ClientLimits:
    """How long the store may take."""
    silence = seconds(settings.timeout)
    return ClientLimits(stall=silence, reply_time=silence, reply_bytes=_REPLY)


@lru_cache(maxsize=64)
def _tls(ca: bytes) -> ClientTls:
    """One context for each way of trusting: connections are kept by it."""
    return client_tls(anchors=[ca]) if ca else client_tls(system=True)
