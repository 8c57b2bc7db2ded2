"""Hubs for fault tests: made once per run, opened from their folders in a few milliseconds, joined by a wire of ours.

A :class:`Site` is an opened hub without listener and threads: requests go to its receiver by :meth:`Site.receive`,
its jobs are done by :meth:`Site.work`. Everything that it does passes :attr:`Site.step`, where a test may stop the
clock, cut the power or let another node go first.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from ecluse.app.folder import make_hub
from ecluse.app.node import Node, active_configuration
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.blobs.local import LocalPlace
from ecluse.blobs.port import BlobPlace
from ecluse.blobs.vault import Vault
from ecluse.channels.as2.receiver import Receiver
from ecluse.channels.as2.sender import As2Channel, message_id_for
from ecluse.channels.folder import FolderChannel
from ecluse.channels.http.exchange import Reply
from ecluse.channels.http.message import Body, Peer, Request, Response
from ecluse.engine.runner import Runner
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.sequencer import Sequencer
from ecluse.evidence.verify import Verdict, verify_log
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.hub import Hub
from ecluse.exchange.receipts import mark_overdue
from ecluse.model.basics import Clock, Entropy, PartnerId, system_clock, system_entropy
from ecluse.model.nouns import Delivery, Direction, Job, JobState, Message
from ecluse.model.states import DeliveryState, IllegalMove, MessageState, check_move
from ecluse.store.open import open_store
from ecluse.store.port import Store, Tx
from ecluse.store.verbs import RowTx
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.trust.directory import Directory
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.secrets import SecretResolver
from ecluse.wire.tlog.note import NoteKey

__all__ = ["Died", "Site", "Walls", "content_of", "introduce", "walls", "watch", "whole"]

Headers = list[tuple[str, str]]


class Died(BaseException):
    """The process of a site ended here: nothing of it runs any more. No handler of the hub's catches this."""


class Walls:
    """What of a hub outlives its process and costs time to open: configuration and keys.

    Args:
        folder: A hub's folder, configured.
    """

    def __init__(self, folder: Path) -> None:
        node = open_node(folder)
        self.folder = folder
        self.keyring: FileKeyring = node.keyring
        self.resolver: SecretResolver = node.resolver
        self.bootstrap = node.bootstrap
        _, self.configuration = active_configuration(node.store, node.bootstrap)
        self.directory = Directory(self.configuration, node.keyring, node.resolver)
        node.close()

    @property
    def log_key(self) -> NoteKey:
        return NoteKey(self.directory.hub.log_origin, self.keyring.log_public_key)

    def copy(self, folder: Path) -> Path:
        """A fresh hub's state in ``folder``."""
        folder.mkdir(parents=True)
        shutil.copytree(self.folder / "state", folder / "state")
        return folder


def introduce(node: Node, other: Node, port: int | None = None, **as2: str) -> None:
    """Make ``other`` a partner of ``node``'s, named as the AS2 id in lower case."""
    them = other.directory.organisation.as2_id.lower()
    host = f"127.0.0.1:{port}" if port else f"{them}.example"
    (node.folder / "certificates" / f"{them}.pem").write_text(to_pem(other.keyring.chain("main")))
    more = "".join(f"{name} = {value}\n" for name, value in as2.items())
    (node.folder / "partners" / f"{them}.toml").write_text(
        f'name = "{them.title()}"\n[as2]\nid = "{them.upper()}"\nurl = "http://{host}/as2"\n'
        f'allow_private_network = true\n{more}[[certificates]]\nfile = "certificates/{them}.pem"\n'
    )
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="a partner more")


