"""Proofs of single records, for a third party that has no hub (C2SP tlog-proof)."""

from __future__ import annotations

from collections.abc import Iterable

from ecluse.evidence.errors import NotProvable
from ecluse.evidence.record import decode_leaf
from ecluse.model.nouns import Event, LoggedEvent
from ecluse.store.port import Store, View
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, parse_head
from ecluse.wire.tlog.errors import BadProof, Malformed
from ecluse.wire.tlog.note import NoteKey, parse_note
from ecluse.wire.tlog.proof import TlogProof, parse_proof, verify_proof

__all__ = ["check_proof", "prove"]


def prove(store: Store, logged: LoggedEvent | int, *, with_record: bool = False) -> str:
    """The text of a ``.tlog-proof`` file.

    Args:
        store: The database of the log.
        logged: The event, or its index.
        with_record: Put the record itself into the file (as its extra data), so that the file stands alone.

    Raises:
        NotProvable: where no checkpoint covers the record so far.
        BadProof: where the log itself does not bear the proof out (see :mod:`ecluse.evidence.verify`).
    """
    index = logged if isinstance(logged, int) else logged.index
    if index is None:
        raise NotProvable("The record is not in the tree yet.")
    return store.read(lambda view: _prove(view, index, with_record)).encode().decode()


def check_proof(
    text: str | bytes, leaf: bytes | None, keys: Iterable[NoteKey | LogKey]
) -> tuple[Event, TreeHead]:
    """Check a proof offline.

    Args:
        text: The file.
        leaf: The record; ``None`` takes the one that the file carries.
        keys: The log's verifier keys, from a source other than the file's.

    Returns:
        The event that is proven, and the signed head in which it stands.

    Raises:
        Malformed, BadSignature, BadProof: where the proof does not hold.
        BadRecord: where what is proven is not a record of a hub.
    """
    proof = parse_proof(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    record = leaf if leaf is not None else proof.extra
    if not record:
        raise Malformed("The proof does not carry its record: give it along.")
    head = verify_proof(proof, record, keys)
    return decode_leaf(record), head


def _prove(view: View, index: int, with_record: bool) -> TlogProof:
    found = view.events_from(index, 1)
    checkpoint = view.last_checkpoint()
    if checkpoint is None or not 0 <= index < checkpoint.size:
        raise NotProvable(f"No checkpoint covers record {index} yet.")
    if not found or found[0].index != index:
        raise BadProof(f"The log has lost record {index}.")
    nodes = view.log_nodes(merkle.inclusion_nodes(index, checkpoint.size))
    hashes = tuple(merkle.inclusion_proof(index, checkpoint.size, nodes))
    # A proof that would not hold is found here, by us, and not by the judge.
    head = parse_head(parse_note(checkpoint.note).text)
    merkle.verify_inclusion(index, head.size, merkle.leaf_hash(found[0].leaf), hashes, head.root)
    return TlogProof(index, hashes, checkpoint.note, found[0].leaf if with_record else b"")
