"""Proofs of many records over one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecluse.evidence.errors import NotProvable
from ecluse.model.nouns import Checkpoint, LoggedEvent
from ecluse.store.port import View
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import parse_head
from ecluse.wire.tlog.note import parse_note
from ecluse.wire.tlog.proof import TlogProof

__all__ = ["choose_checkpoint", "prove_all"]


def choose_checkpoint(view: View, size: int, vouched: Mapping[int, int]) -> Checkpoint:
    """The checkpoint that a pack is proven by.

    The earliest of those that most others vouch for says earliest when the records were there; where nobody does, the
    newest is as good as any.

    Args:
        view: The database.
        size: Leaves that it has to cover.
        vouched: For sizes of checkpoints, how much others (time-stamps, witnesses) vouch for them.

    Raises:
        NotProvable: No checkpoint covers them yet.
    """
    newest = view.last_checkpoint()
    if newest is None or newest.size < size:
        raise NotProvable(f"No checkpoint covers the first {size} records yet.")
    for each in sorted((each for each in vouched if each >= size), key=lambda each: (-vouched[each], each)):
        found = view.checkpoints_from(each, 1)
        if found and found[0].size == each:
            return found[0]
    return newest


def prove_all(view: View, records: Sequence[LoggedEvent], checkpoint: Checkpoint) -> list[bytes]:
    """The ``.tlog-proof`` files of records, each with its record.

    Args:
        view: The database.
        records: Each has an index below the checkpoint's size.
        checkpoint: The head that they are proven by.

    Raises:
        BadProof: The log itself does not bear them out.
    """
    head = parse_head(parse_note(checkpoint.note).text)
    indexes = [record.index for record in records if record.index is not None and record.index < head.size]
    if len(indexes) != len(records):
        raise NotProvable(f"No checkpoint of {head.size} records covers all of these.")
    wanted = {node for index in indexes for node in merkle.inclusion_nodes(index, head.size)}
    nodes = view.log_nodes(list(wanted))
    proofs = []
    for index, record in zip(indexes, records, strict=True):
        hashes = tuple(merkle.inclusion_proof(index, head.size, nodes))
        # A proof that would not hold is found here, by us, and not by the judge.
        merkle.verify_inclusion(index, head.size, merkle.leaf_hash(record.leaf), hashes, head.root)
        proofs.append(TlogProof(index, hashes, checkpoint.note, record.leaf).encode())
    return proofs
