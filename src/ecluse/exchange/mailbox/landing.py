"""Transactions over a partner's folders: what may lie where, how much, and how one that was in doubt ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Final, TypeVar

from ecluse.errors import EcluseError
from ecluse.exchange.hub import Hub
from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.tree import Denied, NameExists, NoSpace, NoSuchPath
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.paths import VirtualPath
from ecluse.store.port import Conflict, StoreUnavailable, Tx, View

__all__ = [
    "UNSENT",
    "check_folder",
    "check_replaceable",
    "check_room",
    "delete_bytes",
    "drop_segments",
    "durably",
    "is_folder",
    "occupant",
    "put_row",
    "row_at",
]

T = TypeVar("T")

UNSENT: Final = frozenset({FileState.PARTIAL, FileState.TEMPORARY})
"""What is no document yet: its octets are its own, and it may always be written again."""

TRIES: Final = 5
"""Runs of a unit that others were in the way of."""


def row_at(view: View, session: Session, path: VirtualPath) -> FileRow | None:
    """What is at a path."""
    return view.file(session.partner, str(path.parent), path.name)


def occupant(tx: Tx, session: Session, path: VirtualPath) -> FileRow | None:
    """The same of a path that was free and where a file is added next."""
    return tx.occupant(session.partner, str(path.parent), path.name)


def is_folder(view: View, session: Session, path: VirtualPath) -> bool:
    """Whether there is such a folder, by agreement or made since."""
    if session.places.given(path):
        return True
    row = row_at(view, session, path)
    return row is not None and row.state is FileState.FOLDER


def check_folder(view: View, session: Session, path: VirtualPath) -> None:
    """Raise :class:`NoSuchPath` or :class:`Denied` unless there is such a folder."""
    if session.places.given(path):
        return
    row = row_at(view, session, path)
    if row is None:
        raise NoSuchPath(f"There is no folder {path}.")
    if row.state is not FileState.FOLDER:
        raise Denied(f"{path} is a file.", remedy="Name a folder.")


def check_replaceable(session: Session, path: VirtualPath, there: FileRow) -> None:
    """Raise :class:`NameExists` or :class:`Denied` unless an upload may take the place of ``there``."""
    if there.state is FileState.FOLDER:
        raise Denied(f"{path} is a folder.", remedy="Name a file.")
    if there.state not in UNSENT and not session.terms.replace:
        raise NameExists(f"There is a file {path} already.")


def check_room(session: Session, tx: Tx, octets: int, files: int) -> None:
    """Raise :class:`NoSpace` where so much more does not fit. What only makes room always fits."""
    if octets <= 0 and files <= 0:
        return
    used, count = tx.file_usage(session.partner)
    if octets > 0 and used + octets > session.terms.quota:
        raise NoSpace("The folders would grow past their quota.")
    if files > 0 and count + files > session.terms.files:
        raise NoSpace("There are as many files as were agreed.")


def put_row(tx: Tx, there: FileRow | None, row: FileRow, keep: str = "") -> list[Segment]:
    """Put a row in the place of what is there; drop and give the segments that nothing refers to then."""
    if there is None:
        tx.add_file(row)
        return []
    tx.replace_file(there, row)
    kept = {keep, *(segment.blob for segment in row.segments)}
    obsolete = [segment for segment in there.segments if segment.blob not in kept]
    drop_segments(tx, obsolete)
    return obsolete


def drop_segments(tx: Tx, segments: Iterable[Segment]) -> None:
    """Delete the rows and keys of blobs; their bytes are deleted by :func:`delete_bytes` once that is durable."""
    for segment in segments:
        tx.drop_blob(segment.blob)


def delete_bytes(hub: Hub, segments: Iterable[Segment]) -> None:
    """Delete what blobs without rows left in the place. Never raises: the sweep finds what is left."""
    for segment in segments:
        if segment.size > hub.vault.inline_limit:
            with contextlib.suppress(EcluseError):
                hub.vault.place.delete(segment.blob)


def durably(
    hub: Hub,
    work: Callable[[Tx], T],
    after_all: Callable[[View], T | None],
    begun: Future[T] | None = None,
) -> T:
    """Run a unit of work; again where another one was in its way.

    Args:
        hub: What the chamber shares.
        work: The unit.
        after_all: Gives its result where it turns out to have been done, although the database went away while it
            committed.
        begun: Its first run, where it was submitted already.

    Raises:
        Conflict: Others were in its way each time.
        StoreUnavailable: It was not done, or nobody knows.
    """
    for left in reversed(range(TRIES)):
        try:
            return hub.store.write(work) if begun is None else begun.result()
        except Conflict:
            if not left:
                raise
            begun = None
        except StoreUnavailable:
            with contextlib.suppress(StoreUnavailable):
                result = hub.store.read(after_all)
                if result is not None:
                    return result
            raise
    raise AssertionError("the last run returns or raises")