@functools.cache
def walls() -> dict[str, Walls]:
    """Aster, Birch and Cedar. Aster and Cedar ask each other for synchronous receipts, Aster and Birch for later
    ones.
    """
    base = Path(tempfile.mkdtemp(prefix="sites-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    nodes = {
        name: make_hub(
            base / name,
            name=name.title(),
            as2_id=name.upper(),
            address="127.0.0.1:4080",
            public_url=f"http://{name}.example/as2",
            key_kind="rsa-2048",
        )
        for name in ("aster", "birch", "cedar")
    }
    for one, other, receipt in (("aster", "birch", '"async"'), ("aster", "cedar", '"sync"')):
        introduce(nodes[one], nodes[other], receipt=receipt)
        introduce(nodes[other], nodes[one], receipt=receipt)
    for node in nodes.values():
        node.close()
    return {name: Walls(base / name) for name in nodes}


class Inline(Executor):
    """Does the work at once: a simulation has one thread."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except BaseException as error:
            future.set_exception(error)
        return future


class _Still:
    def want_body(self) -> None: ...
    def hold_body(self) -> None: ...


class _Stepped:
    """A store whose every write is a step before it and a step after it."""

    def __init__(self, store: Store, step: Callable[[str], None]) -> None:
        self._store = store
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read(self, work: Callable[..., Any]) -> Any:
        self._step("read")
        return self._store.read(work)

    def write(self, work: Callable[[Tx], Any]) -> Any:
        return self.submit(work).result()

    def submit(self, work: Callable[[Tx], Any]) -> Future[Any]:
        self._step("write")
        future = self._store.submit(work)
        future.exception()
        self._step("written")
        return future


class _SteppedChannel:
    """A channel whose effect is a step before it and a step after it."""

    def __init__(self, channel: Any, step: Callable[[str], None]) -> None:
        self._channel = channel
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def deliver(self, *arguments: Any) -> Any:
        self._step(f"deliver:{self._channel.kind}")
        outcome = self._channel.deliver(*arguments)
        self._step(f"delivered:{self._channel.kind}")
        return outcome


class Site:
    """One hub, open.

    Args:
        walls: Its configuration and keys.
        folder: Its state: a copy of ``walls.folder/state``, and its inbox.
        clock: Time.
        entropy: Randomness.
        step: Called before and after what may be interrupted; see :class:`_Stepped`.
        place: Where blobs are; the folder's own by default.
        inline_limit: Octets of a blob that still ride in their row.
    """

    def __init__(
        self,
        walls: Walls,
        folder: Path,
        *,
        clock: Clock = system_clock,
        entropy: Entropy = system_entropy,
        step: Callable[[str], None] = lambda name: None,
        place: BlobPlace | None = None,
        inline_limit: int = 4096,
        name: str = "one",
    ) -> None:
        self.walls = walls
        self.folder = folder
        self.raw = open_store(f"sqlite:{folder}/state/ecluse.db", node=name)
        self.store: Any = _Stepped(self.raw, step)
        self.place = place if place is not None else LocalPlace(folder / "state" / "blobs")
        vault = Vault(self.place, _storage(walls), entropy, clock, inline_limit)
        self.hub = Hub(self.store, vault, clock, entropy, name)
        self.hub.inbox = "folder:inbox"
        self.inbox = folder / "inbox"
        directory = walls.directory
        listen = directory.hub.listen.as2
        channels = {
            "folder": FolderChannel(self.hub, self.inbox),
            "as2": As2Channel(self.hub, lambda: directory, listen.public_url or ""),
        }
        self.channels: dict[str, Any] = {kind: _SteppedChannel(c, step) for kind, c in channels.items()}
        self.receiver = Receiver(self.hub, lambda: directory, Inline(), "/as2")  # type: ignore[arg-type]
        self.runner = self.new_runner(name)
        self.sequencer = Sequencer(
            self.store,
            clock,
            walls.log_key,
            walls.keyring.log_sign,
            held=HeldCheckpoints(folder / "state" / "checkpoints"),
            node=name,
        )

    @property
    def as2_id(self) -> str:
        return self.walls.directory.organisation.as2_id

    def new_runner(self, name: str) -> Runner:
        """A node more on the same state."""
        work = handlers(self.hub, self.channels, lambda message: None)
        hub = self.hub
        return Runner(self.store, name, hub.clock, hub.entropy, work, on_bury=buried(hub))

    def close(self) -> None:
        self.raw.close()

    def send(self, partner: str, data: bytes, label: str) -> Message:
        """Hand one document in; it is acknowledged to the application when this returns."""
        return hand_in(
            self.hub,
            PartnerId(partner),
            f"as2:{partner}",
            [HandIn(f"{label}.edi", "application/edifact", [data])],
            subject=label,
            protocol="as2",
            protocol_id=message_id_for(label, self.as2_id),
        )

    def receive(self, headers: Headers, body: bytes, path: str = "/as2") -> Reply:
        """Give one request to the receiver, and wait for its answer."""
        flow = Body(_Still())
        names = [(name.lower(), value) for name, value in headers]
        request = Request("POST", path, names, Peer("192.0.2.7", 50000), len(body), flow)
        for at in range(0, len(body), 1 << 16):
            flow.put(body[at : at + (1 << 16)])
        flow.end()

        async def answer() -> Response:
            return await self.receiver(request)

        response = _loop().run_until_complete(answer())
        assert isinstance(response.body, bytes)
        fields = [(name.lower(), value) for name, value in response.headers]
        return Reply(response.status, "", fields, response.body, Peer("192.0.2.8", 80))

    def work(self) -> int:
        """Do all that is due."""
        return self.runner.run_due()

    def look_for_overdue(self) -> None:
        while mark_overdue(self.hub):
            pass

    def seal_log(self) -> None:
        while self.sequencer.seal():
            pass
        self.sequencer.checkpoint()

    def verify(self) -> Verdict:
        held = HeldCheckpoints(self.folder / "state" / "checkpoints")
        return verify_log(self.raw, [self.walls.log_key], held=held)

    def messages(self, direction: Direction | None = None) -> list[Message]:
        return list(self.raw.read(lambda view: view.messages(direction=direction, limit=10_000)))

    def delivery_of(self, message: Message) -> Delivery:
        (delivery,) = self.raw.read(lambda view: view.deliveries(message.id))
        return delivery

    def inbox_contents(self) -> list[bytes]:
        """Every document that the application can see."""
        if not self.inbox.is_dir():
            return []
        files = [path for path in sorted(self.inbox.rglob("*")) if path.is_file()]
        return [path.read_bytes() for path in files if not path.name.startswith(".")]

    def stuck(self, *, blobs: bool = True) -> Iterator[str]:
        """What would wait for ever: work without a living job; and bytes that a row names, if they are not there."""
        for message in self.messages():
            deliveries = self.raw.read(lambda view, m=message: view.deliveries(m.id))
            for delivery in deliveries:
                if delivery.state in (DeliveryState.WAITING, DeliveryState.SENDING):
                    yield from self._dead_job(f"deliver:{delivery.id}", f"delivery is {delivery.state}")
                if delivery.state is DeliveryState.SENT and delivery.receipt_due is None:
                    yield f"{delivery.id} waits for a receipt without end"
            if message.state is MessageState.RECEIVED:
                yield from self._dead_job(f"open:{message.id}", "message is received")
            if message.state is MessageState.ACCEPTED and not deliveries:
                yield f"{message.id} is accepted and goes nowhere"
            answer = self.raw.read(lambda view, m=message: view.answer(m.id))
            opened = message.direction is Direction.IN and message.state is not MessageState.RECEIVED
            if opened and answer is None:
                yield f"{message.id} is {message.state} without an answer"
            if not blobs:
                continue
            for blob in {message.wire_blob, *(part.blob for part in message.parts)} - {""}:
                with self.hub.blob(blob) as reader:
                    digest = hashlib.sha256(b"".join(reader.chunks())).digest()
                row = self.raw.read(lambda view, b=blob: view.blob(b))
                if row is None or row.sha256 not in (b"", digest):
                    yield f"{blob} has other bytes than its row says"

    def _dead_job(self, key: str, why: str) -> Iterator[str]:
        job = self.raw.read(lambda view: view.job(key))
        if job is None or job.state not in (JobState.DUE, JobState.RUNNING):
            yield f"{why}, and {key} is {job.state if job else 'not there'}"


def _storage(walls: Walls) -> Any:
    from ecluse.trust.keys.storage import StorageKeys

    return StorageKeys(walls.keyring)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def content_of(label: str, size: int = 300) -> bytes:
    """An interchange that no other label has."""
    head = f"UNA:+.? 'UNB+UNOC:3+ASTER+BIRCH+260101:1200+{label}'UNH+1+ORDERS:D:96A:UN'BGM+220+{label}+9'"
    return (
        head.encode() + b"FTX+AAI+++" + hashlib.shake_128(label.encode()).hexdigest(size // 2).encode() + b"'"
    )


def watch(patch: Callable[[Any, str, Any], None]) -> list[str]:
    """Have every change of a state checked against the tables, and every end of a job against its lease.

    Returns:
        What was not as it should be. (A hub would take an exception for a failed attempt, and go on.)
    """
    wrong: list[str] = []

    def watch_update(verb: str, read: Callable[[Any, Any], Any]) -> None:
        update = getattr(RowTx, verb)

        def watched(self: RowTx, after: Any) -> None:
            before = read(self, after.id)
            try:
                check_move(before.state, after.state)
            except IllegalMove as error:
                wrong.append(error.cause)
            update(self, after)

        patch(RowTx, verb, watched)

    def watch_end(verb: str) -> None:
        end = getattr(RowTx, verb)

        def watched(self: RowTx, job: Job, *more: Any) -> None:
            now = self.job(job.key)
            end(self, job, *more)
            if now is None or (now.state, now.owner, now.fence) != (JobState.RUNNING, job.owner, job.fence):
                wrong.append(f"{verb} of {job.key} was recorded by one who had lost it")

        patch(RowTx, verb, watched)

    watch_update("update_message", RowTx.message)
    watch_update("update_delivery", RowTx.delivery)
    for verb in ("finish_job", "retry_job", "bury_job", "extend_lease"):
        watch_end(verb)
    return wrong


def whole(body: bytes | Iterable[bytes]) -> bytes:
    return body if isinstance(body, bytes) else b"".join(body)
