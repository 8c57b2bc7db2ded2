"""TLS contexts from certificates and keys in memory (RFC 9325: recommendations for TLS)."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ecluse.channels.http.errors import TlsConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:@SECLEVEL=2"
"""TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has no other."""
ALPN = ["http/1.1"]

Minimum = Literal["1.2", "1.3"]
ClientAuth = Literal["none", "optional", "required"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(
    cert_pem: bytes,
    key_pem: bytes,
    *,
    client_ca: Iterable[bytes] | None = None,
    client_auth: ClientAuth = "none",
    minimum: Minimum = "1.2",
) -> ssl.SSLContext:
    """A server's context.

    Args:
        cert_pem: The server's certificate, then the ones between it and the root.
        key_pem: Its private key, not encrypted. It reaches OpenSSL through a file encrypted under a random
            password, in a directory of our own that is removed at once: never in clear, and with no need of
            ``/proc``, which a process made undumpable can't use.
        client_ca: What clients' certificates have to be or to descend from, in DER or PEM. A partner's own
            certificate, self-signed or not, is an anchor like any other.
        client_auth: Whether a client certificate is asked for, and whether one has to come.
        minimum: The lowest TLS version.

    Raises:
        TlsConfigError: A certificate or key can't be used, or clients have to show certificates and there
            are no anchors to verify them with.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, minimum)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    _load_identity(context, cert_pem, key_pem)
    anchors = tuple(client_ca or ())
    if client_auth != "none" and not anchors:
        raise TlsConfigError(
            "Client certificates are asked for, and no certificate is trusted to verify them.",
            remedy="Name the partners' certificates or their issuers, or switch client certificates off.",
        )
    if anchors:
        _trust(context, anchors)
    context.verify_mode = _VERIFY[client_auth]
    return context


@dataclass(frozen=True, slots=True, eq=False)
class ClientTls:
    """What a client accepts and shows; make it with :func:`client_tls`, once, and use it for many posts.

    Attributes:
        pinned: The only server certificates accepted (DER); empty where an anchor and the name decide.
    """

    context: ssl.SSLContext = field(repr=False)
    pinned: frozenset[bytes] = field(repr=False)


def client_tls(
    *,
    pinned: Iterable[bytes] = (),
    anchors: Iterable[bytes] = (),
    system: bool = False,
    cert_pem: bytes | None = None,
    key_pem: bytes | None = None,
    minimum: Minimum = "1.2",
) -> ClientTls:
    """A client's settings. Exactly one way to trust the server has to be chosen.

    Args:
        pinned: The server's own certificates (DER or PEM): it has to show one of them, byte for byte, still
            valid; its name does not matter.
        anchors: Issuers (DER or PEM) that the server's certificate has to descend from; its name is checked.
        system: The same with the operating system's issuers; may be joined with ``anchors``.
        cert_pem: A client certificate to show, with the ones between it and its root.
        key_pem: Its private key, not encrypted; handled as in :func:`server_context`.
        minimum: The lowest TLS version.

    Raises:
        TlsConfigError: Nothing or both ways chosen, or a certificate or key can't be used.
    """
    leaves, issuers = tuple(pinned), tuple(anchors)
    if bool(leaves) == bool(issuers or system):
        raise TlsConfigError(
            "A server is trusted by pinned certificates or by issuers: exactly one of the two.",
            remedy="Give the partner's own certificate, or issuers, or allow the system's.",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, minimum)
    if system:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _trust(context, leaves + issuers)
    context.check_hostname = not leaves
    if cert_pem is not None and key_pem is not None:
        _load_identity(context, cert_pem, key_pem)
    elif cert_pem is not None or key_pem is not None:
        raise TlsConfigError("A client certificate needs its key, and a key its certificate.")
    return ClientTls(context, frozenset(der for leaf in leaves for der in _ders(leaf)))


def partner_tls(
    anchors: Sequence[x509.Certificate],
    minimum: str,
    chain: Sequence[x509.Certificate] = (),
    key_pem: bytes | None = None,
) -> ClientTls:
    """How a partner's server is trusted; the same object for the same settings, since connections are kept by it.

    Args:
        anchors: Issuers, or (where none of them is an authority) the server's own certificates; the system's
            authorities where there are none.
        minimum: ``1.2`` or ``1.3``.
        chain: Our client certificate, with the ones between it and its root.
        key_pem: Its private key.

    Raises:
        TlsConfigError: As :func:`client_tls`.
    """
    cert_pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain) or None
    return _partner_tls(tuple(anchors), minimum, cert_pem, key_pem)


@lru_cache(maxsize=256)
def _partner_tls(
    anchors: tuple[x509.Certificate, ...], minimum: str, cert_pem: bytes | None, key_pem: bytes | None
) -> ClientTls:
    issuers = [each.public_bytes(Encoding.DER) for each in anchors if _issues(each)]
    return client_tls(
        pinned=[] if issuers else [each.public_bytes(Encoding.DER) for each in anchors],
        anchors=issuers,
        system=not anchors,
        cert_pem=cert_pem,
        key_pem=key_pem,
        minimum="1.3" if minimum == "1.3" else "1.2",
    )


def _issues(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def _harden(context: ssl.SSLContext, minimum: Minimum) -> None:
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(ALPN)
    context.options |= ssl.OP_NO_COMPRESSION


def _trust(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    ders = [der for certificate in certificates for der in _ders(certificate)]
    if not ders:
        return
    try:
        context.load_verify_locations(cadata=b"".join(ders))
    except (ssl.SSLError, ValueError):
        raise TlsConfigError("A trusted certificate can't be read.") from None
    # A pinned end-entity certificate ends the path, though it is no authority.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _ders(certificate: bytes) -> list[bytes]:
    """The certificates of a DER or PEM text, one or more, in DER."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin not in certificate:
        return [certificate]
    try:
        return [
            ssl.PEM_cert_to_DER_cert((begin + part.partition(end)[0] + end).decode("ascii"))
            for part in certificate.split(begin)[1:]
        ]
    except ValueError:
        raise TlsConfigError("A trusted certificate can't be read.") from None


def _load_identity(context: ssl.SSLContext, cert_pem: bytes, key_pem: bytes) -> None:
    password = secrets.token_urlsafe(32)
    try:
        sealed = load_pem_private_key(key_pem, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode("ascii"))
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TlsConfigError("The private key for TLS can't be read.") from None
    with tempfile.TemporaryDirectory(prefix="ecluse-tls-") as folder:
        path = Path(folder) / "identity.pem"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(sealed + b"\n" + cert_pem)
        try:
            context.load_cert_chain(path, password=password)
        except (ssl.SSLError, OSError):
            raise TlsConfigError("The TLS certificate and its private key don't fit together.") from None
