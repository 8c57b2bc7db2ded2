"""An FTP client that says what it is told to, for tests of what a proper one would not do."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from types import TracebackType
from typing import Self

from tests.support.ftps_server import PASSWORD, USER

__all__ = ["Talker"]


class Talker:
    """A control connection, and data connections on demand.

    Attributes:
        greeting: The first reply.
    """

    def __init__(
        self,
        port: int,
        *,
        tls: str | None = "1.3",
        login: bool = True,
        implicit: bool = False,
        certificate: tuple[str, str] | None = None,
        timeout: float = 10.0,
        source: str = "127.0.0.1",
    ) -> None:
        self.sock: socket.socket | ssl.SSLSocket = socket.create_connection(
            ("127.0.0.1", port), timeout, source_address=(source, 0)
        )
        self._buffer = b""
        self.context = client_context(tls or "1.3", certificate)
        if implicit:
            self.wrap()
        self.greeting = self.reply()
        if tls is not None and not implicit and self.greeting.startswith("220"):
            assert self.cmd("AUTH TLS").startswith("234")
            self.wrap()
        if tls is not None and login:
            self.login()

    def login(self, user: str = USER, password: str = PASSWORD) -> None:
        assert self.cmd(f"USER {user}").startswith("331")
        assert self.cmd(f"PASS {password}").startswith("230")
        assert self.cmd("PBSZ 0").startswith("200")
        assert self.cmd("PROT P").startswith("200")

    def wrap(self) -> None:
        self.sock = self.context.wrap_socket(self.sock)

    def send(self, line: str | bytes) -> None:
        self.sock.sendall((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def line(self) -> str:
        while b"\n" not in self._buffer:
            data = self.sock.recv(4096)
            if not data:
                raise EOFError
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode().rstrip("\r")

    def reply(self) -> str:
        line = self.line()
        while line[3:4] == "-" or not re.match(r"[1-5][0-9]{2} ", line):
            line = self.line()
        return line

    def replies(self) -> list[str]:
        """The lines of one reply."""
        lines = [self.line()]
        if lines[0][3:4] == "-":
            while not lines[-1].startswith(lines[0][:3] + " "):
                lines.append(self.line())
        return lines

    def cmd(self, line: str | bytes) -> str:
        self.send(line)
        return self.reply()

    def ended(self) -> bool:
        """Whether the server ended the connection."""
        try:
            while self.line():
                pass
        except (EOFError, OSError):
            return True
        return False

    def port(self) -> int:
        reply = self.cmd("EPSV")
        match = re.search(r"\(\|\|\|(\d+)\|\)", reply)
        assert match, reply
        return int(match[1])

    def connect(
        self, port: int, *, reuse: bool = True, secure: bool = True, source: str = "127.0.0.1"
    ) -> socket.socket:
        """A data connection."""
        sock = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
        if not secure:
            return sock
        assert isinstance(self.sock, ssl.SSLSocket)
        context = self.context if reuse else client_context("1.3")
        try:
            return context.wrap_socket(sock, session=self.sock.session if reuse else None)
        except BaseException:
            sock.close()
            raise

    def upload(self, command: str, data: bytes, *, proper: bool = True) -> str:
        """Store octets; the last reply."""
        port = self.port()
        opening = self.cmd(command)
        if not opening.startswith("150"):
            return opening
        sock = self.connect(port)
        sock.sendall(data)
        if proper:
            assert isinstance(sock, ssl.SSLSocket)
            with contextlib.suppress(OSError):
                sock.unwrap()
        sock.close()
        return self.reply()

    def download(self, command: str) -> tuple[bytes, str]:
        """Octets, and the last reply."""
        port = self.port()
        opening = self.cmd(command)
        if not opening.startswith("150"):
            return b"", opening
        with self.connect(port) as sock:
            blocks = []
            while block := sock.recv(1 << 16):
                blocks.append(block)
        return b"".join(blocks), self.reply()

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def client_context(version: str, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    chosen = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    context.minimum_version = context.maximum_version = chosen
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context
