"""A hub again, out of a backup and the copy of the keys: into an empty folder and an empty database, or not at all.

``ecluse.toml`` is written last but one, and until the very last step the database says that it is being restored:
what was broken off is no hub that could serve.
"""

from __future__ import annotations

import shutil
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from ecluse import durable
from ecluse.app.backup import aftermath
from ecluse.app.backup.aftermath import RESTORED, RestoredFrom
from ecluse.app.backup.chunks import ChunkReader, Table, read_table
from ecluse.app.backup.errors import BackupDamaged, BackupMissing, KeysOlder, PlaceTaken
from ecluse.app.backup.files import CHECKPOINTS, FILES, HubFile, put_files, put_secrets, unpack_files
from ecluse.app.backup.keys import newest_index, read_erasures, read_keys
from ecluse.app.backup.manifest import FORMAT, KeyIndex, Manifest, find_backup, read
from ecluse.app.backup.places import Place
from ecluse.app.backup.records import forget_places
from ecluse.app.log.proofs import verify_evidence
from ecluse.app.node import RESTORING_SETTING, Node
from ecluse.app.opening import open_node
from ecluse.app.unlocking import open_place
from ecluse.blobs.port import BlobExists, BlobMissing, BlobPlace
from ecluse.blobs.sealed import sealed_size
from ecluse.blobs.vault import BlobDamaged
from ecluse.errors import EcluseError
from ecluse.evidence.breaks import RESTORED as LOG_RESTORED
from ecluse.evidence.held import HeldCheckpoints
from ecluse.evidence.sequencer import LEASE_SETTING
from ecluse.model.basics import Clock, system_clock
from ecluse.model.nouns import BlobRow
from ecluse.store.open import load_snapshot, open_store
from ecluse.store.port import Store
from ecluse.trust.configuration import HUB_FILE, Configuration
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.wire.openpgp.reader import Unlock
from ecluse.wire.tlog.checkpoint import open_checkpoint
from ecluse.wire.tlog.note import NoteKey

__all__ = ["Request", "Result", "restore"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, how much there is)."""

_PAGE: Final = 200
_PIECE: Final = 1 << 20
_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be restored, and where.

    Attributes:
        place: Of the backups.
        keys: Of the copy of the keys.
        backup: Which; ``newest`` or its name.
        into: The folder to be.
        unlock: A recipient's private keys.
        environ: Where ``env:`` secrets are looked up; the process's own by default.
        passphrase: Of the keyring, where the reference in ``ecluse.toml`` will not lead to it here.
        keyring: Folder of the keyring, where the backup has none.
        database: URL of an empty database, instead of the configured one.
        database_password: Reference to its password.
        secrets: A folder with the files that ``file:`` references name, where the backup does not have them.
        blobs: A folder for the blobs, instead of the configured place.
        checkpoints: A file of signed heads of the log that were kept elsewhere, newer than the backup's own.
        log_key: The log's verifier key, where it is known from elsewhere.
        accept_older_keys: Take a copy of the keys that is older than the backup.
        sample: Open every blob at its beginning only, instead of to its end.
        digests: Compare every document with its digest in the log, too.
        clock: Time.
        trial: The database is marked as one that :func:`~ecluse.store.open.trial_database` drops.
    """

    place: Place
    keys: Place
    into: Path
    unlock: Unlock
    backup: str = "newest"
    environ: Mapping[str, str] | None = None
    passphrase: Secret | None = None
    keyring: Path | None = None
    database: str | None = None
    database_password: str | None = None
    secrets: Path | None = None
    blobs: str | None = None
    checkpoints: Path | None = None
    log_key: NoteKey | None = None
    accept_older_keys: bool = False
    sample: bool = False
    digests: bool = False
    clock: Clock = system_clock
    trial: bool = False


