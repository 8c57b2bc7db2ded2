"""What the stages of the chamber share, handed in by :mod:`ecluse.app`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ecluse.archive.commitments import tell
from ecluse.archive.copies import Copies
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import Vault, VaultReader
from ecluse.exchange.desk import Desk
from ecluse.exchange.flows.plan import FlowBook
from ecluse.model.basics import Clock, Entropy, Instant, new_id
from ecluse.model.nouns import BlobRow, Delivery, Message, Part
from ecluse.store.port import Store, StoreUnavailable, Tx, View
from ecluse.trust.sightings import Sightings

__all__ = ["Document", "Hub", "left_nothing"]


@dataclass(slots=True)
class Hub:
    """The state, the bytes, the time and the randomness of one node.

    Attributes:
        store: State.
        vault: Bytes.
        clock: Microseconds since 1970.
        entropy: Random octets.
        node: Name of this node in events and leases.
        config_version: Gives the number of the configuration version in force.
        inbox: Channel name of the application's folder (``folder:inbox``), or empty where documents wait to
            be fetched.
        flows: Gives the flows in force.
        desk: What the open accounts of partners share.
        settled: Told of a message, in the transaction that brings it to an end (or to another one).
        accepted: Told of a message, in the transaction that accepts it for flows or the application.
        unfit: Why a message that came in is not fit for the archive that is to keep it, as a code and a sentence; empty
            codes where it is.
        own: Gives the channel that a message goes by which is for the hub itself, and neither for flows nor for the
            application; empty as a rule.
        judged: Told of each receipt of record, in its transaction: the delivery, whether it confirms, and what one
            that refuses says. What it gives is why the message is to be sealed anew and sent again; empty as a rule.
        sightings: Told of what partners are seen to use on the wire.
        copies: What a deletion has to reach.
    """

    store: Store
    vault: Vault
    clock: Clock
    entropy: Entropy
    node: str
    config_version: Callable[[], int] = field(default=lambda: 0)
    inbox: str = ""
    flows: Callable[[], FlowBook] = field(default=FlowBook)
    desk: Desk = field(default_factory=Desk)
    settled: Callable[[Tx, Message], None] = field(default=lambda tx, message: None)
    accepted: Callable[[Tx, Message], None] = field(default=lambda tx, message: None)
    unfit: Callable[[Message], tuple[str, str]] = field(default=lambda message: ("", ""))
    own: Callable[[Message], str] = field(default=lambda message: "")
    judged: Callable[[Tx, Delivery, bool, str], str] = field(default=lambda tx, delivery, positive, said: "")
    sightings: Sightings = field(init=False)
    copies: Copies = field(init=False)

    def __post_init__(self) -> None:
        self.sightings = Sightings(self.clock)
        self.copies = Copies(self.store, self.vault)

    def new_id(self, prefix: str) -> str:
        """A fresh id; see :func:`ecluse.model.basics.new_id`."""
        return new_id(prefix, self.clock(), self.entropy)

    def event(
        self,
        tx: Tx,
        kind: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        actor: str = "hub",
        at: Instant | None = None,
    ) -> None:
        """Append one fact to the log, in the caller's transaction."""
        tell(
            tx,
            kind=kind,
            subject=subject,
            at=self.clock() if at is None else at,
            data=data,
            actor=actor,
            node=self.node,
            entropy=self.entropy,
        )

    def note_sightings(self, *, everything: bool = False) -> int:
        """Write what partners were seen to use. Takes, gives and raises what :meth:`Sightings.flush` does."""
        if not self.sightings.waiting:
            return 0
        return self.sightings.flush(self.store, self.event, everything=everything)

    @contextmanager
    def blob(self, blob_id: str) -> Iterator[VaultReader]:
        """Open a blob for reading.

        Raises:
            BlobMissing: There is no such blob, or its key was deleted.
        """

        def find(view: View) -> tuple[Any, bytes | None]:
            return view.blob(blob_id), view.blob_key(blob_id)

        row, key = self.store.read(find)
        if row is None or key is None:
            raise BlobMissing(f"The bytes of {blob_id} are not kept any more.")
        reader = self.open_kept(row, key)
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def document(self, part: Part) -> Iterator[Document]:
        """Open one document of a message."""
        with self.blob(part.blob) as reader:
            yield Document(part, reader)

    def open_blob(self, found: Mapping[str, tuple[BlobRow, bytes]], blob_id: str) -> VaultReader:
        """Open one of several blobs whose rows and keys were read together (:meth:`View.blobs`); the caller closes it.

        Raises:
            BlobMissing: It is not among them.
        """
        if blob_id not in found:
            raise BlobMissing(f"The bytes of {blob_id} are not kept any more.")
        return self.open_kept(*found[blob_id])

    def open_kept(self, row: BlobRow, key: bytes) -> VaultReader:
        """Open a blob whose row and key were read from the store; the caller closes it.

        A reader that is long open ends soon after its key was deleted: see :class:`~ecluse.blobs.vault.VaultReader`.
        """
        return self.vault.open(
            row, key, lambda: self.store.read(lambda view: view.blob_key(row.id)) is not None
        )

    def documents(self, message: Message) -> Iterator[Document]:
        """Open the documents of a message, one after the other."""
        for part in message.parts:
            with self.document(part) as document:
                yield document


@dataclass(frozen=True, slots=True)
class Document:
    """One document, open for reading.

    Attributes:
        part: Its facts.
        reader: The blob that holds it.
    """

    part: Part
    reader: VaultReader

    def chunks(self, step: int = 1 << 20) -> Iterator[bytes]:
        """Its octets, at most ``step`` at a time."""
        return self.reader.chunks(self.part.offset, self.part.size, step)


def left_nothing(future: Future[Any]) -> bool:
    """Whether it is certain that a submitted unit of work was undone, or never run.

    Where it is not (still under way, or the database went away while it committed), what the unit names must stay:
    its rows may be there.
    """
    if not future.done():
        return False
    return future.cancelled() or not isinstance(future.exception(), StoreUnavailable | None)
