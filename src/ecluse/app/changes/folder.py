"""The hub's folder after an approval: it says what is in force, where nobody is at work in it."""

from __future__ import annotations

from ecluse import durable
from ecluse.app.changes.proposal import Delta, onto
from ecluse.app.node import Node
from ecluse.trust.configuration import read_folder

__all__ = ["put_into_folder"]


def put_into_folder(node: Node, files: Delta) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bring files up to date that are as they were before the change.

    Returns:
        The paths that were written or removed, and those that hold something else and were left.
    """
    present = read_folder(node.folder)
    written: list[str] = []
    left: list[str] = []
    for path, change in files.items():
        if present.get(path) == change.after:
            continue
        if onto(present, {path: change}) is None:
            left.append(path)
            continue
        target = node.folder / path
        if change.after is None:
            durable.remove(target)
        else:
            durable.make_folder(target.parent)
            durable.replace(target, change.after.encode(), 0o600)
        written.append(path)
    return tuple(written), tuple(left)
