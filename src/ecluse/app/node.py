"""An opened hub: everything that a command or a serving node works with, made from one folder."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from ecluse import durable
from ecluse.app.archive.wiring import join_archive
from ecluse.app.backup.copy import join_backup
from ecluse.app.backup.errors import HalfRestored
from ecluse.app.channels.accounts import join_accounts
from ecluse.app.channels.ftps import join_ftps
from ecluse.app.flows.book import Flows
from ecluse.app.flows.places import join_places
from ecluse.app.rotation.exchange import join_exchange
from ecluse.app.rotation.watch import join_rotations
from ecluse.app.unlocking import open_hub_store, open_place, unlock
from ecluse.archive.room import Room
from ecluse.blobs.stock import KeyStock
from ecluse.blobs.vault import Vault
from ecluse.channels.as2.sender import As2Channel
from ecluse.channels.http.line import Pool
from ecluse.engine.retry import Backoff, RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.breaks import log_names
from ecluse.evidence.longterm.sources import Source as EvidenceSource
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Channel
from ecluse.exchange.remote import Source
from ecluse.model.basics import Clock, Entropy, new_id, system_clock, system_entropy
from ecluse.model.nouns import Message
from ecluse.store.port import Store
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.errors import KeyringError
from ecluse.trust.files.known import LEAST, Known
from ecluse.trust.inventory import Inventory
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.storage import StorageKeys
from ecluse.trust.keystores.signer import SignerKeyring
from ecluse.trust.revocation import refused
from ecluse.trust.rotation.choices import SETTING as CHOICES_SETTING
from ecluse.trust.rotation.choices import Choices, load_choices
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.trust.settings.fields import octets, seconds
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import NoteKey

__all__ = [
    "KEYS_SETTING",
    "RESTORING_SETTING",
    "REVOCATION_SETTING",
    "Node",
    "NotMigrated",
    "open_node",
]

KEYS_SETTING: Final = "keyring.changed"
"""Setting in the store that changes with the keyring, so that serving nodes see it."""

KNOWN_FILE: Final = "state/known"
"""What the files of a large configuration were found to say, in the hub's folder."""

RESTORING_SETTING: Final = "backup.restoring"
"""Setting: a restore of this hub is under way, and it does not serve."""

REVOCATION_SETTING: Final = "revocation.changed"
"""The same for which certificates are refused because they were revoked."""


class NotMigrated(EcluseError):
    """The database is of an older release."""

    code = "app.not-migrated"
    fault = Fault.USAGE
    remedy = "Back the database up, then run `ecluse migrate`."


