"""Worlds in which one partner's folders are tried: in memory, and the real ones on both databases."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import msgspec
from tests.support.trees import MemoryMailbox

from ecluse.archive.commitments import revealed
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox import SessionFacts, open_tree
from ecluse.exchange.mailbox.channel import AccountChannel
from ecluse.exchange.mailbox.octets import open_pieces, pieces_of
from ecluse.exchange.port import Awaiting
from ecluse.exchange.route import add_delivery
from ecluse.exchange.target import Target
from ecluse.exchange.tree import Tree, TreeWriter
from ecluse.model.basics import MessageId, PartnerId
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.nouns import Delivery, Direction, Message, Part
from ecluse.model.paths import VirtualPath
from ecluse.model.states import DeliveryState, MessageState
from ecluse.store.port import Tx
from ecluse.trust.certificates import CertificateSet
from ecluse.trust.directory import OwnKeys, PartnerView
from ecluse.trust.settings.places import Account
from ecluse.trust.settings.schema import Partner

__all__ = [
    "BIG",
    "FACTS",
    "MemoryWorld",
    "RealWorld",
    "World",
    "account_view",
    "assert_tidy",
    "at",
    "begin",
    "every_file",
    "get",
    "names",
    "put",
]

FACTS = SessionFacts("sftp", "192.0.2.7", "birch", "SHA256:abc")


def account_view(id: str = "birch", **account: Any) -> PartnerView:
    """A partner with an account and nothing else."""
    settings = Partner(name="Birch Packaging", account=Account(user=id, **account))
    return PartnerView(PartnerId(id), settings, "", CertificateSet(()), OwnKeys(()), lambda reference: None)  # type: ignore[arg-type,return-value]


def at(text: str) -> VirtualPath:
    return VirtualPath.parse(text)


def begin(tree: Tree, path: str, data: bytes = b"", **how: bool) -> TreeWriter:
    writer = tree.write(at(path), **how)
    for start in range(0, len(data), 1000):
        writer.write(writer.size, data[start : start + 1000])
    return writer


def put(tree: Tree, path: str, data: bytes, **how: bool) -> None:
    begin(tree, path, data, **how).commit()


def get(tree: Tree, path: str, step: int = 1000) -> bytes:
    reader = tree.read(at(path))
    found = b""
    while piece := reader.read(len(found), step):
        found += piece
    reader.close()
    assert len(found) == reader.size
    return found


def names(tree: Tree, folder: str, **how: object) -> list[str]:
    return [entry.name for entry in tree.list(at(folder), **how)]  # type: ignore[arg-type]


BIG = bytes(range(256)) * 1000


class World(Protocol):
    """One partner, and what became of its files."""

    def open(self, **account: Any) -> Tree:
        """A session; what is given is agreed from here on."""

    def documents(self) -> list[tuple[str, bytes]]:
        """What became a message: the path that it was uploaded as, and its octets, in order."""

    def offer(self, name: str, data: bytes, folder: str = "outbound") -> None:
        """Put a document out to be picked up."""

    def put_receipt(self, name: str, data: bytes) -> None: ...
    def picked_up(self) -> list[str]:
        """Names of the documents that were picked up, in order."""


class MemoryWorld:
    """The twin's world."""

    def __init__(self) -> None:
        self.box = MemoryMailbox()
        self._agreed: dict[str, Any] = {}
        self.offer = self.box.offer
        self.put_receipt = self.box.put_receipt

    def open(self, **account: Any) -> Tree:
        self._agreed |= account
        self.box.account = Account(user="birch", **self._agreed)
        return self.box.open()

    def documents(self) -> list[tuple[str, bytes]]:
        return list(self.box.documents)

    def picked_up(self) -> list[str]:
        return list(self.box.picked_up)


