"""The listener for readers of the log and for logs that we cosign."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from ecluse.app.keys.identity import TlsIdentity
from ecluse.app.log.witnesses import make_witness
from ecluse.app.node import Node
from ecluse.channels.http.limits import Limits
from ecluse.channels.http.server import Listener, Server
from ecluse.channels.tlog.handler import Cosigner, LogHandler
from ecluse.channels.tlog.pages import Pages
from ecluse.errors import EcluseError
from ecluse.trust.settings.log import LogListener
from ecluse.wire.tlog.witness import MAX_REQUEST

__all__ = ["LogDoor"]

_GRACE: Final = 2.0
"""Seconds for requests under way when the hub stops: each takes milliseconds."""

_log = structlog.get_logger("ecluse.tlog")


class LogDoor:
    """What listens at ``[listen.log]``.

    Args:
        node: The opened hub.
        settings: ``[listen.log]`` at the start; what is served follows the configuration in force.
    """

    def __init__(self, node: Node, settings: LogListener) -> None:
        self._node = node
        self._settings = settings
        self._pages = Pages(node.store, lambda: self._present().entries)
        self._cosigner: Cosigner | None = None
        self._server: Server | None = None
        self._listener: Listener | None = None
        self._identity: TlsIdentity | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises :class:`~ecluse.channels.http.errors.ListenFailed`."""
        host, _, port = self._settings.address.rpartition(":")
        self._identity = self._shown()
        context = None if self._identity is None else self._identity.context()
        self._listener = Listener(host.strip("[]"), int(port), context)
        limits = Limits(
            head_time=10.0,
            keep_alive=30.0,
            body_bytes=MAX_REQUEST,
            body_idle=10.0,
            connections=self._settings.max_connections,
            requests=64,
        )
        handler = LogHandler(
            lambda: self._pages if self._present().tiles else None, lambda: self._witness(), _log
        )
        self._server = Server(handler, [self._listener], limits, _log)
        self._loop = asyncio.get_running_loop()
        self.port = (await self._server.start())[0]
        _log.info("the log is shown", address=f"{host}:{self.port}")

    def follow(self) -> None:
        """Show another certificate where the key has one by now. From any thread."""
        identity = self._shown()
        if identity is None or identity == self._identity or self._server is None:
            return
        self._identity = identity
        context = identity.context()
        assert self._loop is not None, "it was started"
        assert self._listener is not None, "it was started"
        self._loop.call_soon_threadsafe(self._server.replace_tls, self._listener, context)

    async def stop(self) -> None:
        """End."""
        if self._server is not None:
            await self._server.stop(_GRACE)

    def _present(self) -> LogListener:
        return self._node.directory.hub.listen.log or self._settings

    def _shown(self) -> TlsIdentity | None:
        if self._settings.key is None:
            return None
        return TlsIdentity.of(self._node, self._present().key or self._settings.key, "none", "1.2")

    def _witness(self) -> Cosigner | None:
        if not self._node.directory.hub.log.cosigns:
            return None
        if self._cosigner is None:
            try:
                self._cosigner = make_witness(self._node)
            except EcluseError as error:
                _log.warning("nothing is cosigned", **error.as_dict())
        return self._cosigner
