"""Care: every archived blob is read again within a period, in both places; one that is bad is made anew from the other.

A look reads the sealed octets and compares their digest with the one that was measured first, opens them, and compares
each document's digest with its row and with the log's record of its deposit. The first look, soon after the deposit,
measures, and makes the second copy. What can't be repaired is marked damaged, told once, and looked at again every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.archive.holds import holds_of
from ecluse.archive.place import SecondPlace
from ecluse.archive.room import Room
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import BlobDamaged
from ecluse.errors import EcluseError
from ecluse.evidence.record import decode_leaf
from ecluse.model.archive import Archived, ArchivedBytes, ArchiveState, BytesState
from ecluse.model.basics import Instant
from ecluse.model.nouns import BlobRow
from ecluse.store.port import Tx, View
from ecluse.trust.settings.fields import seconds
from ecluse.typed import from_json, json_decoder

__all__ = ["CARE_SETTING", "Look", "Pace", "Seen", "known_blobs", "look_after", "look_at_due"]

CARE_SETTING: Final = "archive.care"
"""Setting that holds the last error of a second place, as text; empty while all can be used."""

AGAIN: Final = 15 * 60 * 1_000_000
"""Microseconds until a place that could not be used is tried again."""
DAILY: Final = 86_400 * 1_000_000
"""Microseconds until what is damaged beyond repair is looked at again."""
_ENTERED: Final = frozenset({"archive.deposited", "archive.imported"})
"""Events that say with which digest a document came into this archive."""
_STEP: Final = 1 << 20
_PAGE: Final = 50
_JITTER: Final = 10
"""A tenth of the period: what was deposited on one day is not looked at on one day for ever."""

Pace = Callable[[int], None]
"""Told of octets that were read; returns once they may have been."""


class Seen(StrEnum):
    """What a look found of one place."""

    SOUND = "sound"
    DAMAGED = "damaged"
    MISSING = "missing"
    NONE = "none"
    """There is no such place."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found, and did.

    Attributes:
        blob: Which blob.
        primary: The hub's own place.
        second: The second place.
        repaired: Places that were repaired.
        copied: A second copy was made that was not there before.
        lost: It is damaged, and nothing is left to repair it from.
    """

    blob: str
    primary: Seen
    second: Seen
    repaired: tuple[str, ...] = ()
    copied: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says of a blob, in one moment."""

    kept: ArchivedBytes
    row: BlobRow | None
    key: bytes | None
    holders: tuple[Archived, ...]
    held: bool


def known_blobs(view: View, after: str, limit: int) -> list[str]:
    """Ids of blobs that are no orphans, in order: those with a row, and those that the archive stands on."""
    return sorted({*view.blobs_before(after, limit), *view.archive_bytes_before(after, limit)})[:limit]


def look_at_due(
    room: Room, pace: Pace, check: Callable[[], bool], *, until: Instant | None = None
) -> Iterator[Look]:
    """Look at what is due, the longest due first.

    Args:
        room: The archive.
        pace: Limits the rate.
        check: Asked before each; false ends it.
        until: What is due by then; by now without it.
    """
    passed: set[str] = set()
    while True:
        moment = until if until is not None else room.hub.clock()
        due = room.hub.store.read(lambda view: view.archive_bytes_due(moment, _PAGE + len(passed)))  # noqa: B023
        fresh = [each.blob for each in due if each.blob not in passed]
        for blob in fresh:
            if not check():
                return
            passed.add(blob)
            found = look_after(room, blob, pace)
            if found is not None:
                yield found
        if not fresh:
            return


def look_after(room: Room, blob: str, pace: Pace = lambda octets: None) -> Look | None:
    """Look at one blob; ``None`` where nothing of the archive stands on it (any more), or a place can't be used.

    What it finds is written, with its events, unless somebody else wrote meanwhile.
    """
    known = room.hub.store.read(lambda view: _known(view, blob))
    if known is None:
        return None
    if not known.holders:
        room.hub.store.write(lambda tx: _write(tx, known.kept, _gone(known.kept)))
        return None
    try:
        return _look(room, known, pace)
    except EcluseError as error:
        said = f"{error.code}: {error.cause}"
        later = msgspec.structs.replace(known.kept, due=Instant(room.hub.clock() + AGAIN))

        def work(tx: Tx) -> None:
            _write(tx, known.kept, later)
            tx.put_setting(CARE_SETTING, said.encode())

        room.hub.store.write(work)
        return None


def _known(view: View, blob: str) -> _Known | None:
    kept = view.archive_bytes(blob)
    if kept is None:
        return None
    rows = [view.archived(id) for id in view.archive_holders(blob)]
    holders = tuple(row for row in rows if row is not None and row.state is not ArchiveState.DISPOSED)
    held = any(holds_of(view, each) for each in holders)
    return _Known(kept, view.blob(blob), view.blob_key(blob), holders, held)


