"""The sequencer: puts records into the Merkle tree, and signs its heads.

A record is written by the transaction of its change, without a place in the tree, so that no business waits
for another. The sequencer then takes what is there, in batches. Only a tree that is committed is signed, and
a head is kept (in the database, then outside of it) before anybody else can see it: no crash makes the log
deny what it said.

Where the tree does not continue what was signed, nothing more is signed, while records go on being put into it. Who
may end that is a person: see :mod:`ecluse.evidence.breaks`.

Several nodes may try: the store lets one win, and the lease of :meth:`Sequencer.lead` keeps the others from
trying.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ecluse.errors import EcluseError
from ecluse.evidence.breaks import RESTORED, Break, base_of, epoch_of, sealed_breaks
from ecluse.evidence.errors import HeldUnreadable, KeyAway, RolledBack
from ecluse.evidence.held import HeldCheckpoints
from ecluse.model.basics import Clock, Instant
from ecluse.model.nouns import Checkpoint
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Store, Tx, View
from ecluse.typed import json_decoder
from ecluse.wire.tlog import merkle
from ecluse.wire.tlog.checkpoint import LogKey, TreeHead, open_checkpoint, parse_head, sign_checkpoint
from ecluse.wire.tlog.errors import BadProof, Malformed
from ecluse.wire.tlog.note import NoteKey, Sign, parse_note

__all__ = ["BATCH", "KEYS_SUBJECT", "LEASE", "LEASE_SETTING", "LOST_HEAD", "Sequencer", "give_lease"]

BATCH: Final = 512
"""Records a transaction: past some hundreds a batch gains nothing and keeps the writer longer."""

LEASE: Final = 15_000_000
"""Microseconds without a sign of life until another node takes over; only the log waits so long."""

LEASE_SETTING: Final = "evidence.sequencer"

KEYS_SUBJECT: Final = "log:keys"
"""Subject of the record of when an older log got its second key."""

LOST_HEAD: Final = "lost-head"
"""Kind of the records of signed heads that others showed and the log does not continue: every node knows them then."""

CLOCK_BACK: Final = 300_000_000
"""Microseconds: a clock that is further behind the newest checkpoint than this was set back, and that is told."""


class _Lease(msgspec.Struct, frozen=True):
    node: str
    until: int


_encode_lease = msgspec.json.Encoder().encode
_read_lease = json_decoder(_Lease).decode


class Sequencer:
    """The writer of one log.

    Args:
        store: The database that holds it.
        clock: Time of the checkpoints and the lease.
        key: The log's verifier key, or gives it; its name is the first origin of the log.
        sign: Signs with the private half of ``key``, its Ed25519 part.
        sign_ml_dsa: Signs with the ML-DSA-44 part; needed where there is one.
        clock_back: Told once, by how many microseconds the clock is behind the newest checkpoint.
        held: Where checkpoints are kept outside the database; ``None`` forgoes finding a database put back.
        node: This process among those on the same database.
        former: Keys that the log signed with before.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        key: NoteKey | LogKey | Callable[[], LogKey],
        sign: Sign,
        *,
        sign_ml_dsa: Sign | None = None,
        clock_back: Callable[[int], None] | None = None,
        held: HeldCheckpoints | None = None,
        node: str = "",
        former: Sequence[NoteKey] = (),
    ) -> None:
        self._store = store
        self._clock = clock
        known = LogKey(key) if isinstance(key, NoteKey) else key
        self._find_key: Callable[[], LogKey] = (lambda: known) if isinstance(known, LogKey) else known
        self._sign = sign
        self._sign_ml_dsa = sign_ml_dsa
        self._clock_back = clock_back
        self._held = held
        self._node = node
        self._former = tuple(LogKey(each) for each in former)
        self._outside: TreeHead | None = None
        self._led_until = Instant(0)
        self._lock = threading.RLock()

    @property
    def _key(self) -> LogKey:
        return self._find_key()

    def seal(self, limit: int = BATCH) -> int:
        """Put at most ``limit`` waiting records into the tree, in one transaction.

        Returns:
            How many; 0 also where another sequencer was first.

        Raises:
            RolledBack: where the tree has lost what it needs to grow.
            StoreUnavailable: where the database can't be reached.
        """
        # Reading and hashing stay out of the write transaction, which others wait for: `Tx.seal` checks that
        # the log still has the size that was read, and only a seal changes that or takes waiting rows away.
        size, rows, edge = self._store.read(lambda view: _waiting(view, limit))
        if not rows:
            return 0
        numbers = [number for number, _ in rows]
        try:
            nodes = merkle.Frontier(size, edge).extend(merkle.leaf_hash(leaf) for _, leaf in rows)
            self._store.write(lambda tx: tx.seal(size, numbers, nodes))
        except BadProof as error:
            raise RolledBack(error.cause) from error
        except Conflict:
            return 0
        return len(rows)

    def checkpoint(self) -> Checkpoint | None:
        """Sign the log as it is committed, keep the note in the database, then outside of it.

        Returns:
            The checkpoint; ``None`` where the newest one has the log's size already.

        Raises:
            RolledBack: where the log is smaller than, or does not continue, what was signed before.
            HeldUnreadable: where what was signed before can't be read.
            StoreUnavailable: where the database can't be reached.
        """
        with self._lock:
            return self._checkpoint()

    def _checkpoint(self) -> Checkpoint | None:
        head, last = self.check()
        if head.size == (last.size if last else 0):
            return None
        key = self._key
        if key.ml_dsa is None and self._store.read(lambda view: view.events(KEYS_SUBJECT)):
            raise KeyAway("The log has an ML-DSA-44 key, and this process does not know it yet.")
        now = self._clock()
        if last is not None:
            if now + CLOCK_BACK < last.at and self._clock_back is not None:
                tell, self._clock_back = self._clock_back, None
                tell(last.at - now)
            # A clock that was set back must not make the heads look out of order.
            now = max(now, last.at)
        note = sign_checkpoint(head, key.named(head.origin), self._sign, self._sign_ml_dsa, now // 1_000_000)
        checkpoint = Checkpoint(head.size, head.root, note, now)
        try:
            kept = self._store.write(lambda tx: _keep(tx, checkpoint))
        except Conflict:
            return None
        self._hold(head, note)
        return kept

    def check(self) -> tuple[TreeHead, Checkpoint | None]:
        """Compare the log with the newest checkpoints, in the database and held outside. Call it at start.

        Returns:
            The head of the log as it is committed, under its present name, and the newest checkpoint in the database.

        Raises:
            RolledBack, HeldUnreadable, StoreUnavailable: as :meth:`checkpoint` does.
        """
        with self._lock:
            return self._check()

    def _check(self) -> tuple[TreeHead, Checkpoint | None]:
        outside = self._read_outside()
        past, last, shown, restored = self._store.read(
            lambda view: (
                sealed_breaks(view, self._key),
                view.last_checkpoint(),
                view.records(LOST_HEAD),
                view.setting(RESTORED),
            )
        )
        if restored:
            raise RolledBack(
                f"The database was restored from a backup of {restored.decode()}; what was signed since is not known."
            )
        origin = past[-1].origin if past else self._key.name
        heads = [self._open(each.body, _origin_in(each.body, self._key.name)) for each in shown]
        if outside is not None:
            heads.append(outside)
        signed = [head for head in heads if _counts(head, origin, past)]
        if last is not None and (not past or last.size > (past[-1].index or 0)):
            try:
                signed.append(self._open(last.note, origin))
            except EcluseError as error:
                raise RolledBack(
                    f"The newest checkpoint in the database is not ours: {error.cause}"
                ) from error
        now = self._compare(origin, signed)
        behind = outside is None or outside.origin != origin or last is None or outside.size < last.size
        if last is not None and signed and signed[-1].size == last.size and behind:
            self._hold(signed[-1], last.note)
        return now, last

    def confront(self, note: bytes) -> TreeHead:
        """Compare the log with a head of it that somebody else kept, such as a witness.

        One that the log does not continue is held from here on as the newest that was signed, so that the log is not
        signed by a later process either.

        Args:
            note: The checkpoint, as it was signed.

        Returns:
            Its head.

        Raises:
            Malformed, BadSignature: where the log never signed it; it says nothing then.
            RolledBack: where the log does not continue it.
            StoreUnavailable: where the database can't be reached.
        """
        head = self._open(note, _origin_in(note, self._key.name))
        with self._lock:
            self._confront(head, note)
        return head

    def _confront(self, head: TreeHead, note: bytes) -> None:
        past = self._store.read(lambda view: sealed_breaks(view, self._key))
        origin = past[-1].origin if past else self._key.name
        try:
            if _counts(head, origin, past):
                self._compare(origin, [head])
        except RolledBack:
            key = f"{head.origin}:{head.size:020d}:{head.root.hex()}"
            record = Record(LOST_HEAD, key, self._clock(), note)
            self._store.write(lambda tx: tx.put_record(record))
            self._hold(head, note)
            raise

    def _compare(self, origin: str, signed: Sequence[TreeHead]) -> TreeHead:
        """The head of the log as it is committed. Raise :class:`RolledBack` unless it continues ``signed``."""
        size, nodes = self._store.read(lambda view: _tree(view, [head.size for head in signed]))
        try:
            now = TreeHead(origin, size, merkle.root(size, nodes))
            for before in signed:
                proof = merkle.consistency_proof(before.size, size, nodes)
                merkle.verify_consistency(before.size, before.root, size, now.root, proof)
        except BadProof as error:
            raise RolledBack(error.cause) from error
        return now

    def _open(self, note: bytes, origin: str) -> TreeHead:
        # What was signed before the log had its second key has one signature: `verify_log` knows since when.
        keys = [key.named(origin) for key in (self._key, *self._former)]
        return open_checkpoint(note, keys, origin, both=False)

    def lead(self) -> bool:
        """Whether this node is the one that seals; takes or extends the lease where that is due.

        Raises:
            StoreUnavailable: where the database can't be reached.
        """
        now = self._clock()
        if now + LEASE // 2 > self._led_until:
            until = self._store.write(lambda tx: _take_lease(tx, self._node, now))
            self._led_until = until if until is not None else Instant(0)
        return now < self._led_until

    def resign(self) -> None:
        """Give the lease up, so that another node need not wait for its end."""
        if self._led_until:
            self._led_until = Instant(0)
            self._store.write(lambda tx: give_lease(tx, self._node))

    def _read_outside(self) -> TreeHead | None:
        if self._outside is None and self._held is not None:
            note = self._held.newest()
            if note is not None:
                try:
                    self._outside = self._open(note, _origin_in(note, self._key.name))
                except EcluseError as error:
                    raise HeldUnreadable(
                        f"The newest checkpoint in {self._held.path} is not this log's: {error.cause}"
                    ) from error
        return self._outside

    def _hold(self, head: TreeHead, note: bytes) -> None:
        if self._held is not None:
            self._held.append(note)
        self._outside = head


def _origin_in(note: bytes, base: str) -> str:
    """Under which of its names a note says to be the log's; it is not verified yet."""
    origin = parse_head(parse_note(note).text).origin
    if epoch_of(base, origin) is None:
        raise Malformed(f"The checkpoint is that of another log, {origin}.")
    return origin


def _counts(head: TreeHead, origin: str, past: Sequence[Break]) -> bool:
    """Whether the log has to continue a signed head: not one of a branch that a recorded break tells is lost.

    Raises:
        RolledBack: where it can't be of this log as the database knows it.
    """
    if head.origin == origin:
        return True
    base = base_of(origin)
    if (epoch_of(base, head.origin) or 0) > (epoch_of(base, origin) or 0):
        raise RolledBack(
            f"The log signed as {head.origin} at size {head.size}, and this database knows it as {origin} only."
        )
    if any(each.covers(head) for each in past):
        return False
    end = next((each.index for each in past if each.before == head.origin), None)
    if end is None or head.size > end:
        raise RolledBack(
            f"The log signed as {head.origin} at size {head.size}, and no record of a break tells of it."
        )
    return True


def _waiting(view: View, limit: int) -> tuple[int, list[tuple[int, bytes]], dict[merkle.Node, bytes]]:
    # The size is read first: whatever a rival does after that makes it outdated, and our seal fails.
    size = view.log_size()
    rows = view.unsealed(limit)
    return size, rows, view.log_nodes(merkle.cover(0, size)) if rows else {}


def _tree(view: View, before: Sequence[int]) -> tuple[int, dict[merkle.Node, bytes]]:
    """The log's size, and the nodes for its root and for the proofs that it continues those sizes."""
    size = view.log_size()
    wanted = merkle.cover(0, size)
    for old in before:
        if old <= size:
            wanted += merkle.consistency_nodes(old, size)
    return size, view.log_nodes(list(dict.fromkeys(wanted)))


def _keep(tx: Tx, checkpoint: Checkpoint) -> Checkpoint:
    last = tx.last_checkpoint()
    if last is not None and last.size >= checkpoint.size:
        raise Conflict(f"Another sequencer signed at size {last.size}.")
    tx.add_checkpoint(checkpoint)
    return checkpoint


def _take_lease(tx: Tx, node: str, now: Instant) -> Instant | None:
    present = _present_lease(tx)
    if present is not None and present.node != node and now < present.until <= now + LEASE:
        return None
    until = Instant(now + LEASE)
    tx.put_setting(LEASE_SETTING, _encode_lease(_Lease(node, until)))
    return until


def give_lease(tx: Tx, node: str) -> None:
    """Free the lease that ``node`` holds: it stops, or is known to be dead."""
    present = _present_lease(tx)
    if present is not None and present.node == node:
        tx.put_setting(LEASE_SETTING, _encode_lease(_Lease("", 0)))


def _present_lease(tx: Tx) -> _Lease | None:
    value = tx.setting(LEASE_SETTING)
    try:
        return _read_lease(value) if value is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
