"""What a channel must do to be one, and how a delivery can end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ecluse.blobs.vault import VaultReader
from ecluse.exchange.hub import Document
from ecluse.model.basics import Instant
from ecluse.model.nouns import Answer, Delivery, Message

__all__ = ["Awaiting", "Channel", "Confirmed", "Outcome", "ReceiptBytes", "Refused", "Sealed"]


@dataclass(frozen=True, slots=True)
class ReceiptBytes:
    """The other side's answer of record, exact.

    Attributes:
        kind: ``mdn``, ``http``, ``file``...
        verdict: Stable word (``confirmed``, ``negative``, ``mic-mismatch``, ``not-authentic``...).
        headers: Exact header block.
        body: Exact bytes.
        said: What an authentic receipt that refuses gives as its reason, in the protocol's word
            (``authentication-failed``); empty where there is none.
    """

    kind: str
    verdict: str
    headers: bytes = b""
    body: bytes = b""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The other side has it, and said so in a way that was checked."""

    receipt: ReceiptBytes


@dataclass(frozen=True, slots=True)
class Awaiting:
    """The bytes were taken; the receipt of record comes later.

    Attributes:
        due: When it is overdue.
    """

    due: Instant


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side said no, or its receipt does not prove what it should.

    Attributes:
        receipt: What it said.
        code: Stable reason.
        reason: One sentence.
    """

    receipt: ReceiptBytes
    code: str
    reason: str


Outcome = Confirmed | Awaiting | Refused


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is known of a message's exact bytes once they are built.

    Attributes:
        wire: The protocol's facts (headers, MICs, protections), JSON object as bytes; kept with the message.
        facts: What of it belongs into the log.
    """

    wire: bytes
    facts: dict[str, object] = field(default_factory=dict)


class Channel(Protocol):
    """One kind of channel, as the chamber sees it. Its methods run in worker threads."""

    kind: str
    """First word of a delivery's channel name: ``as2``, ``folder``..."""

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Build the exact bytes that every attempt will send, in one pass over the documents.

        Gives ``None`` (and writes nothing) where the documents go as they are.
        """

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """One attempt. Raises :class:`~ecluse.errors.EcluseError`, whose fault class decides the retry."""

    def open_received(self, message: Message) -> None:
        """Open what was kept before it was opened (:attr:`MessageState.RECEIVED`)."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Send an answer that goes on a connection of its own. Raises as :meth:`deliver` does."""
