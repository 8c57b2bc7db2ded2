"""What the scenes share: sending, waiting, and checks that stop the demo where they don't hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ecluse.app.messages.outbox import send_files
from ecluse.channels.as2.sender import message_id_for
from ecluse.demo.checks import Unheld, until
from ecluse.demo.screen import Screen, size_text
from ecluse.exchange.handin import HandIn, hand_in
from ecluse.exchange.trace import Trace, trace
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.model.states import DeliveryState, MessageState

if TYPE_CHECKING:
    from ecluse.demo.company import Company

__all__ = ["PATIENCE", "Exchange", "Stage"]

PATIENCE: Final = 30.0
"""Seconds for what takes a moment on a machine that is at rest."""
_ENDED_BADLY: Final = frozenset({DeliveryState.REFUSED, DeliveryState.DEAD, DeliveryState.GIVEN_UP})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One message as both hubs have it.

    Attributes:
        sender: Who sent it.
        receiver: Who has it.
        sent: The message at the sender.
        arrived: The message at the receiver.
        files: What it became in the receiver's inbox.
    """

    sender: Company
    receiver: Company
    sent: Message
    arrived: Message
    files: tuple[Path, ...]


@dataclass(slots=True)
class Stage:
    """Where the scenes play.

    Attributes:
        root: The demo's folder.
        screen: Where it is shown.
        aster: Aster Foods.
        birch: Birch Packaging.
        quick: Small files instead of large ones.
        file: A file of the user's that is sent too.
        exchanges: What was exchanged, by a short name.
        figures: Rows of the large file's table: what, how much, how fast.
    """

    root: Path
    screen: Screen
    aster: Company
    birch: Company
    quick: bool = False
    file: Path | None = None
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    figures: list[tuple[str, str, str]] = field(default_factory=list)

    def check(self, holds: object, claim: str, otherwise: str = "") -> None:
        """Show ``claim`` with a check mark where it holds.

        Raises:
            Unheld: Where it does not, with ``otherwise``.
        """
        if not holds:
            raise Unheld(otherwise or f"It does not hold that: {claim}")
        self.screen.held(claim)

    def send_file(self, sender: Company, receiver: Company, path: Path, subject: str) -> Message:
        """Hand a file in at the sender's hub, as ``ecluse send`` does."""
        self.screen.note(
            f"{sender.name} sends {path.name}, {size_text(path.stat().st_size)}, to {receiver.name}"
        )
        return send_files(sender.node, receiver.id, [path], subject=subject, actor="operator:demo").message

    def send_filler(
        self, sender: Company, receiver: Company, name: str, chunks: Iterable[bytes], subject: str
    ) -> Message:
        """Hand a document in that is made as it is read."""
        hub = sender.node.hub
        return hand_in(
            hub,
            receiver.id,
            f"as2:{receiver.id}",
            [HandIn(name, "application/octet-stream", chunks)],
            subject=subject,
            protocol="as2",
            protocol_id=message_id_for(hub.new_id("o"), sender.as2_id),
            actor="operator:demo",
        )

    def trace(self, company: Company, message: Message) -> Trace:
        """The life of a message of ``company``, as it stands."""
        return trace(company.node.store, message.id)

    def check_receipt(self, done: Exchange, how: str) -> None:
        """Check that the sender holds a signed, positive receipt whose digest is that of what was sent."""
        receipts = done.sender.node.store.read(lambda view: view.receipts(done.sent.id))
        receipt = receipts[-1] if receipts else None
        self.check(
            receipt is not None
            and receipt.positive
            and receipt.kind == "mdn"
            and b"multipart/signed" in receipt.headers.lower()
            and self.delivery(done.sender, done.sent).state is DeliveryState.CONFIRMED,
            f"its signed receipt {how}, and holds the digest of what was sent",
        )

    def delivery(self, company: Company, message: Message) -> Delivery:
        """The one delivery of a message."""
        return company.node.store.read(lambda view: view.deliveries(message.id))[0]

    def confirmed(self, company: Company, message: Message) -> Delivery | None:
        """Its delivery once that is confirmed; ``None`` before.

        Raises:
            Unheld: It ended otherwise.
        """
        delivery = self.delivery(company, message)
        if delivery.state in _ENDED_BADLY:
            raise Unheld(
                f"{company.name}'s delivery is {delivery.state.value}: {delivery.reason_code} {delivery.reason}"
            )
        return delivery if delivery.state is DeliveryState.CONFIRMED else None

    def arrived(self, receiver: Company, sender: Company, protocol_id: str) -> Message | None:
        """The message at the receiver's once it is in the inbox; ``None`` before."""
        found = receiver.node.store.read(lambda view: view.find_message(Direction.IN, sender.id, protocol_id))
        return found if found is not None and found.state is MessageState.DELIVERED else None

    def follow(
        self, key: str, sender: Company, receiver: Company, sent: Message, patience: float = PATIENCE
    ) -> Exchange:
        """Wait until a message is confirmed on one side and in the inbox on the other."""
        until(
            lambda: self.confirmed(sender, sent), patience, f"{sender.name} has no receipt for {sent.subject}"
        )
        arrived = until(
            lambda: self.arrived(receiver, sender, sent.protocol_id),
            patience,
            f"{receiver.name} does not have {sent.subject} in its inbox",
        )
        after = sender.node.store.read(lambda view: view.message(sent.id))
        assert after is not None, "a message does not go away"
        files = tuple(sorted((receiver.inbox / sender.id).glob(f"{arrived.id}-*")))
        exchange = Exchange(sender, receiver, after, arrived, files)
        self.exchanges[key] = exchange
        return exchange
