"""What can be wrong with a backup, or with asking for one."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = [
    "BackupBusy",
    "BackupDamaged",
    "BackupMissing",
    "HalfRestored",
    "KeysLost",
    "KeysOlder",
    "NewerThere",
    "NoPrivateKey",
    "NoRecipient",
    "NotConfigured",
    "PlaceChanged",
    "PlaceTaken",
    "Restored",
]


class NotConfigured(EcluseError):
    """The hub's configuration says nothing of backups."""

    code = "backup.not-configured"
    fault = Fault.USAGE
    remedy = "Add [backup] with to, keys_to and recipients to ecluse.toml, and apply it."


class NoRecipient(EcluseError):
    """There is nobody whom a backup could be sealed for."""

    code = "backup.no-recipient"
    fault = Fault.USAGE
    remedy = "Name a valid OpenPGP certificate in [backup] recipients; a backup is never written in clear."


class NoPrivateKey(EcluseError):
    """The private key at hand does not open the backup."""

    code = "backup.no-private-key"
    fault = Fault.USAGE
    remedy = "Give the private key of one of the backup's recipients with --key, and its passphrase."


class BackupDamaged(EcluseError):
    """An object of a backup is not the one that was written."""

    code = "backup.damaged"
    fault = Fault.OURS
    remedy = "Take another backup or another copy of the place; whoever can write to this one is suspect."


class BackupMissing(EcluseError):
    """There is no such backup, or none at all."""

    code = "backup.missing"
    fault = Fault.USAGE
    remedy = "Look at `ecluse backup list`."


class BackupBusy(EcluseError):
    """Another process makes or prunes backups of this hub."""

    code = "backup.busy"
    fault = Fault.TRANSIENT
    remedy = "Wait until it has ended; what a killed one holds is free after five minutes."


class PlaceChanged(EcluseError):
    """The place does not hold what was written there last: a disk is not mounted, or somebody deleted it."""

    code = "backup.place-changed"
    fault = Fault.OURS
    remedy = (
        "Mount the disk or look who deleted it; `ecluse backup run --full` begins anew in an empty place."
    )


class PlaceTaken(EcluseError):
    """What is restored is not put over anything."""

    code = "backup.place-taken"
    fault = Fault.USAGE
    remedy = "Restore into a folder that is empty or not there yet; delete what a broken restore left."


class KeysLost(EcluseError):
    """The hub's key store lacks keys of blobs that it still has: the copy of the keys is kept as it is."""

    code = "backup.keys-lost"
    fault = Fault.OURS
    remedy = "Find out what happened to the key store before anything else; its copy still has those keys."


class KeysOlder(EcluseError):
    """The copy of the keys is older than the backup: keys of what came in between are not in it."""

    code = "backup.keys-older"
    fault = Fault.USAGE
    remedy = (
        "Find the newest copy of the keys; with --accept-older-keys the documents of that time are given up."
    )


class HalfRestored(EcluseError):
    """A restore into this folder was begun and did not end."""

    code = "backup.half-restored"
    fault = Fault.USAGE
    remedy = "Delete the folder (and what is in the database), and restore again."


class NewerThere(EcluseError):
    """The hub was restored, and the place holds backups of what came after the one that it was restored from."""

    code = "backup.newer-there"
    fault = Fault.USAGE
    remedy = (
        "Give the restored hub places of its own in [backup]; or say --full to go on in these: of the "
        "keys of what came after that backup, no copy is left then."
    )


class Restored(EcluseError):
    """It was on its way when the backup was taken that the hub was restored from: it may have arrived since."""

    code = "backup.restored"
    fault = Fault.OURS
    remedy = (
        "Ask the other side, then `ecluse backup release` it, or give it up with `ecluse message give-up`."
    )
