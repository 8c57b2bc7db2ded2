"""What lies where in an export, and reading it without believing it.

::

    bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt export.note
    data/system/README.txt log/key log/checkpoint holds/ID.json disposals/ID.json profiles/NAME.toml
    data/messages/PREFIX/ID/message.json       what the hub says of the message
                            wire               the bytes as they crossed the line
                            protocol/...       receipts of the other side, and our answer, byte for byte
                            journal/EVENT.tlog-proof   each event, with its proof (C2SP tlog-proof)
                            former/N/...       the same of the hubs that had it before
                            documents/N/document, metadata.json, receipt.json, receipt.note

``manifest-sha256.txt`` is in the order of paths, so that it is compared with the folder in flat memory. ``export.note``
is a C2SP signed note of the log's key over three lines: the format, the SHA-256 of ``manifest-sha256.txt``, the time.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from ecluse.errors import EcluseError, Fault

__all__ = ["FORMAT", "BadExport", "Bag", "Unit", "message_folder"]

FORMAT: Final = "ecluse.export/1"
DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""RFC 8493, section 2.1.1."""
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
INFO: Final = "bag-info.txt"
NOTE: Final = "export.note"
BAGIT: Final = "bagit.txt"
STATE: Final = "export.state"
"""Which export a folder is of, while it is written."""
TAGS: Final = (INFO, BAGIT, NOTE, MANIFEST)
"""Tag files, in the order of the tag manifest."""
MESSAGES: Final = "data/messages"
MAX_JSON: Final = 16 << 20
"""Octets of a file that is read whole: what is known of a file with 500 invoices has some hundred KB."""
MAX_FILES: Final = 20_000
"""Files of one message: a proof for each event, and those of former hubs."""
_PREFIX: Final = 6
"""Characters of an id that name its folder: the messages of nine hours."""
_STEP: Final = 1 << 20
_LINE: Final = re.compile(r"([0-9a-f]{64})  (data/[A-Za-z0-9._/-]{1,200})\n")
_TAG_LINE: Final = re.compile(r"([0-9a-f]{64})  ([a-z0-9.-]{1,40})\n")
_MESSAGE: Final = re.compile(r"data/messages/(m[0-9a-z]{5})/(m[0-9a-z]{8,40})/(.{1,150})")
_PART: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class BadExport(EcluseError):
    """An export that is not as it was made: nothing of it was taken.

    Args:
        path: The file in question, in the export.
        cause: What is wrong with it.
    """

    code = "archive.bad-export"
    fault = Fault.PERMANENT
    remedy = "Take the export again from where it was made, and check it with `ecluse archive verify-export`."

    def __init__(self, path: str, cause: str, *, remedy: str | None = None) -> None:
        super().__init__(f"{path}: {cause}", remedy=remedy)
        self.path = path


def message_folder(id: str) -> str:
    """Where a message lies."""
    return f"{MESSAGES}/{id[:_PREFIX]}/{id}"


def place_of(path: str) -> tuple[str, ...]:
    """What paths are ordered by."""
    return tuple(path.split("/"))


@dataclass(frozen=True, slots=True)
class Unit:
    """The files of one message, or one file that belongs to none.

    Attributes:
        path: Folder of the message, or the file itself.
        message: Id of the message; empty for a file that belongs to none.
        files: Digests in hexadecimal by path, relative to the folder; of a single file under an empty name.
    """

    path: str
    message: str
    files: dict[str, str] = field(default_factory=dict)


