"""One backup: the state of a moment, then the bytes that it refers to, then the keys as they are by then.

The order makes it whole. Bytes never change and are deleted with their row, so that what the state refers to is there
when it is looked for, or was erased meanwhile; keys are copied last, so that what was erased meanwhile has none. A
backup exists once its manifest does, which is written at the very end: a run that was killed leaves objects that
nothing names, and the next one deletes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from ecluse import durable
from ecluse.app.backup.aftermath import restored_from
from ecluse.app.backup.chunks import ChunkWriter, Table, keep_table, read_table
from ecluse.app.backup.errors import KeysLost, NewerThere, NotConfigured, PlaceChanged
from ecluse.app.backup.files import CHECKPOINTS, FILES, hub_files, pack_files
from ecluse.app.backup.keys import KeyCopier, check_keys
from ecluse.app.backup.lease import Lease
from ecluse.app.backup.manifest import FORMAT, Manifest, read, sign
from ecluse.app.backup.places import MANIFEST, PACK, TABLE, Place, PlaceLike, made_before, open_place
from ecluse.app.backup.records import Last, last_backup, note_backup
from ecluse.app.backup.sealing import Recipients
from ecluse.app.node import Node
from ecluse.blobs.port import BlobExists, BlobMissing
from ecluse.blobs.sealed import sealed_size
from ecluse.model.basics import Instant, iso, new_id
from ecluse.store.port import Snapshot, Tx
from ecluse.store.snapshot import CHUNK, cut_rows
from ecluse.trust.settings.backup import BackupSettings
from ecluse.trust.settings.fields import octets
from ecluse.wire.tlog.note import NoteKey

__all__ = ["ABANDONED", "Backup", "Progress", "Site", "make_backup", "open_site"]

_DIGEST_KEY: Final = "backup.digest-key"
"""Setting: what chunks are told apart by, wrapped by the keyring."""
_LATE: Final = 24 * 3600 * 1_000_000
"""Microseconds before the last backup's moment from which on blobs are looked at again: a blob is in the writing for
half a day at most before its row comes."""
_COPIERS: Final = 4
"""Blobs on their way at once: each waits for the disk three times."""
_PIECE: Final = 1 << 20
ABANDONED: Final = 24 * 3600 * 1_000_000
"""Microseconds after which what nothing names is taken for what a killed run on another machine left."""
_MISSING_TOLD: Final = 20

Progress = Callable[[int, int], None]
"""Called with (octets done, octets in all as far as known)."""


@dataclass(frozen=True, slots=True)
class Site:
    """The places of a hub's backups, opened.

    Attributes:
        node: The hub.
        settings: ``[backup]``.
        place: Of the backups.
        keys: Of the copy of the keys.
        recipients: Whom both are sealed for.
    """

    node: Node
    settings: BackupSettings
    place: Place
    keys: Place
    recipients: Recipients

    @property
    def key(self) -> NoteKey:
        """What manifests are signed with: the log's key under its first name, which no break of the log changes."""
        return self.node.log.ed25519

    def lease(self) -> Lease:
        """The right to change them."""
        return Lease(self.node.store, self.node.hub.clock, self.node.hub.new_id("l"))

    def copier(self, tick: Callable[[], None] = lambda: None) -> KeyCopier:
        """Writes the copy of the keys."""
        node = self.node
        key = _digest_key(node)
        return KeyCopier(
            self.keys,
            node.store,
            self.recipients,
            key,
            self.key,
            node.keyring.log_sign,
            tick,
        )


