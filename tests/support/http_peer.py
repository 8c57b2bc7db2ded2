"""The HTTP server in a thread of its own, and a blunt peer that sends raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import structlog
import uvloop

from ecluse.channels.http import Handler, Limits, Listener, Request, Response, Server

HOST = "127.0.0.1"


async def count(request: Request) -> Response:
    """Answer with the number of bytes received."""
    size = 0
    async for chunk in request:
        size += len(chunk)
    return Response(200, [("Content-Type", "text/plain")], f"{request.method} {request.path} {size}".encode())


class Running:
    """A server at work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server, ports: list[int]) -> None:
        self.loop = loop
        self.server = server
        self.ports = ports
        self.port = ports[0]

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def dial(self, timeout: float = 5.0) -> Raw:
        return Raw(socket.create_connection((HOST, self.port), timeout=timeout))

    def url(self, path: str = "/") -> str:
        return f"http://{HOST}:{self.port}{path}"


class Raw:
    """A socket with the little that the tests need."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen = b""

    def send(self, data: bytes) -> Raw:
        self.sock.sendall(data)
        return self

    def until(self, marker: bytes) -> bytes:
        """All received so far, once ``marker`` is in it."""
        while marker not in self.seen:
            data = self.sock.recv(65536)
            assert data, self.seen
            self.seen += data
        return self.seen

    def to_end(self) -> bytes:
        """All received until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            while data := self.sock.recv(65536):
                self.seen += data
        return self.seen

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def serving(
    handler: Handler = count,
    limits: Limits | None = None,
    listeners: list[Listener] | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> Iterator[Running]:
    """A server on a free port of the loopback interface."""
    loop = loop_factory()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Server(
        handler, listeners or [Listener(HOST, 0)], limits or Limits(), structlog.get_logger("tests")
    )
    ports = asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    running = Running(loop, server, ports)
    try:
        yield running
    finally:
        running.call(server.stop(0.2))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether ``condition`` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()
