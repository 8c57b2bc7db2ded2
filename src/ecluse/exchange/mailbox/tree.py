"""A partner's folders in one session: what is there, and what the partner does to names."""

from __future__ import annotations

import time
from heapq import merge
from typing import Final, NamedTuple

import msgspec

from ecluse.blobs.port import BlobMissing
from ecluse.exchange.inspect import HEAD_LIMIT, Inspector
from ecluse.exchange.mailbox.download import Download
from ecluse.exchange.mailbox.landing import (
    UNSENT,
    check_folder,
    check_replaceable,
    check_room,
    delete_bytes,
    drop_segments,
    durably,
    is_folder,
    put_row,
    row_at,
)
from ecluse.exchange.mailbox.octets import Held, Piece, open_pieces, pieces_of
from ecluse.exchange.mailbox.pickup import pick_up
from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.mailbox.taking import message_of, take
from ecluse.exchange.mailbox.upload import Upload
from ecluse.exchange.tree import Denied, Entry, NameExists, NoSuchPath, Space
from ecluse.model.basics import Instant
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.nouns import Message
from ecluse.model.paths import VirtualPath
from ecluse.store.port import Conflict, Tx, View

__all__ = ["AccountTree"]

SAME_LOOK: Final = 0.1
"""Seconds for which a name that was not there is taken to be free. What another session does meanwhile is found when
the upload ends, as it is when it does that after the opening."""

_OF_OURS = "outbound and receipts are for reading and removing."


class _Missed(NamedTuple):
    """A look that found nothing.

    Attributes:
        path: Where; a file may be uploaded there.
        usage: Octets and number of what lay in the folders.
        at: When, in seconds of the monotonic clock.
    """

    path: VirtualPath
    usage: tuple[int, int]
    at: float


