"""Backups verified where they lie, with no private key: what is there, and whether it is what the hub wrote.

A backup hangs on its manifest, which the log's key signed; the manifest names its table, the table its packs, each by
their digest. Blobs are sealed under keys that the hub has: it opens them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from ecluse.app.backup.chunks import Table, read_table
from ecluse.app.backup.errors import BackupDamaged, BackupMissing
from ecluse.app.backup.keys import newest_index
from ecluse.app.backup.manifest import FORMAT, Manifest, find_backup, read
from ecluse.app.backup.places import MANIFEST, Place
from ecluse.app.backup.run import Progress, Site
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import MAX_WRITING, BlobDamaged, Vault
from ecluse.errors import EcluseError
from ecluse.model.basics import Instant, new_id
from ecluse.model.nouns import BlobRow

__all__ = ["Wrong", "verify"]

_PAGE: Final = 200
_PIECE: Final = 1 << 20
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong.

    Attributes:
        object: Which object.
        cause: One sentence.
    """

    object: str
    cause: str


def verify(
    site: Site,
    name: str = "",
    *,
    deep: bool = False,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Verify one backup, or all.

    Args:
        site: Where.
        name: Which backup; all of them where it is empty.
        deep: Read everything: packs and keys are digested, blobs opened to their ends. Otherwise what is there is
            looked at for its size.
        progress: Told how many octets were read.

    Returns:
        ``ok``, ``backups``, ``objects``, ``blobs``, ``octets`` (read) and ``wrong``: objects with what is wrong, the
        first hundred of them.
    """
    run = _Verify(site, deep, progress)
    run.backups(name)
    run.keys()
    run.blobs()
    return {
        "ok": not run.wrong,
        "backups": run.count,
        "objects": len(run.seen),
        "blobs": run.blob_count,
        "octets": run.octets,
        "deep": deep,
        "wrong": [{"object": each.object, "cause": each.cause} for each in run.wrong[:_MOST]],
    }


class _Verify:
    def __init__(self, site: Site, deep: bool, progress: Progress) -> None:
        self._site = site
        self._deep = deep
        self._progress = progress
        self.wrong: list[Wrong] = []
        self.seen: set[str] = set()
        self.count = self.blob_count = self.octets = 0

    def backups(self, name: str) -> None:
        """Manifests, tables and packs."""
        site = self._site
        ids = [find_backup(site.place, name).id] if name else list(site.place.ids(MANIFEST))
        for id in ids:
            try:
                manifest = read(site.place, id, FORMAT, Manifest, [site.key])
                self.count += 1
                table = read_table(site.place, manifest.table, manifest.table_sha256)
            except (BackupDamaged, BackupMissing) as error:
                self.wrong.append(Wrong(id, error.cause))
                continue
            self.seen.update((id, manifest.table))
            self._packs(table)

    def _packs(self, table: Table) -> None:
        for pack in table.packs:
            if pack.id not in self.seen:
                self.seen.add(pack.id)
                self._object(self._site.place, pack.id, pack.size, pack.sha256.hex())

    def _object(self, place: Place, id: str, size: int, sha256: str) -> None:
        try:
            with closing(place.blobs.open(id)) as reader:
                if reader.size != size:
                    self.wrong.append(Wrong(id, f"It has {reader.size} octets instead of {size}."))
                    return
                if not self._deep:
                    return
                digest = hashlib.sha256()
                for at in range(0, size, _PIECE):
                    digest.update(reader.read(at, min(_PIECE, size - at)))
                    self._read(min(_PIECE, size - at))
        except BlobMissing:
            self.wrong.append(Wrong(id, f"It is not in {place.name}."))
            return
        if digest.hexdigest() != sha256:
            self.wrong.append(Wrong(id, "It is not the one that was written."))

    def keys(self) -> None:
        """The copy of the keys."""
        site = self._site
        try:
            index = newest_index(site.keys, [site.key])
        except (BackupDamaged, BackupMissing) as error:
            self.wrong.append(Wrong("keys", error.cause))
            return
        if index is None:
            self.wrong.append(Wrong("keys", f"There is no copy of the keys in {site.keys.name}."))
            return
        self.seen.add(index.id)
        named = [(each.object, each.size, each.sha256) for each in index.shards]
        named += [(each.object, each.size, each.sha256) for each in index.erasures]
        for id, size, sha256 in named:
            self.seen.add(id)
            self._object(site.keys, id, size, sha256)

    def blobs(self) -> None:
        """The bytes of every blob that the newest backup may have."""
        site = self._site
        newest = site.place.newest(MANIFEST)
        if newest is None:
            return
        try:
            at = read(site.place, newest, FORMAT, Manifest, [site.key]).at
        except (BackupDamaged, BackupMissing):
            return  # it is named already
        # A blob may get its row half a day after its id: then it came after the backup. The next one looks again.
        sure = new_id("b", Instant(max(0, at - MAX_WRITING * 1_000_000)), bytes)
        vault = site.node.vault
        copies = Vault(site.place.blobs, vault.wrap, vault.entropy, vault.clock, vault.inline_limit)
        there = site.place.ids("b")
        present = next(there, "")
        for row, wrapped in self._rows():
            if row.id[1:] > newest[1:]:
                return  # it came after the backup began
            while present and present < row.id:
                present = next(there, "")
            if present != row.id:
                if row.id < sure and site.node.store.read(lambda view, id=row.id: view.blob(id) is not None):  # type: ignore[misc]
                    self.wrong.append(Wrong(row.id, f"The bytes of the blob are not in {site.place.name}."))
                continue
            self.blob_count += 1
            self._blob(copies, row, wrapped)

    def _blob(self, copies: Vault, row: BlobRow, wrapped: bytes) -> None:
        try:
            with copies.open(row, wrapped) as reader:
                for piece in reader.chunks(0, None if self._deep else 1):
                    self._read(len(piece))
        except BlobMissing:
            return  # erased while we looked
        except BlobDamaged:
            self.wrong.append(Wrong(row.id, "The bytes of the blob are not those that were sealed."))
        except EcluseError as error:
            self.wrong.append(Wrong(row.id, error.cause))

    def _rows(self) -> Iterator[tuple[BlobRow, bytes]]:
        store = self._site.node.store
        after = ""
        while True:
            ids = store.read(lambda view, after=after: view.blobs_before(after, _PAGE))  # type: ignore[misc]
            found = store.read(lambda view, ids=ids: view.blobs(ids))  # type: ignore[misc]
            yield from (found[id] for id in ids if id in found and found[id][0].inline is None)
            if len(ids) < _PAGE:
                return
            after = ids[-1]

    def _read(self, size: int) -> None:
        self.octets += size
        self._progress(self.octets, self.octets)
