"""How often each of our keys is used: written down every minute while a node serves, and in the log once an hour."""

from __future__ import annotations

from typing import Final

import msgspec

from ecluse.app.node import Node
from ecluse.model.basics import Instant
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import from_json

__all__ = ["KIND", "KeyUse", "key_uses", "note_key_uses"]

KIND: Final = "key-use"
_HOUR: Final = 3_600 * 1_000_000
_PAGE: Final = 500


class KeyUse(msgspec.Struct, frozen=True):
    """Uses of one of our keys for one thing.

    Attributes:
        ref: The key's name in the keyring.
        operation: ``sign``, ``decrypt``, ``ssh``, ``openpgp-sign``, ``openpgp-decrypt``.
        count: How often, in all.
        last: When it was last counted.
        told: How often, when the log was told last.
        told_at: When that was.
    """

    ref: str
    operation: str
    count: int
    last: Instant
    told: int = 0
    told_at: Instant = Instant(0)


def note_key_uses(node: Node) -> int:
    """Write down what this node counted since the last time; give how many keys and operations that were.

    The log is told of a key and an operation when an hour has passed since it was told before.
    """
    counts = node.keyring.uses.take()
    if not counts:
        return 0
    now = node.hub.clock()

    def work(tx: Tx) -> None:
        for (ref, operation), count in counts.items():
            key = f"{ref}/{operation}"
            found = tx.record(KIND, key)
            use = _use(found) if found is not None else KeyUse(ref, operation, 0, now)
            use = msgspec.structs.replace(use, count=use.count + count, last=now)
            if now - use.told_at >= _HOUR:
                facts = {"operation": operation, "count": use.count - use.told, "in_all": use.count}
                node.hub.event(tx, "key.used", f"key:{ref}", facts, at=now)
                use = msgspec.structs.replace(use, told=use.count, told_at=now)
            tx.put_record(Record(KIND, key, now, msgspec.json.encode(use)))

    try:
        node.store.write(work)
    except BaseException:
        node.keyring.uses.give_back(counts)
        raise
    return len(counts)


def key_uses(view: View) -> list[KeyUse]:
    """Everything that was counted, in order of key and operation."""
    found: list[Record] = []
    while True:
        page = view.records(KIND, after=found[-1].key if found else "", limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return [_use(record) for record in found]


def _use(record: Record) -> KeyUse:
    return from_json(record.body, KeyUse)
