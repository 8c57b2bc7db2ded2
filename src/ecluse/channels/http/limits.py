"""What the other side may cost us. Head limits are in :mod:`ecluse.wire.http1.head`.

OWASP's cheat sheet on denial of service and the time-outs of Apache's mod_reqtimeout and nginx are the
sources of the orders of magnitude; each figure can be changed where the server or client is made.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

BUFFER_BYTES = 256 * KIB
"""Body bytes held for a handler before the socket is no longer read: what one read may deliver."""
LINGER_BYTES = 4 * MIB
"""Bytes thrown away after an early answer, so that a peer that is still sending can read it."""
PIECE_BYTES = 256 * KIB
"""Bytes handed to the socket at once: each has to leave within the stall time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The server's limits. Times are in seconds.

    Attributes:
        head_time: From a request's first byte to the end of its head (408), and for a connection's first.
        keep_alive: Without a byte between two requests (closed in silence).
        handshake_time: For the TLS handshake.
        body_bytes: Content of one request (413).
        body_idle: Without a byte in the middle of a body (408).
        body_rate: Bytes a second over each ``body_window`` of waiting for the peer (408).
        body_window: The window of ``body_rate``.
        send_idle: With an answer that the peer does not take (aborted).
        linger: For reading on after an early answer.
        connections: Open at once (503, or closed where TLS has yet to begin).
        connections_per_address: The same for one remote address.
        requests: With the handler at once (503).
    """

    head_time: float = 30.0
    keep_alive: float = 60.0
    handshake_time: float = 10.0
    body_bytes: int = 20 * GIB
    body_idle: float = 60.0
    body_rate: int = 1 * KIB
    body_window: float = 30.0
    send_idle: float = 60.0
    linger: float = 2.0
    connections: int = 1000
    connections_per_address: int = 100
    requests: int = 256

    @property
    def tick(self) -> float:
        """How often deadlines are looked at: a quarter of the shortest, a second at most."""
        shortest = min(
            self.head_time, self.keep_alive, self.body_idle, self.body_window, self.send_idle, self.linger
        )
        return max(0.01, min(1.0, shortest / 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """The client's limits. Times are in seconds.

    Attributes:
        connect: For each address, TLS handshake included.
        stall: For each :data:`PIECE_BYTES` of the request to leave.
        reply_time: From the last byte sent to the last of the answer. Large synchronous MDNs take minutes.
        total: For the whole exchange.
        continue_wait: For ``100 Continue``, then the body is sent anyway (RFC 9110 section 10.1.1).
        reply_bytes: Content of the answer.
        idle: How long a connection is kept for another request.
    """

    connect: float = 15.0
    stall: float = 60.0
    reply_time: float = 300.0
    total: float = 12 * 3600.0
    continue_wait: float = 3.0
    reply_bytes: int = 1 * MIB
    idle: float = 20.0
