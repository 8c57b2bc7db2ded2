"""Flows on a node: the jobs that relay and collect, what channels say of a message before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ecluse.channels.as2.sender import message_id_for
from ecluse.engine.context import Handler, JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.flows.ports import How, NoProtection, Protection
from ecluse.exchange.flows.relay import relay_handler
from ecluse.exchange.flows.tend import collect_handler, keep_running, let_go_on
from ecluse.exchange.remote import Source
from ecluse.model.basics import PartnerId
from ecluse.trust.fields import octets

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["FlowWork", "Leavings", "NoSource", "protection_of"]

LOOK_EVERY: Final = 2
"""Seconds between two looks for flows that have no run due: after a start, an apply or a resume."""
HEAL_EVERY: Final = 30
"""Seconds between two looks for deliveries that wait for nothing."""
COLLECTING: Final = 12
"""Runs at once that collect from partners' servers, of the threads that wait for these."""


class NoSource(EcluseError):
    """A flow collects by a channel that this node does not have."""

    code = "flow.no-source"
    fault = Fault.OURS
    remedy = "Choose another channel in the flow's [from]."


class TooLarge(EcluseError):
    """A message would be larger than the partner takes."""

    code = "flow.too-large"
    fault = Fault.PERMANENT
    remedy = "Raise [as2] max_size in the partner's file once they agree, and resend; or give the message up."


class Leavings:
    """What channels know of a message before it is made.

    Args:
        node: Whose channels.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def protocol_id(self, channel: str, key: str, size: int) -> str:
        """The protocol's own id; see :class:`ecluse.exchange.flows.ports.Leaving`."""
        kind, _, name = channel.partition(":")
        if kind == "folder":
            return f"{channel}/{key}"
        view = self._node.directory.check_active(self._node.directory.partner(name))
        if kind != "as2":
            return f"{channel}/{key}"
        if size > octets(view.as2.max_size):
            raise TooLarge(f"{size} octets are more than {view.name} takes ({view.as2.max_size}).")
        return message_id_for(key, view.our_id)


class _Without:
    """OpenPGP where there is none."""

    def open(
        self, partner: PartnerId, chunks: Iterator[bytes], write: Callable[[bytes], None]
    ) -> Mapping[str, Any]:
        raise NoProtection("There are no OpenPGP keys here.")

    def seal(
        self, partner: PartnerId, how: How, name: str, chunks: Iterator[bytes], write: Callable[[bytes], None]
    ) -> Mapping[str, Any]:
        raise NoProtection("There are no OpenPGP keys here.")


def protection_of(node: Node) -> Protection:
    """OpenPGP as this hub has it."""
    return _Without()


class FlowWork:
    """The work of flows on a serving node.

    Args:
        node: The opened hub.

    Attributes:
        handlers: Of jobs, by kind.
        recurring: For the schedule.
        collector: What collects.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        hub = node.hub
        self.collector = Collector(hub, self._source)
        collect = collect_handler(hub, self.collector)
        self.handlers: dict[str, Handler] = {
            "relay": relay_handler(hub, protection_of(node), Leavings(node)),
            "collect": collect,
            "gather": collect,
        }
        self.recurring = [
            Recurring("flows.run", Every(LOOK_EVERY), self._run),
            Recurring("flows.go-on", Every(HEAL_EVERY), self._go_on),
        ]

    def _source(self, kind: str) -> Source:
        source = self._node.sources.get(kind)
        if source is None:
            raise NoSource(f"Nothing can be collected by {kind} here.")
        return source

    def _run(self, context: JobContext) -> None:
        keep_running(self._node.hub)

    def _go_on(self, context: JobContext) -> None:
        let_go_on(self._node.hub)
