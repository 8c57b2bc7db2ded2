"""A proxy between an FTPS client and its server that cuts the connection at a chosen step.

TLS hides the commands, so the proxy is a server and a client of TLS itself: it shows the certificate that the client
has pinned, and resumes the server's session on data connections of its own.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Self

from tests.support.ftp_places import identity

from ecluse.channels.http.tls import server_context

__all__ = ["Cutter"]

PARTING = 0.3
"""Seconds in which a server writes what came before the cut: else it would lose it with the connection."""


class Cutter:
    """See above.

    Args:
        server: Port of the server behind.
        verb: The command at which the control connection is cut, once.
        when: ``before`` it reaches the server, or ``after`` the server did it and before its reply is passed on.
        data_after: Cut the first upload's data connection behind so many octets, once.

    Attributes:
        cuts: How often it did.
    """

    def __init__(
        self, server: int, verb: str = "", when: str = "before", data_after: int | None = None
    ) -> None:
        self._server = server
        self._verb, self._when, self._data_after = verb, when, data_after
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._stopped = False
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            _Session(self, client).run()


class _Cut(Exception):
    pass


class _Session:
    def __init__(self, cutter: Cutter, client: socket.socket) -> None:
        self.cutter = cutter
        self.client: socket.socket = client
        self.server: socket.socket = socket.create_connection(("127.0.0.1", cutter._server))
        cutter._open += [self.client, self.server]
        self.verb = ""
        self.context = server_context(identity().pem, identity().key_pem)
        self.upstream = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.upstream.check_hostname = False
        self.upstream.verify_mode = ssl.CERT_NONE

    def run(self) -> None:
        try:
            self.pass_reply()
            while True:
                line = read_line(self.client)
                self.verb = line.split(b" ")[0].strip().decode().upper()
                self.cut_if("before")
                moving = self.verb in ("STOR", "APPE", "RETR", "MLSD", "LIST")
                if moving:
                    self.connect_data()  # some servers wait for it before they say 150
                self.server.sendall(line)
                self.pass_reply()
                if self.verb == "AUTH":
                    self.client = self.context.wrap_socket(self.client, server_side=True)
                    self.server = self.upstream.wrap_socket(self.server)
                elif moving and self.transferring:
                    self.transfer()
                    self.pass_reply()
                elif moving:
                    self.near.close()
                    self.far.close()
        except _Cut:
            self.cutter.cuts += 1
        finally:
            self.client.close()
            self.server.close()

    def cut_if(self, when: str) -> None:
        cutter = self.cutter
        if not cutter.cuts and cutter._verb == self.verb and cutter._when == when:
            raise _Cut

    def pass_reply(self) -> None:
        lines = [read_line(self.server)]
        while not re.match(rb"[1-5][0-9]{2} ", lines[-1]):
            lines.append(read_line(self.server))
        self.transferring = lines[-1].startswith(b"1")
        if not self.transferring:
            self.cut_if("after")
        match = re.search(rb"\(\|\|\|(\d+)\|\)", lines[-1])
        if match:
            self.data_listener = socket.create_server(("127.0.0.1", 0))
            self.data_port = int(match[1])
            lines[-1] = lines[-1].replace(match[1], str(self.data_listener.getsockname()[1]).encode())
        self.client.sendall(b"".join(lines))

    def connect_data(self) -> None:
        self.near: socket.socket
        self.near, _ = self.data_listener.accept()
        self.data_listener.close()
        self.far: socket.socket = socket.create_connection(("127.0.0.1", self.data_port))

    def transfer(self) -> None:
        """Both data connections, each in the TLS session of its control connection."""
        near = self.context.wrap_socket(self.near, server_side=True)
        assert isinstance(self.server, ssl.SSLSocket)
        far = self.upstream.wrap_socket(self.far, session=self.server.session)
        moved = 0
        limit = self.cutter._data_after if not self.cutter.cuts and self.verb in ("STOR", "APPE") else None
        source, sink = (near, far) if self.verb in ("STOR", "APPE") else (far, near)
        while limit is None or moved < limit:
            select.select([source], [], [], 10)
            block = source.recv(1 << 14)
            if not block:
                break
            sink.sendall(block)
            moved += len(block)
        else:
            time.sleep(PARTING)
            for sock in (near, far):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
                sock.close()
            raise _Cut
        with contextlib.suppress(OSError, ssl.SSLError):
            sink.unwrap()
        sink.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            source.unwrap()
        source.close()


def read_line(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = sock.recv(1)
        if not octet:
            raise EOFError
        line += octet
    return line