def _gone(kept: ArchivedBytes) -> ArchivedBytes:
    return msgspec.structs.replace(kept, state=BytesState.GONE, due=None)


def _write(tx: Tx, before: ArchivedBytes, after: ArchivedBytes) -> bool:
    """Write what was found, unless it was written meanwhile."""
    if tx.archive_bytes(before.blob) != before:
        return False
    tx.update_archive_bytes(after)
    return True


def _look(room: Room, known: _Known, pace: Pace) -> Look:
    kept = known.kept
    place = _second(room, known)
    primary, sealed, size = _primary(room, known, pace)
    if primary is Seen.SOUND and not kept.sealed:
        kept = msgspec.structs.replace(kept, sealed=sealed, size=size)
    elif primary is Seen.SOUND and sealed != kept.sealed:
        primary = Seen.DAMAGED  # it opens, and is not what was archived: somebody with the key wrote it anew
    second = _copy(kept, place, pace)
    repaired: list[str] = []
    copied = False
    until = _lock_until(room, known, place)
    if primary is Seen.SOUND and place is not None and second is not Seen.SOUND:
        copied = second is Seen.MISSING and kept.copied is None
        place.put(kept.blob, kept.size, lambda: _sealed(room, known), until)
        if _copy(kept, place, pace) is Seen.SOUND:
            repaired += [] if copied else [place.name]
        else:
            copied = False
    elif primary is not Seen.SOUND and second is Seen.SOUND and place is not None and known.row is not None:
        _restore(room, known, place)
        again = room.hub.store.read(lambda view: _known(view, kept.blob))
        if again is not None and _primary(room, again, pace)[:2] == (Seen.SOUND, kept.sealed):
            repaired.append("primary")
    whole = primary is Seen.SOUND or "primary" in repaired
    has_copy = place is not None and (second is Seen.SOUND or copied or place.name in repaired)
    locked = kept.locked
    if place is not None and has_copy and until is not None and place.locks:
        locked = place.locked_until(kept.blob)
        if locked is None or locked < until:
            place.lock(kept.blob, until)
            locked = place.locked_until(kept.blob)
    if place is not None and has_copy and place.locks:
        place.hold(kept.blob, known.held)
    found = Look(kept.blob, primary, second, tuple(repaired), copied, lost=not whole)
    now = room.hub.clock()
    after = msgspec.structs.replace(
        kept,
        state=BytesState.SOUND if whole else BytesState.DAMAGED,
        due=_next(room, now, whole),
        copied=now if has_copy else None,
        place=place.name if place is not None and has_copy else "",
        locked=locked,
        checked=now,
    )
    room.hub.store.write(lambda tx: _record(room, tx, known, after, found))
    return found


def _second(room: Room, known: _Known) -> SecondPlace | None:
    """The second place: the one that holds a copy, else the first that a holder's profile names."""
    if known.kept.place:
        return room.place(known.kept.place)
    profiles = room.book().profiles
    names = (profiles[each.profile].copy for each in known.holders if each.profile in profiles)
    name = next((name for name in names if name is not None), None)
    return None if name is None else room.place(name)


def _lock_until(room: Room, known: _Known, place: SecondPlace | None) -> Instant | None:
    """Until when the copy is to be locked: the last end of those that ask for it."""
    if place is None or not place.locks:
        return None
    profiles = room.book().profiles
    asking = [
        each.ends
        for each in known.holders
        if each.ends is not None and each.profile in profiles and profiles[each.profile].write_once
    ]
    return max(asking, default=None)


def _primary(room: Room, known: _Known, pace: Pace) -> tuple[Seen, bytes, int]:
    """The hub's own copy: sealed octets, what they open to, rows and the log agree."""
    row, key = known.row, known.key
    if row is None or key is None:
        return Seen.MISSING, b"", 0
    digest, size = sha256(), 0
    try:
        for chunk in _sealed(room, known):
            digest.update(chunk)
            size += len(chunk)
            pace(len(chunk))
        with room.hub.vault.open(row, key) as reader:
            whole = sha256()
            for chunk in reader.chunks():
                whole.update(chunk)
            if row.sha256 and whole.digest() != row.sha256:
                return Seen.DAMAGED, b"", 0
            for each in known.holders:
                if each.blob != row.id:
                    continue
                if (_offset(each), each.size) == (0, row.size):
                    same = whole.digest() == each.sha256
                else:
                    same = _digest(reader.chunks(_offset(each), each.size)) == each.sha256
                if not same or not _told(room, each):
                    return Seen.DAMAGED, b"", 0
    except BlobMissing:
        return Seen.MISSING, b"", 0
    except BlobDamaged:
        return Seen.DAMAGED, b"", 0
    return Seen.SOUND, digest.digest(), size


