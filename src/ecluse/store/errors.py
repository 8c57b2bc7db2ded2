"""What a store says where it can't do what it was asked; part of its port."""

from __future__ import annotations

from ecluse.errors import EcluseError, Fault

__all__ = ["BadStoreUrl", "Conflict", "Lost", "StoreUnavailable", "WriteOnce"]


class Conflict(EcluseError):
    """A unique key is taken: somebody was first. The unit of work left nothing behind."""

    code = "store.conflict"
    fault = Fault.OURS
    remedy = "Read what is there; it is what was asked for, or it is somebody else's."


class Lost(EcluseError):
    """The lease was lost: another owner has the job. The unit of work left nothing behind."""

    code = "store.lease-lost"
    fault = Fault.TRANSIENT
    remedy = "Do nothing: the present owner finishes the work."


class WriteOnce(EcluseError):
    """What is archived was to be deleted or changed. The unit of work left nothing behind."""

    code = "store.write-once"
    fault = Fault.OURS
    remedy = "Leave it: what is archived goes by `ecluse archive dispose propose` alone, once its retention is over."


class StoreUnavailable(EcluseError):
    """The database can't be reached, is full or is read-only. Nothing was acknowledged."""

    code = "store.unavailable"
    fault = Fault.TRANSIENT
    remedy = "Look at the database's disk and process; `ecluse doctor` says which."


class BadStoreUrl(EcluseError):
    """The URL of the database is of no kind that is known, or holds a password."""

    code = "store.bad-url"
    fault = Fault.USAGE
    remedy = "Write `sqlite:path/to/hub.db` or `postgresql://user@host/database`; give the password apart."
