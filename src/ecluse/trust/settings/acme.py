"""``[acme]`` of ``ecluse.toml``."""

from __future__ import annotations

from ecluse.trust.settings.fields import Address, Duration, HostPort, Name, Strict, Url

__all__ = ["Acme"]


class Acme(Strict, frozen=True, kw_only=True):
    """Certificates for our TLS listeners from an authority that speaks ACME (RFC 8555), by http-01.

    Attributes:
        directory: URL of the authority's directory.
        names: DNS names that the certificates are for.
        agree: The authority's terms of service are agreed to.
        email: Where the authority may write.
        listen: Host and port that port 80 of the names leads to.
        renew: How long before its end a certificate is renewed.
        ca: PEM file, in the folder certificates, of the authority that the directory's own certificate is checked with;
            the system's by default.
        allow_private_network: Let the directory be on loopback or a private network.
    """

    directory: Url
    names: tuple[HostPort, ...]
    agree: bool = False
    email: Name | None = None
    listen: Address = "0.0.0.0:80"
    renew: Duration = "30d"
    ca: Name | None = None
    allow_private_network: bool = False
