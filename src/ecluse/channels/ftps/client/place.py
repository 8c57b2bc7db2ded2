"""What a partner's file and our keyring amount to for its FTP server: where it is, who may answer, who we are."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ecluse.channels.http.egress import PRIVATE_NETWORKS, Egress
from ecluse.errors import Fault
from ecluse.model.basics import Instant
from ecluse.trust.addresses import split_host
from ecluse.trust.directory import Directory, PartnerView
from ecluse.trust.errors import PartnerRefused
from ecluse.trust.settings.fields import octets, seconds
from ecluse.trust.settings.places import Ftps

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """One partner's server, at one moment.

    Attributes:
        partner: Whose.
        host: Name or address.
        port: Port of the control connection.
        addresses: What the name resolved to, every address checked: no other is connected to.
        mode: ``explicit``, ``implicit`` or ``clear``.
        user: Our user name.
        password: Our password.
        anchors: PEM of what its certificate has to descend from; empty for the system's authorities.
        pins: Public keys (``sha256//...``) of which its certificate has to show one; empty where an authority and
            the name decide.
        certificate: Our client certificate and its chain, PEM; may be empty.
        key: Its private key, PEM.
        minimum: The oldest TLS version.
        folder: Where paths begin.
        temporary: Template of the temporary name.
        replace: A file of the same name may be replaced.
        rate: Octets a second at most; 0 for any.
        timeout: Longest silence, in seconds.
    """

    partner: str
    host: str
    port: int
    addresses: tuple[str, ...]
    mode: str
    user: str
    password: bytes = field(repr=False)
    anchors: bytes = field(default=b"", repr=False)
    pins: tuple[str, ...] = ()
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    minimum: str = "1.2"
    folder: str = ""
    temporary: str = ".{name}.part"
    replace: bool = False
    rate: int = 0
    timeout: float = 60.0


def place_of(directory: Directory, partner: PartnerView, now: Instant) -> Place:
    """The partner's server as its file says at ``now``.

    Raises:
        PartnerRefused: ``trust.no-ftps``, ``trust.suspended``, ``trust.clear-text`` (the exception that allowed FTP
            without protection is over), ``trust.no-certificate``.
        SecretError: The password's reference leads nowhere.
        EgressDenied: The host has an address that is not allowed.
        Unreachable: The host's name can't be resolved.
    """
    settings = directory.check_active(partner).settings.ftps
    if settings is None:
        raise PartnerRefused(
            f"Nothing is exchanged with {partner.name} over FTPS.",
            code="trust.no-ftps",
            fault=Fault.USAGE,
            remedy="Choose another channel, or add [ftps] to the partner's file.",
        )
    if settings.mode == "clear" and "clear-text" not in partner.exceptions_at(now):
        raise PartnerRefused(
            f"FTP in clear text with {partner.name} is not allowed, or not any more.",
            code="trust.clear-text",
            fault=Fault.USAGE,
            remedy='Agree on TLS with them, or extend the exception "clear-text" with a reason.',
        )
    host, port = split_host(settings.host, 990 if settings.mode == "implicit" else 21)
    private = PRIVATE_NETWORKS if settings.allow_private_network else ()
    addresses = Egress(hosts=frozenset({host}), networks=private).addresses(host, port)
    anchors, pins = _trust(partner, settings, now)
    ref = partner.client_key(settings.tls)
    return Place(
        partner=partner.id,
        host=host,
        port=port,
        addresses=tuple(addresses),
        mode=settings.mode,
        user=settings.user,
        password=partner.secret(settings.password).reveal(),
        anchors=anchors,
        pins=pins,
        certificate=b"".join(c.public_bytes(Encoding.PEM) for c in directory.keyring.chain(ref))
        if ref
        else b"",
        key=directory.keyring.tls_key(ref) if ref else b"",
        minimum=settings.tls.min_version,
        folder=(settings.folder or "").rstrip("/"),
        temporary=settings.temporary,
        replace=settings.replace,
        rate=octets(settings.rate) if settings.rate else 0,
        timeout=seconds(settings.timeout),
    )


def _trust(partner: PartnerView, settings: Ftps, now: Instant) -> tuple[bytes, tuple[str, ...]]:
    """What the server's certificate has to come from, and the public keys that it has to show.

    An issuer among the partner's certificates makes the name count; without one, a certificate of theirs is pinned.
    """
    if settings.mode == "clear":
        return b"", ()
    certificates = partner.tls_anchors(now)
    issuers = [each for each in certificates if _issues(each)]
    pins = () if issuers else tuple(_pin(each) for each in certificates)
    return b"".join(each.public_bytes(Encoding.PEM) for each in issuers or certificates), pins


def _issues(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _pin(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")
