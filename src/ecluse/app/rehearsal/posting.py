"""Posting octets as they are, past the hub's own client: what is sent here is wrong on purpose."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ecluse.channels.http.tls import ClientTls

__all__ = ["Posted", "post_bytes"]

TIMEOUT: Final = 15.0
MOST: Final = 1 << 20
"""Octets of an answer that are read; a receipt has some thousand."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came back.

    Attributes:
        status: HTTP status; 0 where the connection ended without one.
        headers: HTTP header fields.
        body: HTTP body.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def post_bytes(
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    announce: int = 0,
    tls: ClientTls | None = None,
) -> Posted:
    """Post ``body`` once, on a connection of its own.

    Args:
        url: Where to.
        headers: Header fields; Host and Content-Length are added.
        body: What follows them.
        announce: Octets that Content-Length speaks of, where these are not those that come: the connection is
            closed after them.
        tls: How a server is trusted that speaks TLS.

    Raises:
        OSError: The server can't be reached, or is not the one that is trusted.
    """
    place = urlsplit(url)
    host, port = place.hostname or "", place.port
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        assert tls is not None, "who asks for TLS says how it is trusted"
        connection = http.client.HTTPSConnection(host, port or 443, timeout=TIMEOUT, context=tls.context)
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        if tls.pinned and shown not in tls.pinned:
            connection.close()
            raise OSError("the server shows another certificate than the one that is pinned")
    else:
        connection = http.client.HTTPConnection(host, port or 80, timeout=TIMEOUT)
    try:
        connection.putrequest("POST", place.path or "/", skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in ("content-length", "host", "transfer-encoding", "connection"):
                connection.putheader(name, value.encode("utf-8"))
        connection.putheader("Content-Length", str(announce or len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders()
        connection.send(body)
        if announce > len(body):
            return Posted(0, [], b"")
        response = connection.getresponse()
        return Posted(response.status, response.getheaders(), response.read(MOST))
    except (http.client.HTTPException, ConnectionError):
        return Posted(0, [], b"")
    finally:
        connection.close()
