"""A disk as a power cut leaves it: what was written and not synced may be there, or not, or in part.

:func:`record` reads two traces of one process (``strace -y -xx -ttt``) into a list of changes. A :class:`Disk` plays
them; at any moment :meth:`Disk.rebuild` writes down one of the states in which the power might have left it.

The model is the one that file systems promise and no more. A file's bytes are sure after ``fsync`` of the file, a
name is sure after ``fsync`` of its folder. Unsynced writes may arrive in any choice of sectors; names of a folder
in the order in which they were changed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

__all__ = ["CALLS", "Change", "Disk", "record"]

CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,link,linkat,rename,unlink,unlinkat,mkdir,openat"
SECTOR = 512
_LINE = re.compile(r"^(\d+\.\d+) (\w+)\((.*)\)\s+= (\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"^\d+<([^>]*)>")


class Change(NamedTuple):
    """One call that changed the disk: when, its name, its paths, its bytes and where they go (or the new size)."""

    at: float
    call: str
    paths: tuple[str, ...]
    data: bytes = b""
    offset: int = -1


def record(root: Path, logs: Iterable[Path]) -> list[Change]:
    """What the traced threads did to the files under ``root``, in order of time."""
    changes = [change for log in logs for line in log.open() if (change := _read(str(root), line))]
    return sorted(changes, key=lambda change: change.at)


def _read(root: str, line: str) -> Change | None:
    found = _LINE.match(line)
    if not found:
        return None
    at, call, arguments = float(found[1]), found[2], found[3]
    texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]
    if call in ("link", "linkat", "rename", "unlink", "unlinkat", "mkdir", "openat"):
        paths = tuple(text.decode() for text in texts)
        if not all(path.startswith(root) for path in paths):
            return None
        if call == "openat" and "O_CREAT" not in arguments:
            return None
        return Change(at, call.removesuffix("at"), paths)
    file = _FILE.match(arguments)
    path = _plain(file[1]) if file else ""
    if not path.startswith(root):
        return None
    numbers = re.findall(r", (\d+)", _TEXT.sub("", arguments))
    if call == "pwrite64":
        return Change(at, "write", (path,), texts[0][: int(found[4])], int(numbers[-1]))
    if call == "write":
        return Change(at, "write", (path,), texts[0][: int(found[4])])
    if call == "ftruncate":
        return Change(at, call, (path,), offset=int(numbers[-1]))
    return Change(at, "fsync", (path,))


def _plain(text: str) -> str:
    raw = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), text)
    return raw.removesuffix(" (deleted)")


@dataclass
class _File:
    sure: bytes = b""
    now: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    end: int = 0

    def write(self, data: bytes, offset: int) -> None:
        at = self.end if offset < 0 else offset
        _put(self.now, at, data)
        self.pending.append((at, data))
        if offset < 0:
            self.end = at + len(data)

    def truncate(self, size: int) -> None:
        _cut(self.now, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        self.sure = bytes(self.now)
        self.pending.clear()

    def left(self, how: str, random: Random) -> bytes:
        if how == "dropped":
            return self.sure
        if how == "kept":
            return bytes(self.now)
        content = bytearray(self.sure)
        for at, data in self.pending:
            if data is None:
                if random.random() < 0.5:
                    _cut(content, at)
                continue
            # Sectors are the disk's, not the write's.
            start = at
            while start < at + len(data):
                stop = min(at + len(data), (start // SECTOR + 1) * SECTOR)
                if random.random() < 0.5:
                    _put(content, start, data[start - at : stop - at])
                start = stop
        return bytes(content)


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _cut(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


class Disk:
    """The files under a root, what of them is sure, and what is not.

    Args:
        root: Their folder, as it is named in the changes.
        before: The same folder (or a copy) as it was before the first change.
    """

    def __init__(self, root: Path, before: Path) -> None:
        self._root = str(root)
        self._folders = {str(root)}
        self._names: dict[str, _File] = {}
        self._sure: dict[str, _File] = {}
        self._unsure: dict[str, list[tuple[str, _File | None]]] = defaultdict(list)
        for path in sorted(before.rglob("*")):
            name = f"{root}/{path.relative_to(before)}"
            if path.is_dir():
                self._folders.add(name)
            elif not name.endswith("-shm"):
                data = path.read_bytes()
                self._names[name] = self._sure[name] = _File(data, bytearray(data))

    def play(self, change: Change) -> None:
        """Take one change."""
        path = change.paths[0]
        match change.call:
            case "open":
                if path not in self._names and not path.endswith("-shm"):
                    self._name(path, _File())
            case "mkdir":
                self._folders.add(path)
            case "link":
                self._name(change.paths[1], self._names[path])
            case "rename":
                self._name(change.paths[1], self._names[path])
                self._name(path, None)
            case "unlink":
                if path in self._names:
                    self._name(path, None)
            case "fsync" if path in self._folders:
                for name, file in self._unsure.pop(path, ()):
                    _bind(self._sure, name, file)
            case _ if path in self._names:
                file = self._names[path]
                if change.call == "write":
                    file.write(change.data, change.offset)
                elif change.call == "ftruncate":
                    file.truncate(change.offset)
                else:
                    file.sync()

    def _name(self, path: str, file: _File | None) -> None:
        _bind(self._names, path, file)
        self._unsure[path.rpartition("/")[0]].append((path, file))

    def rebuild(self, target: Path, how: str, random: Random) -> None:
        """Write a state down: unsynced changes ``dropped``, ``kept``, or (``torn``) there in part."""
        names = dict(self._sure)
        for changes in self._unsure.values():
            count = {"dropped": 0, "kept": len(changes)}.get(how, random.randint(0, len(changes)))
            for name, file in changes[:count]:
                _bind(names, name, file)
        for folder in sorted(self._folders):
            (target / folder[len(self._root) + 1 :]).mkdir(parents=True, exist_ok=True)
        # A file with two names has one content.
        contents = {id(file): file.left(how, random) for file in names.values()}
        for name, file in names.items():
            (target / name[len(self._root) + 1 :]).write_bytes(contents[id(file)])


def _bind(names: dict[str, _File], path: str, file: _File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file
