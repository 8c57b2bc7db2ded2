"""Copies that a deletion has to reach: a key that was deleted is gone once it is gone from every one of them.

What is deleted is written down, in the transaction of the deletion, as a record of kind ``erasure``: which blobs, why,
and which copies have not let go of them yet. A job asks each copy in turn, as often as it takes, also after a crash or
while a copy is out of reach. When the last one has answered, ``message.erased-everywhere`` is written and the record
goes, both in one transaction: the event is never there before the last copy has let go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from ecluse.blobs.port import BlobPlace
from ecluse.blobs.vault import Vault
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.record import Json
from ecluse.model.basics import Clock, Instant, MessageId
from ecluse.model.records import Record
from ecluse.store.port import Conflict, Store, Tx, View
from ecluse.typed import json_decoder

__all__ = [
    "ERASURE",
    "ROWS",
    "BlobCopy",
    "BytesCopy",
    "Copies",
    "Copy",
    "CopyUnknown",
    "Erasure",
    "KeyCopy",
    "OwnKeys",
    "OwnRows",
    "Teller",
    "finish_erasures",
    "forsake",
    "note_erasure",
    "pending_erasures",
]

ERASURE: Final = "erasure"
"""Kind of the records."""

ROWS: Final = "rows"
"""The copy that has to follow where rows were blanked."""

AT_ONCE: Final = 100
"""Records that one look takes."""
_FIRST_WAIT: Final = 60 * 1_000_000
_LONGEST_WAIT: Final = 6 * 3600 * 1_000_000
"""Microseconds until a copy that could not is asked again: doubled each time, up to the longest."""


class CopyUnknown(EcluseError):
    """A copy that held what is deleted is not configured any more, so that nobody can ask it."""

    code = "archive.copy-unknown"
    fault = Fault.OURS
    remedy = (
        "Configure the copy again until it has let go, or destroy it and run `ecluse retention forsake NAME`."
    )


class Copy(Protocol):
    """A place where keys or bytes of blobs are."""

    @property
    def name(self) -> str:
        """Stable; it stands in the log."""

    def forget(self, ids: Sequence[str]) -> None:
        """Return when nothing of these blobs is there any more, durably; also where there never was anything.

        Raises:
            EcluseError: It can't be done at present: it is asked again later.
        """


class KeyCopy(Copy, Protocol):
    """A copy of wrapped keys."""


class BlobCopy(Copy, Protocol):
    """A copy of sealed bytes."""


class Teller(Protocol):
    """Who writes events (the hub)."""

    @property
    def clock(self) -> Clock:
        """Gives the time."""

    def event(
        self,
        tx: Tx,
        kind: str,
        subject: str,
        data: Mapping[str, Json],
        *,
        actor: str = "hub",
        at: Instant | None = None,
    ) -> None:
        """Append one fact to the log, in the caller's transaction."""


class OwnKeys:
    """The key store that the hub works with: keys leave its files a moment after the transaction that deletes them.

    Args:
        store: Whose.
    """

    name = "keys"

    def __init__(self, store: Store) -> None:
        self._store = store

    def forget(self, ids: Sequence[str]) -> None:
        """See :class:`Copy`. Raises :class:`~ecluse.store.port.StoreUnavailable` where a file still has one."""
        self._store.purge_keys(ids)


class BytesCopy:
    """Sealed bytes in the place that the hub works with: nothing opens them, and nothing is left of them.

    Args:
        place: Where.
    """

    name = "bytes"

    def __init__(self, place: BlobPlace) -> None:
        self._place = place

    def forget(self, ids: Sequence[str]) -> None:
        """See :class:`Copy`."""
        for id in ids:
            self._place.delete(id)


class OwnRows:
    """The rows that the hub works with: what of them was blanked leaves the files with what was written before.

    Args:
        store: Whose.
    """

    name = ROWS

    def __init__(self, store: Store) -> None:
        self._store = store

    def forget(self, ids: Sequence[str]) -> None:
        """See :class:`Copy`; what was blanked has no ids."""
        self._store.purge_rows()


class Copies:
    """All copies of a hub, by name: its own key store and place, and what other rooms add.

    Args:
        store: Its key store.
        vault: Its place.
    """

    def __init__(self, store: Store, vault: Vault) -> None:
        self._copies: dict[str, Copy] = {}
        self._of_rows = {ROWS}
        self.add(OwnKeys(store))
        self.add(BytesCopy(vault.place))
        self.add(OwnRows(store))

    def add(self, copy: Copy, *, rows: bool = False) -> None:
        """Have deletions reach a copy; one of the same name is replaced.

        Args:
            copy: The copy.
            rows: Whether it has to follow also where rows were blanked and no key was deleted.
        """
        self._copies[copy.name] = copy
        if rows:
            self._of_rows.add(copy.name)

    @property
    def of_rows(self) -> frozenset[str]:
        """Names of those that have to follow where rows were blanked."""
        return frozenset(self._of_rows & self._copies.keys())

    def remove(self, name: str) -> None:
        """A copy is no more. Deletions that wait for it go on waiting."""
        self._copies.pop(name, None)

    @property
    def names(self) -> tuple[str, ...]:
        """In order."""
        return tuple(sorted(self._copies))

    def get(self, name: str) -> Copy:
        """Raises :class:`CopyUnknown`."""
        found = self._copies.get(name)
        if found is None:
            raise CopyUnknown(f"The copy {name} is not configured.")
        return found


