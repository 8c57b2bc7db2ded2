"""The life of one message with what its receipts say: the trace, and the MICs side by side."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ecluse.app.messages.lookup import find_message
from ecluse.app.node import Node
from ecluse.errors import EcluseError
from ecluse.exchange.trace import Trace, trace
from ecluse.model.basics import Instant, PartnerId
from ecluse.model.nouns import Answer, Direction, Receipt
from ecluse.wire.as2.mdn_reader import Mdn, read_mdn
from ecluse.wire.smime.headers import Headers, parse_headers

__all__ = ["Life", "Said", "life_of"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a receipt says.

    Attributes:
        disposition: Its answer, as written.
        mic: What it says of the octets that were received, ``base64, digest``; empty where it does not.
        expected: The same of what was sent (outbound) or opened (inbound); empty where there is nothing to compare.
        text: What it says to people.
    """

    disposition: str
    mic: str
    expected: str
    text: str

    @property
    def matches(self) -> bool | None:
        """Whether both MICs are the same; ``None`` where one of them is missing."""
        return self.mic == self.expected if self.mic and self.expected else None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "disposition": self.disposition,
            "mic": self.mic or None,
            "mic_expected": self.expected or None,
            "mic_matches": self.matches,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Life:
    """A message's life.

    Attributes:
        trace: Everything that is kept of it.
        receipts: Each with what it says, those of its branches behind its own; ``None`` where it is no MDN that can be
            read.
        answer: What our own answer says; ``None`` where there is none, or it is no MDN.
    """

    trace: Trace
    receipts: list[tuple[Receipt, Said | None]]
    answer: Said | None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: the trace, its receipts with ``said``."""
        facts = self.trace.as_dict()
        entries = [*facts["receipts"], *(entry for each in facts["children"] for entry in each["receipts"])]
        for entry, (_, said) in zip(entries, self.receipts, strict=True):
            entry["said"] = said.as_dict() if said is not None else None
        if facts["answer"] is not None:
            facts["answer"]["said"] = self.answer.as_dict() if self.answer is not None else None
        return facts


def life_of(node: Node, text: str) -> Life:
    """The life of the message that ``text`` means. Raises as :func:`find_message` does."""
    found = trace(node.store, find_message(node.store, text).id)
    receipts = [
        (receipt, _said_by(node, message.partner, wire, receipt))
        for message, wire, own in (
            (found.message, found.wire, found.receipts),
            *((each.message, each.wire, each.receipts) for each in found.branches),
        )
        for receipt in own
    ]
    return Life(found, receipts, _said_by_us(found, found.answer) if found.answer is not None else None)


def _said_by(node: Node, partner: PartnerId, wire: dict[str, Any], receipt: Receipt) -> Said | None:
    if receipt.kind != "mdn":
        return None
    try:
        mdn = read_mdn(
            parse_headers(receipt.headers),
            receipt.body,
            certificates=node.directory.partner(partner).mdn_verify_certificates(Instant(receipt.received)),
        ).mdn
    except EcluseError:
        return None
    mics: dict[str, str] = wire.get("mics", {})
    return _said(mdn, f"{mics[mdn.mic_digest]}, {mdn.mic_digest}" if mdn.mic_digest in mics else "")


def _said_by_us(found: Trace, answer: Answer) -> Said | None:
    try:
        mdn = read_mdn(Headers.of(answer.headers), answer.body).mdn
    except EcluseError:
        return None
    return _said(mdn, str(found.wire.get("mic", "")) if found.message.direction is Direction.IN else "")


def _said(mdn: Mdn, expected: str) -> Said:
    mic = f"{base64.b64encode(mdn.mic).decode('ascii')}, {mdn.mic_digest}" if mdn.mic is not None else ""
    return Said(str(mdn.disposition), mic, expected, " ".join(mdn.text.split())[:500])
