"""A serving hub with made-up partners: real HTTP, keys held by the tests, and what a partner would write.

The hub is Aster (AS2 id ``ASTER``). Its partners are parties of :mod:`tests.support.as2_world`, whose AS2 id is
their name in capitals; a test posts what they would post, and looks into the hub's store afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.as2_world import Entropy, Party, party

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.service import Service
from ecluse.app.settings import apply_files
from ecluse.archive.commitments import revealed
from ecluse.channels.as2.sender import message_id_for
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import Clock, MessageId, PartnerId, system_clock
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.wire.as2.build import BuildOptions, MessageBuilder, Part, ReceiptOptions
from ecluse.wire.as2.mdn_reader import ReadMdn, read_mdn
from ecluse.wire.cms import recipients
from ecluse.wire.smime.headers import Headers

HOST = "127.0.0.1"
ORDER = b"UNB+UNOA:2+CEDAR+ASTER+260101:1200+1'\r\nBGM+220+4711+9'\r\nLIN+1++4000862141404:SRS'\r\n"

_counter = iter(range(1, 1_000_000))


def fresh_id(who: str = "cedar") -> str:
    """A Message-ID that no other test uses."""
    return f"<{next(_counter)}.{time.time_ns()}@{who}.example>"


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What ``condition`` gives once that is true; fails where it is not in time."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def mdn(self, *signers: Any) -> ReadMdn:
        """As an MDN, verified with ``signers``."""
        return read_mdn(Headers.of(self.headers), self.body, certificates=signers)

    @property
    def stable(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """What has to be the same whenever it is sent again: all but the moment of sending."""
        return self.status, [pair for pair in self.headers if pair[0].lower() != "date"], self.body


def post(
    port: int,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    path: str = "/as2",
    method: str = "POST",
    timeout: float = 30,
    context: Any = None,
) -> Answer:
    """Post as a foreign HTTP client does."""
    make = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    more = {} if context is None else {"context": context}
    connection = make(HOST, port, timeout=timeout, **more)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() != "content-length":
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


@dataclass
class Aster:
    """A hub with its store open: serving in this process, or read while another serves."""

    node: Node
    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    service: Service | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def certificate(self) -> Any:
        return self.node.keyring.certificate("main")

    @property
    def as2_id(self) -> str:
        return self.node.directory.organisation.as2_id

    # Partners.

    def introduce(self, who: Party, settings: str = "", *, url: str = "", rest: str = "") -> str:
        """Make ``who`` a partner, or change what it is; gives its id."""
        id = who.name.lower()
        name = f"certificates/{id}.pem"
        (self.node.folder / name).write_bytes(who.pem_certificate())
        rest = rest or f'[[certificates]]\nfile = "{name}"\n'
        place = f'url = "{url}"\n' if url else ""
        (self.node.folder / "partners" / f"{id}.toml").write_text(
            f'name = "{who.name}"\n[as2]\nid = "{who.name.upper()}"\n{place}'
            f"allow_private_network = true\n{settings}\n{rest}"
        )
        self.apply()
        return id

    def apply(self) -> None:
        apply_files(self.node, read_folder(self.node.folder), actor="operator:test", reason="test")

    def edit(self, text: Callable[[str], str]) -> None:
        """Change ``ecluse.toml`` and apply it."""
        path = self.node.folder / "ecluse.toml"
        path.write_text(text(path.read_text()))
        self.apply()

    # What the store says.

    def received(self, message_id: str, who: str = "cedar") -> Message | None:
        return self.node.store.read(lambda v: v.find_message(Direction.IN, PartnerId(who), message_id))

    def all_received(self, message_id: str) -> list[Message]:
        found = self.node.store.read(lambda v: v.messages(limit=1000))
        return [m for m in found if m.direction is Direction.IN and m.protocol_id == message_id]

    def message(self, id: str) -> Message:
        found = self.node.store.read(lambda v: v.message(MessageId(id)))
        assert found is not None
        return found

    def delivery(self, id: str) -> Delivery:
        return self.node.store.read(lambda v: v.deliveries(MessageId(id)))[0]

    def receipts(self, id: str) -> list[Any]:
        return self.node.store.read(lambda v: v.receipts(MessageId(id)))

    def answer(self, id: str) -> Any:
        return self.node.store.read(lambda v: v.answer(MessageId(id)))

    def events(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and facts of the events about ``subject``."""
        found = self.node.store.read(lambda v: v.events(subject))
        return [(each.event.kind, revealed(each)) for each in found]

    def kinds(self, subject: str) -> list[str]:
        return [kind for kind, _ in self.events(subject)]

    def refusals(self) -> list[dict[str, Any]]:
        """What the listener refused without a message to tell it of."""
        return [facts for _, facts in self.events("listener:as2")]

    def refusal(self, number: int) -> dict[str, Any]:
        """The refusal of that number, once it is written: an event of its own does not hold up the answer."""
        return eventually(lambda: self.refusals()[number : number + 1])[0]

    def document(self, message: Message, number: int = 0) -> bytes:
        with self.node.hub.document(message.parts[number]) as document:
            return b"".join(document.chunks())

    # Sending and receiving.

    def send(self, who: str, data: bytes = ORDER, name: str = "orders.edi", **more: Any) -> Message:
        """Hand a document in for a partner."""
        id = message_id_for(f"out-{next(_counter)}-{time.time_ns()}", self.as2_id)
        documents = [HandIn(name, more.pop("content_type", "application/edifact"), [data])]
        return hand_in(
            self.node.hub, PartnerId(who), f"as2:{who}", documents, protocol="as2", protocol_id=id, **more
        )

    def post(self, headers: list[tuple[str, str]], body: bytes, **more: Any) -> Answer:
        return post(self.port, headers, body, **more)

    def settled(self, id: str, *states: str, seconds: float = 10.0) -> Delivery:
        """The delivery of a message, once it is in one of ``states``."""

        def look() -> Delivery | None:
            if self.service is not None:
                for runner in (self.service._runner, self.service._own_runner):
                    runner.poke()  # what became due by time alone is seen twice a second only
            delivery = self.delivery(id)
            return delivery if delivery.state.value in states else None

        try:
            return eventually(look, seconds)
        except AssertionError:
            delivery = self.delivery(id)
            raise AssertionError(
                f"{delivery.state.value}: {delivery.reason_code} {delivery.reason}"
            ) from None


