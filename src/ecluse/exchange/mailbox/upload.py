"""An upload: octets go into the vault as they come, and nothing into the database before they are whole.

What was written is one blob, or (after a cut, or where the client asked for durability in between) several; the
row of a half upload names them. When the client closes the file they are one blob, and the blob, the row, the
message and its route are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import msgspec

from ecluse.blobs.vault import Sealed, VaultWriter
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.inspect import HEAD_LIMIT, Inspector
from ecluse.exchange.mailbox.landing import (
    check_folder,
    check_replaceable,
    check_room,
    delete_bytes,
    drop_segments,
    durably,
    occupant,
    put_row,
    row_at,
)
from ecluse.exchange.mailbox.octets import Piece, join, open_pieces, segments_of
from ecluse.exchange.mailbox.order import Ahead, Recent
from ecluse.exchange.mailbox.room import Room
from ecluse.exchange.mailbox.session import Session
from ecluse.exchange.mailbox.taking import message_of, take
from ecluse.exchange.tree import Denied
from ecluse.model.basics import Instant
from ecluse.model.files import FileRow, FileState, Segment
from ecluse.model.nouns import BlobRow, Message
from ecluse.model.paths import VirtualPath
from ecluse.store.port import StoreUnavailable, Tx, View

__all__ = ["Upload"]

SEGMENTS: Final = 16
"""Blobs of a half upload at most: beyond, the latest are joined."""
LONGEST: Final = 6 * 3600 * 1_000_000
"""Microseconds after which what was written is made durable, and another blob begun: half of what the vault
allows a blob in the writing."""


class _Unit(NamedTuple):
    """The transaction that ends an upload; the arguments of :func:`durably`, and the blob that goes if it fails."""

    work: Callable[[Tx], list[Segment]]
    after_all: Callable[[View], list[Segment] | None]
    new: Sealed | None


class Upload:
    """See :class:`ecluse.exchange.tree.TreeWriter`.

    Args:
        session: Whose.
        path: Where.
        there: What was at ``path`` when it was opened.
        usage: Octets and number of what lay in the partner's folders then.
        resume: Go on with ``there``.

    Raises:
        NoSpace: There are as many files as were agreed.
    """

    def __init__(
        self,
        session: Session,
        path: VirtualPath,
        there: FileRow | None,
        usage: tuple[int, int],
        *,
        resume: bool,
    ) -> None:
        self._session = session
        self._path = path
        self._base = there if resume else None
        """Our own row: half an upload, which this one goes on with."""
        self._durable = list(self._base.segments) if self._base is not None else []
        self._size = self._kept = sum(segment.size for segment in self._durable)
        self._writer: VaultWriter | None = None
        self._writer_began = session.began
        self._inspector = Inspector("") if self._base is None else None
        self._ahead = Ahead()
        self._recent = Recent()
        self._broken: EcluseError | None = None
        self._ended = False
        self._was_free = there is None
        self._replaces_bytes = there is not None and bool(there.segments)
        self._unit: _Unit | None = None
        self._begun: Future[list[Segment]] | None = None
        self._room = Room(
            session,
            usage,
            replaced=there.size if there is not None and self._base is None else 0,
            begun=self._size,
            files=0 if there is not None else 1,
        )

    @property
    def size(self) -> int:
        """Octets that it has so far."""
        return self._size

    # --- writing -------------------------------------------------------------------------------------------

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """See the port. An upload whose writing failed once is not a file any more: its commit fails likewise."""
        if self._broken is not None:
            raise self._broken
        if not data:
            return
        try:
            if offset > self._size:
                self._ahead.hold(offset, data)
                return
            self._take(offset, data)
            while (piece := self._ahead.due(self._size)) is not None:
                self._take(*piece)
        except EcluseError as error:
            self._broken = error
            raise

    def _take(self, offset: int, data: bytes | memoryview) -> None:
        """Append what is new of some octets; what was written before is not to change."""
        again = self._size - offset
        if again:
            known = data[:again]
            if offset < 0 or self._written(offset, len(known)) != known:
                raise Denied(
                    "What was sent would change what was written.",
                    remedy="Send the file anew, from its beginning.",
                )
            data = data[again:]
        if data:
            self._append(data)

    def _append(self, data: bytes | memoryview) -> None:
        end = self._size + len(data)
        self._room.take(end)
        writer = self._writer
        if writer is not None and self._session.hub.clock() - self._writer_began > LONGEST:
            self.sync()
            writer = None
        if writer is None:
            writer = self._writer = self._session.hub.vault.create(behind=self._session.behind)
            self._writer_began = self._session.hub.clock()
        writer.write(data)
        if self._inspector is not None and self._size < HEAD_LIMIT:
            self._inspector.feed(bytes(data[: HEAD_LIMIT - self._size]))
        self._recent.note(self._size, data)
        self._size = end

    def _written(self, offset: int, size: int) -> bytes | None:
        """What was written there; ``None`` where that is not known any more."""
        durable = b""
        if offset < self._kept:
            whole = open_pieces(self._session.hub, self._pieces(self._durable))
            try:
                durable = whole.read(offset, size)
            finally:
                whole.close()
        rest = self._recent.read(offset + len(durable), size - len(durable))
        return None if rest is None else durable + rest

    # --- half of it ----------------------------------------------------------------------------------------

    def sync(self) -> None:
        """See the port."""
        if self._broken is not None:
            raise self._broken
        try:
            last = self._seal()
            if last is not None:
                self._keep_half(last)
        except EcluseError as error:
            self._broken = error
            raise

    def suspend(self) -> None:
        """See the port."""
        if self._ended:
            return
        self._ended = True
        try:
            lost = self._broken is not None and self._broken.fault is Fault.PARTNER
            last = None if lost else self._seal()
            if last is not None:
                self._keep_half(last, cut=True)
        except EcluseError:
            pass  # what was durable before is there to be resumed
        finally:
            self._stop_writing()
            self._room.give_back()

    def abort(self) -> None:
        """See the port."""
        if self._ended:
            return
        self._ended = True
        self._leave(own_row=True)

    def _seal(self) -> Sealed | None:
        """End the blob that is being written; ``None`` where nothing was."""
        writer, self._writer = self._writer, None
        return None if writer is None else writer.finish()

    def _keep_half(self, last: Sealed, *, cut: bool = False) -> None:
        """Make the row of a half upload of what there is.

        Raises:
            Denied: Somebody else's is there by now.
        """
        session, hub = self._session, self._session.hub
        folded, new = self._fold(last)
        segments = (*self._durable[: len(self._durable) - len(folded)], Segment(new.row.id, new.row.size))
        now = hub.clock()
        half = self._row(FileState.PARTIAL, now, now + session.terms.keep_partial, segments)

        def work(tx: Tx) -> list[Segment]:
            there = row_at(tx, session, self._path)
            self._check_there(there)
            check_folder(tx, session, self._path.parent)
            tx.add_blob(new.row, new.wrapped_key)
            obsolete = put_row(tx, there, half)
            if cut:
                facts = {"file": half.id, "size": half.size, **session.facts.as_dict()}
                hub.event(tx, "upload.suspended", session.partner, facts, actor=session.actor)
            return obsolete

        try:
            obsolete = durably(
                hub, work, lambda view: [] if row_at(view, session, self._path) == half else None
            )
        except StoreUnavailable:
            raise  # it may have been done: the sweep knows
        except EcluseError:
            hub.vault.discard(new)
            raise
        delete_bytes(hub, obsolete)
        self._base, self._durable, self._kept = half, list(segments), half.size

    def _fold(self, last: Sealed) -> tuple[list[Segment], Sealed]:
        """Join the latest blobs where there are too many. Sizes at least double, so that none is copied often."""
        durable, hub = self._durable, self._session.hub
        if len(durable) < SEGMENTS:
            return [], last
        total, first = last.row.size, len(durable)
        while first and (durable[first - 1].size <= total or first == len(durable)):
            first -= 1
            total += durable[first].size
        folded = durable[first:]
        pieces = self._pieces(folded)
        try:
            return folded, join(hub, [*pieces, Piece(last.row, last.wrapped_key, 0, last.row.size)])
        finally:
            hub.vault.discard(last)

    # --- all of it -----------------------------------------------------------------------------------------

    def commit(self) -> None:
        """See the port."""
        self._ended = True
        try:
            if self._broken is not None:
                raise self._broken
            if self._ahead:
                raise Denied("Octets are missing before the end.", remedy="Send the file anew.")
            self._commit()
        except EcluseError as error:
            # Where it was the disk or the database, what was durable before can be gone on with.
            self._leave(own_row=error.fault is Fault.PARTNER)
            raise
        except BaseException:
            self._leave(own_row=False)
            raise
        self._room.give_back()

    @property
    def prompt(self) -> int:
        """See the port."""
        return 0 if self._durable else self._session.hub.vault.inline_limit

    def begin_commit(self) -> Future[list[Segment]] | None:
        """See the port: what is small enough to lie in its row, and in nothing's place whose bytes go with it."""
        if self._broken is not None or self._ahead or self._replaces_bytes or self._size > self.prompt:
            return None
        self._ended = True
        try:
            self._unit = self._last_unit()
            self._begun = self._session.hub.store.submit(self._unit.work)
        except EcluseError as error:
            self._broken = error
        return self._begun

    def _commit(self) -> None:
        hub = self._session.hub
        unit = self._unit if self._unit is not None else self._last_unit()
        try:
            obsolete = durably(hub, unit.work, unit.after_all, self._begun)
        except StoreUnavailable:
            raise  # it may have been done: the sweep knows
        except EcluseError:
            if unit.new is not None:
                hub.vault.discard(unit.new)
            raise
        delete_bytes(hub, obsolete)

    def _last_unit(self) -> _Unit:
        """The unit of work that makes the row, and the message, of all of it."""
        session, hub = self._session, self._session.hub
        blob, new, inspector = self._whole()
        now = hub.clock()
        temporary = session.places.temporary(self._path.name)
        if temporary:
            segments = (Segment(blob.id, blob.size),)
            row = self._row(FileState.TEMPORARY, now, now + session.terms.keep_partial, segments)
            message = None
        else:
            row = self._row(FileState.TAKEN, now, now + session.terms.keep_uploaded)
            message = message_of(session, row, blob, inspector, now)
            row = msgspec.structs.replace(row, message=message.id)

        def work(tx: Tx) -> list[Segment]:
            there = (occupant if self._was_free and self._base is None else row_at)(tx, session, self._path)
            self._check_there(there)
            check_folder(tx, session, self._path.parent)
            check_room(session, tx, row.size - (there.size if there else 0), 0 if there else 1)
            if new is not None:
                tx.add_blob(new.row, new.wrapped_key)
            obsolete = put_row(tx, there, row, blob.id)
            if message is not None:
                take(session, tx, message)
            return obsolete

        def after_all(view: View) -> list[Segment] | None:
            return [] if _was_kept(view, session, row, message) else None

        return _Unit(work, after_all, new)

    def _whole(self) -> tuple[BlobRow, Sealed | None, Inspector]:
        """All of it as one blob: its row, itself where its row is not written yet, and who has seen its head."""
        hub = self._session.hub
        if self._writer is None and not self._durable:
            self._writer = hub.vault.create()
        last = self._seal()
        if last is not None and not self._durable:
            return last.row, last, self._inspector or Inspector("")
        pieces = self._pieces(self._durable)
        if last is None and len(pieces) == 1:
            inspector = self._inspector
            if inspector is None:
                inspector = Inspector("")
                whole = open_pieces(hub, pieces)
                try:
                    inspector.feed(whole.read(0, HEAD_LIMIT))
                finally:
                    whole.close()
            return pieces[0].row, None, inspector
        inspector = Inspector("")
        if last is not None:
            pieces.append(Piece(last.row, last.wrapped_key, 0, last.row.size))
        try:
            joined = join(hub, pieces, inspector.feed)
        finally:
            if last is not None:
                hub.vault.discard(last)
        return joined.row, joined, inspector

    def _pieces(self, segments: Sequence[Segment]) -> list[Piece]:
        """Some of the blobs that are durable. Raises :class:`Denied` where another session has dropped them."""

        def look(view: View) -> list[Piece]:
            if segments:
                self._check_there(row_at(view, self._session, self._path))
            return segments_of(view, segments)

        return self._session.hub.store.read(look)

    def _check_there(self, there: FileRow | None) -> None:
        """Raise unless what is there may make place for this upload."""
        base = self._base
        if base is not None:
            if there is None or there.id != base.id:
                raise Denied(
                    f"The half upload {self._path} was ended by another session.",
                    remedy="Send the file anew.",
                )
        elif there is not None:
            check_replaceable(self._session, self._path, there)

    def _row(
        self, state: FileState, now: Instant, expires: int, segments: tuple[Segment, ...] = ()
    ) -> FileRow:
        session = self._session
        return FileRow(
            partner=session.partner,
            folder=str(self._path.parent),
            name=self._path.name,
            id=session.hub.new_id("f"),
            state=state,
            size=self._size,
            modified=now,
            segments=segments,
            expires=Instant(expires),
        )

    def _stop_writing(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abort()
        self._ahead.clear()

    def _leave(self, *, own_row: bool) -> None:
        """Stop; never raises. ``own_row``: nothing is left either of what was made durable before."""
        self._stop_writing()
        base = self._base
        if own_row and base is not None:
            session = self._session

            def work(tx: Tx) -> bool:
                there = row_at(tx, session, self._path)
                if there is None or there.id != base.id:
                    return False
                tx.drop_file(there)
                drop_segments(tx, there.segments)
                return True

            try:
                if durably(session.hub, work, lambda view: None):
                    delete_bytes(session.hub, base.segments)
            except EcluseError:
                pass  # it expires
        self._room.give_back()


def _was_kept(view: View, session: Session, row: FileRow, message: Message | None) -> bool:
    if message is not None:
        return view.message(message.id) is not None
    return view.file(row.partner, row.folder, row.name) == row
