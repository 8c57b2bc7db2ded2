"""A small configuration and a keyring for tests of everything above the trust room."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ecluse.model.basics import Instant
from ecluse.trust.keys.memory import MemoryKeyring

HUB = '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n'
PARTNER = """name = "Birch"
[as2]
id = "BIRCH"
url = "https://as2.birch.example/as2"
[[certificates]]
file = "certificates/birch.pem"
"""


def instant(year: int, month: int = 1, day: int = 1, hour: int = 0) -> Instant:
    return Instant(int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000_000)


NOW = instant(2026, 6, 1)


def key(kind: str = "ec"):
    """The private key of a kind; one for each as long as the process lives."""
    return _key(kind)


@functools.cache
def _key(kind: str):
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "k1":
        return ec.generate_private_key(ec.SECP256K1())
    return rsa.generate_private_key(65537, int(kind))


def certificate(
    name: str = "Birch",
    kind: str = "ec",
    *,
    begin: int = 2020,
    end: int = 2050,
    issuer: tuple[str, object] | None = None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer[0])]) if issuer else subject
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key(kind).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(begin, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(end, 1, 1, tzinfo=UTC))
        .sign(issuer[1] if issuer else key(kind), hashes.SHA256())
    )


def signed_with(old: str, certificate: x509.Certificate) -> x509.Certificate:
    """The certificate with its (RSA, SHA-256) signature algorithm called ``md5`` or ``sha1``."""
    stem = bytes.fromhex("2a864886f70d0101")
    number = {"md5": b"\x04", "sha1": b"\x05"}[old]
    der = certificate.public_bytes(serialization.Encoding.DER)
    return x509.load_der_x509_certificate(der.replace(stem + b"\x0b", stem + number))


def pem(*certificates: x509.Certificate) -> str:
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


@functools.cache
def birch_pem() -> str:
    return pem(certificate())


def files(partner: str = PARTNER, hub: str = HUB, **more: str) -> dict[str, str]:
    return {
        "ecluse.toml": hub,
        "partners/birch.toml": partner,
        "certificates/birch.pem": birch_pem(),
        **more,
    }


def keyring(*refs: str, kind: str = "ec-p256") -> MemoryKeyring:
    ring = MemoryKeyring(lambda: NOW)
    for ref in refs or ("main",):
        ring.generate(ref, kind, subject="Aster", days=3000)
    return ring
