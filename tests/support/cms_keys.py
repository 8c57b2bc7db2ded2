"""Private keys and certificates of every kind that CMS is used with, made once, and `openssl` as a peer."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = 1_790_000_000  # 21 September 2026

_MAKERS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-other": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p256-other": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "x25519-other": x25519.X25519PrivateKey.generate,
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    "ml-kem-768": mlkem.MLKEM768PrivateKey.generate,
    "ml-kem-768-other": mlkem.MLKEM768PrivateKey.generate,
    "ml-kem-1024": mlkem.MLKEM1024PrivateKey.generate,
}
_AUTHORITY = "p384"


@cache
def private_key(kind: str):
    return _MAKERS[kind]()


@cache
def certificate(kind: str, *, key_id: bool = False) -> x509.Certificate:
    """Issued by a little authority, because an encryption key can't sign its own."""
    key = private_key(kind)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Aster {kind}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(_authority_name())
        .public_key(key.public_key())
        .serial_number(1000 + list(_MAKERS).index(kind))
        .not_valid_before(datetime(2025, 1, 1))
        .not_valid_after(datetime(2045, 1, 1))
    )
    if key_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(b"key id of " + kind.encode()), False)
    return builder.sign(private_key(_AUTHORITY), hashes.SHA256())


def _authority_name() -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Birch Authority")])


@cache
def authority() -> x509.Certificate:
    key = private_key(_AUTHORITY)
    return (
        x509.CertificateBuilder()
        .subject_name(_authority_name())
        .issuer_name(_authority_name())
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2025, 1, 1))
        .not_valid_after(datetime(2045, 1, 1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


class Openssl:
    """The `openssl cms` command in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("authority.pem", authority().public_bytes(Encoding.PEM))

    def write(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name

    def give(self, kind: str, *, key_id: bool = False) -> None:
        """Put `<kind>.pem` (certificate) and `<kind>.key` there."""
        self.write(f"{kind}.pem", certificate(kind, key_id=key_id).public_bytes(Encoding.PEM))
        key = private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.write(f"{kind}.key", key)

    def cms(self, *arguments: str) -> bytes:
        """What it wrote to `-out`."""
        result = subprocess.run(
            ["openssl", "cms", *arguments, "-binary", "-out", "out"],
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr.decode()
        return (self.folder / "out").read_bytes()


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
