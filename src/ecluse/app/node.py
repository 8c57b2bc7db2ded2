"""An opened hub: everything that a command or a serving node works with, and what it takes up while it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ecluse import durable
from ecluse.archive.room import Room
from ecluse.blobs.vault import Vault
from ecluse.channels.http.line import Pool
from ecluse.engine.retry import Backoff, RetryPolicy
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.breaks import log_names
from ecluse.evidence.longterm.sources import Source as EvidenceSource
from ecluse.exchange.hub import Hub
from ecluse.exchange.port import Channel
from ecluse.exchange.remote import Source
from ecluse.model.nouns import Message
from ecluse.store.port import Store
from ecluse.trust.configuration import Configuration
from ecluse.trust.directory import Directory
from ecluse.trust.errors import KeyringError
from ecluse.trust.files.known import LEAST, Known
from ecluse.trust.inventory import Inventory
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keystores.signer import SignerKeyring
from ecluse.trust.revocation import refused
from ecluse.trust.rotation.choices import SETTING as CHOICES_SETTING
from ecluse.trust.rotation.choices import Choices, load_choices
from ecluse.trust.secrets import SecretResolver
from ecluse.trust.settings.fields import seconds
from ecluse.wire.tlog.checkpoint import LogKey
from ecluse.wire.tlog.cosignature import CosignerKey
from ecluse.wire.tlog.note import NoteKey

__all__ = [
    "KEYS_SETTING",
    "KNOWN_FILE",
    "RESTORING_SETTING",
    "REVOCATION_SETTING",
    "Node",
    "active_configuration",
    "directory_of",
    "keep_known",
]

KEYS_SETTING: Final = "keyring.changed"
"""Setting in the store that changes with the keyring, so that serving nodes see it."""

KNOWN_FILE: Final = "state/known"
"""What the files of a large configuration were found to say, in the hub's folder."""

RESTORING_SETTING: Final = "backup.restoring"
"""Setting: a restore of this hub is under way, and it does not serve."""

REVOCATION_SETTING: Final = "revocation.changed"
"""The same for which certificates are refused because they were revoked."""


@dataclass(slots=True)
class Node:
    """One process of a hub. Closes as a context.

    Attributes:
        folder: The hub's folder.
        name: This process among those of the hub.
        bootstrap: What a node reads at its start only; see :func:`ecluse.app.opening.at_start`.
        keyring: Our keys.
        store: State.
        vault: Bytes.
        hub: What the chamber shares.
        channels: By kind.
        archive: The archive.
        sources: What documents are collected from, by kind.
        evidence_sources: What evidence records are made over besides the log's checkpoints, by name.
        closing: What else is to be let go at the end.
        reloaded: What else has to be done once :meth:`reload` took something up.
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
    reloaded: list[Callable[[Node], None]] = field(default_factory=list)
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
            self.directory = directory_of(self.store, configuration, self.keyring, self.resolver, choices)
        self.version = version
        self.marks = marks
        self.choices_mark = chosen
        for then in self.reloaded:
            then(self)
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


def directory_of(
    store: Store,
    configuration: Configuration,
    keyring: Keyring,
    resolver: SecretResolver,
    choices: Choices,
) -> Directory:
    """Everyone, as a configuration and the choices in force have them, and as authorities said of certificates."""
    mode = configuration.hub.revocation.mode
    gone = store.read(lambda view: refused(view, mode)) if mode != "off" else None
    return Directory(configuration, keyring, resolver, choices=choices, refused=gone)


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
