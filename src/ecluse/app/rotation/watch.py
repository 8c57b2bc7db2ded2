"""Receipts that refuse what a successor was used for take the partner back to the old key, in their own transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ecluse.app.rotation.shelf import mark, tell
from ecluse.exchange.settle import seal_anew
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Delivery
from ecluse.store.port import Tx
from ecluse.trust.rotation.facts import KIND, PARTNER_KIND, read_rotation, read_standing, standing_record
from ecluse.trust.rotation.states import RotationState
from ecluse.trust.rotation.steps import Telling, judge_receipt
from ecluse.typed import from_json

if TYPE_CHECKING:
    from ecluse.app.node import Node

__all__ = ["join_rotations"]


class _Used(msgspec.Struct):
    """Which certificates a sealed message used, as its channel noted them."""

    signer: str = ""
    recipient: str = ""


def join_rotations(node: Node) -> None:
    """Have a node judge receipts for the sake of rotations."""
    node.hub.judged = _judge(node)


def _judge(node: Node) -> Callable[[Tx, Delivery, bool, str], str]:
    def judged(tx: Tx, delivery: Delivery, positive: bool, said: str) -> str:
        choices = node.directory.choices
        if not choices.watched or (positive and delivery.partner not in choices.on_trial):
            return ""
        if not positive and not said:
            return ""
        message = tx.message(delivery.message)
        if message is None or not message.wire_blob:
            return ""
        used = from_json(message.wire, _Used)
        for fingerprint in (used.signer, used.recipient):
            rotation = choices.watched.get(fingerprint)
            why = _consider(tx, rotation, delivery, positive, said) if rotation is not None else ""
            if why:
                return why
        return ""

    def _consider(tx: Tx, id: str, delivery: Delivery, positive: bool, said: str) -> str:
        record, before = tx.record(KIND, id), tx.record(PARTNER_KIND, f"{id}/{delivery.partner}")
        if record is None or before is None:
            return ""
        rotation, standing = read_rotation(record), read_standing(before)
        if rotation.state is RotationState.RETIRED:
            return ""
        hub, now = node.hub, node.hub.clock()
        found = judge_receipt(
            rotation, standing, message=delivery.message, said=said, positive=positive, now=now
        )
        if found.standing is not None:
            tx.replace_record(before, standing_record(found.standing, now))
            mark(hub, tx)
        if found.reverted:
            facts = {"why": said, "messages": len(found.again)}
            tell(hub, tx, rotation, [Telling("rotation.reverted", delivery.partner, facts)])
        why = f"rotation {id}: {said}"
        for each in found.again:
            if each != delivery.message:
                seal_anew(hub, tx, MessageId(each), why)
        return why if delivery.message in found.again else ""

    return judged
