"""A server of the one who is played: it takes what the hub sends, and answers as a script says."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ecluse.app.rehearsal.standin import Identity

__all__ = ["Answer", "Endpoint", "Request", "serve_endpoint"]

_STEP: Final = 1 << 16
MOST: Final = 64 << 20
"""Octets of a request; rehearsals send a few hundred."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the hub sent.

    Attributes:
        headers: HTTP header fields.
        body: HTTP body.
    """

    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is answered.

    Attributes:
        status: HTTP status; 0 closes the connection without a word.
        headers: HTTP header fields.
        body: HTTP body.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Script = Callable[[Request], Answer]


class Endpoint:
    """The server while it stands; see :func:`serve_endpoint`.

    Attributes:
        port: Where it listens, on the loopback interface.
        requests: What came, in order.
        script: Says what is answered; plays change it.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.script: Script = lambda request: Answer(503)
        self._context: ssl.SSLContext | None = None

    def take(self, script: Script) -> None:
        """Forget what came, and answer as ``script`` says from here on."""
        self.script = script
        self.requests = []

    def show(self, identity: Identity) -> None:
        """Show this certificate to connections from here on; for a server that speaks TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pem = identity.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "shown.pem"
            path.touch(0o600)
            path.write_bytes(pem + identity.certificate.public_bytes(Encoding.PEM))
            context.load_cert_chain(path)
        self._context = context

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What the next connection meets; ``None`` for plain HTTP."""
        return self._context


@contextmanager
def serve_endpoint(identity: Identity | None) -> Iterator[Endpoint]:
    """Listen on the loopback interface, over TLS where there is an ``identity`` to show."""
    endpoint = Endpoint()
    if identity is not None:
        endpoint.show(identity)
    server = _Server(endpoint)
    endpoint.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="rehearsal-endpoint", daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: object, client_address: object) -> None:
        """One connection, in a thread of its own: the handshake too."""
        context = self.endpoint.tls
        if context is not None:
            with suppress(OSError):
                request.settimeout(10)  # type: ignore[attr-defined]  # the base class leaves it untyped
                request = context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
                super().finish_request(request, client_address)
            return
        super().finish_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that the hub breaks off are part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self) -> None:
        endpoint = self.server.endpoint  # type: ignore[attr-defined]  # the server above
        body = self._chunks() if self.headers.get("Transfer-Encoding") else self._sized()
        request = Request(list(self.headers.items()), body)
        endpoint.requests.append(request)
        answer = endpoint.script(request)
        self.close_connection = True
        if not answer.status:
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _sized(self) -> bytes:
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MOST))

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(_STEP).split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline(_STEP)
            if len(body) > MOST:
                break
        self.rfile.readline(_STEP)
        return bytes(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what happened stands in the report."""