@dataclass(slots=True)
class Backup:
    """What a run did.

    Attributes:
        manifest: Of the backup.
        copied: Blobs that were copied.
        copied_octets: Theirs.
        seconds: How long it took.
        missing: Blobs whose bytes are missing or cut off in the hub's own place.
        swept: Objects that a killed run had left.
    """

    manifest: Manifest
    copied: int = 0
    copied_octets: int = 0
    seconds: float = 0.0
    missing: list[str] = field(default_factory=list)
    swept: int = 0

    def as_dict(self, place: Place) -> dict[str, Any]:
        """For ``--json`` and events."""
        made = self.manifest
        return {
            "id": made.id,
            "made": made.made,
            "place": place.name,
            "log": made.log,
            "octets": made.streams + made.blob_octets,
            "written": made.written + self.copied_octets,
            "blobs": made.blobs,
            "copied": self.copied,
            "keys": made.keys,
            "seconds": round(self.seconds, 3),
            "missing": self.missing[:_MISSING_TOLD],
            "left_out": made.left_out,
        }


def open_site(node: Node, to: PlaceLike | None = None) -> Site:
    """Open the places.

    Args:
        node: The hub.
        to: Instead of the configured place of the backups; a folder is taken as from where the command runs.

    Raises:
        NotConfigured: There is no ``[backup]``.
        EcluseError: A place can't be reached.
    """
    settings = node.directory.hub.backup
    if settings is None:
        raise NotConfigured("There is no [backup] in ecluse.toml.")
    hub = node.hub
    certificates = node.directory.configuration.openpgp_certificates(settings.recipients)
    place = open_place(node.folder, settings.to if to is None else to, node.resolver)
    keys = open_place(node.folder, settings.keys_to, node.resolver)
    return Site(node, settings, place, keys, Recipients(certificates, hub.clock, hub.entropy))


def make_backup(site: Site, *, full: bool = False, progress: Progress = lambda done, total: None) -> Backup:
    """Make a backup, while others serve.

    Args:
        site: Where and for whom.
        full: Take nothing for there because it was there before: write all chunks, compare all blobs.
        progress: Told how far it is.

    Raises:
        BackupBusy: Another run is under way.
        PlaceChanged: The place lacks what was written there last, and ``full`` is not said.
        KeysLost: The key store lacks keys; the backup was made, and the copy of the keys is as it was.
        EcluseError: The database, a blob or a place can't be used. Nothing counts that was written.
    """
    with site.lease() as lease:
        return _Run(site, lease, full, progress).run()


