"""Octets that openssl makes: keys, certificates, signatures and time-stamps, in a folder of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["OpenSsl"]

_CONFIG = """[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[leaf]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
[stamps]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[tsa]
default_tsa=one
[one]
serial=$ENV::FOLDER/serial
signer_digest=sha256
default_policy=1.3.6.1.4.1.99999.1
digests=sha256,sha512
accuracy=secs:1
ordering=no
tsa_name=no
ess_cert_id_chain=no
ess_cert_id_alg=sha256
"""


class OpenSsl:
    """Runs openssl in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "openssl.cnf").write_text(_CONFIG)
        (folder / "serial").write_text("01\n")

    def __call__(self, *arguments: str | Path) -> bytes:
        """Run; give what it prints."""
        done = subprocess.run(
            ["openssl", *map(str, arguments)],
            cwd=self.folder,
            env={
                "PATH": "/usr/bin:/bin:/usr/local/bin",
                "FOLDER": str(self.folder),
                "OPENSSL_CONF": "openssl.cnf",
            },
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def read(self, name: str) -> bytes:
        """A file of the folder."""
        return (self.folder / name).read_bytes()

    def authority(self, name: str, kind: str = "ec") -> None:
        """A self-signed authority: ``name.pem``, ``name.key``."""
        self._key(name, kind)
        self("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "300",
             "-extensions", "ca", "-config", "openssl.cnf", "-out", f"{name}.pem")  # fmt: skip

    def certificate(self, name: str, issuer: str, kind: str = "ec", extensions: str = "leaf") -> None:
        """A certificate of an authority's: ``name.pem``, ``name.key``."""
        self._key(name, kind)
        self("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-config", "openssl.cnf",
             "-out", f"{name}.csr")  # fmt: skip
        options = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days", "200"]
        options += ["-extfile", "openssl.cnf", "-extensions", extensions]
        self("x509", "-req", "-in", f"{name}.csr", *options, "-out", f"{name}.pem")

    def stamp(self, signer: str, data: bytes, digest: str = "sha256", *, token: bool = False) -> bytes:
        """The response of an authority over ``data``, or the token alone."""
        (self.folder / "data").write_bytes(data)
        self("ts", "-query", "-data", "data", f"-{digest}", "-cert", "-out", "query")
        self("ts", "-reply", "-queryfile", "query", "-signer", f"{signer}.pem", "-inkey", f"{signer}.key",
             "-config", "openssl.cnf", "-out", "reply", *(["-token_out"] if token else []))  # fmt: skip
        return self.read("reply")

    def sign(self, data: bytes, signer: str = "forger") -> bytes:
        """A detached signature over ``data``, DER."""
        (self.folder / "data").write_bytes(data)
        self("cms", "-sign", "-in", "data", "-binary", "-outform", "DER", "-signer", f"{signer}.pem",
             "-inkey", f"{signer}.key", "-out", "signature")  # fmt: skip
        return self.read("signature")

    def _key(self, name: str, kind: str) -> None:
        options = {
            "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "ed25519": ["-algorithm", "ED25519"],
        }[kind]
        self("genpkey", *options, "-out", f"{name}.key")
