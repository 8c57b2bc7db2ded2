"""A partner's folders in memory: the twin of the real ones, for the servers' tests and the conformance suite."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ecluse.errors import EcluseError
from ecluse.exchange.tree import Denied, Entry, NameExists, NoSpace, NoSuchPath, Space
from ecluse.model.basics import Instant, system_clock
from ecluse.model.paths import VirtualPath
from ecluse.trust.settings.fields import octets
from ecluse.trust.settings.places import Account

__all__ = ["MemoryMailbox", "MemoryTree"]

REORDER = 4 << 20


@dataclass
class _File:
    data: bytes
    modified: Instant
    state: str  # partial, temporary, taken, waiting, picked-up, receipt


@dataclass
class MemoryMailbox:
    """What all sessions of one partner share.

    Attributes:
        account: What was agreed.
        documents: What became a message: (path, octets), in order.
        picked_up: Names of what was picked up, in order.
        suspended: Paths of uploads that were cut off, in order.
        fault: Raised by the next commit, sync or rename, once.
    """

    account: Account = field(default_factory=lambda: Account(user="birch"))
    clock: object = system_clock
    documents: list[tuple[str, bytes]] = field(default_factory=list)
    picked_up: list[str] = field(default_factory=list)
    suspended: list[str] = field(default_factory=list)
    fault: Exception | None = None
    files: dict[VirtualPath, _File] = field(default_factory=dict)
    made: set[VirtualPath] = field(default_factory=set)
    seen: dict[int, bytearray] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def open(self) -> MemoryTree:
        """A session."""
        return MemoryTree(self)

    def offer(self, name: str, data: bytes, folder: str = "outbound") -> None:
        """Put a document out to be picked up."""
        path = VirtualPath.parse(f"/{folder}/{name}")
        for depth in range(2, len(path.names)):
            self.made.add(VirtualPath(path.names[:depth]))
        self.files[path] = _File(data, self.clock(), "waiting")

    def put_receipt(self, name: str, data: bytes) -> None:
        """Put a receipt out."""
        self.files[VirtualPath.parse(f"/receipts/{name}")] = _File(data, self.clock(), "receipt")

    def places(self) -> set[VirtualPath]:
        """The folders that may be uploaded into."""
        return {VirtualPath.parse("/" + name) for name in ("inbound", *self.account.folders)}

    def folders(self) -> set[VirtualPath]:
        """All folders."""
        given = self.places() | {VirtualPath(("outbound",)), VirtualPath(("receipts",))}
        above = {VirtualPath(path.names[:depth]) for path in given for depth in range(len(path.names))}
        return given | above | self.made

    def writable(self, folder: VirtualPath) -> bool:
        return any(folder.names[: len(place.names)] == place.names for place in self.places())

    def temporary(self, path: VirtualPath) -> bool:
        return any(fnmatchcase(path.name, pattern) for pattern in self.account.temporary)

    def used(self) -> tuple[int, int]:
        return sum(len(file.data) for file in self.files.values()), len(self.files) + len(self.made)

    def fail(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


class MemoryTree:
    """See :class:`ecluse.exchange.tree.Tree`."""

    prompt = False

    def __init__(self, box: MemoryMailbox) -> None:
        self.box = box

    def stat(self, path: VirtualPath) -> Entry:
        with self.box.lock:
            if path in self.box.folders():
                return Entry(path.name, True, 0, self.box.clock(), self.box.writable(path))
            file = self._file(path)
            writable, taken = self._may_write(path, file), file.state == "taken"
            return Entry(path.name, False, len(file.data), file.modified, writable, taken)

    def list(self, folder: VirtualPath, *, after: str = "", limit: int = 500) -> list[Entry]:
        with self.box.lock:
            self._folder(folder)
            inside = {p for p in (*self.box.files, *self.box.folders()) if p.names and p.parent == folder}
            return [self.stat(p) for p in sorted(inside) if p.name > after][:limit]

    def read(self, path: VirtualPath) -> MemoryReader:
        with self.box.lock:
            if path in self.box.folders():
                raise Denied("It is a folder.")
            return MemoryReader(self.box, path, self._file(path))

    def write(self, path: VirtualPath, *, resume: bool = False, exclusive: bool = False) -> MemoryWriter:
        with self.box.lock:
            self._check_place(path)
            file = self.box.files.get(path)
            if file is not None:
                if exclusive or (file.state == "taken" and not self.box.account.replace):
                    raise NameExists(f"There is a file {path} already.")
                if resume and file.state == "taken":
                    raise Denied("It was taken already.")
            elif self.box.used()[1] >= self.box.account.files:
                raise NoSpace("There are as many files as were agreed.")
            return MemoryWriter(self.box, path, file if resume else None)

    def rename(self, path: VirtualPath, to: VirtualPath, *, replace: bool = False) -> None:
        box = self.box
        with box.lock:
            if path in box.folders():
                raise Denied("Folders keep their names.")
            file = self._file(path)
            if not box.writable(path.parent):
                raise Denied("What lies there keeps its name.")
            self._check_place(to)
            there = box.files.get(to)
            if to == path:
                return
            if there is not None and not (replace and (box.account.replace or there.state != "taken")):
                raise NameExists(f"There is a file {to} already.")
            box.fail()
            ordinary = not box.temporary(to)
            if file.state == "partial" and ordinary:
                raise Denied("The upload was cut off.")
            if file.state == "temporary" and ordinary:
                file.state = "taken"
                box.documents.append((str(to), file.data))
            box.files[to] = box.files.pop(path)

    def remove(self, path: VirtualPath) -> None:
        box = self.box
        with box.lock:
            if path in box.folders():
                raise Denied("It is a folder.")
            file = self._file(path)
            if file.state == "waiting":
                if 0 in box.seen.get(id(file), b"\0"):
                    raise Denied("It was not picked up yet.")
                box.picked_up.append(path.name)
            del box.files[path]

    def make_folder(self, path: VirtualPath) -> None:
        with self.box.lock:
            if path in self.box.folders() or path in self.box.files:
                raise NameExists(f"There is {path} already.")
            self._folder(path.parent)
            if not self.box.writable(path.parent):
                raise Denied("No folders there.")
            self.box.made.add(path)

    def remove_folder(self, path: VirtualPath) -> None:
        with self.box.lock:
            self._folder(path)
            if path not in self.box.made:
                raise Denied("That folder stays.")
            if self.list(path, limit=1):
                raise Denied("The folder is not empty.")
            self.box.made.discard(path)

    def set_modified(self, path: VirtualPath, at: Instant) -> None:
        with self.box.lock:
            if path not in self.box.folders():
                file = self._file(path)
                if self.box.writable(path.parent):
                    file.modified = at

    def space(self) -> Space:
        with self.box.lock:
            used, files = self.box.used()
            return Space(octets(self.box.account.quota), used, self.box.account.files, files)

    def _file(self, path: VirtualPath) -> _File:
        file = self.box.files.get(path)
        if file is None:
            raise NoSuchPath(f"There is no {path}.")
        return file

    def _folder(self, path: VirtualPath) -> None:
        if path not in self.box.folders():
            if path in self.box.files:
                raise Denied("It is a file.")
            raise NoSuchPath(f"There is no folder {path}.")

    def _check_place(self, path: VirtualPath) -> None:
        if path in self.box.folders():
            raise Denied("It is a folder.")
        self._folder(path.parent)
        if not self.box.writable(path.parent):
            raise Denied("Nothing can be uploaded there.")

    def _may_write(self, path: VirtualPath, file: _File) -> bool:
        return self.box.writable(path.parent) and (self.box.account.replace or file.state != "taken")


class MemoryReader:
    """See :class:`ecluse.exchange.tree.TreeReader`."""

    def __init__(self, box: MemoryMailbox, path: VirtualPath, file: _File) -> None:
        self._box, self._path, self._file = box, path, file
        self._data = file.data
        self._seen = bytearray(len(file.data))
        self.size = len(file.data)

    def read(self, offset: int, size: int) -> bytes:
        data = self._data[offset : offset + size]
        self._seen[offset : offset + len(data)] = b"\1" * len(data)
        return data

    def at_hand(self, offset: int, size: int) -> bool:
        return False

    def abandon(self) -> None:
        seen = self._box.seen.setdefault(id(self._file), bytearray(self.size))
        seen[:] = bytes(a | b for a, b in zip(seen, self._seen, strict=True))

    def close(self) -> None:
        self.abandon()
        self._seen = self._box.seen[id(self._file)]
        with self._box.lock:
            if self._file.state == "waiting" and 0 not in self._seen:
                self._file.state = "picked-up"
                self._box.picked_up.append(self._path.name)
                if self._box.account.remove_after_pickup:
                    self._box.files.pop(self._path, None)


class MemoryWriter:
    """See :class:`ecluse.exchange.tree.TreeWriter`."""

    prompt = 0

    def __init__(self, box: MemoryMailbox, path: VirtualPath, base: _File | None) -> None:
        self._box, self._path, self._base = box, path, base
        self._data = bytearray(base.data if base else b"")
        self._pending: dict[int, bytes] = {}
        self._broken: Exception | None = None
        self._kept = len(self._data)
        self._ended = False

    @property
    def size(self) -> int:
        return len(self._data)

    def write(self, offset: int, data: bytes) -> None:
        if self._broken is not None:
            raise self._broken
        if not data:
            return
        try:
            self._write(offset, data)
        except Exception as error:
            self._broken = error
            raise

    def _write(self, offset: int, data: bytes) -> None:
        if offset > len(self._data):
            if sum(map(len, self._pending.values())) + len(data) > REORDER:
                raise Denied("There is a gap.")
            self._pending[offset] = bytes(data)
            return
        self._take(offset, data)
        while self._pending and min(self._pending) <= len(self._data):
            at = min(self._pending)
            self._take(at, self._pending.pop(at))

    def _take(self, offset: int, data: bytes) -> None:
        known = self._data[offset : offset + len(data)]
        if known != data[: len(known)]:
            raise Denied("That would change what was written.")
        end = offset + len(data)
        if end > octets(self._box.account.max_file):
            raise NoSpace("The file is too large.")
        there = self._box.files.get(self._path)
        used = self._box.used()[0] - (len(there.data) if there else 0)
        if used + end > octets(self._box.account.quota):
            raise NoSpace("The folders are full.")
        self._data += data[len(known) :]

    def sync(self) -> None:
        with self._box.lock:
            if self._broken is not None:
                raise self._broken
            try:
                self._box.fail()
                self._keep_half()
            except Exception as error:
                self._broken = error
                raise

    def commit(self) -> None:
        box = self._box
        with box.lock:
            try:
                if self._broken is not None:
                    raise self._broken
                box.fail()
                if self._pending:
                    raise Denied("There is a gap.")
                self._check_there()
            except EcluseError:
                self.abort()
                raise
            self._ended = True
            state = "temporary" if box.temporary(self._path) else "taken"
            box.files[self._path] = _File(bytes(self._data), box.clock(), state)
            if state == "taken":
                box.documents.append((str(self._path), bytes(self._data)))

    def begin_commit(self) -> None:
        return None

    def suspend(self) -> None:
        with self._box.lock:
            if not self._ended and self._broken is None:
                with contextlib.suppress(EcluseError):
                    if self._keep_half():
                        self._box.suspended.append(str(self._path))
            self._ended = True

    def abort(self) -> None:
        with self._box.lock:
            if not self._ended and self._base is not None and self._box.files.get(self._path) is self._base:
                del self._box.files[self._path]
            self._ended = True

    def _keep_half(self) -> bool:
        if len(self._data) == self._kept:
            return False
        self._check_there()
        self._base = _File(bytes(self._data), self._box.clock(), "partial")
        self._box.files[self._path] = self._base
        self._kept = len(self._data)
        return True

    def _check_there(self) -> None:
        box, there = self._box, self._box.files.get(self._path)
        if self._base is not None and there is not self._base:
            raise Denied("Another session ended it.")
        if self._path in box.folders():
            raise Denied("It is a folder.")
        if there is not None and there.state == "taken" and not box.account.replace:
            raise NameExists(f"There is a file {self._path} already.")
        if self._path.parent not in box.folders():
            raise NoSuchPath("The folder is gone.")
