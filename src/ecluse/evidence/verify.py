"""Verifying a whole log: every record, every hash of the tree, every checkpoint, in flat memory.

The first thing that is wrong is named. The tree's own hashes make that possible: an altered record no longer
fits the leaf hash beside it, and who alters that too no longer fits the hash above, up to a signed root.

Breaks that a person decided on (:mod:`ecluse.evidence.breaks`) are listed, and what was signed of a branch that was
lost there is told apart from what should be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Generic, TypeVar

from ecluse.errors import EcluseError
from ecluse.evidence.breaks import CONTINUED, Break, base_of, epoch_of, read_break, sealed_breaks
from ecluse.evidence.record import decode_leaf
from ecluse.model.nouns import Checkpoint, LoggedEvent
from ecluse.store.port import Store, View
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, parse_head
from ecluse.wire.tlog.errors import BadSignature, Malformed
from ecluse.wire.tlog.note import NoteKey, parse_note

__all__ = ["KEY_ADDED", "Problem", "Progress", "Verdict", "verify_log"]

KEY_ADDED: Final = "log.key-added"
"""Kind of the record of when an older log got its ML-DSA-44 key: checkpoints after it have both signatures."""

T = TypeVar("T")

_BATCH: Final = 1024
"""Records (of 65,535 octets at most) in memory at a time."""

_LEVELS: Final = 63
"""Sizes have 63 bits."""

_CLOCKS: Final = 300_000_000
"""Microseconds by which the clocks of two nodes may differ: the time beside a checkpoint isn't signed."""

_TELLING: Final = frozenset({CONTINUED, KEY_ADDED})
"""Kinds of records that say something of the log itself."""

_NEVER: Final = 1 << 64
"""Larger than any size of a log."""

Progress = Callable[[int, int], None]
"""Called with (records verified, records in all)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong.

    Attributes:
        code: Stable word: ``record-missing``, ``record-altered``, ``tree-altered``, ``checkpoint-bad``...
        cause: One sentence.
        index: Place of the record in the log; of a checkpoint its size.
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
        breaks: Breaks that were decided on, as :meth:`~ecluse.evidence.breaks.Break.as_dict` gives them.
        lost: Signed heads of branches that were lost there.
    """

    ok: bool
    size: int
    verified: int
    root: str
    checkpoints: int
    signed: int
    pending: int
    problem: Problem | None = None
    breaks: tuple[dict[str, object], ...] = ()
    lost: int = 0

    def as_dict(self) -> dict[str, object]:
        """The same for ``--json``."""
        return asdict(self)


class _Wrong(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.cause)
        self.problem = problem


def verify_log(
    store: Store,
    keys: Sequence[NoteKey | LogKey],
    progress: Progress | None = None,
    *,
    held: Iterable[bytes] = (),
    watch: Callable[[list[LoggedEvent]], None] | None = None,
) -> Verdict:
    """Verify the log from its first record to its last.

    Args:
        store: The database; it may go on growing meanwhile.
        keys: The log's verifier keys (former ones too), under any of its names; best from a source outside the
            database. Of a key of two parts both have to have signed.
        progress: Told after every batch.
        held: Signed checkpoints kept outside the database, in order of size. Without them a database that was
            put back as a whole to an earlier state can't be told from one that is honest and young.
        watch: Given every batch of records that were found right.

    Returns:
        The verdict; nothing that stands in the database makes this raise.

    Raises:
        StoreUnavailable: where the database can't be read.
    """
    known = tuple(key if isinstance(key, LogKey) else LogKey(key) for key in keys)
    run = _Run(store, known, progress or (lambda done, total: None), watch)
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
        tuple(each.as_dict() for each in run.breaks),
        run.lost,
    )