def _digest(chunks: Iterator[bytes]) -> bytes:
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _told(room: Room, archived: Archived) -> bool:
    """Whether a document's row says what the log's record of its deposit says."""
    events = room.hub.store.read(lambda view: view.events(archived.id))
    told = next((each for each in events if each.event.kind in _ENTERED), None)
    if told is None:
        return False
    facts = from_json(decode_leaf(told.leaf).data, dict[str, object])
    return facts.get("sha256") == archived.sha256.hex() and facts.get("size") == archived.size


def _offset(archived: Archived) -> int:
    return _read_offset(archived.body).offset


class _Offset(msgspec.Struct, frozen=True):
    offset: int = 0


_read_offset = json_decoder(_Offset).decode


def _sealed(room: Room, known: _Known) -> Iterator[bytes]:
    """The sealed octets as they lie in the hub's own place, or in the row."""
    assert known.row is not None, "asked where there is a row"
    if known.row.inline is not None:
        yield known.row.inline
        return
    reader = room.hub.vault.place.open(known.row.id)
    try:
        for offset in range(0, reader.size, _STEP):
            yield reader.read(offset, _STEP)
    finally:
        reader.close()


def _copy(kept: ArchivedBytes, place: SecondPlace | None, pace: Pace) -> Seen:
    """The second copy, by its digest alone: no key is there."""
    if place is None:
        return Seen.NONE
    digest = sha256()
    try:
        for chunk in place.read(kept.blob):
            digest.update(chunk)
            pace(len(chunk))
    except BlobMissing:
        return Seen.MISSING
    if not kept.sealed:
        return Seen.DAMAGED  # never measured: nothing says that it is right
    return Seen.SOUND if digest.digest() == kept.sealed else Seen.DAMAGED


def _restore(room: Room, known: _Known, place: SecondPlace) -> None:
    """Write the second copy over the first one."""
    id = known.kept.blob
    assert known.row is not None, "what has no row has no place to be restored to"
    if known.row.inline is not None:
        data = b"".join(place.read(id))
        room.hub.store.write(lambda tx: tx.restore_blob(id, data))
        return
    # What lies there is damaged: should this be cut, the next look finds nothing there and does it again.
    room.hub.vault.place.delete(id)
    writer = room.hub.vault.place.create(id)
    try:
        for chunk in place.read(id):
            writer.write(chunk)
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def _next(room: Room, now: Instant, whole: bool) -> Instant:
    if not whole:
        return Instant(now + DAILY)
    period = int(seconds(room.book().settings.fixity) * 1_000_000)
    spread = period // _JITTER * int.from_bytes(room.hub.entropy(2), "big") // 65_536
    return Instant(now + period - spread)


def _record(room: Room, tx: Tx, known: _Known, after: ArchivedBytes, found: Look) -> None:
    if not _write(tx, known.kept, after):
        return
    tx.put_setting(CARE_SETTING, b"")
    was = known.kept.state
    state = ArchiveState.DAMAGED if found.lost else ArchiveState.KEPT
    hurt = {name: seen.value for name, seen in (("primary", found.primary), ("second", found.second))}
    bad = found.primary is not Seen.SOUND or (
        found.second in (Seen.DAMAGED, Seen.MISSING) and known.kept.copied is not None
    )
    at = after.checked
    for holder in known.holders:
        row = tx.archived(holder.id)
        if row is None or row.state is ArchiveState.DISPOSED:
            continue
        others = (tx.archive_bytes(blob) for blob in tx.archive_blobs_of(row.id) if blob != after.blob)
        if state is ArchiveState.KEPT and any(each and each.state is BytesState.DAMAGED for each in others):
            now_state = ArchiveState.DAMAGED
        else:
            now_state = state
        if row.state is not now_state:
            tx.update_archived(msgspec.structs.replace(row, state=now_state))
        facts = {"blob": after.blob, "place": after.place or None, **hurt}
        if bad and not (found.lost and was is BytesState.DAMAGED):
            room.hub.event(tx, "archive.damaged", row.id, {**facts, "lost": found.lost}, at=at)
        if found.repaired:
            room.hub.event(tx, "archive.repaired", row.id, {**facts, "repaired": list(found.repaired)}, at=at)
        if found.copied:
            locked = {"locked": after.locked} if after.locked is not None else {}
            room.hub.event(
                tx, "archive.copied", row.id, {"blob": after.blob, "place": after.place, **locked}, at=at
            )
