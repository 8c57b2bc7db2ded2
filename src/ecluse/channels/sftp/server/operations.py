"""What each request does to the partner's tree. Everything here blocks, and runs in a worker's thread."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, cast

import structlog

from ecluse.channels.sftp.server.in_place import InPlace
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.tree import Denied, Entry, NoSuchPath, Tree, TreeReader, TreeWriter
from ecluse.model.basics import Instant
from ecluse.model.paths import BadPath, VirtualPath
from ecluse.wire.sftp import replies, requests
from ecluse.wire.sftp.attributes import FOLDER, PLAIN, Attributes
from ecluse.wire.sftp.listing import long_name
from ecluse.wire.sftp.replies import Status
from ecluse.wire.sftp.requests import Request

__all__ = ["MAX_HANDLES", "Operations"]

MAX_HANDLES: Final = 64
"""Open files and folders of one session. Clients that work on many files at once open up to 32."""
SMALL: Final = 32 * 1024
"""Octets of a file that is written and sealed in the event loop: some 50 us of it, less than a trip to a thread."""
PAGE: Final = 128
"""Names in one reply: with their lines for people, half of a packet at the longest."""

_log = structlog.get_logger("ecluse.sftp")


@dataclass(slots=True)
class _Reading:
    path: VirtualPath
    reader: TreeReader


@dataclass(slots=True)
class _Writing:
    path: VirtualPath
    writer: TreeWriter
    append: bool
    modified: int | None = None


@dataclass(slots=True)
class _Listing:
    path: VirtualPath
    after: str = ""
    done: bool = False


_Handle = _Reading | _Writing | _Listing


class _Answer(Exception):
    """The reply is a status other than success."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(eq=False)
