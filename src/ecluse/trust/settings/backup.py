"""``[backup]`` of ``ecluse.toml``: where copies of the hub are kept, for whom they are sealed, and for how long."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ecluse.trust.settings.fields import Duration, Name, SecretReference, Size, Strict, Url
from ecluse.trust.settings.places import OpenPgpPath

__all__ = ["BackupPlace", "BackupSettings", "Keep"]

Kept = Annotated[int, Meta(ge=0, le=1000, extra={"expected": "a whole number from 0 to 1000"})]


class BackupPlace(Strict, frozen=True, kw_only=True):
    """A place that backups are written to.

    Attributes:
        place: A folder (absolute, or relative to the hub's), or s3://bucket/prefix.
        endpoint: URL of the object store, where it is not Amazon's.
        region: The bucket's region.
        access_key: Reference to the access key.
        secret_key: Reference to the secret key.
        ca: PEM file, in the folder certificates, of the authority that the endpoint's certificate is checked with.
    """

    place: Annotated[str, Meta(min_length=1, extra={"expected": 'a folder, or "s3://bucket/prefix"'})]
    endpoint: Url | None = None
    region: Name | None = None
    access_key: SecretReference | None = None
    secret_key: SecretReference | None = None
    ca: Name | None = None


class Keep(Strict, frozen=True, kw_only=True):
    """Which backups outlive a pruning; the newest one always does.

    Attributes:
        last: The newest ones.
        daily: The newest of so many days.
        weekly: The newest of so many weeks.
        monthly: The newest of so many months.
        yearly: The newest of so many years.
    """

    last: Kept = 2
    daily: Kept = 7
    weekly: Kept = 4
    monthly: Kept = 12
    yearly: Kept = 0


class BackupSettings(Strict, frozen=True, kw_only=True):
    """Copies of the hub, sealed, in places of their own.

    Attributes:
        to: Where backups go.
        keys_to: Where the copy of the blobs' keys goes, apart from the backups: of it only the newest state stands, so
            that no backup brings back what was erased.
        recipients: OpenPGP certificates that backups are sealed for. Their private keys belong into a safe: the hub
            writes backups and can't read them.
        every: How often a serving hub makes one, or false for by command alone.
        keep: Which backups outlive a pruning, which follows every scheduled backup.
        rate: The most that is read in a second.
        keyring: Put the keyring's files (sealed under its passphrase) into backups. Without, keep them yourself: a hub
            can't be restored without them.
        secrets: Put the files that file: references name, such as that of the passphrase, into backups. Without, keep
            them yourself, apart from backups: whoever opens these then opens no key.
    """

    to: BackupPlace
    keys_to: BackupPlace
    recipients: Annotated[
        tuple[OpenPgpPath, ...], Meta(min_length=1, extra={"expected": "one or more files"})
    ]
    every: Duration | bool = "1d"
    keep: Keep = Keep()
    rate: Size | None = None
    keyring: bool = True
    secrets: bool = False
