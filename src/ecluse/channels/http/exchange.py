"""One request and its reply on a connected line."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ecluse.channels.http.errors import (
    Doubtful,
    Interrupted,
    ReplyMalformed,
    ReplyTooLarge,
    RequestInvalid,
    TlsRefused,
)
from ecluse.channels.http.limits import PIECE_BYTES, ClientLimits
from ecluse.channels.http.line import Line
from ecluse.channels.http.message import Peer
from ecluse.errors import Fault
from ecluse.wire.http1 import (
    MAX_HEAD_BYTES,
    ChunkReader,
    Fields,
    HttpSyntaxError,
    ResponseHead,
    encode_chunk,
    parse_response_head,
    response_framing,
)

MAX_INTERIM = 16
"""Responses of 1xx before the final one; real servers send one."""
JOIN_BYTES = 32 * 1024
"""Up to here a copy is cheaper than a second system call."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The final answer. Its meaning is the caller's affair, whatever the status."""

    status: int
    reason: str
    headers: Fields
    body: bytes = field(repr=False)
    peer: Peer = field(repr=False)

    def header(self, name: str) -> str | None:
        """The first value of a header (``name`` in lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Exchange:
    """One request and its reply on a line. ``answered`` tells that a byte of the reply has come."""

    def __init__(
        self,
        head: bytes,
        body: bytes | Iterable[bytes],
        length: int | None,
        expect_continue: bool,
        limits: ClientLimits,
        deadline: float,
    ) -> None:
        self._head = head
        self._body = body
        self._length = length
        self._expect = expect_continue
        self._limits = limits
        self.deadline = deadline
        self.answered = False
        self._early: ResponseHead | None = None

    def run(self, line: Line) -> tuple[Reply, bool]:
        """The reply, and whether the line can be used again."""
        whole = False
        try:
            try:
                whole = self._send(line)
            except OSError as error:
                # The server may have answered and stopped reading, or closed: its answer says more.
                if isinstance(error, TimeoutError) and not line.readable(even_tls=True):
                    raise
                _explain(error)
            reply, reusable = self._read(line)
        except HttpSyntaxError as error:
            raise ReplyMalformed(f"The answer can't be understood: {error.cause}") from error
        except (OSError, EOFError) as error:
            _explain(error)
            reason = "the time is over" if isinstance(error, TimeoutError) else "the connection was lost"
            if whole:
                raise Doubtful(f"The request was sent and not answered: {reason}.") from error
            raise Interrupted(f"The request was sent in part: {reason}.") from error
        return reply, reusable and whole

    # Sending.

    def _send(self, line: Line) -> bool:
        """Send; False where the server answered before it had all, and the rest was kept."""
        if self._expect:
            self._out(line, self._head)
            if not self._may_continue(line):
                return False
            head = b""
        else:
            head = self._head
        body = self._body
        if isinstance(body, bytes) and self._length is not None and len(body) <= JOIN_BYTES:
            self._out(line, head + body)
            return True
        self._out(line, head)
        if isinstance(body, bytes):
            view = memoryview(body)
            return self._pieces(
                line, (view[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES))
            )
        return self._pieces(line, body)

    def _pieces(self, line: Line, pieces: Iterable[bytes | memoryview]) -> bool:
        sent = 0
        for piece in pieces:
            sent += len(piece)
            if self._length is not None and sent > self._length:
                break
            if line.readable(even_tls=False):
                return False
            if self._length is not None:
                self._out(line, piece)
            elif 0 < len(piece) <= JOIN_BYTES:
                self._out(line, encode_chunk(piece))
            elif piece:
                self._out(line, b"%x\r\n" % len(piece))
                self._out(line, piece)
                self._out(line, b"\r\n")
        if self._length is None:
            self._out(line, encode_chunk(b""))
        elif sent != self._length:
            raise RequestInvalid("The body has not the length that was announced.", fault=Fault.OURS)
        return True

    def _out(self, line: Line, data: bytes | memoryview) -> None:
        line.send(data, self._limits.stall, self.deadline)

    def _may_continue(self, line: Line) -> bool:
        """Wait for 100; True also where none comes in time, False where a final answer came."""
        until = time.monotonic() + self._limits.continue_wait
        try:
            head = self._read_head(line, until)
        except TimeoutError:
            return True
        if head.status == 100:
            return True
        self._early = head
        return False

    # Reading.

    def _read(self, line: Line) -> tuple[Reply, bool]:
        until = min(self.deadline, time.monotonic() + self._limits.reply_time)
        head = self._early or self._read_head(line, until)
        for _ in range(MAX_INTERIM):
            if head.status >= 200:
                break
            head = self._read_head(line, until)
        else:
            raise HttpSyntaxError(f"More than {MAX_INTERIM} interim responses came.")
        framing = response_framing(head, "POST")
        if framing.chunked:
            body = self._read_chunks(line, until)
        elif framing.length is None:
            body = self._read_to_end(line, until)
        else:
            body = self._read_length(line, framing.length, until)
        reply = Reply(head.status, head.reason, head.fields, body, line.peer)
        return reply, framing.keep_alive and not line.buffer

    def _read_head(self, line: Line, until: float) -> ResponseHead:
        scanned = 0
        while (end := line.buffer.find(b"\r\n\r\n", scanned)) < 0:
            if len(line.buffer) > MAX_HEAD_BYTES:
                raise HttpSyntaxError(f"The head is longer than {MAX_HEAD_BYTES} bytes.")
            scanned = max(0, len(line.buffer) - 3)
            line.buffer += self._more(line, until)
        head = parse_response_head(bytes(line.buffer[:end]))
        del line.buffer[: end + 4]
        return head

    def _read_length(self, line: Line, length: int, until: float) -> bytes:
        self._bound(length)
        while len(line.buffer) < length:
            line.buffer += self._more(line, until)
        body = bytes(line.buffer[:length])
        del line.buffer[:length]
        return body

    def _read_chunks(self, line: Line, until: float) -> bytes:
        reader = ChunkReader()
        body = bytearray(reader.feed(bytes(line.buffer)))
        line.buffer.clear()
        while not reader.ended:
            self._bound(len(body))
            body += reader.feed(self._more(line, until))
        self._bound(len(body))
        line.buffer += reader.rest
        return bytes(body)

    def _read_to_end(self, line: Line, until: float) -> bytes:
        while data := self._take(line, until):
            line.buffer += data
            self._bound(len(line.buffer))
        body = bytes(line.buffer)
        line.buffer.clear()
        return body

    def _more(self, line: Line, until: float) -> bytes:
        data = self._take(line, until)
        if not data:
            raise EOFError
        return data

    def _take(self, line: Line, until: float) -> bytes:
        data = line.receive(self._limits.reply_time, until)
        self.answered = self.answered or bool(data)
        return data

    def _bound(self, size: int) -> None:
        if size > self._limits.reply_bytes:
            raise ReplyTooLarge(f"The answer is longer than {self._limits.reply_bytes} bytes.")


def _explain(error: OSError | EOFError) -> None:
    """Raise :class:`TlsRefused` where the other side ended TLS with an alert.

    In TLS 1.3 a client learns that its certificate is refused only after its handshake is over.
    """
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        raise TlsRefused(f"The server ended TLS: {error.reason}.") from error
