"""The manifest of an export as it grows, and the files that its lines are about.

The files of an export are no state of the hub: nothing stands on them before the export ends, and each is compared with
the manifest by whoever reads it. So they are made durable many at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from ecluse.archive.transfer.layout import MANIFEST, MESSAGES, place_of

__all__ = ["BATCH", "Manifest", "put", "sync"]

BATCH: Final = 256
"""Messages between two syncs of the disk."""


class Manifest:
    """The manifest as it grows, and the files that its lines are about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: dict[str, str] = {}
        self._waiting: list[str] = []
        self._units = 0

    def __enter__(self) -> Manifest:
        self._out = (self.folder / MANIFEST).open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()

    def resume(self) -> str:
        """Cut the manifest after the last message that is whole for certain; give its id, or nothing."""
        last, begun, kept, at = "", 0, "", 0
        with (self.folder / MANIFEST).open("rb") as source:
            for line in source:
                parts = line[66:].decode("utf-8", "replace").split("/")
                unit = "/".join(parts[:4]) if line[66:].startswith(MESSAGES.encode()) else "system"
                if unit != last:
                    kept = last.rpartition("/")[2]
                    last, begun = unit, at
                at += len(line)
                if unit == "system":
                    break
        self._out.truncate(begun)
        self._out.seek(0, os.SEEK_END)
        return kept

    def file(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write a file, and note its digest."""
        full = self.folder / path
        full.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = sha256()
        with full.open("wb") as out:
            os.fchmod(out.fileno(), 0o600)
            for chunk in chunks:
                digest.update(chunk)
                out.write(chunk)
        self._lines[path] = digest.hexdigest()

    def drop(self, path: str) -> None:
        """Take a file back that could not be written to its end."""
        self._lines.pop(path, None)
        (self.folder / path).unlink(missing_ok=True)

    def ended(self) -> None:
        """All files of a message, or of the system, are there."""
        self._waiting += [f"{self._lines[path]}  {path}\n" for path in sorted(self._lines, key=place_of)]
        self._lines.clear()
        self._units += 1
        if self._units >= BATCH:
            self.settle()

    def settle(self) -> None:
        """Have the lines follow their files, which are durable by then."""
        # One wait for the file system costs less than one for each of some thousand small files.
        os.sync()
        self._out.write("".join(self._waiting).encode())
        self._out.flush()
        os.fsync(self._out.fileno())
        self._waiting.clear()
        self._units = 0


def put(path: Path, data: bytes) -> None:
    """Write a small file durably."""
    with path.open("wb") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
