"""What a break consists of, and the record that a log goes on by after a person decided so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ecluse.errors import EcluseError
from ecluse.evidence.breaks import RESTORED, Break, Decider, base_of, epoch_of, origin_of, sealed_breaks
from ecluse.evidence.errors import BadBreak, NotBroken
from ecluse.evidence.sequencer import LOST_HEAD
from ecluse.model.nouns import Checkpoint
from ecluse.store.port import Store, View
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, parse_head
from ecluse.wire.tlog.errors import BadProof
from ecluse.wire.tlog.note import parse_note

__all__ = ["Damage", "assess", "propose"]

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Damage:
    """How the log differs from what was signed.

    Attributes:
        present: The log as it is committed, under its present name.
        lost: The newest signed head that it does not continue.
        common: Size of the largest signed head that it continues, below all that it does not.
        heads: Signed heads that it does not continue.
    """

    present: TreeHead
    lost: TreeHead
    common: int
    heads: int


def assess(store: Store, key: LogKey, held: Iterable[bytes]) -> Damage:
    """Compare the log with every head of it that was signed.

    Args:
        store: The database.
        key: The log's key, under its first name.
        held: Signed checkpoints kept outside the database, in any order.

    Raises:
        NotBroken: It continues all of them, save what recorded breaks tell of.
        BadBreak: The tree itself has lost what it needs to grow, or the database holds heads of a larger tree: such
            a database can only be replaced by a copy.
    """
    past = store.read(lambda view: sealed_breaks(view, key))
    origin = past[-1].origin if past else key.name
    size, tree = store.read(_tree)
    try:
        present = TreeHead(origin, size, merkle.root(size, tree))
    except BadProof as error:
        raise BadBreak(
            f"The log can't go on from this database: {error.cause}",
            remedy="Restore the newest copy of the database; then look again.",
        ) from error
    wrong: list[TreeHead] = []
    right: list[int] = [0]
    shown = [record.body for record in store.read(lambda view: view.records(LOST_HEAD))]
    for note in (*_stored(store, present), *held, *shown):
        head = _head(note)
        if head is None or any(each.covers(head) for each in past):
            continue
        if _continues(store, head, present, past):
            right.append(head.size)
        elif _is_ours(note, head, key):
            wrong.append(head)
    restored, last = store.read(lambda view: (view.setting(RESTORED), view.last_checkpoint()))
    if not wrong and restored:
        # What was signed after the backup may turn up one day: nothing that is known is lost, and so it is said.
        known = _head(last.note) if last is not None else None
        known = known or TreeHead(origin, 0, merkle.root(0, {}))
        return Damage(present, known, known.size, 0)
    if not wrong:
        raise NotBroken("The log continues everything that was signed.")
    base = base_of(key.name)
    newest = max(wrong, key=lambda head: (epoch_of(base, head.origin) or 0, head.size))
    smallest = min(head.size for head in wrong)
    return Damage(present, newest, max(each for each in right if each < smallest), len(wrong))


def propose(damage: Damage, *, at: str, by: tuple[Decider, ...], reason: str) -> Break:
    """The break that ends the present epoch, to be signed. ``at`` is RFC 3339."""
    base = base_of(damage.present.origin)
    known = [epoch_of(base, head.origin) or 1 for head in (damage.present, damage.lost)]
    return Break(
        origin=origin_of(base, max(known) + 1),
        before=damage.present.origin,
        lost=damage.lost,
        common=damage.common,
        size=damage.present.size,
        root=damage.present.root,
        at=at,
        by=by,
        reason=reason,
    )


def _tree(view: View) -> tuple[int, dict[merkle.Node, bytes]]:
    size = view.log_size()
    return size, view.log_nodes(merkle.cover(0, size))


def _stored(store: Store, present: TreeHead) -> Iterator[bytes]:
    size = 0
    while True:
        page: list[Checkpoint] = store.read(lambda view, size=size: view.checkpoints_from(size, _PAGE))  # type: ignore[misc]
        for checkpoint in page:
            if checkpoint.size > present.size:
                raise BadBreak(
                    f"The database holds a checkpoint of {checkpoint.size} records, and only {present.size} of them.",
                    remedy="Restore the newest copy of the database; then look again.",
                )
            yield checkpoint.note
        if len(page) < _PAGE:
            return
        size = page[-1].size + 1


def _head(note: bytes) -> TreeHead | None:
    try:
        return parse_head(parse_note(note).text)
    except EcluseError:
        return None


def _continues(store: Store, head: TreeHead, present: TreeHead, past: list[Break]) -> bool:
    base = base_of(present.origin)
    epoch, now = epoch_of(base, head.origin), epoch_of(base, present.origin)
    if epoch is None or now is None or epoch > now or head.size > present.size:
        return False
    end = next((each.index for each in past if each.before == head.origin), None)
    if end is not None and head.size > end:
        return False
    try:
        nodes = store.read(lambda view: view.log_nodes(merkle.cover(0, head.size)))
        return merkle.root(head.size, nodes) == head.root
    except BadProof:
        return False


def _is_ours(note: bytes, head: TreeHead, key: LogKey) -> bool:
    if epoch_of(base_of(key.name), head.origin) is None:
        return False
    try:
        open_checkpoint(note, [key.named(head.origin)], head.origin, both=False)
    except EcluseError:
        return False
    return True
