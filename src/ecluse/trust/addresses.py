"""Hosts and URLs as settings give them, taken apart."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_loopback", "split_host", "split_url"]


def split_url(url: str) -> tuple[str, str, int] | None:
    """(scheme, host in lower case, port) of an HTTP URL; ``None`` where it is none or has a user in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    if port is None:
        port = 443 if scheme == "https" else 80
    if not 0 < port < 65536:
        return None
    return scheme, parts.hostname.lower(), port


def is_loopback(host: str) -> bool:
    """Whether a host name says that it is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


def split_host(text: str, port: int) -> tuple[str, int]:
    """(host in lower case, port) of a checked ``HostPort``; ``port`` where it has none."""
    host, colon, number = text.rpartition(":")
    if not colon or "]" in number:
        return text.strip("[]").lower(), port
    return host.strip("[]").lower(), int(number)