@dataclass(slots=True)
class Node:
    """One process of a hub. Closes as a context.

    Attributes:
        folder: The hub's folder.
        name: This process among those of the hub.
        bootstrap: What a node reads at its start only; see :func:`at_start`.
        keyring: Our keys.
        store: State.
        vault: Bytes.
        hub: What the chamber shares.
        channels: By kind.
        archive: The archive.
        sources: What documents are collected from, by kind.
        evidence_sources: What evidence records are made over besides the log's checkpoints, by name.
        closing: What else is to be let go at the end.
        directory: Everyone, as of the version in force; see :meth:`reload`.
        version: Number of the configuration version in force; 0 where the folder's own is used.
        resolver: From references to secrets.
        pool: Connections to partners that are kept.
        choices_mark: What :data:`CHOICES_SETTING` was when :meth:`reload` read the choices last.
        inventory: Remembers the credentials that were listed.
        planned: What was read last and is not in force; what comes into force next is mostly that.
        marks: What :data:`KEYS_SETTING` and :data:`REVOCATION_SETTING` were when :meth:`reload` looked last.
    """

    folder: Path
    name: str
    bootstrap: Configuration
    keyring: FileKeyring | SignerKeyring
    store: Store
    vault: Vault
    hub: Hub
    channels: dict[str, Channel]
    directory: Directory
    version: int
    resolver: SecretResolver
    pool: Pool
    choices_mark: bytes | None = None
    marks: tuple[bytes | None, bytes | None] = (None, None)
    inventory: Inventory = field(default_factory=Inventory)
    planned: Configuration | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    evidence_sources: dict[str, EvidenceSource] = field(default_factory=dict)
    closing: list[Callable[[], None]] = field(default_factory=list)
    archive: Room = field(init=False, repr=False)
    _reloading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def log_key(self) -> NoteKey:
        """The Ed25519 verifier key of this hub's log, under its present name."""
        return self.store.read(lambda view: log_names(view, self.log))[-1].ed25519

    @property
    def log_keys(self) -> tuple[LogKey, ...]:
        """The keys of this hub's log under every name that it ever had, oldest first (see ``evidence.breaks``)."""
        return self.store.read(lambda view: log_names(view, self.log))

    @property
    def note_keys(self) -> tuple[NoteKey, ...]:
        """The same, the Ed25519 ones alone."""
        return tuple(each.ed25519 for each in self.log_keys)

    @property
    def log(self) -> LogKey:
        """The keys of this hub's log under its first name."""
        origin = self.directory.hub.log_origin
        second = self.keyring.note_public("log-ml-dsa")
        return LogKey(
            NoteKey(origin, self.keyring.log_public_key),
            None if second is None else CosignerKey(origin, "ml-dsa-44", second),
        )

    @property
    def keyfiles(self) -> FileKeyring:
        """The keyring's files, to make and change keys.

        Raises:
            KeyringError: ``keyring.elsewhere``: a signer has the keys.
        """
        if isinstance(self.keyring, FileKeyring):
            return self.keyring
        raise KeyringError(
            "Keys are not made or changed by a hub whose keys are in a signer.",
            code="keyring.elsewhere",
            remedy="Run the command by itself, with the passphrase; serving nodes take the change up.",
            fault=Fault.USAGE,
        )

    @property
    def checkpoint_file(self) -> Path:
        """Where signed checkpoints are kept outside the database."""
        return self.folder / "state" / "checkpoints"

    def reload(self) -> bool:
        """Take up a configuration version, keys, or choices among them, that came since; true where there were any."""
        with self._reloading:
            return self._reload()

    def _reload(self) -> bool:
        marks, chosen, number = self.store.read(
            lambda view: (
                (view.setting(KEYS_SETTING), view.setting(REVOCATION_SETTING)),
                view.setting(CHOICES_SETTING),
                view.config_number(),
            )
        )
        kept = number == self.version and marks == self.marks
        if kept and chosen == self.choices_mark:
            return False
        choices = self.directory.choices
        if chosen != self.choices_mark:
            choices = self.store.read(load_choices)
        version = self.version
        if kept:
            self.directory = self.directory.choosing(choices)
        else:
            present = configuration = self.directory.configuration
            if number != version:
                version, configuration = active_configuration(
                    self.store, self.bootstrap, self.planned or present
                )
                if len(configuration.files) >= max(LEAST, 2 * len(present.files)):
                    keep_known(self.folder / KNOWN_FILE, configuration, self.keyring, self.hub)
                self.planned = None
            self.keyring.reload()
            self.directory = _directory(self.store, configuration, self.keyring, self.resolver, choices)
        self.version = version
        self.marks = marks
        self.choices_mark = chosen
        join_backup(self)
        return True

    def retry_policy(self, message: Message) -> RetryPolicy | None:
        """How deliveries of ``message`` are tried again; ``None`` where its partner's file does not say."""
        try:
            settings = self.directory.partner(message.partner).settings
        except EcluseError:
            return None
        retry = getattr(getattr(settings, message.protocol, None), "retry", None)
        if retry is None:
            return None
        usual = RetryPolicy().backoffs
        base, cap = seconds(retry.base), seconds(retry.cap)
        theirs = {
            fault: Backoff(base, cap, retry.attempts, usual[fault].age)
            for fault in (Fault.TRANSIENT, Fault.PARTNER)
        }
        return RetryPolicy({**usual, **theirs})

    def close(self) -> None:
        """Let the database and the connections go."""
        with suppress(EcluseError):  # what was seen shows itself again
            self.hub.note_sightings(everything=True)
        self.pool.close()
        for close in self.closing:
            close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_node(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock = system_clock,
    entropy: Entropy = system_entropy,
    migrate: bool = False,
    serving: bool = False,
    passphrase: Secret | None = None,
) -> Node:
    """Open the hub in ``folder``.

    Args:
        folder: Made by :func:`ecluse.app.folder.make_hub`.
        environ: Where ``env:`` secrets are looked up; the process's own by default.
        clock: Time.
        entropy: Randomness.
        migrate: Apply missing migrations instead of refusing.
        serving: As of :func:`unlock`.
        passphrase: As of :func:`unlock`.

    Raises:
        NotAHub: There is none.
        NotMigrated: The database is of an older release, and ``migrate`` was not said.
        EcluseError: The configuration, the keyring or the database can't be used.
    """
    unlocked = unlock(folder, environ=environ, clock=clock, serving=serving, passphrase=passphrase)
    bootstrap, keyring, resolver = unlocked
    settings = bootstrap.hub
    name = f"{socket.gethostname()}-{os.getpid()}-{new_id('n', clock(), entropy)[-6:]}"
    store = open_hub_store(folder, unlocked, name)
    try:
        pending = store.pending_migrations()
        if pending and not migrate:
            raise NotMigrated(f"The database lacks {', '.join(pending)}.")
        if pending:
            store.migrate()
        if serving and store.read(lambda view: view.setting(RESTORING_SETTING)):
            raise HalfRestored(f"A restore into {folder} was begun and did not end.")
        chosen, choices = store.read(lambda view: (view.setting(CHOICES_SETTING), load_choices(view)))
        vault = Vault(
            open_place(folder, bootstrap, resolver),
            StorageKeys(keyring),
            entropy,
            clock,
            octets(settings.blobs.inline_limit),
        )
        if store.local:
            vault.stock = KeyStock(
                vault.wrap,
                entropy,
                clock,
                lambda keys: store.submit(lambda tx: tx.keep_keys(keys)),
                lambda ids: store.submit(lambda tx: tx.forget_keys(ids)),
            )
        hub = Hub(store, vault, clock, entropy, name)
        version, configuration = _configuration(folder, hub, bootstrap, keyring)
        if version:
            bootstrap = at_start(bootstrap, configuration)
            settings = bootstrap.hub
        pool = Pool()
        node = Node(
            folder=folder,
            name=name,
            bootstrap=bootstrap,
            keyring=keyring,
            store=store,
            vault=vault,
            hub=hub,
            channels={},
            directory=_directory(store, configuration, keyring, resolver, choices),
            version=version,
            choices_mark=chosen,
            resolver=resolver,
            pool=pool,
        )
    except BaseException:
        store.close()
        raise
    hub.config_version = lambda: node.version
    hub.flows = Flows(node)
    inbox = settings.inbox.folder
    if isinstance(inbox, str):
        hub.inbox = "folder:inbox"
    join_places(node)
    join_ftps(node)
    join_accounts(node)
    join_archive(node)
    join_rotations(node)
    join_exchange(node)
    join_backup(node)
    listen = settings.listen.as2
    node.channels["as2"] = As2Channel(hub, lambda: node.directory, listen.public_url or "", pool)
    return node


