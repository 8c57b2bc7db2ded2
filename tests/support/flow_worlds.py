"""A hub with flows, without keys or listeners: places in memory, partners' servers in memory, jobs run by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.hubs import FakeClock, bare_hub
from tests.support.remotes import MemorySource

from ecluse.archive.commitments import revealed
from ecluse.engine.runner import Runner
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.flows.collect import Collector
from ecluse.exchange.flows.plan import FlowBook
from ecluse.exchange.flows.relay import relay_handler
from ecluse.exchange.flows.tend import collect_handler
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Arrival, Intake, Kept
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes, Refused
from ecluse.exchange.target import target_of
from ecluse.exchange.whence import Whence
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.trust.files.reading import read_toml
from ecluse.trust.settings.flow import Flow
from ecluse.trust.settings.schema import Calendar

__all__ = ["EDIFACT", "FarServer", "MirrorProtection", "NotOurs", "World", "flow", "flow_of", "plain_leaving"]

EDIFACT = b"UNB+UNOC:3+ASTER:ZZ+BIRCH:ZZ+261103:0915+1++ORDERS'UNH+1+ORDERS:D:96A:UN:EAN008'BGM+220+4711+9'"


class Away(EcluseError):
    code = "twin.away"
    fault = Fault.TRANSIENT


@dataclass
class FarServer:
    """A partner's server, or a folder: what it has, by channel and name; and what goes wrong there."""

    kind: str
    hub: Hub
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    away: bool = False
    refuses: bool = False

    def seal(self, message: Message, documents: Any, write: Any) -> None:
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: Any) -> Outcome:
        if self.away:
            raise Away("The server does not answer.")
        if self.refuses:
            return Refused(ReceiptBytes("file", "refused"), "twin.refused", "It said no.")
        folder = target_of(message).folder
        if message.protocol_id not in self.ids:
            self.ids.append(message.protocol_id)
            for document in self.hub.documents(message):
                path = f"{folder}/{document.part.name}" if folder else document.part.name
                self.files.append((delivery.channel, path, b"".join(document.chunks())))
        return Confirmed(ReceiptBytes("file", "confirmed"))

    def open_received(self, message: Message) -> None: ...
    def send_answer(self, message: Message, answer: Any) -> None: ...


class NotOurs(EcluseError):
    code = "twin.not-for-us"
    fault = Fault.PARTNER


class MirrorProtection:
    """Stands for OpenPGP: it writes the octets backwards behind a head, and opens nothing else."""

    def open(
        self,
        partner: PartnerId,
        chunks: Iterator[bytes],
        write: Callable[[bytes], None],
        *,
        max_size: int,
        max_ratio: int,
    ) -> Mapping[str, Any]:
        data = b"".join(chunks)
        if len(data) - 6 > max_size:
            raise NotOurs("It is larger than the flow takes.")
        if not data.startswith(b"SEALED"):
            raise NotOurs("It is not sealed for us.")
        write(data[6:][::-1])
        return {"signed_by": partner}

    def seal(
        self, partner: PartnerId, how: str, name: str, chunks: Iterator[bytes], write: Callable[[bytes], None]
    ) -> Mapping[str, Any]:
        write(b"SEALED" + b"".join(chunks)[::-1])
        return {"how": how}


class plain_leaving:
    @staticmethod
    def protocol_id(channel: str, key: str, size: int) -> str:
        return f"<{key}@{channel}>"


def flow(*targets: str, source: str = 'channel = "as2:birch"', **more: str) -> str:
    """A flow's file."""
    to = "".join(f"[[to]]\n{target}\n" for target in targets)
    top = more.pop("top", "")
    rest = "".join(f"[{name}]\n{text}\n" for name, text in more.items())
    return f'name = "Flow"\n{top}\n[from]\n{source}\n{to}{rest}'


def flow_of(toml: str) -> Flow:
    problems: list[Any] = []
    flow = read_toml(toml, Flow, "flows/x.toml", problems)
    assert flow is not None, problems
    return flow