class Bag:
    """An export in a folder. Nothing in it is followed, run or believed before it was compared.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tags(self) -> dict[str, bytes]:
        """The tag files, once their digests are those of the tag manifest; of the manifest, its digest in hexadecimal.

        Raises:
            BadExport: One is missing, changed, or more than there should be.
        """
        if not (self.folder / BAGIT).exists() or (self.folder / STATE).exists():
            raise BadExport(
                BAGIT,
                "it is not there for good: this is no export, or one that has not ended.",
                remedy="Run `ecluse archive export` again with the same folder: it goes on where it was cut.",
            )
        listed: dict[str, str] = {}
        text = self.read(TAG_MANIFEST, None).decode("utf-8", "replace")
        for line in text.splitlines(keepends=True):
            found = _TAG_LINE.fullmatch(line)
            if found is None or found[2] in listed:
                raise BadExport(TAG_MANIFEST, "a line of it can't be read.")
            listed[found[2]] = found[1]
        if set(listed) != set(TAGS):
            raise BadExport(TAG_MANIFEST, f"it has to list {', '.join(TAGS)}.")
        tags = {name: self.read(name, listed[name]) for name in (INFO, BAGIT, NOTE)}
        if tags[BAGIT] != DECLARATION:
            raise BadExport(BAGIT, "it is not a declaration of BagIt 1.0.")
        if self.digest(MANIFEST) != listed[MANIFEST]:
            raise BadExport(MANIFEST, "it is not the file that the tag manifest lists.")
        tags[MANIFEST] = listed[MANIFEST].encode()
        for entry in sorted(os.scandir(self.folder), key=lambda entry: entry.name):
            if entry.name not in (*TAGS, TAG_MANIFEST, "data"):
                raise BadExport(entry.name, "it does not belong into an export.")
            if entry.name == "data" and not entry.is_dir(follow_symlinks=False):
                raise BadExport(entry.name, "it is no folder.")
        return tags

    def lines(self) -> Iterator[tuple[str, str]]:
        """Path and digest of every payload file, in order. Raises :class:`BadExport`."""
        before: tuple[str, ...] = ()
        with self._open(MANIFEST) as source:
            number = 0
            while line := source.readline(400):
                number += 1
                found = _LINE.fullmatch(line.decode("utf-8", "replace"))
                if found is None or not all(_PART.fullmatch(part) for part in found[2].split("/")):
                    raise BadExport(MANIFEST, f"line {number} can't be read.")
                place = place_of(found[2])
                if place <= before:
                    raise BadExport(MANIFEST, f"line {number} is not in order, or there twice: {found[2]}.")
                before = place
                yield found[2], found[1]

    def units(self) -> Iterator[Unit]:
        """The files by message, in order. Raises :class:`BadExport`."""
        current: Unit | None = None
        names: set[str] = set()
        for path, digest in self.lines():
            if current is None or not path.startswith(f"{current.path}/"):
                names.clear()
            if path.lower() in names:  # where case is not told apart, one would take the other's place
                raise BadExport(path, "another file differs from it in case alone.")
            names.add(path.lower())
            found = _MESSAGE.fullmatch(path)
            if found is None:
                if path.startswith(MESSAGES):
                    raise BadExport(path, "no file of an export is named so.")
                if current is not None:
                    yield current
                    current = None
                yield Unit(path, "", {"": digest})
                continue
            if found[1] != found[2][:_PREFIX]:
                raise BadExport(path, "it lies in the folder of other messages.")
            folder = message_folder(found[2])
            if current is None or current.path != folder:
                if current is not None:
                    yield current
                current = Unit(folder, found[2])
            if len(current.files) >= MAX_FILES:
                raise BadExport(folder, f"it has more than {MAX_FILES:,} files.")
            current.files[found[3]] = digest
        if current is not None:
            yield current

    def present(self) -> Iterator[str]:
        """Every file under ``data``, in order. Raises :class:`BadExport` for what is no plain file."""
        yield from self._walk("data", 0)

    def _walk(self, path: str, depth: int) -> Iterator[str]:
        if depth > 10:
            raise BadExport(path, "its folders are too deep.")
        try:
            with os.scandir(self.folder / path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise BadExport(path, f"it can't be read: {error.strerror}.") from None
        for entry in entries:
            below = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(below, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield below
            else:
                raise BadExport(below, "it is neither a file nor a folder.")

    def read(self, path: str, digest: str | None) -> bytes:
        """A small file whole, once its digest is this one (``None``: whatever it is). Raises :class:`BadExport`."""
        data = b"".join(self.chunks(path, MAX_JSON))
        if digest is not None and sha256(data).hexdigest() != digest:
            raise BadExport(path, "it was changed: its SHA-256 is another one.")
        return data

    def digest(self, path: str) -> str:
        """SHA-256 of a file in hexadecimal. Raises :class:`BadExport` where it can't be read."""
        found = sha256()
        for chunk in self.chunks(path):
            found.update(chunk)
        return found.hexdigest()

    def chunks(self, path: str, limit: int | None = None) -> Iterator[bytes]:
        """The octets of a file. Raises :class:`BadExport` where it can't be read, or has more than ``limit``."""
        left = limit
        with self._open(path) as source:
            while True:
                try:
                    chunk = source.read(_STEP)
                except OSError as error:
                    raise BadExport(path, f"it can't be read: {error.strerror}.") from None
                if not chunk:
                    return
                if left is not None:
                    left -= len(chunk)
                    if left < 0:
                        raise BadExport(path, f"it has more than {limit} octets.")
                yield chunk

    def _open(self, path: str) -> _File:
        return _File(self.folder / path, path)


class _File:
    """A plain file, opened so that nothing else is."""

    def __init__(self, full: Path, path: str) -> None:
        try:
            number = os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise BadExport(path, f"it can't be read: {error.strerror}.") from None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise BadExport(path, "it is no plain file.")
        self._file = os.fdopen(number, "rb")

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Octets."""
        return self._file.read(size)

    def readline(self, size: int) -> bytes:
        """A line, or the beginning of one."""
        return self._file.readline(size)
