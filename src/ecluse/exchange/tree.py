"""The port of what a partner sees that logged in: its own virtual folders, behind which no real path stands.

Servers (SFTP, FTPS) speak to a :class:`Tree` alone. A path from the wire becomes a
:class:`~ecluse.model.paths.VirtualPath` once, at the edge; nothing below takes a text for a path.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant
from ecluse.model.paths import VirtualPath

__all__ = [
    "Denied",
    "Entry",
    "NameExists",
    "NoSpace",
    "NoSuchPath",
    "Space",
    "Tree",
    "TreeReader",
    "TreeWriter",
]


class NoSuchPath(EcluseError):
    """There is nothing of that name."""

    code = "tree.no-such-path"
    fault = Fault.PARTNER
    remedy = "List the folder to see what is there."


class Denied(EcluseError):
    """The partner may not do that there."""

    code = "tree.denied"
    fault = Fault.PARTNER
    remedy = "Upload into inbound; outbound and receipts are for reading and removing."


class NameExists(EcluseError):
    """Something of that name is there, and replacing was not agreed."""

    code = "tree.name-exists"
    fault = Fault.PARTNER
    remedy = "Choose another name, or have `replace` agreed in the partner's [account]."


class NoSpace(EcluseError):
    """The file or the folders would grow past what was agreed."""

    code = "tree.no-space"
    fault = Fault.PARTNER
    remedy = "Remove what was picked up, or have the quota raised in the partner's [account]."


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder.

    Attributes:
        name: Its last name; empty for the root.
        folder: Whether it is a folder.
        size: Octets; 0 for a folder.
        modified: When it was last written.
        writable: Whether the partner may upload into it (a folder) or over it (a file).
        document: Whether it is an upload that became a message: nothing is added to it any more.
    """

    name: str
    folder: bool
    size: int
    modified: Instant
    writable: bool
    document: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """Octets and files: what was agreed, and what is used."""

    total: int
    used: int
    files: int
    files_used: int


class TreeReader(Protocol):
    """An open file. For one thread at a time."""

    size: int

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """At most ``size`` octets from ``offset``; empty past the end. What is behind a view does not change."""

    def at_hand(self, offset: int, size: int) -> bool:
        """Whether :meth:`read` of the same range, if it comes soon, waits for nothing: it is had ready, where that can
        be done without waiting.

        Raises:
            EcluseError: As :meth:`read`.
        """

    def close(self) -> None:
        """The client is done. A document of outbound of which every octet was handed out is picked up then.

        Raises:
            EcluseError: That could not be recorded: it still waits.
        """

    def abandon(self) -> None:
        """The connection was cut: what was handed out may not have come through, so nothing is picked up by it.
        What is read of it later, by whichever session, counts together with what was read now. Never raises.
        """


class TreeWriter(Protocol):
    """A file that is being uploaded. For one thread at a time. Ends with exactly one of its last three methods."""

    @property
    def size(self) -> int:
        """Octets that it has so far, those of an earlier session among them."""

    @property
    def prompt(self) -> int:
        """Octets of the file up to which :meth:`write` waits for nothing: a thread that must not wait may call it."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Take octets. Small gaps are waited for, in bounded memory; what stands already may be sent again.

        A view is read-only, and what is behind it does not change.

        Raises:
            NoSpace: The file or the folders are full.
            Denied: The offset leaves a gap that can't be waited for, or changes what was written.
        """

    def sync(self) -> None:
        """What was written so far is durable when this returns."""

    def commit(self) -> None:
        """The client closed it: it is durable, and (unless its name is a temporary one) a message, when this returns.

        Raises:
            EcluseError: It is neither; nothing of it became a message.
        """

    def begin_commit(self) -> Future[Any] | None:
        """Have :meth:`commit` begun, without waiting, where that can be; it is called all the same. Never raises.

        Returns:
            Done when :meth:`commit` has nothing left to wait for; where it failed, that is for :meth:`commit` to mend
            or to tell of, and may take its time. ``None`` where nothing was begun.
        """

    def suspend(self) -> None:
        """The connection was cut: keep what there is aside, to be resumed. Never raises."""

    def abort(self) -> None:
        """Leave nothing, also of what an earlier session left and this one went on with. Never raises."""


class Tree(Protocol):
    """One partner's folders in one session. Methods block, and may be called from several threads at once.

    Methods raise :class:`~ecluse.errors.EcluseError` only: those above, :class:`~ecluse.model.paths.BadPath`, or
    one whose fault class is TRANSIENT or OURS, which the protocol's general failure stands for.
    """

    @property
    def prompt(self) -> bool:
        """Whether :meth:`stat`, and :meth:`write` of a file anew, wait for nothing (see :attr:`TreeWriter.prompt`)."""

    def stat(self, path: VirtualPath) -> Entry: ...

    def list(self, folder: VirtualPath, *, after: str = "", limit: int = 500) -> list[Entry]:
        """Entries whose name sorts after ``after``, in order of name; fewer than ``limit`` only at the end."""

    def read(self, path: VirtualPath) -> TreeReader: ...

    def write(self, path: VirtualPath, *, resume: bool = False, exclusive: bool = False) -> TreeWriter:
        """Begin to upload.

        Args:
            path: Where.
            resume: Go on with what an earlier session left there (append, or an offset); else it begins anew.
            exclusive: Raise :class:`NameExists` where there is anything of that name.
        """

    def rename(self, path: VirtualPath, to: VirtualPath, *, replace: bool = False) -> None:
        """Rename. A temporary name that becomes an ordinary one makes the upload a message, durable on return."""

    def remove(self, path: VirtualPath) -> None:
        """Remove a file. The message of an upload stays as it is. A document of outbound goes only when every octet
        of it was handed out: that picks it up.
        """

    def make_folder(self, path: VirtualPath) -> None: ...
    def remove_folder(self, path: VirtualPath) -> None:
        """Remove an empty folder that the partner made, or that a document of outbound brought."""

    def set_modified(self, path: VirtualPath, at: Instant) -> None:
        """Take the client's time for an upload of its own; ignored elsewhere."""

    def space(self) -> Space: ...
