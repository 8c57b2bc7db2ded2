"""Flows on a node: the jobs that relay and collect, what watches folders, what channels say of a message to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from ecluse.app.flows.places import folder_place
from ecluse.archive.copies import finish_erasures
from ecluse.channels.as2.sender import message_id_for
from ecluse.channels.folder import Watcher
from ecluse.engine.context import Handler, JobContext
from ecluse.engine.schedule import Every, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.flows.expect import look_for_missing
from ecluse.exchange.flows.plan import FlowBook
from ecluse.exchange.flows.ports import Protection, Seals
from ecluse.exchange.flows.relay import relay_handler
from ecluse.exchange.flows.retain import retain
from ecluse.exchange.flows.tend import ask, collect_handler, keep_running, let_go_on
from ecluse.exchange.openpgp import PartnerProtection
from ecluse.exchange.remote import Source
from ecluse.exchange.seals.desk import SealDesk
from ecluse.model.basics import Instant
from ecluse.trust.errors import PartnerRefused
from ecluse.trust.settings.fields import octets

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["COLLECTING", "FlowWork", "Leavings", "NoSource", "protection_of", "seals_of", "source_of"]

LOOK_EVERY: Final = 2
"""Seconds between two looks for flows that have no run due: after a start, an apply or a resume."""
HEAL_EVERY: Final = 30
"""Seconds between two looks for deliveries that wait for nothing."""
EXPECT_EVERY: Final = 20
"""Seconds between two looks for what should have come."""
RETAIN_EVERY: Final = 3600
"""Seconds between two looks for bytes that were kept for long enough."""
ERASE_EVERY: Final = 60
"""Seconds between two looks for deletions that a copy has not followed yet."""
COLLECTING: Final = 12
"""Runs at once that collect from partners' servers, of the threads that wait for these."""
ASK_EVERY: Final = 1_000_000
"""Microseconds between two runs that a watched folder brings about: a large file being written tells all the time."""

_log = structlog.get_logger("ecluse.flows")


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
        try:
            view = self._node.directory.check_active(self._node.directory.partner(name))
        except PartnerRefused as error:
            # It is we who may let them be active again: until then it waits.
            raise PartnerRefused(
                error.cause, code=error.code, remedy=error.remedy, fault=Fault.OURS
            ) from None
        if kind != "as2":
            return f"{channel}/{key}"
        if size > octets(view.as2.max_size):
            raise TooLarge(f"{size} octets are more than {view.name} takes ({view.as2.max_size}).")
        return message_id_for(key, view.our_id)


def protection_of(node: Node) -> Protection:
    """OpenPGP with partners, as their files say it."""
    return PartnerProtection(lambda: node.directory, node.hub.clock, node.hub.sightings)


def seals_of(node: Node) -> Seals:
    """Signatures on documents, with our keys and those whom the configuration believes."""
    from ecluse.app.log.stamps import stamper, trusted_roots

    return SealDesk(
        lambda: node.directory,
        node.hub.clock,
        stamps=lambda name: stamper(node, name),
        authorities=lambda: trusted_roots(node),
    )


def source_of(node: Node) -> Callable[[str], Source]:
    """From kinds of channels to what is collected from; raises :class:`NoSource`."""

    def source(kind: str) -> Source:
        found = node.sources.get(kind)
        if found is None:
            raise NoSource(f"Nothing can be collected by {kind} here.")
        return found

    return source


class FlowWork:
    """The work of flows on a serving node.

    Args:
        node: The opened hub.

    Attributes:
        handlers: Of jobs, by kind.
        recurring: For the schedule.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        hub = node.hub
        collect = collect_handler(hub, Collector(hub, source_of(node)))
        self.handlers: dict[str, Handler] = {
            "relay": relay_handler(hub, protection_of(node), Leavings(node), seals_of(node)),
            "collect": collect,
            "gather": collect,
        }
        self.recurring = [
            Recurring("flows.run", Every(LOOK_EVERY), self._run),
            Recurring("flows.go-on", Every(HEAL_EVERY), self._go_on),
            Recurring("flows.expect", Every(EXPECT_EVERY), self._expect),
            Recurring("flows.retain", Every(RETAIN_EVERY), self._retain),
            Recurring("erasures.finish", Every(ERASE_EVERY), self._erase),
        ]
        self._watcher: Watcher | None = None
        self._watched: tuple[object, ...] = ()
        self._asked: dict[str, Instant] = {}

    def follow(self) -> None:
        """Watch the folders that flows collect from, as of now. Called again when that may have changed."""
        paths = {
            plan.id: folder_place(self._node, plan.place).path
            for plan in self._book().plans.values()
            if plan.kind == "folder" and plan.settings.trigger == "arrival"
        }
        watched = tuple(sorted(paths.items()))
        if watched == self._watched:
            return
        self.stop()
        self._watched = watched
        if paths:
            self._watcher = Watcher(paths, self._arrived)
            self._watcher.start()

    def stop(self) -> None:
        """Watch no more."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        self._watched = ()

    def _book(self) -> FlowBook:
        return self._node.hub.flows()

    def _arrived(self, id: str) -> None:
        plan = self._book().get(id)
        now = self._node.hub.clock()
        due = Instant(max(now, self._asked.get(id, Instant(0)) + ASK_EVERY))
        if plan is None or self._asked.get(id, Instant(0)) > now:
            return
        self._asked[id] = due
        try:
            self._node.store.write(lambda tx: ask(self._node.hub, tx, plan, due))
        except EcluseError as error:
            _log.warning("an arrival was not noted", flow=id, **error.as_dict())

    def _run(self, context: JobContext) -> None:
        keep_running(self._node.hub)

    def _go_on(self, context: JobContext) -> None:
        let_go_on(self._node.hub)

    def _expect(self, context: JobContext) -> None:
        look_for_missing(self._node.hub)

    def _retain(self, context: JobContext) -> None:
        retain(self._node.hub, context.check)

    def _erase(self, context: JobContext) -> None:
        hub = self._node.hub
        finish_erasures(hub, hub.store, hub.copies, context.check)
