"""Which algorithms SSH is spoken with: the floor, and what the exception ``ssh-legacy`` adds for one partner.

RFC 9142 says which key exchanges are still good. Authenticated ciphers only: with those, AES-GCM first, the Terrapin
attack (CVE-2023-48795) has nothing to work on even where a server lacks strict key exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncssh import kex as _kex

__all__ = ["LEGACY", "MODERN", "NEEDS_STRICT", "Algorithms"]


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What is offered, the preferred first.

    Attributes:
        kex: Key exchanges.
        ciphers: Encryption.
        macs: Message authentication, for ciphers that have none of their own.
        host_keys: Signatures that a server may show its host key by.
        signatures: Signatures that a client may log in by.
    """

    kex: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    host_keys: tuple[str, ...]
    signatures: tuple[str, ...]


_KNOWN: Final = frozenset(name.decode("ascii") for name in _kex.get_kex_algs())
"""What this machine's libraries do."""


def _known(*names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in _KNOWN)


_SIGNATURES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)

MODERN: Final = Algorithms(
    kex=_known(
        "mlkem768x25519-sha256",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
    ),
    ciphers=("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"),
    macs=("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"),
    host_keys=tuple(f"{name}-cert-v01@openssh.com" for name in _SIGNATURES) + _SIGNATURES,
    signatures=_SIGNATURES,
)
"""The floor."""

LEGACY: Final = Algorithms(
    kex=_known(
        *MODERN.kex,
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group14-sha1",
    ),
    ciphers=(*MODERN.ciphers, "aes256-ctr", "aes192-ctr", "aes128-ctr"),
    macs=(*MODERN.macs, "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1"),
    host_keys=(*MODERN.host_keys, "ssh-rsa"),
    signatures=(*MODERN.signatures, "ssh-rsa"),
)
"""With the exception. DSA, group 1, CBC, RC4, Triple DES and MD5 can't be allowed."""

NEEDS_STRICT: Final = frozenset({"chacha20-poly1305@openssh.com"})
"""Ciphers of the floor that are safe with strict key exchange alone (OpenSSH's PROTOCOL, section 1.10)."""
