"""Two serving hubs in this process, on loopback: one that a test takes the ground from, and one that is well."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.support.sites import content_of, introduce

from ecluse.app.folder import make_hub
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.service import Service
from ecluse.channels.as2.receipts import SealedFacts
from ecluse.channels.as2.relation import PRIVATE_NETWORKS
from ecluse.channels.as2.sender import message_id_for
from ecluse.channels.http.client import post
from ecluse.channels.http.egress import Egress
from ecluse.channels.http.exchange import Reply
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.verify import verify_log
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Direction, Message
from ecluse.model.states import DeliveryState, MessageState
from ecluse.typed import from_json

__all__ = ["LARGE", "SMALL", "Pair", "free_port", "wait_for"]

SMALL, LARGE = 400, 150_000
RETRY = '{ base = "1s", cap = "1s", attempts = 500 }'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Pair:
    """Aster, whose ground may go, and Birch.

    Args:
        base: A folder. Aster's hub is made in ``base/aster``, which may be a disk of its own.
        database: Aster's, where it is not embedded.
        more: Added to Aster's ``ecluse.toml`` once the hub is made.
        receipt: How both ask for receipts.
    """

    def __init__(self, base: Path, *, database: str | None = None, more: str = "", receipt: str = "sync"):
        self.ports = {name: free_port() for name in ("aster", "birch")}
        self.folders = {name: base / name for name in self.ports}
        made = {
            name: make_hub(
                base / name,
                name=name.title(),
                as2_id=name.upper(),
                address=f"127.0.0.1:{port}",
                database=database if name == "aster" else None,
                key_kind="rsa-2048",
            )
            for name, port in self.ports.items()
        }
        settings = {"receipt": f'"{receipt}"', "receipt_timeout": '"5s"', "timeout": '"5s"', "retry": RETRY}
        for one, other in (("aster", "birch"), ("birch", "aster")):
            introduce(made[one], made[other], self.ports[other], **settings)
        made.pop("aster").close()
        toml = self.folders["aster"] / "ecluse.toml"
        toml.write_text(toml.read_text() + more)
        self.nodes: dict[str, Node] = {**made, "aster": open_node(self.folders["aster"])}
        self.services = {name: Service(node) for name, node in self.nodes.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pair", daemon=True)
        self._thread.start()
        for service in self.services.values():
            asyncio.run_coroutine_threadsafe(service.start(), self._loop).result(20)
        self.sent: list[tuple[str, str, int]] = []

    def send(self, one: str, label: str, size: int = SMALL) -> Message:
        """Hand a document in for the other one. It counts as acknowledged when this returns."""
        other = "birch" if one == "aster" else "aster"
        message = hand_in(
            self.nodes[one].hub,
            PartnerId(other),
            f"as2:{other}",
            [HandIn(f"{label}.edi", "application/edifact", [content_of(label, size)])],
            subject=label,
            protocol="as2",
            protocol_id=message_id_for(label, one.upper()),
        )
        self.sent.append((other, label, size))
        return message

    def post_again(self, message: Message) -> Reply:
        """Post what Birch has sealed for Aster once more, by hand, and see the bare answer."""
        node = self.nodes["birch"]

        def sealed() -> Message:
            found = node.store.read(lambda view: view.message(message.id))
            assert found is not None
            return found

        wait_for(lambda: bool(sealed().wire_blob), 120)
        found = sealed()
        with node.hub.blob(found.wire_blob) as reader:
            body = b"".join(reader.chunks())
        headers = from_json(found.wire, SealedFacts).headers
        egress = Egress(hosts=frozenset({"127.0.0.1"}), networks=PRIVATE_NETWORKS)
        return post(f"http://127.0.0.1:{self.ports['aster']}/as2", headers, body, egress=egress)

    def delivery_states(self, name: str) -> Counter[str]:
        node = self.nodes[name]
        found = node.store.read(lambda view: view.messages(limit=10_000))
        return Counter(
            f"{d.state.value}:{d.reason_code}" if d.reason_code else d.state.value
            for message in found
            for d in node.store.read(lambda view, m=message: view.deliveries(m.id))
        )

    def settle(self, patience: float = 40) -> None:
        """Wait until everything that was acknowledged has arrived and is confirmed."""

        def left() -> list[str]:
            return [
                f"{name}: {message.subject} {message.state.value} {self.delivery_states(name)}"
                for name, node in self.nodes.items()
                for message in node.store.read(lambda view: view.messages(limit=10_000))
                if message.state is not MessageState.DELIVERED
            ]

        wait_for(lambda: not left(), patience, lambda: f"never ends: {left()[:4]}")

    def check(self) -> None:
        """Each document arrived once; each delivery is confirmed; both logs verify."""
        for name, node in self.nodes.items():
            inbox = self.folders[name] / "inbox"
            files = [path for path in inbox.rglob("*") if path.is_file() and not path.name.startswith(".")]
            came = Counter(path.read_bytes() for path in files)
            wanted = Counter(content_of(label, size) for other, label, size in self.sent if other == name)
            assert came == wanted, f"{name}: {sum((came - wanted).values())} too many, missing " + str(
                [data[:60] for data in wanted - came]
            )
            for message in node.store.read(lambda view: view.messages(direction=Direction.OUT, limit=10_000)):
                (delivery,) = node.store.read(lambda view, m=message: view.deliveries(m.id))
                assert delivery.state is DeliveryState.CONFIRMED
            verdict = verify_log(node.store, [node.log_key], held=HeldCheckpoints(node.checkpoint_file))
            assert verdict.ok, f"{name}: {verdict.problem}"

    def close(self) -> None:
        for service in self.services.values():
            asyncio.run_coroutine_threadsafe(service.stop(), self._loop).result(60)
        for node in self.nodes.values():
            node.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)


def wait_for(true: Callable[[], bool], patience: float, otherwise: Callable[[], str] = lambda: "") -> None:
    """Wait until something is so. What it raises meanwhile counts as not yet."""
    end = time.monotonic() + patience
    while True:
        try:
            if true():
                return
        except Exception:
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, otherwise()
        time.sleep(0.1)
