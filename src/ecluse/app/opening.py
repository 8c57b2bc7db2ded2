"""Opening a hub: from its folder to a node with all that is joined to it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from ecluse.app.archive.wiring import join_archive
from ecluse.app.backup.copy import join_backup
from ecluse.app.backup.errors import HalfRestored
from ecluse.app.channels.accounts import join_accounts
from ecluse.app.channels.ftps import join_ftps
from ecluse.app.flows.book import Flows
from ecluse.app.flows.places import join_places
from ecluse.app.node import (
    KNOWN_FILE,
    RESTORING_SETTING,
    Node,
    active_configuration,
    directory_of,
    keep_known,
)
from ecluse.app.rotation.exchange import join_exchange
from ecluse.app.rotation.watch import join_rotations
from ecluse.app.unlocking import open_hub_store, open_place, unlock
from ecluse.blobs.stock import KeyStock
from ecluse.blobs.vault import Vault
from ecluse.channels.as2.sender import As2Channel
from ecluse.channels.http.line import Pool
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.model.basics import Clock, Entropy, new_id, system_clock, system_entropy
from ecluse.trust.configuration import Configuration
from ecluse.trust.files.known import LEAST, Known
from ecluse.trust.keys.keyring import Keyring
from ecluse.trust.keys.storage import StorageKeys
from ecluse.trust.rotation.choices import SETTING as CHOICES_SETTING
from ecluse.trust.rotation.choices import load_choices
from ecluse.trust.secrets import Secret
from ecluse.trust.settings.fields import octets

__all__ = ["NotMigrated", "open_node"]


class NotMigrated(EcluseError):
    """The database is of an older release."""

    code = "app.not-migrated"
    fault = Fault.USAGE
    remedy = "Back the database up, then run `ecluse migrate`."


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
            directory=directory_of(store, configuration, keyring, resolver, choices),
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
    node.reloaded.append(join_backup)
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
