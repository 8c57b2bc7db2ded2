"""Who else vouches for a head of the log: witnesses that cosigned it, authorities that time-stamped it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from ecluse.app.node import Node
from ecluse.app.packs.notes import Note
from ecluse.evidence.pack.container import PackWriter
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import View

__all__ = ["vouched_sizes", "write_heads"]

_STAMP: Final = "stamp"
_COSIGNATURE: Final = "cosignature"
_LOOKED_AT: Final = 200


def vouched_sizes(view: View, size: int) -> dict[int, int]:
    """For checkpoints of at least ``size`` records, the earliest first, how much others vouch for them.

    A time-stamp counts more than any number of witnesses: it is what says since when the records are there.
    """
    found: Counter[int] = Counter()
    for kind, worth in ((_STAMP, 2), (_COSIGNATURE, 1)):
        sizes = {
            int(record.key[:20])
            for record in view.records(kind, after=f"{size:020d}", limit=_LOOKED_AT)
            if record.key[:20].isdecimal()
        }
        found.update(dict.fromkeys(sizes, worth))
    return dict(found)


def write_heads(node: Node, writer: PackWriter, checkpoint: Checkpoint) -> list[Note]:
    """Write the checkpoint with all that others say of it; give what is missing."""
    writer.add("log/checkpoint", "checkpoint", checkpoint.note)
    keys: dict[str, Any] = {
        "origin": node.log_key.name,
        "log": [str(node.log_key)],
        "former": [],
        "witnesses": [],
    }
    writer.add("log/keys.json", "keys", msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")
    return [Note("no-stamp"), Note("no-cosignature")]
