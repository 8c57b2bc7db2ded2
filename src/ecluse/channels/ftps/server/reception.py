"""Who may come in: what the FTPS server asks of the hub about connections and logins."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Protocol

from ecluse.channels.ftps.server.limits import Rate
from ecluse.exchange.tree import Tree
from ecluse.model.basics import PartnerId

__all__ = ["Guest", "Reception", "Visit"]


@dataclass(frozen=True, slots=True)
class Guest:
    """A partner that logged in.

    Attributes:
        partner: Who.
        tree: Its folders, in this session.
        replace: It may rename over a file that is there.
        rate: What its transfers share; ``None`` for any.
    """

    partner: PartnerId
    tree: Tree = field(repr=False)
    replace: bool = False
    rate: Rate | None = None


class Visit(Protocol):
    """One connection, from its beginning to its end. For one thread at a time."""

    @property
    def refused(self) -> str:
        """Why it may not go on (one sentence for the client); empty where it may."""

    def login(self, user: str, password: bytes | None, certificate: bytes | None) -> Guest | None:
        """Who it is; ``None`` for everybody that may not come in, after the same time and for no reason given.

        Args:
            user: As the client says.
            password: As the client says; ``None`` before it was asked: then only who needs none comes in.
            certificate: The TLS client certificate (DER) that was shown and verified.
        """

    def secured(self, version: str, cipher: str, certificate: bytes | None) -> None:
        """TLS was agreed on."""

    def suspicious(self, what: str) -> None:
        """The client did what no proper client does (``injection``, ``bounce``, ``garbage``...)."""

    def welcome(self) -> bool:
        """Whether whoever logged in could log in yet, with what it showed. From any thread."""

    def left(self) -> None:
        """The connection ended. Called exactly once."""


class Reception(Protocol):
    """The hub's. Used from any thread."""

    def visit(self, address: str) -> Visit:
        """A connection from an IP address began."""

    def context(self) -> ssl.SSLContext:
        """A TLS context that nobody else uses: it makes and resumes sessions of one control connection.

        Raises:
            EcluseError: The listener's key can't be used.
        """