class RealWorld:
    """The real folders, over any store and vault."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._agreed: dict[str, Any] = {}
        self.channel = AccountChannel(hub, lambda: self)  # type: ignore[arg-type,return-value]

    def partner(self, id: PartnerId) -> PartnerView:
        """As a directory gives it."""
        return account_view(id, **self._agreed)

    def open(self, **account: Any) -> Tree:
        self._agreed |= account
        return open_tree(self.hub, account_view(**self._agreed), FACTS)

    def messages(self) -> list[Message]:
        found = self.hub.store.read(lambda view: view.messages(direction=Direction.IN, limit=10_000))
        return sorted(found, key=lambda message: message.created)

    def documents(self) -> list[tuple[str, bytes]]:
        found = []
        for message in self.messages():
            path = msgspec.json.decode(message.wire)["path"]
            found += [(f"/{path}", b"".join(each.chunks())) for each in self.hub.documents(message)]
        return found

    def kept(self, data: bytes) -> tuple[Any, Part]:
        """A blob that is finished, and the part that it is; its row is to be written."""
        writer = self.hub.vault.create()
        writer.write(data)
        sealed = writer.finish()
        return sealed, Part(sealed.row.id, 0, len(data), sealed.row.sha256.hex())

    def send(
        self, *documents: tuple[str, bytes], folder: str = "", replace: bool | None = None
    ) -> tuple[Message, Delivery]:
        """A message to the partner by its account, with its delivery under way."""
        hub = self.hub
        parts, blobs = [], []
        for name, data in documents:
            sealed, part = self.kept(data)
            blobs.append(sealed)
            parts.append(msgspec.structs.replace(part, name=name))
        now = hub.clock()
        message = Message(
            id=MessageId(hub.new_id("m")),
            direction=Direction.OUT,
            partner=PartnerId("birch"),
            protocol="account",
            protocol_id=hub.new_id("x"),
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            parts=tuple(parts),
            wire=Target(folder, replace).encode(),
        )

        def work(tx: Tx) -> Delivery:
            for sealed in blobs:
                tx.add_blob(sealed.row, sealed.wrapped_key)
            tx.add_message(message)
            hub.event(tx, "message.accepted", message.id, {})
            return add_delivery(hub, tx, message, "account:birch")

        return message, hub.store.write(work)

    def deliver(self, message: Message, delivery: Delivery) -> None:
        """What the chamber does with the channel."""
        outcome = self.channel.deliver(message, delivery, None)
        assert isinstance(outcome, Awaiting)
        sent = msgspec.structs.replace(delivery, state=DeliveryState.SENT, receipt_due=outcome.due)
        self.hub.store.write(partial(_update, delivery=sent))

    def offer(self, name: str, data: bytes, folder: str = "outbound") -> None:
        self.deliver(*self.send((name, data), folder=folder.removeprefix("outbound").lstrip("/")))

    def put_receipt(self, name: str, data: bytes) -> None:
        hub = self.hub
        sealed, part = self.kept(data)
        segments = (Segment(part.blob, part.size),)
        row = FileRow(
            PartnerId("birch"),
            "/receipts",
            name,
            hub.new_id("f"),
            FileState.RECEIPT,
            part.size,
            hub.clock(),
            segments=segments,
        )

        def work(tx: Tx) -> None:
            tx.add_blob(sealed.row, sealed.wrapped_key)
            tx.add_file(row)

        hub.store.write(work)

    def events(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Subject and data of the events of a kind, in order of their messages and partners."""
        subjects = ["birch", *(m.id for m in self.hub.store.read(lambda view: view.messages(limit=10_000)))]
        found = []
        for subject in subjects:
            for logged in self.hub.store.read(lambda view, subject=subject: view.events(subject)):
                event = decode_leaf(logged.leaf)
                if event.kind == kind:
                    found.append((event.at, subject, revealed(logged)))
        return [(subject, data) for _, subject, data in sorted(found, key=lambda each: each[0])]

    def picked_up(self) -> list[str]:
        found = []
        for subject, data in self.events("document.picked-up"):
            message = self.hub.store.read(lambda view, subject=subject: view.message(MessageId(subject)))
            assert message is not None
            found.append(message.parts[data["part"]].name)
        return found

    def octets(self, path: str) -> bytes:
        """What is at a path, read past the tree."""
        folder, _, name = path.rpartition("/")
        row = self.hub.store.read(lambda view: view.file(PartnerId("birch"), folder, name))
        assert row is not None
        whole = open_pieces(self.hub, self.hub.store.read(lambda view: pieces_of(view, row)))
        try:
            return b"".join(whole.chunks())
        finally:
            whole.close()


def _update(tx: Tx, delivery: Delivery) -> None:
    current = tx.delivery(delivery.id)
    if current is not None and current.state is DeliveryState.WAITING:
        tx.update_delivery(delivery)


def assert_tidy(world: RealWorld, *, unfinished: bool = False) -> None:
    """No blob lies anywhere that no message and no file names, and every one that is named is there.

    ``unfinished``: uploads are under way, whose bytes may lie there already.
    """
    view = world.hub.store
    named: set[str] = set()
    messages = view.read(lambda v: v.messages(limit=100_000))
    for message in messages:
        named |= {part.blob for part in message.parts}
    for row in every_file(world.hub):
        named |= {segment.blob for segment in row.segments}
    rows = set(view.read(lambda v: v.blobs_before("", 1_000_000)))
    assert rows == named
    inline = {id for id in rows if view.read(lambda v, id=id: v.blob(id)).inline is not None}  # type: ignore[union-attr,misc]
    there = set(world.hub.vault.place.ids())
    assert (there >= rows - inline) if unfinished else (there == rows - inline)


def every_file(hub: Hub, partner: str = "birch") -> list[FileRow]:
    """All rows of a partner's folders, walked from the agreed ones."""
    found, folders = [], ["/inbound", "/outbound", "/receipts", "/done", "/orders/in"]
    while folders:
        folder = folders.pop()
        rows = hub.store.read(lambda view, folder=folder: view.files(PartnerId(partner), folder, limit=10**6))  # type: ignore[misc]
        found += rows
        folders += [row.path for row in rows if row.state is FileState.FOLDER]
    return found
