"""What is read and opened of a hub before the hub itself: its files, its keyring, its database, its place for bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ecluse.blobs.local import LocalPlace
from ecluse.blobs.port import BlobPlace
from ecluse.blobs.s3 import S3Place
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Clock, system_clock
from ecluse.store.open import open_store
from ecluse.store.port import Store
from ecluse.trust.configuration import HUB_FILE, Configuration, read_hub_file
from ecluse.trust.keys.keyfiles import FileKeyring
from ecluse.trust.keystores.settings import open_stores
from ecluse.trust.keystores.signer import SignerKeyring
from ecluse.trust.secrets import Secret, SecretResolver
from ecluse.trust.settings.backup import BackupPlace
from ecluse.trust.settings.schema import BlobSettings

__all__ = ["NotAHub", "Unlocked", "migrate", "open_hub_store", "open_place", "place_at", "unlock"]


class NotAHub(EcluseError):
    """The folder holds no hub."""

    code = "app.not-a-hub"
    fault = Fault.USAGE
    remedy = "Give the hub's folder with --hub or ECLUSE_HUB, or make one with `ecluse init`."


class Unlocked(NamedTuple):
    """What is read of a hub before its database is: files, and the keyring that they name.

    Attributes:
        bootstrap: The folder's own ``ecluse.toml``.
        keyring: Our keys.
        resolver: From references to secrets, the keyring's among them.
    """

    bootstrap: Configuration
    keyring: FileKeyring | SignerKeyring
    resolver: SecretResolver


def unlock(
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock = system_clock,
    serving: bool = False,
    passphrase: Secret | None = None,
) -> Unlocked:
    """Read the hub's files and open its keyring.

    Args:
        folder: The hub's.
        environ: Where ``env:`` secrets are looked up; the process's own by default.
        clock: Time.
        serving: Use the signer, where the configuration has one, instead of opening the files.
        passphrase: Of the keyring, instead of the one that the configuration refers to.

    Raises:
        NotAHub: There is none in ``folder``.
        EcluseError: The configuration or the keyring can't be used.
    """
    if not (folder / HUB_FILE).is_file():
        raise NotAHub(f"There is no {HUB_FILE} in {folder}.")
    # Partners' files are somebody's work until they are applied: a mistake in one must not stop the hub.
    bootstrap = Configuration.from_files(read_hub_file(folder))
    settings = bootstrap.hub.keyring
    resolver = SecretResolver(folder, environ)
    if serving and settings.signer is not None:
        signer = SignerKeyring(folder / settings.signer, clock)
        return Unlocked(bootstrap, signer, SecretResolver(folder, environ, signer.secret))
    keyring = FileKeyring.open(
        folder / settings.folder,
        passphrase or resolver(settings.passphrase),
        clock=clock,
        stores=open_stores(settings.stores, folder, resolver),
    )
    return Unlocked(bootstrap, keyring, SecretResolver(folder, environ, keyring.secret))


def migrate(folder: Path) -> list[str]:
    """Apply the migrations that the hub's database lacks; give their names. Raises as :func:`unlock` does."""
    unlocked = unlock(folder)
    store = open_hub_store(folder, unlocked, "migrate")
    try:
        return store.migrate()
    finally:
        store.close()


def open_hub_store(folder: Path, unlocked: Unlocked, name: str) -> Store:
    """The hub's database, opened by the node ``name``. Raises as :func:`ecluse.store.open.open_store` does."""
    settings = unlocked.bootstrap.hub.store
    kind, _, place = settings.database.partition(":")
    url = settings.database
    if kind == "sqlite":
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = f"sqlite:{path}"
    password = unlocked.resolver(settings.password).reveal_text() if settings.password else None
    return open_store(url, node=name, password=password)


def open_place(folder: Path, bootstrap: Configuration, resolver: SecretResolver) -> BlobPlace:
    """Where the configuration keeps sealed bytes."""
    return place_at(folder, bootstrap.hub.blobs, resolver)


def place_at(folder: Path, settings: BlobSettings | BackupPlace, resolver: SecretResolver) -> BlobPlace:
    """A place for sealed bytes, as a table of the configuration names it.

    Raises:
        EcluseError: It can't be used as it is configured.
    """
    if not settings.place.startswith("s3://"):
        return LocalPlace(folder / settings.place)
    bucket, _, prefix = settings.place.removeprefix("s3://").partition("/")
    return S3Place(
        bucket,
        prefix=prefix,
        endpoint=settings.endpoint or "",
        region=settings.region or "us-east-1",
        access_key_id=resolver(settings.access_key).reveal_text() if settings.access_key else "",
        secret_access_key=resolver(settings.secret_key).reveal_text() if settings.secret_key else "",
        ca=(folder / settings.ca).read_bytes() if settings.ca else b"",
    )
