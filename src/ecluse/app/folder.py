"""A hub's folder: made once, with defaults that work, a fresh key, and its first configuration version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import tomli_w

from ecluse import durable
from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, Entropy, system_clock, system_entropy
from ecluse.trust.configuration import HUB_FILE, Configuration, read_folder
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.secrets import Secret, SecretResolver

__all__ = ["DatabaseTaken", "FolderTaken", "make_hub"]

PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file name
RELAYED: Final = "30d"
"""How long a new hub keeps what flows pass on. It stands in the file: what is kept is no matter of the release."""


class FolderTaken(EcluseError):
    """The folder holds a hub already."""

    code = "app.folder-taken"
    fault = Fault.USAGE
    remedy = "Choose another folder; a hub is never written over."


class DatabaseTaken(EcluseError):
    """The database holds a hub already."""

    code = "app.database-taken"
    fault = Fault.USAGE
    remedy = "Give every hub a database of its own; a further node works with a copy of its hub's folder."


def make_hub(
    folder: Path,
    *,
    name: str,
    as2_id: str,
    address: str = "127.0.0.1:4080",
    public_url: str | None = None,
    database: str | None = None,
    database_password: str | None = None,
    blobs: str | None = None,
    email: str | None = None,
    passphrase: str | None = None,
    key_kind: str = "rsa-3072",
    sftp: str | None = None,
    actor: str = "operator:init",
    clock: Clock = system_clock,
    entropy: Entropy = system_entropy,
) -> Node:
    """Make a hub and open it.

    Args:
        folder: Where; made where it does not exist.
        name: The organisation's name.
        as2_id: Its AS2 id.
        address: ``host:port`` of the partners' listener.
        public_url: The listener's URL as partners see it; made of the address where it is left out.
        database: ``postgresql://user@host/db`` instead of the embedded one.
        database_password: Reference to its password.
        blobs: ``s3://bucket/prefix`` instead of the folder's own.
        email: A contact for partners.
        passphrase: Reference to the keyring's passphrase; without one a random passphrase is written to
            ``passphrase`` in the folder, readable by its owner alone.
        key_kind: Kind of the organisation's first key, ``main``.
        sftp: ``host:port`` of a listener for partners' SFTP clients, whose host key is made.
        actor: Who makes it.
        clock: Time.
        entropy: Randomness.

    Raises:
        FolderTaken: There is a hub already.
        DatabaseTaken: The database is another hub's.
        ConfigurationError: A name, address or URL is not as it should be; nothing is left.
        EcluseError: Something else failed; once it is mended, the same call begins where this one ended.
    """
    if (folder / HUB_FILE).exists():
        raise FolderTaken(f"{folder} holds a hub already.")
    store = {"database": database, "password": database_password}
    store = {field: value for field, value in store.items() if value}
    text = tomli_w.dumps(
        {
            "organisation": {"name": name, "as2_id": as2_id, **({"email": email} if email else {})},
            "keyring": {"passphrase": passphrase or f"file:{PASSPHRASE_FILE}"},
            "listen": {
                "as2": {"address": address, "public_url": public_url or f"http://{address}/as2"},
                **({"sftp": {"address": sftp}} if sftp else {}),
            },
            **({"store": store} if store else {}),
            **({"blobs": {"place": blobs}} if blobs else {}),
            "retention": {"relayed": RELAYED},
        }
    )
    configuration = Configuration.from_files({HUB_FILE: text}, clock())
    durable.make_folder(folder)
    if passphrase is None and not (folder / PASSPHRASE_FILE).exists():
        durable.write_new(folder / PASSPHRASE_FILE, [entropy(24).hex().encode() + b"\n"], 0o600)
    reference = configuration.hub.keyring.passphrase
    secret: Secret = SecretResolver(folder, os.environ)(reference)
    keys = folder / configuration.hub.keyring.folder
    make = FileKeyring.open if any(keys.glob("*")) else FileKeyring.create
    keyring = make(keys, secret, clock=clock)
    if "main" not in keyring.references():
        keyring.generate("main", key_kind, subject=name)
    if sftp and "ssh-host" not in keyring.references():
        keyring.generate("ssh-host", "ed25519", subject=name)
    for sub in ("partners", "certificates"):
        durable.make_folder(folder / sub)
    # The hub's file comes last: without it there is no hub yet, and this may be run again.
    durable.replace(folder / HUB_FILE, text.encode(), 0o600)
    try:
        return _first_version(open_node(folder, clock=clock, entropy=entropy, migrate=True), actor)
    except BaseException:
        durable.remove(folder / HUB_FILE)
        raise


def _first_version(node: Node, actor: str) -> Node:
    try:
        if node.version:
            raise DatabaseTaken("The database holds a hub already.")
        apply_files(node, read_folder(node.folder), actor=actor, reason="the hub was made")
    except BaseException:
        node.close()
        raise
    return node
