"""The SFTP listener of a serving node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecluse.channels.guard.bans import Bans
from ecluse.channels.guard.gate import Gate
from ecluse.channels.sftp.keys import KeyringKeyPair
from ecluse.channels.sftp.server.authority import Identity
from ecluse.channels.sftp.server.listener import SftpServer
from ecluse.exchange.mailbox import SessionFacts, open_tree
from ecluse.exchange.tree import Tree
from ecluse.trust.settings.listeners import SftpListener

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["SftpService"]


class SftpService:
    """The listener, made of a node.

    Args:
        node: The opened hub.
        settings: ``[listen.sftp]``.

    Raises:
        KeyringError: A host key is missing, or of a kind that SSH does not have.
    """

    def __init__(self, node: Node, settings: SftpListener) -> None:
        hub = node.hub
        self._settings = settings

        def folders(identity: Identity, address: str) -> Tree:
            shown = identity.shown or identity.method
            return open_tree(hub, identity.view, SessionFacts("sftp", address, identity.user, shown))

        self._server = SftpServer(
            hub,
            settings,
            lambda: node.directory,
            lambda: [
                KeyringKeyPair(node.keyring, ref) for ref in node.directory.host_keys() or settings.host_keys
            ],
            Gate(settings.guard, Bans(node.store, hub.clock, hub.entropy, hub.node), "sftp"),
            folders,
        )

    @property
    def port(self) -> int:
        """The bound port; 0 before :meth:`start`."""
        return self._server.port

    @property
    def address(self) -> str:
        """Host and bound port."""
        return f"{self._settings.address.rpartition(':')[0]}:{self.port}"

    def start(self) -> None:
        """Listen. Raises :class:`~ecluse.channels.http.errors.ListenFailed`."""
        self._server.start()

    def stop(self, grace: float) -> None:
        """Accept nothing more, give what is under way ``grace`` seconds, and end."""
        self._server.stop(grace)

    def follow(self) -> None:
        """The configuration changed."""
        self._server.follow()
