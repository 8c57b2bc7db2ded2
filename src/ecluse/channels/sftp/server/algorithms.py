"""Which algorithms the listener offers: the floor, and old ones where a partner's exception names them.

Sources: NIST SP 800-131A, RFC 9142, and what OpenSSH 9 offers. Never: SHA-1 in a key exchange's hash beyond the one
below, MD5, RC4, 3DES, DSA, ``none``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncssh.kex import get_kex_algs

__all__ = ["LEGACY_SIGNATURES", "SIGNATURES", "Offer", "is_legacy", "offer"]

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
"""Post-quantum hybrids first. sntrup761 needs liboqs on the machine, and is left out without it."""
LEGACY_KEY_EXCHANGES: Final = (
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha1",
)

UNHURT_CIPHERS: Final = ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com")
CIPHERS: Final = (*UNHURT_CIPHERS, "chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr")
LEGACY_CIPHERS: Final = ("aes256-cbc", "aes128-cbc")

UNHURT_MACS: Final = ("hmac-sha2-256", "hmac-sha2-512")
MACS: Final = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", *UNHURT_MACS)
LEGACY_MACS: Final = ("hmac-sha1",)

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
LEGACY_SIGNATURES: Final = ("ssh-rsa",)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one connection is offered, as names on the wire."""

    key_exchanges: tuple[bytes, ...]
    ciphers: tuple[bytes, ...]
    macs: tuple[bytes, ...]


def offer(*, strict: bool, legacy: bool) -> Offer:
    """What to offer.

    Args:
        strict: Whether the client does the strict key exchange. Without it, who stands between can cut packets off
            the beginning of a connection under chacha20-poly1305 or an encrypt-then-MAC (Terrapin,
            CVE-2023-48795): such a client is offered AES-GCM, and AES-CTR with a plain MAC, which do not have that.
        legacy: Whether a partner with the exception ``ssh-legacy`` may be at the other end.
    """
    known = set(get_kex_algs())
    exchanges = KEY_EXCHANGES + (LEGACY_KEY_EXCHANGES if legacy else ())
    ciphers = CIPHERS if strict else (*UNHURT_CIPHERS, "aes256-ctr", "aes128-ctr")
    macs = MACS if strict else UNHURT_MACS
    return Offer(
        tuple(name for each in exchanges if (name := each.encode("ascii")) in known),
        tuple(each.encode("ascii") for each in ciphers + (LEGACY_CIPHERS if legacy else ())),
        tuple(each.encode("ascii") for each in macs + (LEGACY_MACS if legacy else ())),
    )


def is_legacy(kex: bytes, cipher: bytes, mac: bytes) -> bool:
    """Whether something was negotiated that only a partner with the exception may use."""
    return (
        kex.decode("ascii") in LEGACY_KEY_EXCHANGES
        or cipher.decode("ascii") in LEGACY_CIPHERS
        or mac.decode("ascii") in LEGACY_MACS
    )
