"""CONFIRM of what was put out to be picked up: the partner has read it to its end, or removed it after that."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.exchange.mailbox.landing import durably
from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.port import ReceiptBytes
from ecluse.exchange.receipts import record_receipt
from ecluse.model.basics import Instant, iso
from ecluse.model.files import FileRow, FileState
from ecluse.model.nouns import Message
from ecluse.store.port import Tx, View

__all__ = ["VERDICT", "pick_up"]

VERDICT: Final = "picked-up"


def pick_up(session: Session, file: FileRow, *, remove: bool = False) -> None:
    """Record that the partner has a document, and with the last one of a delivery that the delivery is confirmed.

    A document that was picked up before is left as it is; one that is gone is gone.

    Args:
        session: Who has it.
        file: The document, as it was when it was opened.
        remove: Let it disappear in the same transaction.
    """
    hub = session.hub

    def work(tx: Tx) -> bool:
        there = tx.file(file.partner, file.folder, file.name)
        if there is None or there.id != file.id:
            return True
        if there.state is FileState.WAITING:
            there = _picked(session, tx, there)
        if remove or session.terms.remove_after_pickup:
            tx.drop_file(there)
        return True

    def after_all(view: View) -> bool | None:
        there = view.file(file.partner, file.folder, file.name)
        return True if there is None or there.id != file.id or there.state is not FileState.WAITING else None

    durably(hub, work, after_all)
    hub.desk.forget(file.id)


def _picked(session: Session, tx: Tx, file: FileRow) -> FileRow:
    hub = session.hub
    now = hub.clock()
    # Read first: whoever else picks a document of this delivery up waits here, so that one of them is the last.
    delivery = tx.delivery(file.delivery)
    picked = msgspec.structs.replace(
        file, state=FileState.PICKED_UP, expires=Instant(now + session.terms.keep_outbound)
    )
    tx.replace_file(file, picked)
    facts = {"delivery": file.delivery, "part": file.part, "size": file.size, **session.facts.as_dict()}
    hub.event(tx, "document.picked-up", file.message, facts, actor=session.actor, at=now)
    message = tx.message(file.message)
    if delivery is None or message is None:
        return picked
    if all(each.state is not FileState.WAITING for each in tx.delivery_files(file.delivery)):
        receipt = ReceiptBytes("file", VERDICT, body=_body(session, message, file, now))
        record_receipt(hub, tx, delivery, receipt, positive=True)
    return picked


def _body(session: Session, message: Message, last: FileRow, at: Instant) -> bytes:
    """What was checked: the documents are the message's own, the rest is what the server saw."""
    facts = {
        "documents": [
            {
                "name": last.name if number == last.part else part.name,
                "size": part.size,
                "sha256": part.sha256,
            }
            for number, part in enumerate(message.parts)
        ],
        "folder": last.folder,
        "picked_up": iso(at),
        **session.facts.as_dict(),
    }
    return msgspec.json.encode(facts)
