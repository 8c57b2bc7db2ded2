"""The copy of the blobs' keys: in a place of its own, and of it one state only.

A backup has no key of any blob. These lie here, wrapped as in the key store and sealed for the recipients besides,
and each run replaces what changed and deletes what it replaced. So a key that the hub erased is gone from here at the
next run, or as soon as :meth:`KeyCopy.forget` asks for it, and with it the document is gone from every backup there
is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

import msgspec

from ecluse.app.backup.erased import Erased
from ecluse.app.backup.errors import BackupDamaged, KeysLost, PlaceChanged
from ecluse.app.backup.manifest import KEYS_FORMAT, Erasures, KeyIndex, KeyShard, read, sign
from ecluse.app.backup.places import ERASURES, KEY_INDEX, KEYS, Place
from ecluse.app.backup.sealing import Recipients, open_object
from ecluse.blobs.port import BlobMissing
from ecluse.model.basics import Instant, iso, new_id
from ecluse.store.port import Store, View
from ecluse.typed import from_json
from ecluse.wire.openpgp.reader import Unlock
from ecluse.wire.tlog.note import NoteKey, Sign

__all__ = ["KeyCopier", "check_keys", "newest_index", "read_erasures", "read_keys"]

_PREFIX: Final = 6
"""Letters of a blob's id that shards are made by: nine hours each, so that an erasure rewrites some of them."""
_PAGE: Final = 2000
_TOLD: Final = 10
_PAST: Final = "~"
"""Sorts after every id."""