class _Run:
    """One pass over a log."""

    def __init__(
        self,
        store: Store,
        keys: tuple[LogKey, ...],
        progress: Progress,
        watch: Callable[[list[LoggedEvent]], None] | None,
    ) -> None:
        self._read = store.read
        self._keys = keys
        self._progress = progress
        self._watch = watch
        self._last_at = 0
        self.frontier = merkle.Frontier()
        self.size = self.pending = self.checkpoints = self.signed = self.lost = 0
        self.breaks: list[Break] = []
        self._single = -1
        self._key_added = -1

    def all(self, held: Iterator[bytes]) -> None:
        self.size, self.pending, end = self._read(_measure)
        if end is not None:
            raise _Wrong(end)
        self.breaks = self._read(self._past)
        stored = _Ahead(self._stored(), lambda checkpoint: checkpoint.size)
        outside = _Ahead(self._outside(held), lambda head: head.size)
        while True:
            size = min(stored.key(), outside.key())
            self._records(min(size, self.size))
            if size > self.size:
                break
            self._heads(size, stored.take(size), outside.take(size))
        beyond = max(key for key in (stored.key(), outside.key(), self.size) if key < _NEVER)
        if beyond > self._read(lambda view: view.log_size()):
            raise _Wrong(
                Problem(
                    "log-truncated",
                    f"A log of {beyond} records was signed, and there are only {self.size}.",
                    self.size,
                    differs="size",
                )
            )
        if self._single > self._key_added and any(key.ml_dsa is not None for key in self._keys):
            cause = "it lacks the ML-DSA-44 signature that the log's key asks for"
            raise _Wrong(_bad_head(self._single, "note", cause))

    def _past(self, view: View) -> list[Break]:
        """The breaks, as rows that claim to be such say; that they are where they claim is seen on the way."""
        found = {each.index: each for key in self._keys for each in sealed_breaks(view, key)}
        return [found[index] for index in sorted(index for index in found if index is not None)]

    def _origin(self, size: int) -> str:
        """Under which name a head of ``size`` is signed."""
        past = [each for each in self.breaks if each.index is not None and each.index < size]
        if past:
            return past[-1].origin
        return self.breaks[0].before if self.breaks else base_of(self._keys[0].name)

    def _open(self, note: bytes, origin: str) -> TreeHead:
        if not any(epoch_of(base_of(key.name), origin) is not None for key in self._keys):
            raise Malformed(f"The checkpoint is that of another log, {origin}.")
        keys = [key.named(origin) for key in self._keys]
        try:
            return open_checkpoint(note, keys, origin)
        except BadSignature:
            head = open_checkpoint(note, keys, origin, both=False)
            self._single = max(self._single, head.size)
            return head

    def _records(self, stop: int) -> None:
        """Verify the records from the frontier up to ``stop``, and the nodes that they complete."""
        while (start := self.frontier.size) < stop:
            end = min(stop, start + _BATCH)
            logged, nodes = self._read(lambda view, start=start, end=end: _fetch(view, start, end))  # type: ignore[misc]
            good: list[bytes] = []
            try:
                for index in range(start, end):
                    row = logged[index - start] if index - start < len(logged) else None
                    good.append(_check_record(index, row, nodes.get((0, index))))
                    if row is not None and row.event.kind in _TELLING:
                        self._told(index, row)
            finally:
                grown = self.frontier.extend(good)
            for node, value in grown.items():
                if nodes.get(node) != value:
                    raise _Wrong(_bad_node(node, nodes.get(node)))
            if self._watch is not None:
                self._watch(logged)
            self._progress(end, self.size)

    def _told(self, index: int, row: LoggedEvent) -> None:
        """Take a record into account that says something of the log itself."""
        if row.event.kind == KEY_ADDED:
            self._key_added = index if self._key_added < 0 else self._key_added
            return
        if not any(each.index == index for each in self.breaks):
            cause = f"Record {index} tells of a break of the log, and is not signed by the log's key."
            try:
                read_break(row.leaf, index)
            except EcluseError as error:
                cause = error.cause
            raise _Wrong(Problem("break-bad", cause, index, row.event.id, "leaf"))

    def _heads(self, size: int, stored: list[Checkpoint], outside: list[TreeHead]) -> None:
        """Compare what was signed at ``size`` with the tree as it was rebuilt."""
        root = self.frontier.root()
        for checkpoint in stored:
            self._check_stored(checkpoint, root)
        for head in outside:
            if head.root != root:
                raise _Wrong(_bad_head(size, "root", "a checkpoint held outside has another root"))
            if not stored and not self._read(lambda view: _has_checkpoint(view, size)):
                raise _Wrong(_bad_head(size, "row", "it is held outside, and the database lacks it"))
        self.checkpoints += len(stored)
        self.signed = size

    def _check_stored(self, checkpoint: Checkpoint, root: bytes) -> None:
        size = checkpoint.size
        try:
            head = self._open(checkpoint.note, self._origin(size))
        except EcluseError as error:
            raise _Wrong(_bad_head(size, "note", error.cause)) from error
        if head.size != size:
            raise _Wrong(_bad_head(size, "size", f"its note says {head.size}"))
        if head.root != checkpoint.root:
            raise _Wrong(_bad_head(size, "root", "its note holds another root"))
        if head.root != root:
            raise _Wrong(_bad_head(size, "root", "the records up to there have another root"))
        if checkpoint.at + _CLOCKS < self._last_at:
            raise _Wrong(_bad_head(size, "at", "it claims to be older than a smaller one"))
        self._last_at = max(checkpoint.at, self._last_at)

    def _stored(self) -> Iterator[Checkpoint]:
        """All checkpoints by size, some at a time; several of one size are possible."""
        seen = (-1, -1)
        size = 0
        while batch := self._read(lambda view, size=size: view.checkpoints_from(size, _BATCH)):  # type: ignore[misc]
            fresh = [each for each in batch if (each.size, each.at) > seen]
            yield from (each for each in fresh if not self._is_lost(each.note))
            seen = (batch[-1].size, batch[-1].at)
            size = batch[-1].size + (not fresh or len(batch) < _BATCH)

    def _is_lost(self, note: bytes) -> bool:
        """Whether a stored checkpoint is of a branch that a recorded break tells is lost."""
        if not self.breaks:
            return False
        try:
            head = self._open(note, _origin_in(note))
        except EcluseError:
            return False  # what is wrong with it is told when its turn comes
        found = any(each.covers(head) for each in self.breaks)
        self.lost += found
        return found

    def _outside(self, held: Iterable[bytes]) -> Iterator[TreeHead]:
        """Heads kept outside, save those of branches that a break tells are lost."""
        for note in held:
            try:
                head = self._open(note, _origin_in(note))
            except EcluseError as error:
                cause = f"A checkpoint held outside the database is not this log's: {error.cause}"
                raise _Wrong(Problem("held-bad", cause, differs="note")) from error
            if any(each.covers(head) for each in self.breaks):
                self.lost += 1
                continue
            origin = self._origin(head.size)
            if head.origin != origin:
                raise _Wrong(
                    _bad_head(
                        head.size, "origin", f"it was signed as {head.origin}, held outside; not as {origin}"
                    )
                )
            yield head


