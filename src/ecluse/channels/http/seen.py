"""What the other end of a connection was seen to use, as :mod:`ecluse.trust.sightings` has it."""

from __future__ import annotations

import hashlib

from ecluse.channels.http.message import Peer

__all__ = ["as_client", "as_server"]


def as_server(peer: Peer) -> dict[str, str | None]:
    """What a partner's server showed us, by role; the version is ``none`` where there was no TLS."""
    return {
        "tls-version": peer.tls_version or "none",
        "cipher": peer.cipher,
        "tls-server": _fingerprint(peer.certificate),
    }


def as_client(peer: Peer) -> dict[str, str | None]:
    """What a partner's client showed our listener; nothing without TLS, which a proxy may have ended."""
    if peer.tls_version is None:
        return {}
    return {
        "tls-client-version": peer.tls_version,
        "tls-client-cipher": peer.cipher,
        "tls-client": _fingerprint(peer.certificate),
    }


def _fingerprint(certificate: bytes | None) -> str | None:
    return hashlib.sha256(certificate).hexdigest() if certificate else None