class KeyCopier:
    """Writes the copy.

    Args:
        place: Where.
        store: Whose keys.
        recipients: For whom.
        digest_key: 32 octets of the hub's own.
        key: The log's verifier key.
        sign: Signs with it.
        tick: Called between steps.
    """

    def __init__(
        self,
        place: Place,
        store: Store,
        recipients: Recipients,
        digest_key: bytes,
        key: NoteKey,
        sign: Sign,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._place = place
        self._store = store
        self._recipients = recipients
        self._digest_key = digest_key
        self._key = key
        self._sign = sign
        self._tick = tick

    def copy(
        self,
        expected: str,
        only: Sequence[str] | None = None,
        *,
        erased: Sequence[Erased] = (),
        since: Instant | None = None,
    ) -> KeyIndex:
        """Bring the copy to the present state of the key store, and delete what it was before.

        Args:
            expected: The state that was written last; empty where there was none, or any will do.
            only: Blobs whose keys changed; all keys are looked at where it is ``None``.
            erased: What was erased, to be told to whoever restores an older backup.
            since: Erasures that were told before this moment need not be told any more.

        Raises:
            PlaceChanged: The state that was written last is not there.
            BlobUnavailable: The place can't take it; what was there stands.
        """
        before = newest_index(self._place, [self._key])
        if expected and before is None:
            raise PlaceChanged(
                f"{self._place.name} does not hold the copy of the keys that was written there."
            )
        held = {shard.prefix: shard for shard in before.shards} if before is not None else {}
        if only is None:
            shards = dict(self._shards("", held))
        else:
            shards = dict(held)
            for prefix in sorted({id[:_PREFIX] for id in only}):
                shards.pop(prefix, None)
                shards.update(self._shards(prefix, held))
        now = self._recipients.clock()
        listed = [shards[prefix] for prefix in sorted(shards)]
        erasures = [
            each
            for each in (before.erasures if before is not None else ())
            if since is None or each.at >= since
        ]
        if erased:
            erasures.append(self._tell(erased, now))
        same = before is not None and (before.shards, before.erasures) == (listed, erasures)
        if before is not None and same and only is not None:
            self._drop_others(before)
            return before
        id = new_id(KEY_INDEX, now, self._recipients.entropy)
        if before is not None and id <= before.id:
            # A clock that was set back must not bring back a state that was replaced.
            id = new_id(KEY_INDEX, Instant(max(now, before.at) + 1_000_000), self._recipients.entropy)
        index = KeyIndex(
            id=id, made=iso(now), at=now, origin=self._key.name, shards=listed, erasures=erasures
        )
        first = [listed[0].object] if listed else []
        self._place.still_has([*first, *([before.id] if before is not None else [])])
        self._place.put(id, sign(KEYS_FORMAT, index, self._key, self._sign))
        self._drop_others(index)
        return index

    def _shards(self, within: str, held: dict[str, KeyShard]) -> Iterator[tuple[str, KeyShard]]:
        for prefix, rows in groupby(self._rows(within), lambda row: row[0][:_PREFIX]):
            lines = [f"{id} {base64.b64encode(wrapped).decode()}\n" for id, wrapped in rows]
            data = "".join(lines).encode()
            digest = hashlib.blake2b(data, digest_size=32, key=self._digest_key).hexdigest()
            same = held.get(prefix)
            if same is not None and same.digest == digest:
                yield prefix, same
            else:
                yield prefix, self._write(prefix, len(lines), data, digest)
            self._tick()

    def _write(self, prefix: str, count: int, data: bytes, digest: str) -> KeyShard:
        id = new_id(KEYS, self._recipients.clock(), self._recipients.entropy)
        sealed = self._recipients.seal(id, data)
        self._place.put(id, sealed)
        return KeyShard(prefix, id, count, len(sealed), hashlib.sha256(sealed).hexdigest(), digest)

    def _tell(self, erased: Sequence[Erased], now: Instant) -> Erasures:
        id = new_id(ERASURES, now, self._recipients.entropy)
        sealed = self._recipients.seal(id, b"".join(msgspec.json.encode(each) + b"\n" for each in erased))
        self._place.put(id, sealed)
        return Erasures(id, now, len(sealed), hashlib.sha256(sealed).hexdigest())

    def _rows(self, within: str) -> Iterator[tuple[str, bytes]]:
        after = within
        while True:
            page = self._store.read(lambda view, after=after: view.keys_from(after, _PAGE), snapshot=False)  # type: ignore[misc]
            for row in page:
                if within and not row[0].startswith(within):
                    return
                yield row
            if len(page) < _PAGE:
                return
            after = page[-1][0]

    def _drop_others(self, index: KeyIndex) -> None:
        """Delete every other state, and every object that this one does not name."""
        # The states go first: none that names what is gone is ever the newest.
        for id in list(self._place.ids(KEY_INDEX)):
            if id != index.id:
                self._place.delete(id)
        named = {each.object for each in index.shards} | {each.object for each in index.erasures}
        for kind in (KEYS, ERASURES):
            for id in list(self._place.ids(kind)):
                if id not in named:
                    self._place.delete(id)


def newest_index(place: Place, keys: Sequence[NoteKey] | None) -> KeyIndex | None:
    """The state that counts; ``None`` where there is none. Raises :class:`BackupDamaged`."""
    id = place.newest(KEY_INDEX)
    return None if id is None else read(place, id, KEYS_FORMAT, KeyIndex, keys)


def read_keys(place: Place, index: KeyIndex, unlock: Unlock) -> Iterator[tuple[str, bytes]]:
    """Ids and wrapped keys, in order. Raises :class:`BackupDamaged`, which names the object."""
    for shard in index.shards:
        data = _sealed(place, shard, unlock)
        try:
            for line in data.decode("ascii").splitlines():
                id, _, wrapped = line.partition(" ")
                yield id, base64.b64decode(wrapped, validate=True)
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise BackupDamaged(f"The keys {shard.object} can't be read.") from None


def read_erasures(place: Place, index: KeyIndex, unlock: Unlock) -> Iterator[Erased]:
    """What was erased, oldest first. Raises :class:`BackupDamaged`, which names the object."""
    for each in index.erasures:
        data = _sealed(place, each, unlock)
        try:
            yield from (from_json(line, Erased) for line in data.splitlines())
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BackupDamaged(f"The erasures {each.object} can't be read.") from None


def _sealed(place: Place, named: KeyShard | Erasures, unlock: Unlock) -> bytes:
    try:
        data = place.get(named.object)
    except BlobMissing:
        raise BackupDamaged(f"The object {named.object} is not in {place.name}.") from None
    if hashlib.sha256(data).hexdigest() != named.sha256:
        raise BackupDamaged(f"The object {named.object} is not the one that was written.")
    return open_object(named.object, data, unlock)


def check_keys(store: Store, tick: Callable[[], None] = lambda: None) -> None:
    """Raise :class:`KeysLost` where a blob has a row and no key: no deletion leaves that behind."""

    def ids(after: str) -> list[str]:
        return [id for id, _ in store.read(lambda view: view.keys_from(after, _PAGE))]

    keys = _pages(ids)
    rows = _pages(lambda after: store.read(lambda view: view.blobs_before(after, _PAGE)))
    lost: list[str] = []
    key = ""
    for id in rows:
        while key < id:
            key = next(keys, _PAST)
        # Rows and keys may lie in two files: what came or went between two looks is looked at by itself.
        if key != id and store.read(partial(_lacks_key, id)):
            lost.append(id)
            if len(lost) == _TOLD:
                break
        tick()
    if lost:
        more = " and more" if len(lost) == _TOLD else ""
        raise KeysLost(f"The key store lacks the keys of {', '.join(lost)}{more}.")


def _lacks_key(id: str, view: View) -> bool:
    return view.blob(id) is not None and view.blob_key(id) is None


def _pages(page: Callable[[str], list[str]]) -> Iterator[str]:
    after = ""
    while found := page(after):
        yield from found
        after = found[-1]
