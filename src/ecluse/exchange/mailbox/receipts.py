"""The folder receipts: what became of a document, for the partner that it came from.

A receipt is written in the transaction that brings the message to an end, and replaced when it comes to another
one (a failed message that was resent, for one). Where the last answer of record is a signed one (an MDN), its exact
octets lie beside it.

The receipt ``<name>.<id>.receipt.json`` is a JSON object; members may be added, none changes its meaning:

- ``format``     ``ecluse.receipt/1``
- ``message``    our id
- ``documents``  ``name``, ``size`` and ``sha256`` of each
- ``taken``      when we had it, RFC 3339
- ``state``      ``delivered``, ``failed``, ``quarantined`` or ``given-up``
- ``at``         since when
- ``reason``     stable code where it is not delivered
- ``went``       for each way that it took: ``by`` (``as2``, ``sftp``...), ``state``, and of the answer of record
  ``kind``, ``verdict``, ``received`` and ``sha256`` (of its header, an empty line and its body)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.channel import safe_name
from ecluse.exchange.mailbox.landing import drop_segments
from ecluse.exchange.mailbox.places import RECEIPTS, Terms
from ecluse.exchange.settle import brood
from ecluse.model.basics import Instant, iso
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.nouns import Delivery, Direction, Message, Receipt
from ecluse.model.paths import MAX_NAME
from ecluse.model.states import MessageState
from ecluse.store.port import Tx
from ecluse.trust.directory import Directory

__all__ = ["FORMAT", "receipt_writer"]

FORMAT: Final = "ecluse.receipt/1"
IN_ROW: Final = 4096
"""Octets of a receipt that lies in its row. A key of its own would hide nothing, as what it says stands in the rows of
the message, its deliveries and their receipts, and would cost more than all the rest of it."""
SHORT: Final = 8
"""Characters of the message's id in a name: 40 bits of randomness tell two documents of one name apart."""

_ENDED: Final = frozenset(
    {MessageState.DELIVERED, MessageState.FAILED, MessageState.QUARANTINED, MessageState.GIVEN_UP}
)
_SIGNED: Final = {"mdn": ".mdn"}
"""Kinds of answers whose octets prove something by themselves, and the ending of their file."""


def receipt_writer(hub: Hub, directory: Callable[[], Directory]) -> Callable[[Tx, Message], None]:
    """What :attr:`ecluse.exchange.hub.Hub.settled` is to be.

    Args:
        hub: What the chamber shares.
        directory: Gives everyone, as of now.
    """

    def settled(tx: Tx, message: Message) -> None:
        if message.direction is not Direction.IN or message.state not in _ENDED:
            return
        try:
            account = directory().partner(message.partner).settings.account
        except EcluseError:
            return  # nobody that we know (any more)
        if account is not None and account.receipts:
            _write(hub, tx, message, Terms.of(account))

    return settled


def _write(hub: Hub, tx: Tx, message: Message, terms: Terms) -> None:
    ways = list(_ways(tx, message))
    at = message.updated
    facts: dict[str, Any] = {
        "format": FORMAT,
        "message": message.id,
        "documents": [{"name": p.name, "size": p.size, "sha256": p.sha256} for p in message.parts],
        "taken": iso(message.created),
        "state": message.state.value,
        "at": iso(at),
        "went": [_way(delivery, receipt) for delivery, receipt in ways],
    }
    if message.reason_code:
        facts["reason"] = message.reason_code
    body = msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"
    expires = Instant(at + terms.keep_outbound)
    _put(hub, tx, message, ".receipt.json", body, expires)
    answers = (receipt for _, receipt in ways if receipt is not None and receipt.kind in _SIGNED)
    last = max(answers, key=lambda receipt: receipt.received, default=None)
    if last is not None:
        _put(hub, tx, message, _SIGNED[last.kind], _octets(last), expires)


def _ways(tx: Tx, message: Message) -> Iterator[tuple[Delivery, Receipt | None]]:
    """Every delivery that the message came to, with its last answer of record.

    What a flow relays comes to the deliveries of the messages that it makes, once it has made them.
    """
    receipts = {receipt.delivery: receipt for receipt in tx.receipts(message.id)}
    for delivery in tx.deliveries(message.id):
        children = brood(tx, delivery)
        if not children:
            yield delivery, receipts.get(delivery.id)
        for child in children:
            yield from _ways(tx, child)


def _way(delivery: Delivery, receipt: Receipt | None) -> dict[str, Any]:
    way: dict[str, Any] = {"by": delivery.channel.partition(":")[0], "state": delivery.state.value}
    if receipt is not None:
        way |= {
            "kind": receipt.kind,
            "verdict": receipt.verdict,
            "received": iso(receipt.received),
            "sha256": sha256(_octets(receipt)).hexdigest(),
        }
    return way


def _octets(receipt: Receipt) -> bytes:
    return receipt.headers + b"\r\n" + receipt.body


def _put(hub: Hub, tx: Tx, message: Message, ending: str, data: bytes, expires: Instant) -> None:
    mark = f".{message.id[-SHORT:]}{ending}"
    stem = safe_name(message.parts[0].name if message.parts else "document").encode()
    name = stem[: MAX_NAME - len(mark)].decode("utf-8", "ignore") + mark
    segments: tuple[Segment, ...] = ()
    content = data
    if len(data) > IN_ROW:
        writer = hub.vault.create()
        writer.write(data)
        sealed = writer.finish()
        tx.add_blob(sealed.row, sealed.wrapped_key)
        segments, content = (Segment(sealed.row.id, len(data)),), b""
    row = FileRow(
        partner=message.partner,
        folder=str(RECEIPTS),
        name=name,
        id=hub.new_id("f"),
        state=FileState.RECEIPT,
        size=len(data),
        modified=message.updated,
        message=message.id,
        segments=segments,
        expires=expires,
        content=content,
    )
    there = tx.occupant(row.partner, row.folder, row.name)
    if there is None:
        tx.add_file(row)
    else:
        tx.replace_file(there, row)
        drop_segments(tx, there.segments)
