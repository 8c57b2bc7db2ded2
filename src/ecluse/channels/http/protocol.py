"""One connection of the server: requests one after the other, bodies with back-pressure.

    state    what arrives                       leaves it when
    HEAD     bytes of a head, or nothing yet    the head is complete > BODY or ANSWER; refused > LINGER
    BODY     bytes of the body                  it ends > ANSWER; the response is out before that > LINGER
    ANSWER   the next, pipelined request: kept  the response is out > HEAD, or closed
             aside unread, the socket paused
    LINGER   thrown away                        the peer closes, or time or patience ends > closed

Deadlines are looked at by :meth:`Connection.tick`, which the server calls for every connection several times
in the shortest of them: a timer for each would cost more than the parser.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from structlog.typing import FilteringBoundLogger

from ecluse.channels.http.errors import (
    BodyError,
    BodyMalformed,
    BodyTooLarge,
    BodyTooSlow,
    BodyTruncated,
    ServerStopped,
)
from ecluse.channels.http.limits import LINGER_BYTES, Limits
from ecluse.channels.http.message import Body, Handler, Peer, Refused, Request, Response
from ecluse.channels.http.respond import CONTINUE, Plan, canned, plan
from ecluse.wire.http1 import (
    MAX_HEAD_BYTES,
    ChunkReader,
    Framing,
    HttpSyntaxError,
    RequestHead,
    encode_chunk,
    parse_request_head,
    request_framing,
)


class State(Enum):
    """Where a connection is: see the module's table."""

    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    LINGER = "linger"


@dataclass(slots=True)
class Shared:
    """What the connections of one server share.

    ``now`` (the loop's seconds) and ``date`` (for the Date field) are as old as the last tick.
    """

    handler: Handler
    limits: Limits
    log: FilteringBoundLogger
    loop: asyncio.AbstractEventLoop
    now: float = 0.0
    date: str = ""
    stopping: bool = False
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    slots: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    refused: Refused | None = None

    def take(self, address: str) -> bool:
        """Take a connection's place, before its handshake; False where none is left for this address."""
        limits = self.limits
        if self.taken >= limits.connections or self.slots[address] >= limits.connections_per_address:
            return False
        self.taken += 1
        self.slots[address] += 1
        return True

    def release(self, address: str) -> None:
        """Give the place back."""
        self.taken -= 1
        self.slots[address] -= 1
        if not self.slots[address]:
            del self.slots[address]


