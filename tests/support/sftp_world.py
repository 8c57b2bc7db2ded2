"""The chamber with one partner that has an SFTP server: documents are handed in, and delivered by the real channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from tests.support.hubs import FakeClock, bare_hub
from tests.support.trust import NOW, keyring

from ecluse.channels.sftp.client.channel import SftpChannel
from ecluse.channels.sftp.client.loop import LoopThread
from ecluse.channels.sftp.client.pool import Links
from ecluse.channels.sftp.client.relation import Relation
from ecluse.engine.retry import Backoff, RetryPolicy
from ecluse.engine.runner import Runner
from ecluse.errors import Fault
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.deliver import buried, handlers
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.target import Target
from ecluse.model.basics import PartnerId
from ecluse.model.nouns import Delivery, Message
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import Secret

__all__ = ["World"]


class World:
    """Aster, and Birch's server.

    Args:
        folder: Empty.
        sftp: Lines of Birch's ``[sftp]`` beside ``allow_private_network``.
        rest: Further tables of its file.
        secrets: What references to secrets give.
    """

    def __init__(
        self, folder: Path, sftp: str = "", rest: str = "", secrets: dict[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = FakeClock(int(NOW))
        self.hub = bare_hub(folder, self.clock)
        self.ring = keyring("main", "ssh")
        self.secrets = secrets or {}
        self.links = Links(LoopThread())
        self.directory: Directory
        if sftp:
            self.configure(sftp, rest)
        self.channel: Any = SftpChannel(self.hub, lambda: self.directory, self.secret, self.links)
        quick = Backoff(base=1, cap=2, attempts=60, age=1e9)
        policy = RetryPolicy(
            {**RetryPolicy().backoffs, Fault.TRANSIENT: quick, Fault.PARTNER: Backoff(1, 2, 4, 1e9)}
        )
        work = handlers(self.hub, {"sftp": self.channel}, lambda message: policy)
        self.runner = Runner(
            self.hub.store, "n", self.clock, self.hub.entropy, work, on_bury=buried(self.hub)
        )

    @property
    def public_key(self) -> str:
        """What the server has to allow."""
        return self.ring.ssh_public_key("ssh")

    def secret(self, reference: str) -> Secret:
        return Secret(self.secrets[reference])

    def configure(self, sftp: str, rest: str = "") -> None:
        """Put other settings in force."""
        files = {
            "ecluse.toml": '[organisation]\nname = "Aster"\nas2_id = "ASTER"\n',
            "partners/birch.toml": f'name = "Birch"\n[sftp]\nallow_private_network = true\n{sftp}\n{rest}\n',
        }
        self.directory = Directory(Configuration.from_files(files, self.clock()), self.ring, self.secret)

    def reach(self, server: Any, more: str = "", *, port: int | None = None, rest: str = "") -> None:
        """Configure for a :class:`tests.support.sshd.Sshd`, which lets our key in."""
        server.allow(self.public_key)
        self.configure(
            f'host = "127.0.0.1:{port or server.port}"\nuser = "{server.user}"\nkey = "ssh"\n'
            f'host_keys = ["{server.fingerprint}"]\n{more}',
            rest,
        )

    def relation(self) -> Relation:
        return Relation(self.directory, self.directory.partner("birch"), self.secret, self.clock())

    def send(self, *documents: tuple[str, bytes], folder: str = "", replace: bool | None = None) -> Message:
        """Hand documents in for Birch."""
        handed = [HandIn(name, "application/octet-stream", [data]) for name, data in documents]
        message = hand_in(
            self.hub,
            PartnerId("birch"),
            "sftp:birch",
            handed,
            protocol="sftp",
            protocol_id=self.hub.new_id("x"),
        )
        if folder or replace is not None:
            wired = msgspec.structs.replace(message, wire=Target(folder, replace).encode())
            self.hub.store.write(lambda tx: tx.update_message(wired))
        return message

    def run(self, times: int = 1) -> None:
        """Attempt what is due, and let time pass."""
        for _ in range(times):
            self.runner.run_due()
            self.clock.forward(3)

    def delivery(self, message: Message) -> Delivery:
        return self.hub.store.read(lambda view: view.deliveries(message.id))[0]

    def receipt(self, message: Message) -> dict[str, Any]:
        receipts = self.hub.store.read(lambda view: view.receipts(message.id))
        return msgspec.json.decode(receipts[-1].body)

    def events(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        found = [decode_leaf(e.leaf) for e in self.hub.store.read(lambda view: view.events(subject))]
        return [(event.kind, msgspec.json.decode(event.data)) for event in found]

    def close(self) -> None:
        self.links.close()
        self.hub.store.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
