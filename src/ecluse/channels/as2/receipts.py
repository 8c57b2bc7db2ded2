"""CONFIRM over AS2: what a partner's MDN proves, on the same connection or on one of its own."""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from ecluse.channels.as2.allowance import Allowance
from ecluse.channels.as2.relation import Relation
from ecluse.channels.as2.seen import receipt_roles
from ecluse.channels.http.message import Peer
from ecluse.channels.http.seen import as_client
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Confirmed, ReceiptBytes, Refused
from ecluse.exchange.receipts import late_receipt
from ecluse.model.basics import Instant
from ecluse.model.nouns import Delivery, Direction, Message
from ecluse.model.states import DeliveryState
from ecluse.store.port import View
from ecluse.trust.sightings import Sightings
from ecluse.typed import from_json
from ecluse.wire.as2.disposition import UNEXPECTED_ERROR
from ecluse.wire.as2.errors import MdnError
from ecluse.wire.as2.headers import As2Request
from ecluse.wire.as2.identity import MAX_MESSAGE_ID
from ecluse.wire.as2.mdn_reader import ReadMdn, read_mdn
from ecluse.wire.as2.receipt import Verdict, check_receipt
from ecluse.wire.smime.headers import Headers

__all__ = ["SealedFacts", "judge", "peer_facts", "receive_receipt"]

_DISBELIEVED: Final = frozenset({Verdict.NOT_AUTHENTIC, Verdict.UNSIGNED, Verdict.WRONG_MESSAGE})
"""Anybody could have sent such a receipt to our listener: it is recorded, and moves nothing."""
_CONFIRMED: Final = frozenset({DeliveryState.CONFIRMED})
_SETTLED: Final = frozenset({DeliveryState.CONFIRMED, DeliveryState.REFUSED, DeliveryState.GIVEN_UP})
"""Deliveries that a receipt which confirms, or one which refuses, leaves as they are."""


class SealedFacts(msgspec.Struct):
    """What was kept of an outbound message when it was sealed (:attr:`Message.wire`).

    Attributes:
        headers: HTTP header fields of every attempt.
        mics: MIC in base64 by hash name.
        receipt: ``sync``, ``async`` or ``none``.
        signed_receipt: Whether a signed one was asked for.
        signed: Whether the message is signed; the receipt of one that is not may come without a MIC.
        signer: SHA-256 of the certificate of ours that it is signed with; empty without a signature.
        recipient: SHA-256 of the certificate of theirs that it is encrypted to; empty without encryption.
        signature: The detached signature over what the MIC is over, in base64; empty without a signature.
        related: See :class:`~ecluse.wire.as2.build.EntityShape`, as the next two.
        layered: Likewise.
        compressed: Likewise.
        connection: Of a received message that is not opened yet: what was seen of the connection, by role.
    """

    headers: list[tuple[str, str]]
    mics: dict[str, str] = {}
    receipt: str = "none"
    signed_receipt: bool = False
    signed: bool = True
    signer: str = ""
    recipient: str = ""
    signature: str = ""
    related: str = ""
    layered: bool = True
    compressed: bool = False
    connection: dict[str, str | None] = {}


def judge(
    message: Message,
    relation: Relation,
    now: Instant,
    headers: Headers,
    body: bytes,
    sightings: Sightings | None = None,
) -> Confirmed | Refused:
    """What a receipt proves about ``message``.

    Args:
        message: What was sent.
        relation: To whom.
        now: When it came.
        headers: Of the receipt, which came on our own connection.
        body: The same.
        sightings: Told of how it is signed.

    Raises:
        MdnError: It is no receipt, or a damaged one: it came on our own connection, and asking again is safe.
    """
    read = _read(relation, now, headers, body)
    if read.failure is not None and read.failure.disposition == UNEXPECTED_ERROR:
        raise MdnError(f"The receipt is damaged: {read.failure.cause}", code="as2.damaged-mdn")
    if sightings is not None:
        sightings.saw_all(relation.partner.id, "as2", receipt_roles(read))
    return _judge(message, read, headers, body)