@contextlib.contextmanager
def serve(node: Node) -> Iterator[Aster]:
    """Serve ``node`` from a thread of this process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    service = Service(node, listen=f"{HOST}:0")

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    run(service.start())
    try:
        yield Aster(node, service.port, loop, service)
    finally:
        run(service.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@contextlib.contextmanager
def aster_hub(folder: Path, clock: Clock = system_clock, name: str = "Aster", **more: Any) -> Iterator[Aster]:
    """A hub made in ``folder`` and served."""
    node = make_hub(
        folder, name=f"{name} Foods", as2_id=name.upper(), key_kind="rsa-2048", clock=clock, **more
    )
    stop_soon(node)
    with node, serve(node) as hub:
        yield hub


def stop_soon(node: Node) -> None:
    """Shorten the period of grace: a test that left a request open must not wait for it."""
    path = node.folder / "ecluse.toml"
    text = path.read_text()
    path.write_text(text.replace("[listen.as2]\n", '[listen.as2]\nshutdown_grace = "1s"\n'))
    apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
    node.bootstrap = node.directory.configuration


def cards(one: Aster, other: Aster, id: str, settings: str = "", rest: str = "", scheme: str = "http") -> str:
    """Make the serving hub ``other`` a partner of ``one``."""
    (one.node.folder / "certificates" / f"{id}.pem").write_text(to_pem(other.node.keyring.chain("main")))
    (one.node.folder / "partners" / f"{id}.toml").write_text(
        f'name = "{id}"\n[as2]\nid = "{other.as2_id}"\nurl = "{scheme}://{HOST}:{other.port}/as2"\n'
        f'allow_private_network = true\n{settings}\n[[certificates]]\nfile = "certificates/{id}.pem"\n{rest}'
    )
    one.apply()
    return id


def message(
    who: Party,
    hub: Aster,
    payload: bytes = ORDER,
    *,
    message_id: str = "",
    sign: bool = True,
    encrypt: str = "aes-256-cbc",
    receipt: str | None = "sync",
    signed_receipt: bool = True,
    url: str = "",
    micalgs: tuple[str, ...] = ("sha-256",),
    as2_from: str = "",
    as2_to: str = "",
    part: Part | None = None,
    to: Any = None,
    now: int = 0,
    **more: Any,
) -> tuple[list[tuple[str, str]], bytes]:
    """Header and body of a message from ``who`` to the hub."""
    asked = None
    if receipt is not None:
        asked = ReceiptOptions(f"as2@{who.name.lower()}.example", signed_receipt, micalgs, url=url or None)
    options = BuildOptions(
        as2_from or who.name.upper(),
        as2_to or hub.as2_id,
        signers=(who.signer(),) if sign else (),
        recipients=(recipients.for_certificate(to or hub.certificate),) if encrypt else (),
        cipher=encrypt or "aes-256-cbc",
        receipt=asked,
        **more,
    )
    builder = MessageBuilder(
        options,
        part or Part("application/edifact", "orders.edi"),
        message_id=message_id or fresh_id(who.name.lower()),
        now=now or int(time.time()),
        entropy=Entropy(next(_counter)),
    )
    body = builder.start() + builder.feed(payload) + builder.finish()
    return builder.headers, body


def id_of(headers: list[tuple[str, str]]) -> str:
    return dict(headers)["Message-ID"]


CEDAR, ELDER, HAZEL = party("Cedar"), party("Elder"), party("Hazel")