class _Run:
    def __init__(self, site: Site, lease: Lease, full: bool, progress: Progress) -> None:
        self._site = site
        self._lease = lease
        self._full = full
        self._progress = progress
        self._began = time.monotonic()
        self._done = self._total = 0
        rate = site.settings.rate
        self._rate = octets(rate) if rate is not None else 0

    def run(self) -> Backup:
        site, node = self._site, self._site.node
        last = node.store.read(lambda view: last_backup(view, site.place.name))
        before = self._before(last)
        swept = self._sweep(before)
        heads = _length(node)
        at = node.hub.clock()
        id = new_id(MANIFEST, at, node.hub.entropy)
        with node.store.snapshot() as taken:
            manifest, writer = self._state(taken, id, at, heads, before[1] if before is not None else None)
            after = ""
            if before is not None and not self._full:
                after = new_id("b", Instant(max(0, before[0].at - _LATE)), bytes)
            backup = self._blobs(taken, after)
        keys, lost = self._keys(last)
        manifest = msgspec.structs.replace(
            manifest,
            keys=keys,
            written=writer.written + manifest.table_size,
            blobs=self._count,
            blob_octets=self._octets,
        )
        node.keyring.reload()
        site.place.still_has(
            [*([before[0].id] if before is not None else []), *writer.landmarks, manifest.table]
        )
        site.place.put(id, sign(FORMAT, manifest, site.key, node.keyring.log_sign))
        backup.manifest = manifest
        backup.swept = swept
        backup.seconds = time.monotonic() - self._began
        node.store.write(lambda tx: self._note(tx, backup))
        if lost is not None:
            raise lost
        return backup

    def _keys(self, last: Last) -> tuple[str, KeysLost | None]:
        """Bring the copy of the keys up to date; where the key store lost some, leave it as the only one that has
        them.
        """
        site = self._site
        known = last.keys if last.keys_place == site.keys.name and not self._full else ""
        try:
            check_keys(site.node.store, self._tick)
        except KeysLost as lost:
            return last.keys, lost
        oldest = next(site.place.ids(MANIFEST), None)
        since = (
            read(site.place, oldest, FORMAT, Manifest, [site.key]).at if oldest is not None else Instant(0)
        )
        return site.copier(self._tick).copy(known, since=since).id, None

    def _sweep(self, before: tuple[Manifest, Table] | None) -> int:
        """Delete what a run left that was killed: it is newer than the newest backup, and that does not name it."""
        place, node = self._site.place, self._site.node
        # Where the database is a file of this machine, whoever holds the lease is the only one there is.
        age = 0 if node.store.local else ABANDONED
        swept = place.blobs.sweep(age / 1e6) + self._site.keys.blobs.sweep(age / 1e6)
        newest = before[0] if before is not None else None
        if newest is None and place.newest(MANIFEST) is not None:
            return swept
        named = {pack.id for pack in before[1].packs} | {before[0].table} if before is not None else set()
        limit = Instant(node.hub.clock() - age)
        for kind in (PACK, TABLE):
            after = new_id(kind, newest.at, bytes) if newest is not None else ""
            for id in list(place.ids(kind, after)):
                if id not in named and made_before(id, limit):
                    place.delete(id)
                    swept += 1
                    self._tick()
        return swept

    def _before(self, last: Last) -> tuple[Manifest, Table] | None:
        """The backup that this one is an increment of."""
        site = self._site
        if self._full:
            return None
        newest = site.place.newest(MANIFEST)
        if last.id and (newest is None or newest < last.id):
            raise PlaceChanged(
                f"{site.place.name} does not hold the backup {last.id} that was written there."
            )
        if newest is None:
            return None
        source = self._site.node.store.read(restored_from)
        if source is not None and not last.id and newest > source.backup:
            raise NewerThere(
                f"{site.place.name} holds {newest}, and the hub was restored from {source.backup}."
            )
        manifest = read(site.place, newest, FORMAT, Manifest, [site.key])
        self._total = manifest.streams
        return manifest, read_table(site.place, manifest.table, manifest.table_sha256)

    def _state(
        self, taken: Snapshot, id: str, at: Instant, heads: int, before: Table | None
    ) -> tuple[Manifest, ChunkWriter]:
        site, node = self._site, self._site.node
        head = taken.view.last_checkpoint()
        writer = ChunkWriter(site.place, site.recipients, _digest_key(node), before, self._advance)
        left_out: list[str] = []
        files, left_out = hub_files(
            node.folder,
            node.directory.configuration,
            keyring=site.settings.keyring,
            secrets=site.settings.secrets,
        )
        writer.add(FILES, cut_rows(pack_files(files)))
        writer.add(CHECKPOINTS, _pieces(node, heads))
        for name, chunks in taken.streams():
            writer.add(name, chunks)
        table = new_id(TABLE, at, node.hub.entropy)
        size, digest = keep_table(site.place, writer.finish(), table)
        manifest = Manifest(
            id=id,
            made=iso(at),
            at=at,
            hub=node.directory.organisation.name,
            origin=site.key.name,
            release=_release(),
            database=taken.kind,
            log=taken.view.log_size(),
            checkpoint=head.note.decode("utf-8", "replace") if head is not None else "",
            version=taken.view.config_number(),
            table=table,
            table_size=size,
            table_sha256=digest,
            blobs=0,
            blob_octets=0,
            streams=writer.read,
            written=0,
            recipients=site.recipients.fingerprints,
            keys="",
            left_out=left_out,
        )
        return manifest, writer

    def _blobs(self, taken: Snapshot, after: str) -> Backup:
        """Copy the blobs that the place lacks, of those that come after ``after``."""
        site = self._site
        backup = Backup(manifest=_NONE)
        self._count = self._octets = 0
        there = site.place.ids("b", after)
        present = next(there, _PAST)

        def lacking() -> Iterator[tuple[str, int]]:
            nonlocal present
            for id, size in taken.placed():
                self._count += 1
                self._octets += sealed_size(size)
                if id <= after:
                    continue
                while present < id:
                    present = next(there, _PAST)
                if present != id:
                    yield id, size

        wanted = lacking()
        with ThreadPoolExecutor(_COPIERS, thread_name_prefix="backup") as pool:
            while some := list(islice(wanted, _COPIERS * 16)):
                for (id, size), copied in zip(some, pool.map(self._copy, some), strict=True):
                    if copied:
                        backup.copied += 1
                        backup.copied_octets += sealed_size(size)
                        self._advance(sealed_size(size), sealed_size(size))
                    elif self._is_kept(id):
                        backup.missing.append(id)
                    self._tick()
        return backup

    def _copy(self, blob: tuple[str, int]) -> bool:
        """Copy one blob; false where its bytes are not there whole."""
        id, size = blob
        try:
            reader = self._site.node.vault.place.open(id)
        except BlobMissing:
            return False
        with closing(reader):
            if reader.size != sealed_size(size):
                return False
            writer = self._site.place.blobs.create(id)
            try:
                for at in range(0, reader.size, _PIECE):
                    writer.write(reader.read(at, min(_PIECE, reader.size - at)))
                writer.commit()
            except BlobExists:
                pass  # it is the same: an id is never used twice
            except BaseException:
                writer.abort()
                raise
        return True

    def _is_kept(self, id: str) -> bool:
        """Whether the hub has a row for it still: it was not erased since."""
        return self._site.node.store.read(lambda view: view.blob(id) is not None)

    def _advance(self, size: int, written: int) -> None:
        self._done += size
        self._tick()
        self._progress(self._done, max(self._total, self._done))
        if self._rate:
            ahead = self._done / self._rate - (time.monotonic() - self._began)
            if ahead > 0:
                time.sleep(min(ahead, 1.0))

    def _tick(self) -> None:
        self._lease.renew()

    def _note(self, tx: Tx, backup: Backup) -> None:
        site, hub = self._site, self._site.node.hub
        now = hub.clock()
        last = Last(
            id=backup.manifest.id,
            at=backup.manifest.at,
            ended=now,
            keys=backup.manifest.keys,
            keys_place=site.keys.name,
        )
        note_backup(tx, site.place.name, last)
        hub.event(tx, "backup.made", "hub", backup.as_dict(site.place), at=now)


