"""The flows in force, read once for each configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecluse.exchange.flows.plan import FlowBook

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["Flows"]


class Flows:
    """Gives the flows of a node's configuration. May be called from any thread.

    Args:
        node: Whose.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._read: tuple[object, FlowBook] = (None, FlowBook())

    def __call__(self) -> FlowBook:
        """The flows as of now."""
        configuration = self._node.directory.configuration
        before, book = self._read
        if before is not configuration:
            book = FlowBook.read(
                configuration.flows, configuration.hub.calendars, configuration.hub.retention
            )
            self._read = (configuration, book)
        return book