def at_start(own: Configuration, in_force: Configuration) -> Configuration:
    """What a node starts with: where the state, the bytes and the keys are, as the folder's own file says, which has to
    be known before anything else is; and all the rest as it is in force, whatever the file says meanwhile.
    """
    hub = msgspec.structs.replace(
        in_force.hub, store=own.hub.store, blobs=own.hub.blobs, keyring=own.hub.keyring
    )
    return replace(own, hub=hub)


def _directory(
    store: Store,
    configuration: Configuration,
    keyring: Keyring,
    resolver: SecretResolver,
    choices: Choices,
) -> Directory:
    mode = configuration.hub.revocation.mode
    gone = store.read(lambda view: refused(view, mode)) if mode != "off" else None
    return Directory(configuration, keyring, resolver, choices=choices, refused=gone)


def _configuration(
    folder: Path, hub: Hub, bootstrap: Configuration, keyring: Keyring
) -> tuple[int, Configuration]:
    """As :func:`active_configuration`, with what an earlier process found; what it did not is kept for the next."""
    path = folder / KNOWN_FILE
    try:
        known = Known.open(path.read_bytes(), keyring)
    except OSError:
        known = None
    version, configuration = active_configuration(hub.store, bootstrap, known=known)
    if len(configuration.files) >= LEAST and (
        known is None or known.missed * 10 > len(configuration.partners)
    ):
        keep_known(path, configuration, keyring, hub)
    return version, configuration


def keep_known(path: Path, configuration: Configuration, keyring: Keyring, hub: Hub) -> None:
    """Keep what files were found to say. Where that can't be written, the next process reads them again."""
    with suppress(OSError):
        durable.make_folder(path.parent)
        durable.replace(path, Known.of(configuration, hub.clock()).seal(keyring, hub.entropy), 0o600)


def active_configuration(
    store: Store,
    bootstrap: Configuration,
    before: Configuration | None = None,
    known: Known | None = None,
) -> tuple[int, Configuration]:
    """The version in force and its number; the folder's own file, as number 0, where none was applied.

    What did not change since ``before``, or is ``known``, is taken from there.
    """
    version = store.read(lambda view: view.config())
    if version is None:
        return 0, bootstrap
    return version.number, Configuration.from_files(version.files, before=before, known=known)
