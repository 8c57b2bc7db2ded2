"""Whole files in one call: new ones, several together, one in the place of another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from ecluse.durable.errors import DiskError
from ecluse.durable.files import NewFile
from ecluse.durable.folders import sync_folder
from ecluse.errors import EcluseError

__all__ = ["replace", "write_new", "write_together"]

_OPEN: Final = 64
"""Files that are open at once where many are written together."""


def write_new(
    path: str | os.PathLike[str], chunks: Iterable[bytes], mode: int = 0o600, *, work: str = ""
) -> int:
    """Write a file under a name that is not taken; return its size when it is durable.

    Args:
        path: Its name.
        chunks: Its content.
        mode: Permissions, before the process's umask.
        work: See :class:`NewFile`.

    Raises:
        NameTaken: There is a file of that name; it was left as it is.
        DiskError: The disk did not take it; nothing is visible.
    """
    size = 0
    new = NewFile(path, mode, work=work)
    try:
        for chunk in chunks:
            new.write(chunk)
            size += len(chunk)
    except BaseException:
        new.abort()
        raise
    new.commit()
    return size


def write_together(
    files: Iterable[tuple[str | os.PathLike[str], Iterable[bytes], str]], mode: int = 0o600
) -> list[EcluseError | None]:
    """Write files under names that are not taken; return when they are durable, each folder synced once.

    Args:
        files: Name, content, and work (see :class:`NewFile`) of each.
        mode: Permissions, before the process's umask.

    Returns:
        For each, ``None``, or why nothing of it is visible: what its octets raised, or as :func:`write_new`. What
        was there under a taken name is durable too.
    """
    errors: list[EcluseError | None] = []
    folders: dict[str, list[tuple[int, NewFile]]] = {}
    some: list[tuple[int, NewFile]] = []

    def put() -> None:
        # All are on their way to the disk before the first is waited for, whose wait then is that of all; and no name
        # is given before the last is waited for, since what changes a folder is one more thing to wait for.
        for _, new in some:
            new.push()
        for step in (NewFile.sync, NewFile.give_name):
            for number, new in some:
                if errors[number] is None:
                    try:
                        step(new)
                    except EcluseError as error:
                        errors[number] = error
        some.clear()

    for number, (path, chunks, work) in enumerate(files):
        errors.append(None)
        try:
            new = NewFile(path, mode, work=work)
            folders.setdefault(os.path.dirname(path) or ".", []).append((number, new))
            for chunk in chunks:
                new.write(chunk)
        except EcluseError as error:
            errors[number] = error
        else:
            some.append((number, new))
        if len(some) == _OPEN:
            put()
    put()
    for folder, inside in folders.items():
        try:
            sync_folder(folder)
        except DiskError as error:
            for number, new in inside:
                new.withdraw()
                errors[number] = error
        for number, new in inside:
            if errors[number] is not None:
                new.abort()
    return errors


def replace(path: str | os.PathLike[str], data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` in the place of the file at ``path``, or make it; return when it is durable.

    A reader, or a power cut, finds the former content or ``data``, whole. Raises :class:`DiskError`.
    """
    new = NewFile(path, mode, over=True)
    try:
        new.write(data)
    except BaseException:
        new.abort()
        raise
    new.commit()