class World:
    """One hub and what is around it."""

    def __init__(
        self,
        folder: Path,
        flows: Mapping[str, str] | None = None,
        *,
        inbox: str = "",
        url: str = "",
        clock: Any = None,
        seals: Any = None,
    ) -> None:
        self.seals = seals
        self.clock = clock or FakeClock()
        self.hub = bare_hub(folder, self.clock, inbox, url)
        self.sources = {kind: MemorySource(kind) for kind in ("folder", "sftp")}
        self.servers = {
            kind: FarServer(kind, self.hub) for kind in ("as2", "sftp", "folder", "account", "s3")
        }
        self.protection = MirrorProtection()
        self.collector = Collector(self.hub, lambda kind: self.sources[kind])
        self._ids = itertools.count(1)
        self.calendars: dict[str, Calendar] = {}
        self.apply(flows or {})
        self.runner = self.new_runner("test")

    def apply(self, flows: Mapping[str, str]) -> None:
        """Put flows in force."""
        book = FlowBook.read({id: flow_of(toml) for id, toml in flows.items()}, self.calendars)
        self.hub.flows = lambda: book

    def new_runner(self, node: str) -> Runner:
        collect = collect_handler(self.hub, self.collector)
        jobs = {
            **handlers(self.hub, self.servers, lambda message: None),  # type: ignore[arg-type]
            "relay": relay_handler(self.hub, self.protection, plain_leaving, self.seals),  # type: ignore[arg-type]
            "collect": collect,
            "gather": collect,
        }
        return Runner(
            self.hub.store, node, self.clock, self.hub.entropy, jobs, on_bury=buried(self.hub), lane_limit=100
        )

    def plan(self, id: str) -> Any:
        found = self.hub.flows().get(id)
        assert found is not None
        return found

    def collect(self, id: str) -> Any:
        """Two looks, far enough apart; what both did."""
        first = self.collector.run(self.plan(id))
        self.clock.forward(10)
        second = self.collector.run(self.plan(id))
        second.kept += first.kept
        second.repeated += first.repeated
        second.failed += first.failed
        second.error = first.error or second.error
        return second

    def work(self) -> int:
        return self.runner.run_due()

    def work_on(self, hours: float = 0.0) -> None:
        """Work while time passes."""
        for _ in range(20):
            self.work()
            self.clock.forward(hours * 180 if hours else 30)

    def arrive(
        self,
        *documents: bytes,
        name: str = "order.edi",
        partner: str = "birch",
        protocol: str = "as2",
        folder: str = "",
        content_type: str = "application/octet-stream",
    ) -> Message:
        """A partner's message comes by itself."""
        id = f"<{next(self._ids)}@{partner}>"
        intake = Intake(self.hub, Arrival(PartnerId(partner), protocol, id))
        for number, data in enumerate(documents):
            intake.begin_document(content_type, name if not number else f"{number}-{name}")
            intake.document_data(data, in_exact=False)
            intake.end_document(None)
        outcome = intake.accept(Whence(folder=folder).encode(), {}, None).result()
        assert isinstance(outcome, Kept)
        return outcome.message

    def send(self, data: bytes, partner: str = "birch") -> Message:
        id = f"<{next(self._ids)}@us>"
        documents = [HandIn("x.edi", "application/octet-stream", [data])]
        return hand_in(
            self.hub, PartnerId(partner), f"as2:{partner}", documents, protocol="as2", protocol_id=id
        )

    def message(self, id: str) -> Message:
        found = self.hub.store.read(lambda view: view.message(MessageId(id)))
        assert found is not None
        return found

    def messages(self, direction: Direction | None = None) -> list[Message]:
        found = self.hub.store.read(lambda view: view.messages(direction=direction, limit=10_000))
        return sorted(found, key=lambda message: (message.created, message.id))

    def deliveries(self, message: Message | str) -> list[Delivery]:
        id = message if isinstance(message, str) else message.id
        return self.hub.store.read(lambda view: view.deliveries(MessageId(id)))

    def children(self, message: Message) -> list[Message]:
        return self.hub.store.read(lambda view: view.children(message.id))

    def events(self, subject: str) -> list[str]:
        return [each.event.kind for each in self.hub.store.read(lambda view: view.events(subject))]

    def facts(self, subject: str, kind: str) -> dict[str, Any]:
        leaves = self.hub.store.read(lambda view: view.events(subject))
        found = [revealed(each) for each in leaves if each.event.kind == kind]
        assert found, self.events(subject)
        return found[-1]

    def arrived(self, kind: str) -> list[tuple[str, str, bytes]]:
        return self.servers[kind].files

    def close(self) -> None:
        self.hub.store.close()
