"""Temporary names: they begin with a dot and end in ``.part``, and whoever lists a folder leaves such names out.

In a folder of the hub's own :func:`sweep_parts` deletes those that a killed process left; in one that others write into
too, a name says whose work it is, and :func:`drop_parts` deletes those of that work alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import Final

from ecluse.durable.errors import disk_errors

__all__ = ["drop_parts", "is_part", "part_name", "sweep_parts"]

_PART: Final = ".part"


def is_part(name: str) -> bool:
    """Whether a file name is one of this module's temporary ones."""
    return name.startswith(".") and name.endswith(_PART)


def part_name(name: str, work: str) -> str:
    """A temporary name for a file that will be called ``name``; ``work`` as a new file has it."""
    # The name is cut because a folder takes at most 255 octets of it, and the rest needs some.
    return f".{name[:48]}.{_mark(work)}{secrets.token_hex(8)}{_PART}"


def _mark(work: str) -> str:
    return f"{work}-" if work else ""


def drop_parts(folder: int, work: str, spared: str = "") -> int:
    """Delete the temporary files that a killed process left of some work, but that one; give their number.

    A process that is still at it fails: it does not find its file any more.

    Args:
        folder: Handle of the open folder.
        work: As it was given to :class:`NewFile`.
        spared: What :meth:`NewFile.stay` gave.
    """
    count = 0
    with disk_errors("a folder"), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name) and f".{_mark(work)}" in entry.name and entry.name != spared:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=folder)
                    count += 1
    return count


def sweep_parts(folder: str | os.PathLike[str], older_than: float) -> int:
    """Delete temporary files last written more than ``older_than`` seconds ago; give their number."""
    # Times of files are the file system's: it is asked for the age, not the hub's clock.
    limit = time.time() - older_than
    count = 0
    with disk_errors(folder), os.scandir(folder) as entries:
        for entry in entries:
            if is_part(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime <= limit:
                        os.unlink(entry.path)
                        count += 1
    return count