class Operations:
    """One client's open handles, and what its requests do.

    Requests on one handle, and on paths that contain each other, are given one after the other; others may be
    answered by several threads at once.

    Attributes:
        tree: What the client sees.
        owner: Who is shown as the owner of files.
        received: Octets of uploads.
        sent: Octets of downloads.
    """

    tree: Tree
    owner: str
    received: int = 0
    sent: int = 0
    _handles: dict[bytes, _Handle] = field(default_factory=dict)
    _opened: int = 0

    def answer(self, request: Request) -> tuple[bytes, ...]:
        """The reply to a request, as pieces of the stream. Never raises, whatever the tree does."""
        try:
            return _DO[type(request)](self, request)
        except _Answer as answer:
            return (replies.status(request.id, answer.status, answer.text),)
        except EcluseError as error:
            return (replies.status(request.id, *_told(error, request)),)
        except Exception as error:  # noqa: BLE001 - a defect behind the tree must not end in silence, nor be shown
            _log.error("request not answered", request=type(request).__name__, crash=type(error).__name__)
            return (replies.status(request.id, Status.FAILURE, "The server failed."),)

    def instant(self, batch: Sequence[Request]) -> bool:
        """Whether all of these are answered without waiting for anything."""
        return all(map(self._instant, batch))

    def _instant(self, request: Request) -> bool:
        if isinstance(request, requests.Write):
            handle = self._handles.get(request.handle)
            if not isinstance(handle, _Writing):
                return True
            offset = handle.writer.size if handle.append else request.offset
            return offset + len(request.data) <= min(SMALL, handle.writer.prompt)
        if isinstance(request, requests.Open):
            return request.flags & _ANEW == _ANEW and self.tree.prompt
        if isinstance(request, requests.Read):
            reading = self._handles.get(request.handle)
            return isinstance(reading, _Reading) and _at_hand(reading.reader, request)
        return type(request) in _INSTANT or (
            isinstance(request, requests.PathAttributes) and self.tree.prompt
        )

    def begin(self, request: Request) -> Future[Any] | None:
        """Have one that :meth:`finishes` begun without waiting, where that can be: a small file's end.

        Returns:
            Done when :meth:`answer`, which is called all the same, has nothing left to wait for.
        """
        if not isinstance(request, requests.Close):
            return None
        handle = self._handles.get(request.handle)
        if not isinstance(handle, _Writing) or handle.modified is not None or handle.writer.size > SMALL:
            return None
        return handle.writer.begin_commit()

    def finishes(self, request: Request) -> bool:
        """Whether a request waits for durable storage, so that others should not wait for it."""
        return type(request) in _FINISHING and isinstance(
            self._handles.get(cast(requests.Close, request).handle), _Writing
        )

    def touches(self, request: Request) -> tuple[VirtualPath, ...]:
        """Paths that a request is about."""
        named = getattr(request, "handle", None)
        if named is not None:
            handle = self._handles.get(named)
            return (handle.path,) if handle is not None else ()
        paths = [
            path
            for path in (getattr(request, "path", None), getattr(request, "to", None))
            if path is not None
        ]
        try:
            return tuple(VirtualPath.parse(path) for path in paths)
        except BadPath:
            return ()

    def cut(self) -> None:
        """The connection is gone: keep half uploads aside, let go of everything else. Never raises."""
        handles, self._handles = list(self._handles.values()), {}
        for handle in handles:
            try:
                if isinstance(handle, _Writing):
                    handle.writer.suspend()
                elif isinstance(handle, _Reading):
                    handle.reader.abandon()
            except Exception as error:  # noqa: BLE001 - the other handles want to be let go of too
                _log.error("handle not let go", crash=type(error).__name__)

    # --- files ----------------------------------------------------------------------------------------------

    def _open(self, request: requests.Open) -> tuple[bytes, ...]:
        self._room()
        path, flags = _path(request.path), request.flags
        if not flags & (requests.WRITE | requests.APPEND):
            return self._opened_as(request.id, _Reading(path, self.tree.read(path)))
        return self._opened_as(
            request.id, _Writing(path, self._writer(path, flags), bool(flags & requests.APPEND))
        )

    def _writer(self, path: VirtualPath, flags: int) -> TreeWriter:
        exclusive = bool(flags & requests.CREATE and flags & requests.EXCLUSIVE)
        anew = bool(flags & requests.TRUNCATE)
        in_place = not (anew or exclusive or flags & requests.APPEND)
        if in_place or not flags & requests.CREATE:
            try:
                there = self.tree.stat(path)
            except NoSuchPath:
                if not flags & requests.CREATE:
                    raise
            else:
                if in_place and (there.document or (there.writable and not there.folder)):
                    return InPlace(self.tree, path, there)
        return self.tree.write(path, resume=not anew, exclusive=exclusive)

    def _room(self) -> None:
        if len(self._handles) >= MAX_HANDLES:
            raise _Answer(Status.FAILURE, f"There are {MAX_HANDLES} open handles: close some.")

    def _opened_as(self, id: int, handle: _Handle) -> tuple[bytes, ...]:
        name = self._opened.to_bytes(8, "big")
        self._opened += 1
        self._handles[name] = handle
        return (replies.handle(id, name),)

    def _close(self, request: requests.Close) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        del self._handles[request.handle]
        if isinstance(handle, _Reading):
            handle.reader.close()
        elif isinstance(handle, _Writing):
            handle.writer.commit()
            if handle.modified is not None:
                # The document is kept: a client that were told of a failure now would send it again.
                with contextlib.suppress(EcluseError):
                    self._set_time(handle.path, handle.modified)
        return (replies.status(request.id, Status.OK),)

    def _read(self, request: requests.Read) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if not isinstance(handle, _Reading):
            raise _Answer(Status.PERMISSION_DENIED, "It was not opened to be read.")
        size = min(request.size, requests.MAX_TRANSFER)
        data = handle.reader.read(request.offset, size) if request.offset < handle.reader.size else b""
        if not data:
            raise _Answer(Status.EOF, "End of file")
        self.sent += len(data)
        return cast("tuple[bytes, ...]", replies.data(request.id, data))  # views are written as bytes are

    def _write(self, request: requests.Write) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if not isinstance(handle, _Writing):
            raise _Answer(Status.PERMISSION_DENIED, "It was not opened to be written.")
        handle.writer.write(handle.writer.size if handle.append else request.offset, request.data)
        self.received += len(request.data)
        return (replies.status(request.id, Status.OK),)

    def _sync(self, request: requests.Sync) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if isinstance(handle, _Writing):
            handle.writer.sync()
        return (replies.status(request.id, Status.OK),)

    def _handle(self, name: bytes) -> _Handle:
        handle = self._handles.get(name)
        if handle is None:
            raise _Answer(Status.FAILURE, "There is no such handle.")
        return handle

    # --- attributes -----------------------------------------------------------------------------------------

    def _stat(self, request: requests.PathAttributes) -> tuple[bytes, ...]:
        return (replies.attributes(request.id, _attributes(self.tree.stat(_path(request.path)))),)

    def _handle_stat(self, request: requests.HandleAttributes) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if isinstance(handle, _Writing):
            attributes = Attributes(handle.writer.size, PLAIN | 0o600, handle.modified or int(time.time()))
        elif isinstance(handle, _Reading):
            attributes = Attributes(
                handle.reader.size, PLAIN | 0o400, self.tree.stat(handle.path).modified // 1_000_000
            )
        else:
            attributes = _attributes(self.tree.stat(handle.path))
        return (replies.attributes(request.id, attributes),)

    def _set_path(self, request: requests.SetPath) -> tuple[bytes, ...]:
        path = _path(request.path)
        entry = self.tree.stat(path)
        _check_size(request.attributes, entry)
        if request.attributes.modified is not None:
            self._set_time(path, request.attributes.modified)
        return (replies.status(request.id, Status.OK),)

    def _set_handle(self, request: requests.SetHandle) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if isinstance(handle, _Writing):
            _check_size(request.attributes, handle.writer)
            handle.modified = request.attributes.modified or handle.modified
        elif request.attributes.size is not None:
            raise _Answer(Status.PERMISSION_DENIED, "It was not opened to be written.")
        return (replies.status(request.id, Status.OK),)

    def _set_time(self, path: VirtualPath, seconds: int) -> None:
        self.tree.set_modified(path, Instant(seconds * 1_000_000))

    # --- names ----------------------------------------------------------------------------------------------

    def _open_folder(self, request: requests.OpenFolder) -> tuple[bytes, ...]:
        self._room()
        path = _path(request.path)
        if not self.tree.stat(path).folder:
            raise _Answer(Status.FAILURE, "It is a file.")
        return self._opened_as(request.id, _Listing(path))

    def _list(self, request: requests.ListFolder) -> tuple[bytes, ...]:
        handle = self._handle(request.handle)
        if not isinstance(handle, _Listing):
            raise _Answer(Status.FAILURE, "It is no folder.")
        page = [] if handle.done else self.tree.list(handle.path, after=handle.after, limit=PAGE)
        if not page:
            handle.done = True
            raise _Answer(Status.EOF, "End of folder")
        handle.after, handle.done = page[-1].name, len(page) < PAGE
        now = int(time.time())
        return (replies.names(request.id, [(e.name, self._line(e, now), _attributes(e)) for e in page]),)

    def _line(self, entry: Entry, now: int) -> str:
        return long_name(
            entry.name,
            self.owner,
            folder=entry.folder,
            writable=entry.writable,
            size=entry.size,
            modified=entry.modified // 1_000_000,
            now=now,
        )

    def _remove(self, request: requests.Remove) -> tuple[bytes, ...]:
        self.tree.remove(_path(request.path))
        return (replies.status(request.id, Status.OK),)

    def _make_folder(self, request: requests.MakeFolder) -> tuple[bytes, ...]:
        self.tree.make_folder(_path(request.path))
        return (replies.status(request.id, Status.OK),)

    def _remove_folder(self, request: requests.RemoveFolder) -> tuple[bytes, ...]:
        self.tree.remove_folder(_path(request.path))
        return (replies.status(request.id, Status.OK),)

    def _rename(self, request: requests.Rename) -> tuple[bytes, ...]:
        self.tree.rename(_path(request.path), _path(request.to), replace=request.replace)
        return (replies.status(request.id, Status.OK),)

    def _real_path(self, request: requests.RealPath) -> tuple[bytes, ...]:
        path = b"" if request.path in (b"~", b"~/") else request.path
        return (replies.names(request.id, [(str(_path(path)),) * 2 + (Attributes(),)]),)

    def _no_link(self, request: requests.ReadLink | requests.Link) -> tuple[bytes, ...]:
        raise _Answer(Status.OP_UNSUPPORTED, "There are no links here: upload the file, then rename it.")

    # --- the rest -------------------------------------------------------------------------------------------

    def _space(self, request: requests.Space) -> tuple[bytes, ...]:
        space = self.tree.space()
        return (
            replies.space(
                request.id,
                total=space.total,
                free=max(0, space.total - space.used),
                files=space.files,
                files_free=max(0, space.files - space.files_used),
            ),
        )

    def _limits(self, request: requests.Limits) -> tuple[bytes, ...]:
        return (replies.limits(request.id, MAX_HANDLES),)

    def _init(self, request: requests.Init) -> tuple[bytes, ...]:
        return (replies.version(),)

    def _unsupported(self, request: requests.Unsupported) -> tuple[bytes, ...]:
        raise _Answer(Status.OP_UNSUPPORTED, "That is not offered.")

    def _malformed(self, request: requests.Malformed) -> tuple[bytes, ...]:
        raise _Answer(Status.BAD_MESSAGE, "The request can't be read.")


