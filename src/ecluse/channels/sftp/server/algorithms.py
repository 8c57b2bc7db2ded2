"""Which algorithms the listener offers: the floor, and nothing that is kept for old clients' sake.

Sources: NIST SP 800-131A, RFC 9142, and what OpenSSH 9 offers itself. Left out on purpose: SHA-1 everywhere, CBC,
group exchange, groups below 3072 bits, RSA below 2048 bits, and ciphers that need a MAC beside them but are not
encrypt-then-MAC.
"""

from __future__ import annotations

from typing import Final

from asyncssh import kex as _kex

__all__ = ["CIPHERS", "KEY_EXCHANGES", "LEGACY_CIPHERS", "MACS", "SIGNATURES", "key_exchanges"]

KEY_EXCHANGES: Final = (
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512@openssh.com",
    "sntrup761x25519-sha512",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
)
"""Post-quantum hybrids first. sntrup761 needs liboqs on the machine."""

CIPHERS: Final = (
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)
"""AEAD first. chacha20-poly1305 and CTR with an encrypt-then-MAC are those that Terrapin (CVE-2023-48795) can cut at;
they are spoken with clients that do the strict key exchange."""

AEAD_UNHURT: Final = frozenset({"aes256-gcm@openssh.com", "aes128-gcm@openssh.com"})
"""Ciphers of which a prefix can't be cut off unseen without the strict key exchange (the paper's table 4)."""

MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com")

SIGNATURES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""What a client may sign its login with."""


def key_exchanges() -> tuple[str, ...]:
    """Those of :data:`KEY_EXCHANGES` that this machine does."""
    known = {name.decode("ascii") for name in _kex.get_kex_algs()}
    return tuple(name for name in KEY_EXCHANGES if name in known)
