"""A partner's server that does what a script says, keeps every octet it was sent, and answers with real MDNs."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.as2_hubs import HOST, Answer, fresh_id, post
from tests.support.as2_world import Entropy, Party, open_message

from ecluse.wire.as2 import events as as2
from ecluse.wire.as2.disposition import PROCESSED, Disposition
from ecluse.wire.as2.headers import parse_request
from ecluse.wire.as2.mdn import BuiltMdn, MdnOptions, Mic, build_mdn, explain


@dataclass(frozen=True)
class Received:
    """One request: every octet, and the same in parts."""

    raw: bytes
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Step = Callable[[Received], bytes | None]
"""Gives the raw answer; ``None`` to close without one."""


def http(status: int, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    fields = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode("latin-1") + body


def say(status: int, *headers: tuple[str, str], body: bytes = b"") -> Step:
    """A step that answers with a status."""
    return lambda request: http(status, body, headers)


def cut(request: Received) -> None:
    """A step that takes everything and closes."""
    return


class Scripted:
    """Listens; each request meets the next step, the last one again and again.

    ``before``, ``inside``: numbers of requests whose connection is closed before, or in the middle of, the body.
    """

    def __init__(
        self,
        *steps: Step,
        before: tuple[int, ...] = (),
        inside: tuple[int, ...] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.steps = list(steps)
        self.requests: list[Received] = []
        self.heads: list[bytes] = []
        self.at_once = 0
        self.most_at_once = 0
        self._before, self._inside = set(before), set(inside)
        self._tls = tls
        self._lock = threading.Lock()
        self._socket = socket.create_server((HOST, 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, path: str = "/as2", scheme: str = "http") -> str:
        return f"{scheme}://{HOST}:{self.port}{path}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(20)
            if self._tls is not None:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            head, rest = self._head(connection)
            if not head:
                return
            with self._lock:
                number = len(self.heads)
                self.heads.append(head)
                self.at_once += 1
                self.most_at_once = max(self.at_once, self.most_at_once)
            try:
                if number in self._before or (number in self._inside and connection.recv(64)):
                    # What is unread makes the kernel send a reset.
                    return
                request = _whole(connection, head, rest)
                with self._lock:
                    self.requests.append(request)
                    step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                answer = step(request)
                if answer:
                    connection.sendall(answer)
            finally:
                with self._lock:
                    self.at_once -= 1

    @staticmethod
    def _head(connection: socket.socket) -> tuple[bytes, bytes]:
        seen = b""
        while b"\r\n\r\n" not in seen:
            data = connection.recv(4096)
            if not data:
                return b"", b""
            seen += data
        head, _, rest = seen.partition(b"\r\n\r\n")
        return head, rest


def _whole(connection: socket.socket, head: bytes, rest: bytes) -> Received:
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    found = {name.lower(): value for name, value in headers}
    length = int(found["content-length"]) if "content-length" in found else None
    while (body := _decoded(rest, length)) is None:
        data = connection.recv(65536)
        if not data:
            raise EOFError
        rest += data
    return Received(head + b"\r\n\r\n" + rest, headers, body)


def _decoded(raw: bytes, length: int | None) -> bytes | None:
    """The content, once it is whole."""
    if length is not None:
        return raw[:length] if len(raw) >= length else None
    if not raw.endswith(b"0\r\n\r\n"):
        return None
    out, at = b"", 0
    while True:
        line, _, _ = raw[at:].partition(b"\r\n")
        size = int(line, 16)
        at += len(line) + 2
        if not size:
            return out
        out += raw[at : at + size]
        at += size + 2


def receipt(
    request: Received,
    who: Party,
    sender: Any,
    disposition: Disposition = PROCESSED,
    *,
    by: Party | None = None,
    mic: Mic | None = None,
    signed: bool = True,
    of: str = "",
    text: str = "",
) -> BuiltMdn:
    """The MDN with which ``who`` answers a request, as ``sender`` (a certificate) signed it."""
    parsed = parse_request(
        [(name, of if of and name.lower() == "message-id" else value) for name, value in request.headers]
    )
    if mic is None and disposition.is_success:
        policy = as2.UnwrapPolicy((sender,), mic_digest=parsed.mic_digest)
        opened = open_message(request.headers, request.body, policy, who).opened
        mic = Mic(opened.mic_digest, opened.mic)
    return build_mdn(
        parsed,
        disposition,
        text=text or explain(disposition),
        mic=mic,
        message_id=fresh_id(who.name.lower()),
        now=int(time.time()),
        entropy=Entropy(7),
        options=MdnOptions(signers=((by or who).signer(),) if signed else ()),
    )


def confirm(who: Party, sender: Any, **more: Any) -> Step:
    """A step that answers as an AS2 server does, on the same connection."""

    def step(request: Received) -> bytes:
        mdn = receipt(request, who, sender, **more)
        return http(200, mdn.body, tuple(pair for pair in mdn.headers if pair[0] != "Content-Length"))

    return step


def confirm_later(port: int, mdn: BuiltMdn) -> Answer:
    """Post an MDN on a connection of its own."""
    return post(port, list(mdn.headers), mdn.body)


@contextlib.contextmanager
def scripted(*steps: Step, **more: Any) -> Iterator[Scripted]:
    """A :class:`Scripted` that is closed at the end."""
    server = Scripted(*steps, **more)
    try:
        yield server
    finally:
        server.close()
