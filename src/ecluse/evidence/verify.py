"""Verifying a whole log: every record, every hash of the tree, every checkpoint, in flat memory.

The first thing that is wrong is named. The tree's own hashes make that possible: an altered record no longer
fits the leaf hash beside it, and who alters that too no longer fits the hash above, up to a signed root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.model.nouns import Checkpoint, LoggedEvent
from ecluse.store.port import Store, View
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import TreeHead, open_checkpoint
from ecluse.wire.tlog.note import NoteKey

__all__ = ["Problem", "Progress", "Verdict", "verify_log"]

T = TypeVar("T")

_BATCH: Final = 1024
"""Records (of 65,535 octets at most) in memory at a time."""

_LEVELS: Final = 63

Progress = Callable[[int, int], None]
"""Called with (records verified, records in all)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong.

    Attributes:
        code: Stable word: ``record-missing``, ``record-altered``, ``tree-altered``, ``checkpoint-bad``...
        cause: One sentence.
        index: Place of the record in the log, where it is about one.
        event: Id of its event, as far as the row tells.
        differs: What differs: a column (``kind``), ``leaf``, ``hash``, ``root``...
    """

    code: str
    cause: str
    index: int | None = None
    event: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying a log found.

    Attributes:
        ok: True where nothing is wrong.
        size: Records in the log, as it says itself.
        verified: Records that were found right, from the first on.
        root: Root over the verified records, hexadecimal.
        checkpoints: Checkpoints that were found right.
        signed: Size of the largest of them: later records are in the tree, but nobody signed for them yet.
        pending: Records that wait for their place in the tree (counted up to 1024).
        problem: The first thing that is wrong.
    """

    ok: bool
    size: int
    verified: int
    root: str
    checkpoints: int
    signed: int
    pending: int
    problem: Problem | None = None

    def as_dict(self) -> dict[str, object]:
        """The same for ``--json``."""
        return asdict(self)


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.cause)
        self.problem = problem


def verify_log(
    store: Store,
    keys: Sequence[NoteKey],
    progress: Progress | None = None,
    *,
    held: Iterable[bytes] = (),
) -> Verdict:
    """Verify the log from its first record to its last.

    Args:
        store: The database; it may go on growing meanwhile.
        keys: The log's verifier keys (former ones too); best from a source outside the database.
        progress: Told after every batch.
        held: Signed checkpoints kept outside the database, in order of size. Without them a database that was put
            back as a whole to an earlier state can't be told from one that is honest and young.

    Returns:
        The verdict; nothing that stands in the database makes this raise.

    Raises:
        StoreUnavailable: where the database can't be read.
    """
    run = _Run(store, tuple(keys), progress or (lambda done, total: None))
    problem = None
    try:
        run.all(iter(held))
    except _Wrong as wrong:
        problem = wrong.problem
    return Verdict(
        problem is None,
        run.size,
        run.frontier.size,
        run.frontier.root().hex(),
        run.checkpoints,
        run.signed,
        run.pending,
        problem,
    )


class _Run:
    """One pass over a log."""

    def __init__(self, store: Store, keys: tuple[NoteKey, ...], progress: Progress) -> None:
        self._read = store.read
        self._keys = keys
        self._progress = progress
        self._stored: Iterator[Checkpoint] = iter(())
        self._outside: Iterator[bytes] = iter(())
        self.frontier = merkle.Frontier()
        self.size = self.pending = self.checkpoints = self.signed = 0

    def all(self, held: Iterator[bytes]) -> None:
        self.size, self.pending, self.signed_size = self._read(_measure)
        self._read(lambda view: _check_end(view, self.size))
        heads = _Heads(self._checkpoints(), held, self._keys)
        while True:
            stop = min(heads.next_size(), self.size)
            while self.frontier.size < stop:
                self._records(min(stop, self.frontier.size + _BATCH))
                self._progress(self.frontier.size, self.size)
            if heads.next_size() > self.size:
                break
            self.signed = heads.take(self.frontier.root())
            self.checkpoints += 1
        heads.finish(self.size)

    def _records(self, end: int) -> None:
        """Verify the records from the frontier up to ``end``, and the nodes that they complete."""
        start = self.frontier.size
        wanted = merkle.completed(start, end)
        logged, nodes = self._read(
            lambda view: (view.events_from(start, end - start), view.log_nodes(wanted))
        )
        hashes = []
        for index in range(start, end):
            row = logged[index - start] if index - start < len(logged) else None
            try:
                hashes.append(_check_record(index, row, nodes.get((0, index))))
            except _Wrong:
                self.frontier.extend(hashes)
                raise
        for node, value in self.frontier.extend(hashes).items():
            if nodes.get(node) != value:
                raise _Wrong(_bad_node(node, nodes.get(node)))

    def _checkpoints(self) -> Iterator[Checkpoint]:
        size = 0
        while batch := self._read(lambda view, size=size: view.checkpoints_from(size, _BATCH)):  # type: ignore[misc]
            yield from batch
            size = batch[-1].size + 1