_DO: Final[dict[type[Request], Callable[[Operations, Any], tuple[bytes, ...]]]] = {
    requests.Init: Operations._init,
    requests.Open: Operations._open,
    requests.Close: Operations._close,
    requests.Read: Operations._read,
    requests.Write: Operations._write,
    requests.PathAttributes: Operations._stat,
    requests.HandleAttributes: Operations._handle_stat,
    requests.SetPath: Operations._set_path,
    requests.SetHandle: Operations._set_handle,
    requests.OpenFolder: Operations._open_folder,
    requests.ListFolder: Operations._list,
    requests.Remove: Operations._remove,
    requests.MakeFolder: Operations._make_folder,
    requests.RemoveFolder: Operations._remove_folder,
    requests.RealPath: Operations._real_path,
    requests.Rename: Operations._rename,
    requests.ReadLink: Operations._no_link,
    requests.Link: Operations._no_link,
    requests.Sync: Operations._sync,
    requests.Space: Operations._space,
    requests.Limits: Operations._limits,
    requests.Unsupported: Operations._unsupported,
    requests.Malformed: Operations._malformed,
}
"""Each takes the request that it stands under."""

_FINISHING: Final = frozenset((requests.Close, requests.Sync))
_ANEW: Final = requests.WRITE | requests.CREATE | requests.TRUNCATE
_INSTANT: Final = frozenset(
    (
        requests.Init,
        requests.RealPath,
        requests.ReadLink,
        requests.Link,
        requests.Limits,
        requests.Unsupported,
        requests.Malformed,
    )
)


