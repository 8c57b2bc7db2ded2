"""What can be wrong with the log."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = [
    "BadBreak",
    "BadPack",
    "BadRecord",
    "HeldUnreadable",
    "KeyAway",
    "NotBroken",
    "NotProvable",
    "RecordTooLarge",
    "RolledBack",
]


class BadRecord(EcluseError):
    """Bytes that are no record of this hub in any format it ever wrote."""

    code = "evidence.bad-record"
    fault = Fault.PERMANENT
    remedy = "Compare the record with a copy of the log that was kept elsewhere."


class BadPack(EcluseError):
    """A file that is no evidence pack, or one that was damaged."""

    code = "evidence.bad-pack"
    fault = Fault.PERMANENT
    remedy = "Ask whoever made the pack for it again, and compare the digests of both files."


class BadBreak(EcluseError):
    """A statement about a break of the log that can't be made, or is none."""

    code = "evidence.bad-break"
    fault = Fault.PERMANENT
    remedy = "Give a reason in one line, of 2,000 characters at most."


class KeyAway(EcluseError):
    """A checkpoint would lack one of the log's signatures."""

    code = "evidence.key-away"
    fault = Fault.TRANSIENT
    remedy = (
        "Wait a moment; where it lasts, restart the signer or the hub, so that they read the keyring again."
    )


class NotBroken(EcluseError):
    """The log continues everything that was signed: there is nothing to decide."""

    code = "evidence.not-broken"
    fault = Fault.USAGE
    remedy = "Look with `ecluse log verify`, and at the witnesses with `ecluse log witness`."


class RecordTooLarge(EcluseError):
    """An event that holds more than a record may."""

    code = "evidence.record-too-large"
    fault = Fault.OURS
    remedy = "Keep long texts in a blob and put their digest into the event."


class RolledBack(EcluseError):
    """The log does not continue what was signed before: nothing more is signed.

    Two signed heads that contradict each other would make every proof of this log worthless.
    """

    code = "evidence.rolled-back"
    fault = Fault.OURS
    remedy = (
        "Restore the newest copy of the database; or decide that the log goes on, with "
        "`ecluse log continue --reason ...`."
    )


class HeldUnreadable(EcluseError):
    """The checkpoints held outside the database can't be understood, so nothing can be compared with them."""

    code = "evidence.held-unreadable"
    fault = Fault.OURS
    remedy = "Restore the file of checkpoints, or move it away to begin another."


class NotProvable(EcluseError):
    """There is no signed checkpoint over the record."""

    code = "evidence.not-provable"
    fault = Fault.TRANSIENT
    remedy = "Ask again in a minute: the next checkpoint takes it in."
