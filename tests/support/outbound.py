"""Outbound messages with documents, without the jobs around them: for channels that deliver files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from tests.support.hubs import FakeClock, bare_hub

from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Channel, Confirmed, Outcome
from ecluse.exchange.target import Target
from ecluse.model.basics import DeliveryId, MessageId, PartnerId
from ecluse.model.nouns import Delivery, Direction, Message, Part
from ecluse.model.states import DeliveryState, MessageState

__all__ = ["Sender", "files_of", "receipt_of"]


class Sender:
    """Keeps documents in a bare hub, and has channels deliver them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.hub: Hub = bare_hub(folder, FakeClock())
        self._deliveries: dict[tuple[str, str], Delivery] = {}

    def message(
        self,
        *documents: tuple[str, bytes],
        folder: str = "",
        replace: bool | None = None,
        partner: str = "birch",
        content_type: str = "text/plain",
    ) -> Message:
        """An outbound message of documents (name, content)."""
        parts = tuple(self._keep(name, data, content_type) for name, data in documents)
        now = self.hub.clock()
        id = MessageId(self.hub.new_id("m"))
        message = Message(
            id=id,
            direction=Direction.OUT,
            partner=PartnerId(partner),
            protocol="local",
            protocol_id=id,
            state=MessageState.ACCEPTED,
            created=now,
            updated=now,
            parts=parts,
            wire=Target(folder, replace).encode(),
        )
        self.hub.store.write(lambda tx: tx.add_message(message))
        return message

    def _keep(self, name: str, data: bytes, content_type: str) -> Part:
        writer = self.hub.vault.create()
        for at in range(0, len(data), 1 << 20):
            writer.write(data[at : at + (1 << 20)])
        kept = writer.finish()
        self.hub.store.write(lambda tx: tx.add_blob(kept.row, kept.wrapped_key))
        return Part(kept.row.id, 0, len(data), hashlib.sha256(data).hexdigest(), content_type, name)

    def deliver(self, channel: Channel, name: str, message: Message, attempts: int | None = None) -> Outcome:
        """Another attempt, or the how-manieth, by the channel of that name (``folder:orders``).

        How it ends is told to nobody but the caller: each is one whose hub died before it could write that down.
        """
        return channel.deliver(message, self.begin(name, message, attempts), None)

    def begin(self, name: str, message: Message, attempts: int | None = None) -> Delivery:
        """The beginning of an attempt, as the chamber writes it down."""
        now = self.hub.clock()
        known = self._deliveries.get((message.id, name))
        if known is None:
            state = DeliveryState.SENDING
            id = DeliveryId(self.hub.new_id("d"))
            known = Delivery(id, message.id, message.partner, name, state, 0, now, now)
            self.hub.store.write(lambda tx, row=known: tx.add_delivery(row))  # type: ignore[misc]
        number = known.attempts + 1 if attempts is None else attempts
        begun = msgspec.structs.replace(known, attempts=number, updated=now)
        self.hub.store.write(lambda tx: tx.update_delivery(begun))
        self._deliveries[message.id, name] = begun
        return begun


def receipt_of(outcome: Outcome) -> dict[str, object]:
    """The facts of a confirmed delivery's receipt."""
    assert isinstance(outcome, Confirmed), outcome
    assert (outcome.receipt.kind, outcome.receipt.verdict) == ("file", "confirmed")
    facts: dict[str, object] = msgspec.json.decode(outcome.receipt.body)
    return facts


def files_of(outcome: Outcome) -> Sequence[dict[str, object]]:
    """The files of the receipt."""
    files = receipt_of(outcome)["files"]
    assert isinstance(files, list)
    return files