def _read(relation: Relation, now: Instant, headers: Headers, body: bytes) -> ReadMdn:
    partner = relation.partner
    return read_mdn(
        headers,
        body,
        certificates=partner.mdn_verify_certificates(now),
        allowed=partner.exceptions_at(now),
        recipient=partner.their_id,
        unlock=lambda needed: relation.unwrap(needed.recipients, now),
    )


def _judge(message: Message, read: ReadMdn, headers: Headers, body: bytes) -> Confirmed | Refused:
    sealed = from_json(message.wire, SealedFacts)
    found = check_receipt(
        read,
        message_id=message.protocol_id,
        mics={name: base64.b64decode(mic) for name, mic in sealed.mics.items()},
        signed_wanted=sealed.signed_receipt,
        mic_required=sealed.signed,
    )
    block = headers.raw or "".join(f"{name}: {value}\r\n" for name, value in headers).encode(
        "latin-1", "replace"
    )
    receipt = ReceiptBytes(
        "mdn", found.verdict.value, block, body, found.said if read.signed is not None else ""
    )
    if found.ok:
        return Confirmed(receipt)
    return Refused(receipt, f"as2.receipt-{found.verdict.value}", f"{found.cause} {found.remedy}".strip())


def receive_receipt(
    hub: Hub,
    relation: Relation,
    request: As2Request,
    body: bytes,
    peer: Peer,
    allowance: Allowance,
) -> bool:
    """Take a receipt that came on a connection of its own; false where the body is none.

    A receipt that proves nothing, or answers no message of ours, is an event and changes no delivery. Such events,
    and receipts that only repeat another, are recorded as ``allowance`` has it: anybody may send them, or send them
    again.
    """
    try:
        read = _read(relation, hub.clock(), request.headers, body)
    except MdnError:
        return False
    partner = relation.partner.id
    facts = peer_facts(peer)
    original = (read.mdn.original_message_id or "")[:MAX_MESSAGE_ID]

    def find(view: View) -> tuple[Message | None, list[Delivery]]:
        found = None
        for name in dict.fromkeys((original, f"<{original.strip('<> ')}>")):
            found = found or view.find_message(Direction.OUT, partner, name)
        return found, view.deliveries(found.id) if found else []

    message, deliveries = hub.store.read(find)
    delivery = next((entry for entry in deliveries if entry.channel.startswith("as2:")), None)
    if message is None or delivery is None or not message.wire_blob:
        _note(hub, allowance, f"partner:{partner}", "receipt.unmatched", {**facts, "original": original})
        return True
    outcome = _judge(message, read, request.headers, body)
    if read.signed is not None or isinstance(outcome, Confirmed):
        hub.sightings.saw_all(partner, "as2", {**receipt_roles(read), **as_client(peer)})
    if isinstance(outcome, Refused) and outcome.receipt.verdict in _DISBELIEVED:
        _note(hub, allowance, message.id, "receipt.disbelieved", {**facts, "reason": outcome.code})
        return True
    repeats = _CONFIRMED if isinstance(outcome, Confirmed) else _SETTLED
    passed_over = allowance.take(hub.clock()) if delivery.state in repeats else 0
    if passed_over is not None:
        late_receipt(hub, delivery.id, outcome, {"passed_over": passed_over} if passed_over else {})
    return True


def peer_facts(peer: Peer) -> dict[str, Any]:
    """What of a connection belongs into the log."""
    facts: dict[str, Any] = {"address": peer.address}
    if peer.tls_version:
        facts["tls"] = f"{peer.tls_version} {peer.cipher}"
    return facts


def _note(hub: Hub, allowance: Allowance, subject: str, kind: str, facts: dict[str, Any]) -> None:
    passed_over = allowance.take(hub.clock())
    if passed_over is None:
        return
    if passed_over:
        facts = {**facts, "passed_over": passed_over}
    hub.store.write(lambda tx: hub.event(tx, kind, subject, facts))