def _path(text: bytes) -> VirtualPath:
    return VirtualPath.parse(text)


def _attributes(entry: Entry) -> Attributes:
    kind, rights = (FOLDER, 0o500) if entry.folder else (PLAIN, 0o400)
    mode = kind | rights | (0o200 if entry.writable else 0)
    return Attributes(entry.size, mode, max(0, entry.modified // 1_000_000))


def _check_size(asked: Attributes, there: Entry | TreeWriter) -> None:
    if asked.size is None:
        return
    same = there.measure(asked.size) if isinstance(there, InPlace) else there.size == asked.size
    if not same:
        raise _Answer(Status.OP_UNSUPPORTED, "A file can't be cut or stretched: upload it anew.")


def _at_hand(reader: TreeReader, request: requests.Read) -> bool:
    try:
        return reader.at_hand(request.offset, min(request.size, requests.MAX_TRANSFER))
    except EcluseError:
        return False  # the reading tells


_MAKING: Final = (requests.Rename, requests.MakeFolder)


def _told(error: EcluseError, request: Request) -> tuple[Status, str]:
    """The status that stands for an error, and what the client shows of it."""
    if isinstance(error, NoSuchPath):
        return Status.NO_SUCH_FILE, "No such file"
    if isinstance(error, Denied):
        return Status.PERMISSION_DENIED, f"{error.cause} {error.remedy}"
    if isinstance(error, BadPath):
        making = isinstance(request, _MAKING) or (
            isinstance(request, requests.Open) and request.flags & requests.CREATE
        )
        return (
            (Status.FAILURE, f"{error.cause} {error.remedy}")
            if making
            else (Status.NO_SUCH_FILE, error.cause)
        )
    if error.fault in (Fault.PARTNER, Fault.PERMANENT):
        return Status.FAILURE, f"{error.cause} {error.remedy}"
    _log.warning("request failed", request=type(request).__name__, **error.as_dict())
    return Status.FAILURE, "The server can't do that at the moment: try again later."
