"""FTPS in a node: the listener for partners' clients, and the channel to partners' servers."""

from __future__ import annotations

import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import structlog

from ecluse.app.keys.identity import TlsIdentity
from ecluse.channels.ftps.client import FtpsChannel, FtpsSource
from ecluse.channels.ftps.server import Door, FtpsServer, SessionLimits
from ecluse.channels.ftps.server.house import HubReception
from ecluse.channels.guard.bans import REFRESH, Bans
from ecluse.channels.guard.gate import Gate
from ecluse.exchange.mailbox import SessionFacts, open_tree
from ecluse.exchange.tree import Tree
from ecluse.trust.directory import PartnerView
from ecluse.trust.settings.listeners import FtpsListener

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["FtpsService", "join_ftps"]

HASHERS: Final = 2
"""Passwords that are compared at once: each takes 20 to 40 ms and 19 MiB."""
IDENTITY_FOR: Final = 1.0
"""Seconds for which what the listener shows and trusts is taken to stand."""

_log = structlog.get_logger("ecluse.service")


def join_ftps(node: Node) -> None:
    """Give a node the channel to partners' servers."""
    node.channels["ftps"] = FtpsChannel(node.hub, lambda: node.directory)
    node.sources["ftps"] = FtpsSource(lambda: node.directory, node.hub.clock, node.hub.sightings)


class FtpsService:
    """The listener of ``[listen.ftps]``, following the configuration and the keyring.

    Addresses are those at its start; every other setting, keys and certificates count for the next connection.

    Args:
        node: The opened hub.
        settings: ``[listen.ftps]`` at the start.
    """

    def __init__(self, node: Node, settings: FtpsListener) -> None:
        self._node = node
        self._settings = settings
        hub = node.hub
        self._bans = Bans(node.store, hub.clock, hub.entropy, node.name)
        self._refreshed = time.monotonic()
        self._gate = Gate(settings.guard, self._bans, "ftps")
        self._hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="ftps-password")
        self._lock = threading.Lock()
        self._identity: tuple[float, TlsIdentity] | None = None
        self._reception = HubReception(
            hub, self._gate, lambda: node.directory, self._hashers, self._open_tree, self._context
        )
        doors = [_door(settings.address)]
        if settings.implicit is not None:
            doors.append(_door(settings.implicit, implicit=True))
        self._server = FtpsServer(doors, self._reception, SessionLimits.of(settings))
        self.ports: list[int] = []
        """The bound ports, in the order of ``address`` and ``implicit``."""

    def start(self) -> None:
        """Listen.

        Raises:
            ListenFailed: An address can't be listened on.
            TlsConfigError, KeyringError: The listener's key can't be used.
        """
        self._context()
        self.ports = self._server.start()
        _log.info("serving FTPS", address=self._settings.address, ports=self.ports)

    def stop(self, grace: float) -> None:
        """Accept nothing more, end what is under way."""
        self._server.stop(grace)
        self._reception.tell_refused()
        self._hashers.shutdown(wait=False, cancel_futures=True)

    def follow(self) -> None:
        """Take up the configuration in force, and the bans of other nodes.

        Certificates end by their own windows too, so that open sessions are looked at whatever happened.
        """
        settings = self._node.directory.hub.listen.ftps or self._settings
        if settings != self._settings:
            self._settings = settings
            self._gate.limits = settings.guard
            self._server.limits = SessionLimits.of(settings)
        self._server.follow()
        if time.monotonic() - self._refreshed >= REFRESH:
            self._refreshed = time.monotonic()
            self._bans.refresh()

    def _context(self) -> ssl.SSLContext:
        settings, now = self._settings, time.monotonic()
        with self._lock:
            if self._identity is None or now - self._identity[0] > IDENTITY_FOR:
                key = self._node.directory.shown_key(settings.key, settings.successor)
                identity = TlsIdentity.of(self._node, key, settings.client_auth, settings.min_version)
                self._identity = now, identity
            identity = self._identity[1]
        return identity.context()

    def _open_tree(self, view: PartnerView, address: str, shown: str) -> Tree:
        account = view.settings.account
        user = account.user if account is not None else ""
        facts = SessionFacts("ftps", address, user, shown)
        return open_tree(self._node.hub, view, facts, behind=False)


def _door(address: str, *, implicit: bool = False) -> Door:
    host, _, port = address.rpartition(":")
    return Door(host.strip("[]"), int(port), implicit)
