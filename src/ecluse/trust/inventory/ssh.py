"""SSH public keys, authorities, pinned host keys and user certificates, described from their lines."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from ecluse.model.basics import Instant
from ecluse.trust.inventory.strength import strength_of
from ecluse.trust.keys.ssh import fingerprint

__all__ = ["SshFacts", "ssh_facts", "ssh_window"]

_NAMES: Final = {
    "ssh-ed25519": "Ed25519",
    "sk-ssh-ed25519@openssh.com": "Ed25519",
    "ecdsa-sha2-nistp256": "EC P-256",
    "sk-ecdsa-sha2-nistp256@openssh.com": "EC P-256",
    "ecdsa-sha2-nistp384": "EC P-384",
    "ecdsa-sha2-nistp521": "EC P-521",
}
_AUTHORITY: Final = "@cert-authority "
_FOREVER: Final = (1 << 64) - 1
"""``valid before`` of a certificate without an end (PROTOCOL.certkeys of OpenSSH)."""
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, which no calendar passes."""


@dataclass(frozen=True, slots=True)
class SshFacts:
    """What a line says.

    Attributes:
        algorithm: For people; empty where the line is a fingerprint alone.
        strength: Bits of security; ``None`` where nobody can tell.
        fingerprint: ``SHA256:`` and base 64.
        authority: It is marked as a certificate authority.
    """

    algorithm: str
    strength: int | None
    fingerprint: str
    authority: bool = False


@lru_cache(maxsize=1024)
def ssh_facts(line: str) -> SshFacts:
    """Describe a public key, a pinned fingerprint, or an authority. What can't be read has no strength."""
    authority = line.startswith(_AUTHORITY)
    text = line.removeprefix(_AUTHORITY)
    if text.startswith("SHA256:"):
        return SshFacts("", None, text.split()[0])
    kind, _, rest = text.partition(" ")
    try:
        blob = base64.b64decode(rest.partition(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return SshFacts(kind[:60], None, "", authority)
    name = _NAMES.get(kind, kind[:60])
    if kind == "ssh-rsa":
        name = f"RSA {_rsa_bits(blob)}"
    return SshFacts(name, strength_of(name), fingerprint(blob), authority)


def _rsa_bits(blob: bytes) -> int:
    """Bits of the modulus: the third field (RFC 4253 s6.6)."""
    at = 0
    for _ in range(2):
        at += 4 + int.from_bytes(blob[at : at + 4], "big")
    size = int.from_bytes(blob[at : at + 4], "big")
    return int.from_bytes(blob[at + 4 : at + 4 + size][:4096], "big").bit_length()


def ssh_window(line: str) -> tuple[Instant | None, Instant | None]:
    """From when, and until when (inclusive), a user certificate is valid; ``None`` for without a limit."""
    try:
        certificate = load_ssh_public_identity(line.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm):
        return None, None
    if not isinstance(certificate, SSHCertificate):
        return None, None
    begins, ends = certificate.valid_after, certificate.valid_before
    return (
        Instant(begins * 1_000_000) if 0 < begins < _LAST_SECOND else None,
        None if ends == _FOREVER or ends > _LAST_SECOND else Instant((ends - 1) * 1_000_000),
    )