_PAST: Final = "~"
"""Sorts after every id."""
_NONE: Final = Manifest(
    id="", made="", at=Instant(0), hub="", origin="", release="", database="", log=0, checkpoint="", version=0,
    table="", table_size=0, table_sha256="", blobs=0, blob_octets=0, streams=0, written=0, recipients=[], keys="",
)  # fmt: skip


def _digest_key(node: Node) -> bytes:
    """What chunks of this hub are told apart by; made at its first backup."""
    wrap = node.vault.wrap

    def work(tx: Tx) -> bytes:
        held = tx.setting(_DIGEST_KEY)
        if held is None:
            held = wrap.wrap(node.hub.entropy(32))
            tx.put_setting(_DIGEST_KEY, held)
        return held

    held = node.store.read(lambda view: view.setting(_DIGEST_KEY))
    return wrap.unwrap(held if held is not None else node.store.write(work))


def _length(node: Node) -> int:
    """Octets of the file of signed heads. What it has now is in the database already, and so in what is copied next."""
    try:
        return node.checkpoint_file.stat().st_size
    except FileNotFoundError:
        return 0


def _pieces(node: Node, size: int) -> Iterator[bytes]:
    if not size:
        return
    with durable.disk_errors(node.checkpoint_file), node.checkpoint_file.open("rb") as file:
        while size and (chunk := file.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ecluse")
    except PackageNotFoundError:
        return "not installed"
