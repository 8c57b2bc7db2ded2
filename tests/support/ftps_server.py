"""Our FTPS server over folders in memory, for tests."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tests.support.tls_certs import Identity, make
from tests.support.trees import MemoryMailbox

from ecluse.channels.ftps.server import Door, FtpsServer, Guest, SessionLimits
from ecluse.channels.ftps.server.limits import Rate
from ecluse.channels.http.tls import server_context
from ecluse.exchange.tree import Tree

__all__ = ["PASSWORD", "USER", "FakeGate", "Serving", "serving"]

USER, PASSWORD = "birch", "correct-horse"


@dataclass
class FakeVisit:
    gate: FakeGate
    address: str
    refused: str = ""

    def login(self, user: str, password: bytes | None, certificate: bytes | None) -> Guest | None:
        gate = self.gate
        by_certificate = certificate is not None and certificate in gate.certificates
        if user == USER and (password == PASSWORD.encode() or (password is None and by_certificate)):
            tree = gate.open()
            return Guest("birch", tree, gate.box.account.replace, Rate(gate.rate) if gate.rate else None)  # type: ignore[arg-type]
        gate.failures.append(user)
        return None

    def secured(self, version: str, cipher: str, certificate: bytes | None) -> None:
        self.gate.secured.append((version, cipher))

    def suspicious(self, what: str) -> None:
        self.gate.suspicions.append(what)

    def welcome(self) -> bool:
        return True

    def left(self) -> None:
        self.gate.left += 1


@dataclass
class FakeGate:
    identity: Identity
    box: MemoryMailbox = field(default_factory=MemoryMailbox, repr=False)
    certificates: tuple[bytes, ...] = ()
    minimum: str = "1.2"
    refusal: str = ""
    rate: int = 0
    wrap: Callable[[Tree], Tree] = lambda tree: tree
    failures: list[str] = field(default_factory=list)
    secured: list[tuple[str, str]] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)
    left: int = 0

    def open(self) -> Tree:
        return self.wrap(self.box.open())

    def visit(self, address: str) -> FakeVisit:
        return FakeVisit(self, address, self.refusal)

    def context(self) -> ssl.SSLContext:
        return server_context(
            self.identity.pem,
            self.identity.key_pem,
            client_ca=self.certificates,
            client_auth="optional" if self.certificates else "none",
            minimum=self.minimum,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Serving:
    """A server at work.

    Attributes:
        port: Explicit TLS.
        implicit: Implicit TLS.
    """

    server: FtpsServer
    gate: FakeGate
    port: int
    implicit: int

    @property
    def box(self) -> MemoryMailbox:
        return self.gate.box


_lock = threading.Lock()
_identity: list[Identity] = []


def identity() -> Identity:
    """The certificate of localhost, made once."""
    with _lock:
        if not _identity:
            _identity.append(make("127.0.0.1"))
        return _identity[0]


@contextlib.contextmanager
def serving(limits: SessionLimits | None = None, **changes: object) -> Iterator[Serving]:
    gate = replace(FakeGate(identity()), **changes)  # type: ignore[arg-type]
    server = FtpsServer(
        [Door("127.0.0.1", 0), Door("127.0.0.1", 0, implicit=True)], gate, limits or SessionLimits()
    )
    port, implicit = server.start()
    try:
        yield Serving(server, gate, port, implicit)
    finally:
        server.stop(0)
