"""A disk as a power cut leaves it: what was written and not synced may be there, or not, or in part.

:func:`record` reads the traces of one process (``strace -y -xx -ttt``) into a list of changes. A :class:`Disk` plays
them; at any moment :meth:`Disk.rebuild` writes down one of the states in which the power might have left it.

The model is the one that file systems promise and no more. A file's bytes are sure after ``fsync`` of the file, a
name (a folder's too) is sure after ``fsync`` of the folder that it is in. Unsynced writes may arrive in any choice of
sectors; names of a folder in the order in which they were changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

__all__ = ["CALLS", "HOWS", "RECORDING", "Change", "Disk", "State", "check_states", "record"]

CALLS = (
    "write,pwrite64,fsync,fdatasync,ftruncate,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "openat"
)
RECORDING = ("-xx", "-ttt", "-s", "4000000", "-e", f"trace={CALLS}")
"""Options of strace, beside ``-y``, for traces that :func:`record` reads."""
HOWS = ("dropped", "kept", "torn")
"""What may have become of changes that were not synced."""
SECTOR = 512
_LINE = re.compile(r"^(\d+\.\d+) (\w+)\((.*)\)\s+= (\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"^\d+<([^>]*)>")
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:\\x[0-9a-f]{2})*)"')
_NAMING = {
    "openat": "open", "mkdirat": "mkdir", "linkat": "link", "unlinkat": "unlink", "renameat": "rename",
    "renameat2": "rename", "mkdir": "mkdir", "link": "link", "unlink": "unlink", "rename": "rename", "rmdir": "rmdir",
}  # fmt: skip
"""Calls that change names, and what each does."""


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
    if call in _NAMING:
        # A name may be one within a folder that is open.
        paths = tuple(
            os.path.normpath(os.path.join(_plain(folder), bytes.fromhex(name.replace("\\x", "")).decode()))
            for folder, name in _PATH.findall(arguments)
        )
        if not all(path.startswith(root) for path in paths):
            return None
        if call == "openat" and "O_CREAT" not in arguments:
            return None
        return Change(at, "rmdir" if "AT_REMOVEDIR" in arguments else _NAMING[call], paths)
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


class _Folder(_File):
    """A name that is a folder's."""


class Disk:
    """The files under a root, what of them is sure, and what is not.

    Args:
        root: Their folder, as it is named in the changes.
        before: The same folder (or a copy) as it was before the first change.
    """

    def __init__(self, root: Path, before: Path) -> None:
        self._root = str(root)
        self._names: dict[str, _File] = {}
        self._sure: dict[str, _File] = {}
        self._unsure: dict[str, list[tuple[str, _File | None]]] = defaultdict(list)
        for path in sorted(before.rglob("*")):
            name = f"{root}/{path.relative_to(before)}"
            if path.is_dir():
                self._names[name] = self._sure[name] = _Folder()
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
                self._name(path, _Folder())
            case "link":
                self._name(change.paths[1], self._names[path])
            case "rename":
                self._name(change.paths[1], self._names[path])
                self._name(path, None)
            case "unlink" | "rmdir":
                if path in self._names:
                    self._name(path, None)
            case "fsync" if path == self._root or isinstance(self._names.get(path), _Folder):
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
        # A file with two names has one content.
        contents = {id(file): file.left(how, random) for file in names.values()}
        target.mkdir()
        there = {self._root}
        for name, file in sorted(names.items(), key=lambda each: each[0]):
            if name.rpartition("/")[0] not in there:
                continue  # its folder's own name is lost, and all that is in it
            path = target / name[len(self._root) + 1 :]
            if isinstance(file, _Folder):
                there.add(name)
                path.mkdir(0o700)
            else:
                path.touch(0o600)
                path.write_bytes(contents[id(file)])


def _bind(names: dict[str, _File], path: str, file: _File | None) -> None:
    if file is None:
        names.pop(path, None)
    else:
        names[path] = file


class State(NamedTuple):
    """One that a power cut may leave: after how many changes, in which of :data:`HOWS`, torn in which draw."""

    after: int
    how: str
    draw: int = 0


def check_states(
    disk: Disk,
    changes: Sequence[Change],
    wanted: Iterable[State],
    base: Path,
    check: Callable[[Path, float], None],
) -> int:
    """Rebuild a disk in one state after the other, and check each.

    Args:
        disk: As it was before the first change.
        changes: All of them.
        wanted: In order of time.
        base: Where it is rebuilt, for a while.
        check: Gets the folder, and when the power went: infinity after the last change.

    Returns:
        How many states there were.
    """
    played = count = 0
    for after, how, draw in wanted:
        for change in changes[played:after]:
            disk.play(change)
        played = after
        folder = base / f"{after}-{how}-{draw}"
        disk.rebuild(folder, how, Random(after * 1000 + draw))
        try:
            check(folder, changes[after].at if after < len(changes) else float("inf"))
        except Exception as error:
            last = f"{changes[after - 1].call} {changes[after - 1].paths}" if after else "nothing"
            raise AssertionError(f"{how} {draw} at {after}, after {last}: {error!r}") from error
        shutil.rmtree(folder)
        count += 1
    return count