class AccountTree:
    """See :class:`ecluse.exchange.tree.Tree`.

    Args:
        session: Who sees it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._store = session.hub.store
        self._missed: _Missed | None = None

    @property
    def prompt(self) -> bool:
        """See the port."""
        return self._store.local

    # --- looking -------------------------------------------------------------------------------------------

    def stat(self, path: VirtualPath) -> Entry:
        """See the port."""
        if self._session.places.given(path):
            return self._folder(path)

        row, usage = self._store.read(lambda view: self._look(view, path), snapshot=False)
        if row is None:
            # Who looks for what is not there may be about to upload it: then this look is that of the opening too.
            if self._session.places.uploads(path.parent):
                self._missed = _Missed(path, usage, time.monotonic())
            raise NoSuchPath(f"There is no {path}.")
        return self._entry(row)

    def list(self, folder: VirtualPath, *, after: str = "", limit: int = 500) -> list[Entry]:
        """See the port."""
        session = self._session

        def look(view: View) -> list[FileRow]:
            check_folder(view, session, folder)
            return view.files(session.partner, str(folder), after=after, limit=limit) if folder.names else []

        rows = (self._entry(row) for row in self._store.read(look))
        names = (name for name in session.places.children(folder) if name > after)
        given = (self._folder(VirtualPath((*folder.names, name))) for name in names)
        return list(merge(given, rows, key=lambda entry: entry.name))[:limit]

    def space(self) -> Space:
        """See the port."""
        terms = self._session.terms
        used, files = self._store.read(lambda view: view.file_usage(self._session.partner))
        return Space(terms.quota, used, terms.files, files)

    def _folder(self, path: VirtualPath) -> Entry:
        return Entry(path.name, True, 0, self._session.began, self._session.places.uploads(path))

    def _entry(self, row: FileRow) -> Entry:
        folder = row.state is FileState.FOLDER
        ours = row.state in UNSENT or (row.state is FileState.TAKEN and self._session.terms.replace)
        writable = self._session.places.uploads(VirtualPath.parse(row.folder)) if folder else ours
        taken = row.state is FileState.TAKEN
        return Entry(row.name, folder, row.size, row.modified, writable, taken)

    # --- octets --------------------------------------------------------------------------------------------

    def read(self, path: VirtualPath) -> Download:
        """See the port."""
        session = self._session

        def look(view: View) -> tuple[FileRow, list[Piece]]:
            row = self._file(view, path)
            return row, [] if row.content else pieces_of(view, row)

        try:
            row, pieces = self._store.read(look)
            held = Held(row.content) if row.content else open_pieces(session.hub, pieces)
            return Download(session, row, held)
        except BlobMissing:
            raise NoSuchPath(f"The octets of {path} are not kept any more.") from None

    def write(self, path: VirtualPath, *, resume: bool = False, exclusive: bool = False) -> Upload:
        """See the port."""
        session = self._session

        def look(view: View) -> tuple[FileRow | None, tuple[int, int]]:
            self._check_place(view, path)
            there, usage = self._look(view, path)
            return _no_folder(path, there), usage

        missed, self._missed = self._missed, None
        if (
            missed is not None
            and missed.path == path
            and not exclusive
            and time.monotonic() - missed.at < SAME_LOOK
            and session.places.given(path.parent)
        ):
            there, usage = None, missed.usage
        else:
            there, usage = self._store.read(look, snapshot=False)
        if there is not None:
            if exclusive:
                raise NameExists(f"There is a file {path} already.")
            check_replaceable(session, path, there)
            if resume and there.state not in UNSENT:
                raise Denied(f"The file {path} was taken already.", remedy="Send it anew, as a whole.")
        resume = resume and there is not None
        upload = Upload(session, path, there, usage, resume=resume)
        if resume and there is not None:
            facts = {"file": there.id, "size": there.size, **session.facts.as_dict()}
            self._store.write(
                lambda tx: session.hub.event(
                    tx, "upload.resumed", session.partner, facts, actor=session.actor
                )
            )
        return upload

    # --- names ---------------------------------------------------------------------------------------------

    def rename(self, path: VirtualPath, to: VirtualPath, *, replace: bool = False) -> None:
        """See the port."""
        session, hub = self._session, self._session.hub
        self._missed = None

        def check(view: View) -> tuple[FileRow, FileRow | None]:
            if session.places.given(path):
                raise Denied("The agreed folders keep their names.")
            row = row_at(view, session, path)
            if row is None:
                raise NoSuchPath(f"There is no {path}.")
            if row.state is FileState.FOLDER:
                raise Denied("Folders keep their names.", remedy="Make another folder.")
            if not session.places.uploads(path.parent):
                raise Denied("What lies there keeps its name.", remedy=_OF_OURS)
            there = self._place(view, to)
            if there is not None and to != path:
                if not replace:
                    raise NameExists(f"There is a file {to} already.")
                check_replaceable(session, to, there)
            if to != path and row.state is FileState.PARTIAL and not session.places.temporary(to.name):
                raise Denied(
                    f"The upload of {path} was cut off: it is no document yet.",
                    remedy="Resume it to its end, or send it anew.",
                )
            return row, there

        found, _ = self._store.read(check)
        if to == path:
            return
        after, message = self._renamed(found, to)

        def work(tx: Tx) -> list[Segment]:
            row, there = check(tx)
            if row.id != found.id:
                raise Denied(f"Another session wrote {path} meanwhile.", remedy="Look again.")
            tx.drop_file(row)
            obsolete = put_row(tx, there, after)
            if message is not None:
                take(session, tx, message)
            return obsolete

        def after_all(view: View) -> list[Segment] | None:
            return [] if row_at(view, session, to) == after else None

        try:
            obsolete = durably(hub, work, after_all)
        except Conflict:
            raise Denied("Other sessions rename the same files.", remedy="Try again.") from None
        delete_bytes(hub, obsolete)

    def _renamed(self, row: FileRow, to: VirtualPath) -> tuple[FileRow, Message | None]:
        """The row under its other name, and the message that it becomes by that."""
        session, hub = self._session, self._session.hub
        after = msgspec.structs.replace(row, folder=str(to.parent), name=to.name)
        if row.state is not FileState.TEMPORARY or session.places.temporary(to.name):
            return after, None
        [piece] = hub.store.read(lambda view: pieces_of(view, row))
        whole = open_pieces(hub, [piece])
        inspector = Inspector("")
        try:
            inspector.feed(whole.read(0, HEAD_LIMIT))
        finally:
            whole.close()
        now = hub.clock()
        after = msgspec.structs.replace(
            after,
            id=hub.new_id("f"),
            state=FileState.TAKEN,
            segments=(),
            expires=Instant(now + session.terms.keep_uploaded),
        )
        message = message_of(session, after, piece.row, inspector, now)
        return msgspec.structs.replace(after, message=message.id), message

    def remove(self, path: VirtualPath) -> None:
        """See the port."""
        session, hub = self._session, self._session.hub
        self._missed = None
        row = self._store.read(lambda view: self._file(view, path))
        if row.state is FileState.WAITING:
            if not hub.desk.was_read(row.id, row.size):
                raise Denied(f"{path} was not picked up yet.", remedy="Download it first, to its end.")
            pick_up(session, row, remove=True)
            return

        def work(tx: Tx) -> tuple[Segment, ...]:
            there = self._file(tx, path)
            if there.state is FileState.WAITING:
                raise Denied(f"{path} was put out anew.", remedy="Download it first, to its end.")
            tx.drop_file(there)
            drop_segments(tx, there.segments)
            facts = {
                "file": there.id,
                "size": there.size,
                "was": there.state.value,
                **session.facts.as_dict(),
            }
            hub.event(tx, "file.removed", there.message or session.partner, facts, actor=session.actor)
            return there.segments

        def after_all(view: View) -> tuple[Segment, ...] | None:
            there = row_at(view, session, path)
            return () if there is None or there.id != row.id else None

        delete_bytes(hub, durably(hub, work, after_all))

    def make_folder(self, path: VirtualPath) -> None:
        """See the port."""
        session, hub = self._session, self._session.hub
        folder = FileRow(
            partner=session.partner,
            folder=str(path.parent),
            name=path.name,
            id=hub.new_id("f"),
            state=FileState.FOLDER,
            size=0,
            modified=hub.clock(),
        )

        def work(tx: Tx) -> bool:
            if session.places.given(path) or row_at(tx, session, path) is not None:
                raise NameExists(f"There is {path} already.")
            check_folder(tx, session, path.parent)
            if not session.places.uploads(path.parent):
                raise Denied("No folders are made there.")
            check_room(session, tx, 0, 1)
            tx.add_file(folder)
            return True

        durably(hub, work, lambda view: True if row_at(view, session, path) == folder else None)

    def remove_folder(self, path: VirtualPath) -> None:
        """See the port."""
        session = self._session

        def work(tx: Tx) -> bool:
            check_folder(tx, session, path)
            if session.places.given(path):
                raise Denied("The agreed folders stay.")
            if tx.files(session.partner, str(path), limit=1) or session.places.children(path):
                raise Denied(f"{path} is not empty.", remedy="Remove what is in it first.")
            row = row_at(tx, session, path)
            if row is not None:
                tx.drop_file(row)
            return True

        durably(session.hub, work, lambda view: None if is_folder(view, session, path) else True)

    def set_modified(self, path: VirtualPath, at: Instant) -> None:
        """See the port."""
        session = self._session
        if session.places.given(path):
            return

        def work(tx: Tx) -> bool:
            row = row_at(tx, session, path)
            if row is None:
                raise NoSuchPath(f"There is no {path}.")
            if session.places.uploads(path.parent) and row.state is not FileState.FOLDER:
                tx.replace_file(row, msgspec.structs.replace(row, modified=at))
            return True

        durably(session.hub, work, lambda view: None)

    # --- checks --------------------------------------------------------------------------------------------

    def _file(self, view: View, path: VirtualPath) -> FileRow:
        if not self._session.places.given(path):
            row = row_at(view, self._session, path)
            if row is None:
                raise NoSuchPath(f"There is no {path}.")
            if row.state is not FileState.FOLDER:
                return row
        raise Denied(f"{path} is a folder.", remedy="Name a file.")

    def _place(self, view: View, path: VirtualPath) -> FileRow | None:
        """The file at a place that files may be at, where there is one."""
        self._check_place(view, path)
        return _no_folder(path, row_at(view, self._session, path))

    def _check_place(self, view: View, path: VirtualPath) -> None:
        """Raise unless files may be at a place."""
        if self._session.places.given(path):
            raise Denied(f"{path} is a folder.", remedy="Name a file.")
        check_folder(view, self._session, path.parent)
        if not self._session.places.uploads(path.parent):
            raise Denied("Nothing is uploaded there.")

    def _look(self, view: View, path: VirtualPath) -> tuple[FileRow | None, tuple[int, int]]:
        """What is at a path; octets and number of all that lies in the folders."""
        return view.file_and_usage(self._session.partner, str(path.parent), path.name)


def _no_folder(path: VirtualPath, there: FileRow | None) -> FileRow | None:
    if there is not None and there.state is FileState.FOLDER:
        raise Denied(f"{path} is a folder.", remedy="Name a file.")
    return there
