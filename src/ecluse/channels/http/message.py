"""A request as its handler sees it, and the response it gives back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ecluse.channels.http.errors import BodyError, BodyTooLarge
from ecluse.channels.http.limits import BUFFER_BYTES
from ecluse.wire.http1 import Fields


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    ``certificate`` is the client's in DER, verified against the listener's anchors; None where it gave none.
    An anchor that may issue certificates vouches for others than itself: a handler compares these bytes with
    the partner's own.
    """

    address: str
    port: int
    tls_version: str | None = None
    cipher: str | None = None
    certificate: bytes | None = None


class Flow(Protocol):
    """What a body asks of the connection that fills it."""

    def want_body(self) -> None:
        """The handler waits for bytes: send ``100 Continue`` where it is due, read the socket again."""

    def hold_body(self) -> None:
        """Enough is buffered: stop reading the socket."""


class Body:
    """Bytes on their way from a connection to a handler: bounded, with back-pressure, one reader."""

    __slots__ = ("_chunks", "_ended", "_error", "_flow", "_size", "_waiter")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: BodyError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def ended(self) -> bool:
        """All of it has arrived."""
        return self._ended

    def put(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size >= BUFFER_BYTES:
            self._flow.hold_body()
        self._wake()

    def end(self) -> None:
        """Nothing follows."""
        self._ended = True
        self._wake()

    def fail(self, error: BodyError) -> None:
        """Nothing more can follow; what is buffered is worthless. The first error stays."""
        if not self._ended and self._error is None:
            self._error = error
            self._chunks.clear()
            self._wake()

    async def get(self) -> bytes:
        """The next bytes; empty at the end. Raises the :class:`BodyError` that ended it early."""
        while True:
            if self._chunks:
                data = self._chunks.popleft()
                self._size -= len(data)
                if not self._ended and self._size < BUFFER_BYTES:
                    self._flow.want_body()
                return data
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            self._flow.want_body()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Request:
    """One request. ``async for chunk in request`` gives the body as it arrives.

    Attributes:
        method: As sent.
        path: As sent: neither decoded nor normalised, so that only exact comparison makes sense.
        query: What followed the first ``?``, or empty.
        headers: Names in lower case, Latin-1 values, in the order received.
        peer: Who sent it.
        content_length: Bytes of the body; None where it is chunked.
    """

    __slots__ = ("_body", "content_length", "headers", "method", "path", "peer", "query")

    def __init__(
        self, method: str, target: str, headers: Fields, peer: Peer, content_length: int | None, body: Body
    ) -> None:
        self.method = method
        self.path, _, self.query = _origin_form(target).partition("?")
        self.headers = headers
        self.peer = peer
        self.content_length = content_length
        self._body = body

    def header(self, name: str) -> str | None:
        """The first value of a header (``name`` in lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def __aiter__(self) -> Request:
        return self

    async def __anext__(self) -> bytes:
        data = await self._body.get()
        if not data:
            raise StopAsyncIteration
        return data

    async def read(self, limit: int) -> bytes:
        """The rest of the body at once.

        Raises:
            BodyTooLarge: It is longer than ``limit`` bytes.
            BodyError: It can't be read to its end.
        """
        if self.content_length is not None and self.content_length > limit:
            raise BodyTooLarge(f"The body is longer than {limit} bytes.")
        chunks: list[bytes] = []
        size = 0
        while data := await self._body.get():
            size += len(data)
            if size > limit:
                raise BodyTooLarge(f"The body is longer than {limit} bytes.")
            chunks.append(data)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@dataclass(slots=True)
class Response:
    """What to answer.

    The server writes Content-Length, Transfer-Encoding, Connection and Date. A Content-Length among the
    headers is taken for a streamed body and for HEAD. ``Connection: close`` ends the connection. A plain
    (not async) iterable is advanced on the event loop: it must not block.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterable[bytes] | Iterable[bytes] = b""


Handler = Callable[[Request], Awaitable[Response]]

Refused = Callable[[Peer, int, str], None]
"""Told on the event loop of a refusal: who, the status answered, and why. Must neither block nor raise."""


def _origin_form(target: str) -> str:
    """The path and query of an absolute-form target, which a server has to accept (RFC 9112 s3.2.2)."""
    if target.startswith("/") or target == "*":
        return target
    scheme, colon, rest = target.partition("://")
    if colon and scheme.lower() in {"http", "https"}:
        for at, char in enumerate(rest):
            if char == "/":
                return rest[at:]
            if char == "?":
                return "/" + rest[at:]
        return "/"
    return target