class _Ahead(Generic[T]):
    """An ordered stream of which the next element's size can be seen."""

    def __init__(self, items: Iterator[T], size: Callable[[T], int]) -> None:
        self._items = items
        self._size = size
        self._next = next(items, None)

    def key(self) -> int:
        return _NEVER if self._next is None else self._size(self._next)

    def take(self, size: int) -> list[T]:
        """The elements of this size; raise where the stream goes back."""
        taken = []
        while self._next is not None and self._size(self._next) == size:
            taken.append(self._next)
            self._next = next(self._items, None)
        if self.key() < size:
            raise _Wrong(_bad_head(self.key(), "order", f"it stands after that of size {size}"))
        return taken


def _origin_in(note: bytes) -> str:
    """The origin that a note claims."""
    return parse_head(parse_note(note).text).origin


def _measure(view: View) -> tuple[int, int, Problem | None]:
    """Size, waiting records, and what is wrong with the end of the log."""
    size = view.log_size()
    pending = len(view.unsealed(_BATCH))
    cause = f"There is something at {size} or after, in a log of {size} records."
    extra = view.events_from(size, 1)
    if extra:
        index = extra[0].index
        return size, pending, Problem("record-extra", cause, index, extra[0].event.id, "index")
    if view.log_nodes([(level, size >> level) for level in range(_LEVELS)]):
        return size, pending, Problem("tree-altered", cause, size, differs="hash")
    return size, pending, None


def _fetch(view: View, start: int, end: int) -> tuple[list[LoggedEvent], dict[merkle.Node, bytes]]:
    return view.events_from(start, end - start), view.log_nodes(merkle.completed(start, end))


def _has_checkpoint(view: View, size: int) -> bool:
    return any(checkpoint.size == size for checkpoint in view.checkpoints_from(size, 1))


def _check_record(index: int, logged: LoggedEvent | None, stored: bytes | None) -> bytes:
    """The leaf hash of a record that is what it should be."""
    if logged is None or logged.index != index:
        raise _Wrong(Problem("record-missing", f"There is no record {index}.", index, differs="index"))
    row = logged.event
    value = merkle.leaf_hash(logged.leaf)
    if stored != value:
        what = "has lost its hash" if stored is None else "does not fit its hash"
        cause = f"Record {index} {what} in the tree: it was altered, or the tree was."
        raise _Wrong(Problem("record-altered", cause, index, row.id, "leaf" if stored else "hash"))
    try:
        event = decode_leaf(logged.leaf)
    except EcluseError as error:
        raise _Wrong(Problem("record-altered", error.cause, index, row.id, "leaf")) from error
    same = row.id == event.id and row.at == event.at and row.kind == event.kind
    if same and row.subject == event.subject:
        return value
    for column in ("id", "at", "kind", "subject"):
        if getattr(row, column) != getattr(event, column):
            cause = f"The row of record {index} says another {column} than the record itself."
            raise _Wrong(Problem("record-altered", cause, index, event.id, column))
    return value


def _bad_node(node: merkle.Node, stored: bytes | None) -> Problem:
    level, index = node
    first, last = index << level, ((index + 1) << level) - 1
    what = "is lost" if stored is None else "does not fit them"
    return Problem(
        "tree-altered",
        f"The hash at level {level}, place {index}, over the records {first} to {last}, {what}.",
        first,
        differs="hash",
    )


def _bad_head(size: int, differs: str, cause: str) -> Problem:
    return Problem(
        "checkpoint-bad", f"The checkpoint of size {size} does not hold: {cause}", size, differs=differs
    )