@dataclass(slots=True)
class Result:
    """What a restore did and found.

    Attributes:
        manifest: The backup.
        into: The hub's folder.
        files: Files of configuration and keyring.
        blobs: Blobs that were copied.
        octets: Theirs.
        keys: Keys that were taken over.
        erased: Messages whose bytes were erased after the backup.
        held: What was on its way and waits now, by kind.
        log: Verdict over the log.
        damaged: Blobs that are missing from the backup, or do not open.
        seconds: How long it took.
    """

    manifest: Manifest
    into: Path
    files: int = 0
    blobs: int = 0
    octets: int = 0
    keys: int = 0
    erased: int = 0
    held: dict[str, int] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether all of it is there and as it was."""
        return bool(self.log.get("ok")) and not self.damaged

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "backup": self.manifest.id,
            "made": self.manifest.made,
            "into": str(self.into),
            "files": self.files,
            "blobs": self.blobs,
            "octets": self.octets,
            "keys": self.keys,
            "erased": self.erased,
            "held": self.held,
            "log": self.log,
            "damaged": self.damaged[:_PROBLEMS],
            "left_out": self.manifest.left_out,
            "seconds": round(self.seconds, 3),
        }


def restore(request: Request, progress: Progress = lambda what, done, total: None) -> Result:
    """Restore a hub.

    Returns:
        What was done and found. The hub is there, and holds back what was on its way; :attr:`Result.ok` says whether
        all of it is right.

    Raises:
        PlaceTaken, DatabaseNotEmpty: There is something where it should go.
        BackupMissing: There is no such backup, or no copy of the keys.
        BackupDamaged: An object is not the one that was written; it is named. Nothing is left.
        NoPrivateKey: The backup is sealed for others.
        KeysOlder: The copy of the keys is older than the backup.
        EcluseError: The keyring does not open, the disk is full...: nothing is left in the folder.
    """
    into = request.into
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise PlaceTaken(f"{into} is not empty.")
    made = not into.exists()
    try:
        return _Restore(request, progress).run()
    except BaseException:
        _clear(into, made)
        raise


def _clear(into: Path, made: bool) -> None:
    """Leave nothing in the folder; it was empty."""
    if not into.exists():
        return
    for entry in sorted(
        into.iterdir(), key=lambda each: each.name != HUB_FILE
    ):  # what makes it a hub goes first
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if made:
        with suppress(OSError):
            into.rmdir()


class _Restore:
    def __init__(self, request: Request, progress: Progress) -> None:
        self._request = request
        self._progress = progress
        self._began = time.monotonic()
        self._read = 0

    def run(self) -> Result:
        request = self._request
        claimed = find_backup(request.place, request.backup)
        table = read_table(request.place, claimed.table, claimed.table_sha256)
        durable.make_folder(request.into)
        reader = ChunkReader(request.place, table, request.unlock, self._advance(claimed.streams))
        files, hub_file = put_files(request.into, unpack_files(reader.chunks(FILES)))
        if hub_file is None:
            raise BackupDamaged(f"The backup {claimed.id} has no {HUB_FILE}.")
        text = self._rewritten(hub_file)
        configuration = Configuration.from_files({HUB_FILE: text})
        if request.secrets is not None:
            put_secrets(request.into, configuration, request.secrets)
        keyring = self._keyring(configuration)
        key = request.log_key or NoteKey(configuration.hub.log_origin, keyring.log_public_key)
        # Up to here everything hung on a manifest that anybody could have written.
        manifest = read(request.place, claimed.id, FORMAT, Manifest, [key])
        if manifest != claimed:
            raise BackupDamaged(f"The manifest {claimed.id} changed while it was read.")
        index = self._index(manifest, key)
        result = Result(manifest, request.into, files=files)
        self._state(manifest, configuration, reader, table)
        self._checkpoints(reader, key)
        gone: set[str] = set()
        with closing(self._open(configuration)) as store:
            store.migrate()
            store.write(lambda tx: tx.put_setting(RESTORING_SETTING, manifest.id.encode()))
            result.keys = self._keys(store, index, gone)
            place = open_place(request.into, configuration, self._resolver(keyring))
            for row in self._rows(store):
                self._blob(row, place, manifest, result)
        durable.replace(request.into / HUB_FILE, text.encode(), 0o600)
        self._finish(result, index, gone)
        result.seconds = time.monotonic() - self._began
        return result

    def _advance(self, total: int) -> Callable[[int], None]:
        def advance(size: int) -> None:
            self._read += size
            self._progress("state", self._read, max(total, self._read))

        return advance

    def _rewritten(self, file: HubFile) -> str:
        """``ecluse.toml``, with the database and the place that were asked for."""
        request = self._request
        try:
            text = file.data.decode("utf-8")
            if request.database is None and request.blobs is None:
                return text
            table = tomllib.loads(text)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError):
            raise BackupDamaged(f"The {HUB_FILE} of the backup can't be read.") from None
        if request.database is not None:
            password = {"password": request.database_password} if request.database_password else {}
            table["store"] = {"database": request.database, **password}
        if request.blobs is not None:
            inline = table.get("blobs", {}).get("inline_limit")
            table["blobs"] = {"place": request.blobs, **({"inline_limit": inline} if inline else {})}
        return tomli_w.dumps(table)

    def _resolver(self, keyring: FileKeyring | None = None) -> SecretResolver:
        request = self._request
        return SecretResolver(request.into, request.environ, keyring.secret if keyring is not None else None)

    def _keyring(self, configuration: Configuration) -> FileKeyring:
        request, settings = self._request, configuration.hub.keyring
        folder = request.into / settings.folder
        if request.keyring is not None:
            if folder.exists():
                raise PlaceTaken("The backup has a keyring of its own.", remedy="Leave --keyring away.")
            shutil.copytree(request.keyring, folder)
        if not folder.is_dir():
            raise BackupMissing(
                "The backup has no keyring.", remedy="Give the folder that it is kept in with --keyring."
            )
        passphrase = request.passphrase or self._resolver()(settings.passphrase)
        return FileKeyring.open(folder, passphrase, clock=request.clock)

    def _index(self, manifest: Manifest, key: NoteKey) -> KeyIndex:
        request = self._request
        index = newest_index(request.keys, [key])
        if index is None:
            raise BackupMissing(f"There is no copy of the keys in {request.keys.name}.")
        if index.id < manifest.keys and not request.accept_older_keys:
            raise KeysOlder(
                f"The copy of the keys is of {index.made}, the backup of {manifest.made} was made with a newer one."
            )
        return index

    def _state(
        self, manifest: Manifest, configuration: Configuration, reader: ChunkReader, table: Table
    ) -> None:
        names = [stream.name for stream in table.streams if stream.name not in (FILES, CHECKPOINTS)]
        load_snapshot(
            self._url(configuration),
            manifest.database,
            [(name, partial(reader.chunks, name)) for name in names],
            password=self._password(configuration),
            trial=self._request.trial,
        )

    def _url(self, configuration: Configuration) -> str:
        url = configuration.hub.store.database
        kind, _, place = url.partition(":")
        return f"sqlite:{self._request.into / place}" if kind == "sqlite" else url

    def _password(self, configuration: Configuration) -> str | None:
        settings = configuration.hub.store
        return self._resolver()(settings.password).reveal_text() if settings.password else None

    def _open(self, configuration: Configuration) -> Store:
        return open_store(self._url(configuration), node="restore", password=self._password(configuration))

    def _checkpoints(self, reader: ChunkReader, key: NoteKey) -> None:
        request = self._request
        path = request.into / "state" / "checkpoints"
        durable.make_folder(path.parent)
        durable.write_new(path, reader.chunks(CHECKPOINTS), 0o644)
        if request.checkpoints is None:
            return
        held = HeldCheckpoints(path)
        newest = held.newest()
        size = open_checkpoint(newest, [key], key.name).size if newest is not None else -1
        for note in HeldCheckpoints(request.checkpoints):
            head = open_checkpoint(note, [key], key.name)
            if head.size > size:
                held.append(note)
                size = head.size

    def _keys(self, store: Store, index: KeyIndex, gone: set[str]) -> int:
        """Take over the keys of blobs that the state has; what it has without a key is added to ``gone``."""
        count = 0
        rows = _ids(store)
        row = next(rows, "")
        page: dict[str, bytes] = {}
        total = sum(shard.count for shard in index.shards)
        for number, (id, wrapped) in enumerate(read_keys(self._request.keys, index, self._request.unlock)):
            while row and row < id:
                gone.add(row)
                row = next(rows, "")
            if row == id:
                page[id] = wrapped
                count += 1
                row = next(rows, "")
            if len(page) >= _PAGE:
                _put_keys(store, page)
                page = {}
                self._progress("keys", number, total)
        _put_keys(store, page)
        if row:
            gone.add(row)
            gone.update(rows)
        return count

    def _rows(self, store: Store) -> Iterator[tuple[BlobRow, bytes]]:
        """Rows with keys, of all blobs."""
        after = ""
        while True:
            ids = store.read(lambda view, after=after: view.blobs_before(after, _PAGE))  # type: ignore[misc]
            found = store.read(lambda view, ids=ids: view.blobs(ids))  # type: ignore[misc]
            for id in ids:
                if id in found:
                    yield found[id]
            if len(ids) < _PAGE:
                return
            after = ids[-1]

    def _blob(self, row: tuple[BlobRow, bytes], place: BlobPlace, manifest: Manifest, result: Result) -> None:
        blob = row[0]
        if blob.inline is None:
            size = sealed_size(blob.size)
            if not self._copy(blob.id, size, place):
                result.damaged.append(blob.id)
                return
            result.blobs += 1
            result.octets += size
            self._progress("blobs", result.octets, max(manifest.blob_octets, result.octets))

    def _copy(self, id: str, size: int, place: BlobPlace) -> bool:
        try:
            reader = self._request.place.blobs.open(id)
        except BlobMissing:
            return False
        with closing(reader):
            if reader.size != size:
                return False
            writer = place.create(id)
            try:
                for at in range(0, size, _PIECE):
                    writer.write(reader.read(at, min(_PIECE, size - at)))
                writer.commit()
            except BlobExists:
                pass  # an object store that outlived the rest of the hub
            except BaseException:
                writer.abort()
                raise
        return True

    def _finish(self, result: Result, index: KeyIndex, gone: set[str]) -> None:
        """The folder is a hub: check it, and hold back what was on its way."""
        request, manifest = self._request, result.manifest
        with self._node() as node:
            source = RestoredFrom(manifest.id, manifest.at, request.clock(), manifest.log)
            self._check(node, result)
            result.erased = aftermath.mark_erased(node, gone, source)
            aftermath.erase_again(node, read_erasures(request.keys, index, request.unlock))
            result.held = aftermath.hold(node, source)
            self._verify(node, result)
            facts = {
                "backup": manifest.id,
                "made": manifest.made,
                "log": manifest.log,
                "held": result.held,
                "erased": result.erased,
                "damaged": len(result.damaged),
                "ok": result.ok,
            }

            def done(tx: Any) -> None:
                tx.put_setting(RESTORED, msgspec.json.encode(source))
                tx.put_setting(LOG_RESTORED, manifest.made.encode())
                tx.put_setting(LEASE_SETTING, b"")  # who held it is no more
                tx.put_setting(RESTORING_SETTING, b"")
                forget_places(tx)
                node.hub.event(tx, "hub.restored", "hub", facts)

            node.store.write(done)

    def _node(self) -> Node:
        request = self._request
        if request.passphrase is None:
            return open_node(request.into, environ=request.environ, clock=request.clock)
        return open_node(
            request.into, environ=request.environ, clock=request.clock, passphrase=request.passphrase
        )

    def _check(self, node: Node, result: Result) -> None:
        """Open every blob: its beginning, or all of it."""
        missing = set(result.damaged)
        for number, (blob, wrapped) in enumerate(self._rows(node.store)):
            if blob.id in missing:
                continue
            try:
                with node.vault.open(blob, wrapped) as reader:
                    for _ in reader.chunks(0, 1 if self._request.sample else None):
                        pass
            except (BlobDamaged, BlobMissing, EcluseError):
                result.damaged.append(blob.id)
            if number % _PAGE == 0:
                self._progress("checks", number, result.keys)

    def _verify(self, node: Node, result: Result) -> None:
        def told(done: int, total: int) -> None:
            self._progress("log", done, total)

        result.log = verify_evidence(node, told, contents=self._request.digests)


def _ids(store: Store) -> Iterator[str]:
    after = ""
    while True:
        page = store.read(lambda view, after=after: view.blobs_before(after, _PAGE))  # type: ignore[misc]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]


def _put_keys(store: Store, keys: dict[str, bytes]) -> None:
    if keys:
        store.write(lambda tx: tx.put_keys(keys))
