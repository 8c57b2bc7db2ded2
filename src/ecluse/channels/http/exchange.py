"""One request and its reply on a connected line."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
    Framing,
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
        return first(self.headers, name)


def first(fields: Fields, name: str) -> str | None:
    """The first value of a field (``name`` in lower case), or None."""
    for key, value in fields:
        if key == name:
            return value
    return None


class Exchange:
    """One request and its reply on a line. ``answered`` tells that a byte of the reply has come.

    Args:
        head: The request's head, encoded.
        body: Its content.
        length: Octets of the content; ``None`` to send it in chunks.
        expect_continue: Wait for 100 before the content.
        limits: Times and sizes.
        deadline: Monotonic time at which all must be over.
        method: Whether an answer has content depends on it.
    """

    def __init__(
        self,
        head: bytes,
        body: bytes | Iterable[bytes],
        length: int | None,
        expect_continue: bool,
        limits: ClientLimits,
        deadline: float,
        method: str = "POST",
    ) -> None:
        self._method = method
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
        incoming = self.begin(line)
        body = incoming.whole()
        head = incoming.head
        return Reply(head.status, head.reason, head.fields, body, line.peer), incoming.reusable

    def begin(self, line: Line) -> Incoming:
        """Send the request, and read the answer up to the end of its head."""
        whole = False
        with self._explained(lambda: whole):
            try:
                whole = self._send(line)
            except OSError as error:
                # The server may have answered and stopped reading, or closed: its answer says more.
                if isinstance(error, TimeoutError) and not line.readable(even_tls=True):
                    raise
                _explain(error)
            until = min(self.deadline, time.monotonic() + self._limits.reply_time)
            head = self._final_head(line, until)
            return Incoming(self, line, head, response_framing(head, self._method), until, whole)

    @contextmanager
    def _explained(self, whole: Callable[[], bool]) -> Iterator[None]:
        """Turn what a line raises into what it means: ``whole`` tells whether the request was sent to its end."""
        try:
            yield
        except HttpSyntaxError as error:
            raise ReplyMalformed(f"The answer can't be understood: {error.cause}") from error
        except (OSError, EOFError) as error:
            _explain(error)
            reason = "the time is over" if isinstance(error, TimeoutError) else "the connection was lost"
            if whole():
                raise Doubtful(f"The request was sent and not answered: {reason}.") from error
            raise Interrupted(f"The request was sent in part: {reason}.") from error

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

    def _final_head(self, line: Line, until: float) -> ResponseHead:
        head = self._early or self._read_head(line, until)
        for _ in range(MAX_INTERIM):
            if head.status >= 200:
                return head
            head = self._read_head(line, until)
        raise HttpSyntaxError(f"More than {MAX_INTERIM} interim responses came.")

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

    def _more(self, line: Line, until: float) -> bytes:
        data = self._take(line, until)
        if not data:
            raise EOFError
        return data

    def _take(self, line: Line, until: float) -> bytes:
        data = line.receive(self._limits.reply_time, until)
        self.answered = self.answered or bool(data)
        return data


class Incoming:
    """An answer whose content is still to be read; it is read once, in one of two ways.

    Attributes:
        head: Status and fields.
        reusable: The line can carry another exchange: the content was read to its end, and the request was whole.
    """

    def __init__(
        self, exchange: Exchange, line: Line, head: ResponseHead, framing: Framing, until: float, whole: bool
    ) -> None:
        self.head = head
        self.reusable = False
        self._exchange = exchange
        self._line = line
        self._framing = framing
        self._until = until
        self._whole = whole

    @property
    def length(self) -> int | None:
        """Octets of the content, where the head says."""
        return self._framing.length

    def whole(self) -> bytes:
        """All of the content, which has to come within ``reply_time``.

        Raises:
            ReplyTooLarge: It is longer than the limit on replies.
        """
        exchange, limit = self._exchange, self._exchange._limits.reply_bytes
        if (self._framing.length or 0) > limit:
            raise ReplyTooLarge(f"The answer is longer than {limit} bytes.")
        pieces: list[bytes] = []
        size = 0
        with exchange._explained(lambda: self._whole):
            for piece in self._pieces(lambda: exchange._take(self._line, self._until)):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise ReplyTooLarge(f"The answer is longer than {limit} bytes.")
        return b"".join(pieces)

    def stream(self) -> Iterator[bytes]:
        """The content in pieces, however long it is; each has to come within ``stall`` seconds.

        Raises:
            Doubtful: It ended too early.
        """
        exchange = self._exchange
        with exchange._explained(lambda: self._whole):
            yield from self._pieces(lambda: self._line.receive(exchange._limits.stall, exchange.deadline))

    def _pieces(self, receive: Callable[[], bytes]) -> Iterator[bytes]:
        """What stands in the line's buffer, then what comes. ``EOFError`` where it ends too early."""
        line, framing = self._line, self._framing
        data = bytes(line.buffer)
        line.buffer.clear()
        if framing.chunked:
            reader = ChunkReader()
            while True:
                if piece := reader.feed(data):
                    yield piece
                if reader.ended:
                    break
                data = _some(receive())
            line.buffer += reader.rest
        elif framing.length is None:
            if data:
                yield data
            while data := receive():
                yield data
        else:
            left = framing.length
            while left:
                data = data or _some(receive())
                left -= len(data)
                if left < 0:
                    line.buffer += data[left:]
                    data, left = data[:left], 0
                yield data
                data = b""
            line.buffer += data
        self.reusable = framing.keep_alive and self._whole and not line.buffer


def _some(data: bytes) -> bytes:
    if not data:
        raise EOFError
    return data


def _explain(error: OSError | EOFError) -> None:
    """Raise :class:`TlsRefused` where the other side ended TLS with an alert.

    In TLS 1.3 a client learns that its certificate is refused only after its handshake is over.
    """
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        raise TlsRefused(f"The server ended TLS: {error.reason}.") from error
