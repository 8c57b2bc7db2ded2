"""The port of a place that files are collected from: a partner's server or bucket, or a folder of ours.

A channel that documents can be collected from is a :class:`Source`. What is taken, when and how often is the
chamber's (:mod:`ecluse.exchange.collect`); a source only lists, reads, deletes and moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant

__all__ = ["FileGone", "InUse", "NameTaken", "Remote", "RemoteFile", "Source"]


class FileGone(EcluseError):
    """A file that was listed is not there any more, or is another one by now."""

    code = "remote.file-gone"
    fault = Fault.PARTNER
    remedy = "Do nothing: the next look sees what is there."


class InUse(FileGone):
    """Somebody has a file open to write to it: it is not what it will be."""

    code = "remote.in-use"
    fault = Fault.OURS
    remedy = (
        "Do nothing: it is taken once it is closed. If that never happens, look which program holds it open."
    )


class NameTaken(EcluseError):
    """A file of that name is there, and is not ours to replace."""

    code = "remote.name-taken"
    fault = Fault.PARTNER
    remedy = "Choose another name in the flow's [[to]] name, agree on replace, or have the file moved away."


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as it was listed.

    Attributes:
        path: Names joined by ``/``, below the folder of the channel's own settings.
        size: Octets.
        modified: When it was last written, as the place says; ``None`` where it does not.
        tag: What changes with the content, where the place has such a thing (ETag, version id); else empty.
        change: What no writing leaves as it was, and other things may change too (the time of an inode's last change);
            empty where the place tells of nothing like it. A file whose ``change`` alone is another is compared.
    """

    path: str
    size: int
    modified: Instant | None
    tag: str = ""
    change: str = ""

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.path.rpartition("/")[2]


class Remote(Protocol):
    """One connection to a place. For one thread at a time; closes as a context.

    Methods raise :class:`~ecluse.errors.EcluseError` only; its fault class tells whether another try may help.
    """

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """What lies in a folder (empty for the channel's own), in any order, in flat memory; no folders, links or
        devices. A folder that is not there has no files. Other methods may be called while a listing goes on.
        """

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """The octets of a file, at most 1 MiB at a time.

        Raises:
            FileGone: It is not there, or is not the one that was listed any more.
            InUse: Somebody has it open to write to it, where the place can tell.
        """

    def delete(self, file: RemoteFile) -> None:
        """Delete it; one that is gone already is no error.

        Raises:
            FileGone: Another file is there by that name. It was left as it is.
            InUse: Somebody has it open to write to it again. Likewise.
        """

    def move(self, file: RemoteFile, folder: str) -> None:
        """Move it into a folder, which is made where it is missing; never over another file.

        Raises:
            FileGone: It is not there any more, or another file is. Nothing was moved.
            NameTaken: There is a file of that name.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Source(Protocol):
    """A kind of place."""

    kind: str
    """First word of a channel's name: ``sftp``, ``folder``..."""

    def open(self, name: str) -> Remote:
        """Connect to the place of this name (a partner's id, or a folder's name)."""
