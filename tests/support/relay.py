"""A wire between an HTTP client and a server that fails at one request, in one way, and then no more."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

__all__ = ["FAULTS", "Relay"]

Fault = Literal["before", "middle", "after", "half-answer", "damage"]
FAULTS: Final[tuple[Fault, ...]] = ("before", "middle", "after", "half-answer")
"""``before`` the request reaches the server; in its ``middle``; ``after`` the server did it, its answer lost; with the
first octets of the answer alone. (``damage`` flips an octet at the request's end.)"""

_HEAD: Final = re.compile(rb"[A-Z]{3,10} \S+ HTTP/1\.1\r\n")


class Relay:
    """Forwards to a local port, with TLS before it where a context is given. Closes as a context.

    Attributes:
        requests: Lines of the requests that came so far.
        fault: What happens at the request number ``at`` (from 0); off again once it did.
        away: Nobody answers: every connection is closed at once.
        struck: Called when a fault strikes, before anything else happens.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.requests: list[str] = []
        self.fault: Fault | None = None
        self.at = -1
        self.away = False
        self.struck: Callable[[], None] = lambda: None
        self._cut: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, fault: Fault, at: int) -> None:
        """Let the request number ``at`` fail, counted from here."""
        with self._lock:
            self.requests.clear()
            self.fault, self.at = fault, at

    def cut_in(self, octets: int) -> None:
        """Let the next PUT fail after so many octets of its content; once."""
        with self._lock:
            self._cut = octets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.away:
                client.close()
                continue
            if self._tls is not None:
                try:
                    client = self._tls.wrap_socket(client, server_side=True)
                except OSError:
                    client.close()
                    continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            state: dict[str, bool] = {}
            for work in (self._up, self._down):
                threading.Thread(target=work, args=(client, server, state), daemon=True).start()

    def _due(self, data: bytes) -> Fault | None:
        head = _HEAD.match(data)
        if head is None:
            return None
        with self._lock:
            self.requests.append(head[0].decode("ascii", "replace").rpartition(" ")[0])
            if len(self.requests) - 1 != self.at:
                return None
            fault, self.fault, self.at = self.fault, None, -1
            return fault

    def _up(self, client: socket.socket, server: socket.socket, state: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            left: int | None = None
            while data := client.recv(1 << 16):
                fault = self._due(data)
                if data.startswith(b"PUT "):
                    left, self._cut = self._cut, None
                    head = data.find(b"\r\n\r\n") + 4
                    left = None if left is None else left + head
                if left is not None and len(data) >= left:
                    server.sendall(data[:left])
                    self.struck()
                    break
                left = None if left is None else left - len(data)
                if fault == "before":
                    self.struck()
                    break
                if fault == "middle":
                    server.sendall(data[: len(data) // 2])
                    self.struck()
                    break
                if fault is not None:
                    state[fault] = True
                in_content = b"\r\n\r\n" not in data or not data.endswith(b"\r\n\r\n")
                if state.get("damage") and in_content:
                    data = data[:-1] + bytes([data[-1] ^ 1])
                    state["damage"] = False
                server.sendall(data)
        _close(client, server)

    def _down(self, client: socket.socket, server: socket.socket, state: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if state.get("after"):
                    self.struck()
                    break
                if state.get("half-answer"):
                    client.sendall(data[:20])
                    break
                client.sendall(data)
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