class Erasure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One deletion that is on its way through the copies.

    Attributes:
        messages: Whose bytes.
        blobs: Which blobs.
        reason: Why they were deleted.
        actor: Who deleted them.
        at: When.
        waiting: Copies that still have to let go.
        done: Copies that have.
        tries: Rounds that some copy failed in.
        error: What the last one said, by copy.
        destroyed: Copies that are no more, as a person said.
    """

    messages: tuple[MessageId, ...]
    blobs: tuple[str, ...]
    reason: str
    actor: str
    at: Instant
    waiting: tuple[str, ...]
    done: tuple[str, ...] = ()
    tries: int = 0
    error: dict[str, str] = {}
    destroyed: tuple[str, ...] = ()


_read = json_decoder(Erasure).decode


def note_erasure(tx: Tx, erasure: Erasure) -> None:
    """Write down what was deleted in this transaction."""
    tx.add_record(_record(erasure, erasure.at))


def _record(erasure: Erasure, due: Instant) -> Record:
    key = f"{erasure.messages[0]}:{erasure.at:020d}"
    return Record(ERASURE, key, erasure.at, msgspec.json.encode(erasure), state="pending", due=due)


def pending_erasures(view: View, after: str = "", limit: int = 500) -> list[tuple[str, Erasure]]:
    """Deletions that some copy has not followed yet, by key, in order of it."""
    return [(each.key, _read(each.body)) for each in view.records(ERASURE, after=after, limit=limit)]


def forsake(teller: Teller, store: Store, copies: Copies, name: str, *, actor: str, reason: str) -> int:
    """Wait no longer for a copy that is no more: a person says that it was destroyed, and answers for it.

    Returns:
        How many deletions waited for it.

    Raises:
        CopyUnknown: Nothing waits for such a copy; or it is configured, so that it can be asked.
    """
    if name in copies.names:
        raise CopyUnknown(
            f"The copy {name} is configured.",
            remedy="Mend it: it is asked again by itself; or take it out of the configuration first.",
        )

    def work(tx: Tx) -> int:
        count, after = 0, ""
        while page := tx.records(ERASURE, after=after):
            for record in page:
                erasure = _read(record.body)
                if name in erasure.waiting:
                    waiting = tuple(each for each in erasure.waiting if each != name)
                    left = {copy: said for copy, said in erasure.error.items() if copy != name}
                    lost = (*erasure.destroyed, name)
                    changed = msgspec.structs.replace(erasure, waiting=waiting, error=left, destroyed=lost)
                    tx.replace_record(record, _record(changed, teller.clock()))
                    count += 1
            after = page[-1].key
        if not count:
            raise CopyUnknown(
                f"Nothing waits for a copy {name[:64]!a}.", remedy="Look at `ecluse retention show`."
            )
        teller.event(tx, "copy.forsaken", f"copy:{name}", {"deletions": count, "reason": reason}, actor=actor)
        return count

    return store.write(work)


def finish_erasures(
    teller: Teller, store: Store, copies: Copies, check: Callable[[], None] = lambda: None
) -> int:
    """Ask the copies to let go of what was deleted; give the number of deletions that are complete.

    May be run by several nodes at once, and again after a crash: copies forget what they have forgotten already.
    """
    complete = 0
    while True:
        check()
        now = teller.clock()
        due = store.read(lambda view: view.records_due(ERASURE, now, AT_ONCE))  # noqa: B023 - read at once
        if not due:
            return complete
        complete += _round(teller, store, copies, due)
        if len(due) < AT_ONCE:
            return complete


def _round(teller: Teller, store: Store, copies: Copies, due: Sequence[Record]) -> int:
    found = [(record, _read(record.body)) for record in due]
    failed: dict[str, str] = {}
    # One copy at a time over all that is due: what costs a copy a round trip, or a rewrite, it costs once.
    for name in sorted({name for _, erasure in found for name in erasure.waiting}):
        blobs = sorted({blob for _, each in found if name in each.waiting for blob in each.blobs})
        try:
            copies.get(name).forget(blobs)
        except EcluseError as error:
            failed[name] = f"{error.code}: {error.cause}"
    complete = 0
    for record, erasure in found:
        try:
            complete += store.write(lambda tx, r=record, e=erasure: _note(teller, tx, r, e, failed))  # type: ignore[misc]
        except Conflict:
            continue  # another node was there: what it wrote counts
    return complete


def _note(teller: Teller, tx: Tx, record: Record, erasure: Erasure, failed: Mapping[str, str]) -> int:
    now = teller.clock()
    left = tuple(name for name in erasure.waiting if name in failed)
    done = tuple(sorted({*erasure.done, *erasure.waiting} - set(left)))
    if left:
        wait = min(_FIRST_WAIT << min(erasure.tries, 20), _LONGEST_WAIT)
        after = msgspec.structs.replace(
            erasure,
            waiting=left,
            done=done,
            tries=erasure.tries + 1,
            error={name: failed[name] for name in left},
        )
        tx.replace_record(record, _record(after, Instant(now + wait)))
        return 0
    # The row is claimed by its revision before it goes: of two nodes, one writes the event.
    tx.replace_record(record, record)
    tx.drop_record(record.kind, record.key)
    facts: dict[str, Json] = {
        "reason": erasure.reason,
        "deleted": erasure.at,
        "blobs": len(erasure.blobs),
        "copies": list(done),
        **({"destroyed": list(erasure.destroyed)} if erasure.destroyed else {}),
    }
    for message in erasure.messages:
        teller.event(tx, "message.erased-everywhere", message, facts, at=now)
    return 1
