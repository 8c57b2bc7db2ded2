"""The checkpoints held outside the database: the witness against a database that was put back.

A plain text file of signed notes, each followed by an empty line, oldest first. It only ever grows, and it is
worth most on another disk or machine than the database and its backups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ecluse.durable import disk_errors, sync_folder
from ecluse.evidence.errors import HeldUnreadable

__all__ = ["HeldCheckpoints"]

_TAIL: Final = 128 * 1024
"""Octets read from the end: a hub's checkpoint has some 250, and 20 cosigners add 5,000 each at most."""

_END: Final = b"\n\n"
_SIGNATURE: Final = "— ".encode()


class HeldCheckpoints:
    """The file at ``path``; it is made by the first :meth:`append`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def newest(self) -> bytes | None:
        """The last note that was written whole, not verified; ``None`` where there is none.

        Raises:
            HeldUnreadable: where the file holds something else.
            DiskError: where it can't be read.
        """
        tail, _ = self._read_tail()
        if not tail:
            return None
        text, gap, signatures = tail[: -len(_END)].rpartition(_END)
        if not gap:
            raise HeldUnreadable(f"{self.path} does not end with a checkpoint.")
        return text.rpartition(_END)[2] + _END + signatures + b"\n"

    def append(self, note: bytes) -> None:
        """Add a note and return when it is durable. What a power cut left half written is cut off first."""
        _, end = self._read_tail()
        with disk_errors(self.path):
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.ftruncate(handle, end)
                rest = memoryview(note + b"\n")
                while rest:
                    done = os.pwrite(handle, rest, end)
                    rest, end = rest[done:], end + done
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(self.path.parent)

    def __iter__(self) -> Iterator[bytes]:
        """Every whole note, oldest first, one at a time."""
        if not self.path.exists():
            return
        with disk_errors(self.path), self.path.open("rb") as file:
            lines: list[bytes] = []
            for line in file:
                if line == b"\n" and lines and lines[-1].startswith(_SIGNATURE):
                    yield b"".join(lines)
                    lines = []
                else:
                    lines.append(line)

    def _read_tail(self) -> tuple[bytes, int]:
        """The end of the file up to its last whole note, and where that note ends in the file."""
        with disk_errors(self.path):
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                return b"", 0
            with file:
                size = file.seek(0, os.SEEK_END)
                start = file.seek(max(0, size - _TAIL))
                data = file.read(_TAIL)
        end = data.rfind(_END) + len(_END)
        if end < len(_END):
            end = 0
        elif not data[data.rfind(_END, 0, end - len(_END)) + len(_END) :].startswith(_SIGNATURE):
            # The text of a note arrived whole, its signatures did not.
            end = data.rfind(_END, 0, end - len(_END)) + len(_END)
            end = 0 if end < len(_END) else end
        if end == 0 and start > 0:
            raise HeldUnreadable(f"{self.path} does not end with a checkpoint.")
        return data[:end], start + end
