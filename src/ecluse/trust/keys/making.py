"""Making keys, self-signed certificates and certificate requests."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ecluse.errors import Fault
from ecluse.model.basics import Instant
from ecluse.trust.errors import KeyringError
from ecluse.trust.floor import key_facts
from ecluse.wire.cms.keys import PrivateKey

__all__ = ["KINDS", "MAX_DAYS", "make_certificate", "make_key", "make_request", "subject_name"]

MAX_DAYS: Final = 3660
"""Ten years: past every recommendation, and short enough for the calendar."""

BACKDATED: Final = timedelta(minutes=5)
"""A certificate begins this much earlier, so that a partner whose clock is late takes it."""

KINDS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ec-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    "ml-kem-768": mlkem.MLKEM768PrivateKey.generate,
    "ml-kem-1024": mlkem.MLKEM1024PrivateKey.generate,
}
"""The kinds of key that can be made, by name."""


def _usage_error(cause: str, remedy: str) -> KeyringError:
    return KeyringError(cause, code="keyring.bad-request", remedy=remedy, fault=Fault.USAGE)


def make_key(kind: str) -> PrivateKey:
    """A fresh private key of one of :data:`KINDS`.

    Raises:
        KeyringError: ``keyring.bad-request``: no such kind.
    """
    maker = KINDS.get(kind)
    if maker is None:
        raise _usage_error("There is no such kind of key.", f"Choose one of {', '.join(KINDS)}.")
    return maker()


def subject_name(subject: str) -> x509.Name:
    """A name from a plain text (the common name) or from RFC 4514 (``CN=Aster AS2,O=Aster``).

    Raises:
        KeyringError: ``keyring.bad-request``: it is neither.
    """
    try:
        if "=" in subject:
            return x509.Name.from_rfc4514_string(subject)
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    except (ValueError, TypeError):
        raise _usage_error(
            "The subject of a certificate can't be written.",
            'Give a name of 1 to 64 characters, or an RFC 4514 text such as "CN=Aster AS2,O=Aster".',
        ) from None


def make_certificate(
    private: PrivateKey,
    subject: str,
    *,
    now: Instant,
    days: int,
    names: Sequence[str] = (),
    issuer: tuple[PrivateKey, x509.Certificate] | None = None,
) -> x509.Certificate:
    """A certificate for ``private``: self-signed, or signed by ``issuer``.

    Args:
        private: The key.
        subject: As :func:`subject_name` takes it.
        now: When it begins.
        days: How long it lasts.
        names: DNS names and IP addresses, for TLS.
        issuer: Key and certificate that sign it; needed where the key itself can't sign (X25519, ML-KEM).

    Raises:
        KeyringError: ``keyring.bad-request``.
    """
    if not 1 <= days <= MAX_DAYS:
        raise _usage_error("A certificate can't last that long.", f"Choose 1 to {MAX_DAYS} days.")
    name = subject_name(subject)
    signing = issuer[0] if issuer is not None else private
    if isinstance(signing, x25519.X25519PrivateKey | mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey):
        raise _usage_error(
            "A key that can't sign can't sign its own certificate.",
            "Name a signing key of the keyring as its issuer (--issuer).",
        )
    public = private.public_key()
    begin = datetime.fromtimestamp(now // 1_000_000, UTC) - BACKDATED
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[1].subject if issuer is not None else name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(private), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if names:
        builder = builder.add_extension(_alternative_names(names), critical=False)
    return builder.sign(signing, _digest(signing))


def make_request(private: PrivateKey, subject: x509.Name, names: Sequence[str] = ()) -> str:
    """A PKCS#10 certificate request (RFC 2986), as PEM.

    Args:
        private: The key.
        subject: Whom the certificate is for.
        names: DNS names and IP addresses, for TLS.

    Raises:
        KeyringError: ``keyring.bad-request``: the key can't sign its request.
    """
    if isinstance(private, x25519.X25519PrivateKey | mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey):
        raise _usage_error("A key that can't sign can't sign a request.", "Use a self-made certificate.")
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(_alternative_names(names), critical=False)
    request = builder.sign(private, _digest(private))
    return request.public_bytes(Encoding.PEM).decode("ascii")


def _digest(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(key, rsa.RSAPrivateKey):
        return hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return hashes.SHA256() if key.key_size <= 256 else hashes.SHA384()
    return None


def _key_usage(private: PrivateKey) -> x509.KeyUsage:
    facts = key_facts(private.public_key())
    return x509.KeyUsage(
        digital_signature=facts.signs,
        content_commitment=facts.signs,
        key_encipherment=facts.kind in ("rsa", "ml-kem"),
        data_encipherment=False,
        key_agreement=facts.kind in ("ec", "x25519"),
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            try:
                general.append(x509.DNSName(name))
            except ValueError:
                raise _usage_error("A host name can't be written.", "Give it in its ASCII form.") from None
    return x509.SubjectAlternativeName(general)