class Connection(asyncio.Protocol):
    """The server's side of one TCP or TLS connection.

    ``made`` tells that it came up, TLS handshake included: from then on it gives its place back itself.
    """

    def __init__(self, shared: Shared, peer: Peer) -> None:
        self._shared = shared
        self._peer = peer
        self._state = State.HEAD
        self.made = False
        self._closed = False
        self._reading = True
        self._pending = bytearray()
        self._scanned = 0
        self._deadline = shared.now + shared.limits.head_time
        self._body = Body(self)
        self._chunks: ChunkReader | None = None
        self._left = 0
        self._continue_due = False
        self._broken = False
        self._eof = False
        self._received = 0
        self._last_byte = 0.0
        self._window_start = 0.0
        self._window_bytes = 0
        self._writable: asyncio.Future[None] | None = None
        self._write_paused_at: float | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up, TLS handshake included."""
        self._transport = cast(asyncio.Transport, transport)
        self.made = True
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            cipher = tls.cipher()
            self._peer = Peer(
                self._peer.address,
                self._peer.port,
                tls.version(),
                cipher[0] if cipher else None,
                tls.getpeercert(binary_form=True),
            )
        self._deadline = self._shared.now + self._shared.limits.head_time
        self._shared.connections.add(self)
        if self._shared.stopping:
            self._close()

    def data_received(self, data: bytes) -> None:
        """Bytes came, in pieces of any size."""
        if self._state is State.HEAD:
            self._seek_head(data)
        elif self._state is State.BODY:
            self._take_body(data)
        elif self._state is State.ANSWER:
            self._pending += data
            self._pause()
        else:
            self._received += len(data)
            if self._received > LINGER_BYTES:
                self._transport.abort()

    def eof_received(self) -> bool:
        """The peer sends no more. It may still read, so an answer under way is finished (plain TCP)."""
        if self._state is State.BODY:
            self._fail_body(BodyTruncated("The peer closed the connection before the end of the body."))
            return False
        self._eof = True
        return self._state is State.ANSWER

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. A handler at work goes on: what it has kept must be consistent."""
        self._closed = True
        self._shared.connections.discard(self)
        self._shared.release(self._peer.address)
        if self._state is State.BODY:
            self._fail_body(BodyTruncated("The connection was lost before the end of the body."))
        self.resume_writing()

    def pause_writing(self) -> None:
        """The peer does not take our bytes."""
        self._write_paused_at = self._shared.now
        self._writable = self._shared.loop.create_future()

    def resume_writing(self) -> None:
        """The peer takes bytes again, or never will."""
        self._write_paused_at = None
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # What the server calls.

    def tick(self, now: float) -> None:
        """End what has waited too long."""
        limits = self._shared.limits
        if self._write_paused_at is not None:
            if now - self._write_paused_at > limits.send_idle:
                self._transport.abort()
        elif self._state is State.HEAD:
            if now > self._deadline:
                if self._pending:
                    self._refuse(408, "The head did not arrive in time.")
                else:
                    self._close()
        elif self._state is State.LINGER:
            if now > self._deadline:
                self._transport.abort()
        elif self._state is State.BODY:
            self._check_pace(now, limits)

    def drain(self) -> None:
        """The server is stopping: end at once if idle, else after the response under way."""
        if self._state is State.HEAD and not self._pending:
            self._close()

    def abandon(self) -> None:
        """The period of grace is over."""
        self._fail_body(ServerStopped("The server is stopping."))
        self._transport.abort()

    # What the body calls (message.Flow).

    def want_body(self) -> None:
        """The handler waits for bytes."""
        if self._continue_due:
            self._continue_due = False
            if not self._closed and self._state is State.BODY:
                self._transport.write(CONTINUE)
            self._restart_pace()
        if not self._reading and self._state is State.BODY:
            self._resume()
            self._restart_pace()

    def hold_body(self) -> None:
        """The handler has enough to do."""
        self._pause()

    # Heads.

    def _seek_head(self, data: bytes) -> None:
        pending = self._pending
        buffer: bytes | bytearray = data
        if pending:
            pending += data
            buffer = pending
        elif data[0] in b"\r\n":
            # Empty lines before a request are tolerated (RFC 9112 section 2.2), but no sign of life.
            buffer = data.lstrip(b"\r\n")
            if not buffer:
                return
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0 or end > MAX_HEAD_BYTES:
            if not 32 < buffer[0] < 127:
                self._refuse(400, "The connection does not begin with HTTP; perhaps with TLS.")
            elif end < 0 and buffer.find(b"\n\n", self._scanned) >= 0:
                self._refuse(400, "The lines of the head do not end with CR LF.")
            elif len(buffer) > MAX_HEAD_BYTES:
                self._refuse(431, f"The head is longer than {MAX_HEAD_BYTES} bytes.")
            else:
                if not pending:
                    self._deadline = self._shared.now + self._shared.limits.head_time
                    self._pending = bytearray(buffer)
                self._scanned = max(0, len(buffer) - 3)
            return
        block, rest = bytes(buffer[:end]), bytes(buffer[end + 4 :])
        if pending:
            self._pending = bytearray()
        self._scanned = 0
        try:
            head = parse_request_head(block)
            framing = request_framing(head)
        except HttpSyntaxError as error:
            self._refuse(error.status, error.cause)
            return
        self._begin(head, framing, rest)

    def _begin(self, head: RequestHead, framing: Framing, rest: bytes) -> None:
        shared = self._shared
        if framing.length is not None and framing.length > shared.limits.body_bytes:
            self._refuse(413, "The body is longer than the limit.")
            return
        if len(shared.tasks) >= shared.limits.requests:
            self._refuse(503, "Too many requests are being handled.")
            return
        self._body = body = Body(self)
        self._received = 0
        self._left = framing.length or 0
        self._chunks = ChunkReader() if framing.chunked else None
        if framing.chunked or framing.length:
            self._state = State.BODY
            self._continue_due = framing.expect_continue and not rest
            self._restart_pace()
            if rest:
                self._take_body(rest)
            if self._eof and not body.ended:
                self._fail_body(BodyTruncated("The peer closed the connection before the end of the body."))
        else:
            self._state = State.ANSWER
            body.end()
            self._pending += rest
        request = Request(head.method, head.target, head.fields, self._peer, framing.length, body)
        task = shared.loop.create_task(self._serve(request, head, framing))
        shared.tasks.add(task)
        task.add_done_callback(shared.tasks.discard)

    # Bodies.

    def _take_body(self, data: bytes) -> None:
        size = len(data)
        self._window_bytes += size
        self._last_byte = self._shared.now
        self._continue_due = False
        if self._broken:
            return
        rest = b""
        if self._chunks is None:
            if size > self._left:
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            ended = self._left == 0
        else:
            try:
                data = self._chunks.feed(data)
            except HttpSyntaxError as error:
                self._fail_body(BodyMalformed(error.cause))
                return
            ended, rest = self._chunks.ended, self._chunks.rest
        self._received += len(data)
        if self._received > self._shared.limits.body_bytes:
            self._fail_body(BodyTooLarge("The body is longer than the limit."))
            return
        if data:
            self._body.put(data)
        if ended:
            self._state = State.ANSWER
            self._body.end()
            if rest:
                self._pending += rest
                self._pause()

    def _fail_body(self, error: BodyError) -> None:
        self._broken = True
        self._body.fail(error)
        self._pause()

    def _restart_pace(self) -> None:
        self._last_byte = self._window_start = self._shared.now
        self._window_bytes = 0

    def _check_pace(self, now: float, limits: Limits) -> None:
        if self._broken or self._continue_due or not self._reading:
            return  # It is not the peer who is waited for.
        if now - self._last_byte > limits.body_idle:
            self._fail_body(BodyTooSlow(f"Nothing came for {limits.body_idle:g} seconds."))
        elif now - self._window_start >= limits.body_window:
            if self._window_bytes < limits.body_rate * limits.body_window:
                self._fail_body(BodyTooSlow(f"Less than {limits.body_rate} bytes a second came."))
            self._window_start, self._window_bytes = now, 0

    # Answers.

    async def _serve(self, request: Request, head: RequestHead, framing: Framing) -> None:
        shared = self._shared
        try:
            response = await shared.handler(request)
        except BodyError as error:
            shared.log.info("http.body-failed", code=error.code, peer=self._peer.address)
            self._broken = True
            response = Response(error.status)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception:
            # Whatever it is, the peer gets no more than a 500.
            shared.log.exception("http.handler-failed", method=head.method, peer=self._peer.address)
            response = Response(500)
        if self._closed:
            return
        close = self._broken or shared.stopping or not framing.keep_alive or not self._body.ended
        try:
            ready = plan(response, head.method, head.minor, shared.date, close)
        except ValueError:
            shared.log.exception("http.response-invalid", method=head.method)
            response = Response(500)
            ready = plan(response, head.method, head.minor, shared.date, close)
        if await self._write(response, ready):
            self._next(ready.close)

    async def _write(self, response: Response, ready: Plan) -> bool:
        """Write the response; False where the connection is lost or had to be cut."""
        body = response.body
        if not ready.send_body:
            self._transport.write(ready.head)
            return await self._flushed()
        if isinstance(body, bytes):
            self._transport.write(ready.head + body)
            return await self._flushed()
        self._transport.write(ready.head)
        sent = 0
        try:
            async with aclosing(_pieces(body)) as pieces:
                async for piece in pieces:
                    sent += len(piece)
                    if ready.length is not None and sent > ready.length:
                        break
                    if piece:
                        self._transport.write(encode_chunk(piece) if ready.chunked else piece)
                    if not await self._flushed():
                        return False
        except Exception:
            # The head is out: only a cut tells the peer that the body is not whole.
            self._shared.log.exception("http.response-failed", peer=self._peer.address)
            self._transport.abort()
            return False
        if ready.length is not None and sent != ready.length:
            self._shared.log.error("http.response-length-wrong", declared=ready.length)
            self._transport.abort()
            return False
        if ready.chunked:
            self._transport.write(encode_chunk(b""))
        return await self._flushed()

    async def _flushed(self) -> bool:
        while self._writable is not None:
            await self._writable
        return not self._closed

    def _next(self, close: bool) -> None:
        if self._state is State.BODY:
            self._linger()
        elif close or self._broken or self._shared.stopping:
            self._close()
        else:
            self._state = State.HEAD
            self._deadline = self._shared.now + self._shared.limits.keep_alive
            if self._pending:
                held, self._pending = bytes(self._pending), bytearray()
                self._seek_head(held)
            if self._state is State.HEAD and self._eof:
                self._close()
            elif self._state is not State.ANSWER or not self._pending:
                self._resume()

    def _refuse(self, status: int, cause: str) -> None:
        self._shared.log.info("http.refused", status=status, cause=cause, peer=self._peer.address)
        if self._shared.refused is not None:
            self._shared.refused(self._peer, status, cause)
        self._pending = bytearray()
        self._transport.write(canned(status, self._shared.date))
        self._linger()

    def _close(self) -> None:
        """Close once what is written has left, which the peer can't put off for ever."""
        self._state = State.LINGER
        self._deadline = self._shared.now + self._shared.limits.send_idle
        self._transport.close()

    def _linger(self) -> None:
        """Read on for a little: closing with bytes unread resets TCP and can destroy the answer."""
        self._state = State.LINGER
        self._broken = True
        self._received = 0
        self._deadline = self._shared.now + self._shared.limits.linger
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()

    def _pause(self) -> None:
        if self._reading and not self._closed:
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading and not self._closed:
            self._reading = True
            self._transport.resume_reading()


async def _pieces(body: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Advance either kind of iterable, and close an async generator that is left early."""
    if not isinstance(body, AsyncIterable):
        for piece in body:
            yield piece
        return
    try:
        async for piece in body:
            yield piece
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()
