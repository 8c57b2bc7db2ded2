"""Disposal: what is proposed for destruction, and the text that two archive administrators sign.

The text names the list by its digest; the list has a line for each document. Nothing is destroyed by it yet: see
:mod:`ecluse.archive.destroying`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final

import msgspec

from ecluse.archive.clock import check_clock
from ecluse.archive.deposit import body_of
from ecluse.archive.holds import holds_of
from ecluse.archive.periods import terms
from ecluse.archive.room import Book, Room, archived_or_raise
from ecluse.archive.signing import NotAllowed, Signed, checked, counting
from ecluse.archive.statement import Statement
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId, ArchiveState
from ecluse.model.basics import Instant, MessageId, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.typed import json_decoder

__all__ = [
    "EYES",
    "KIND",
    "Disposal",
    "DisposalOver",
    "Item",
    "NoDisposal",
    "NothingToDispose",
    "approve",
    "candidates",
    "disposal_record",
    "disposals",
    "eyes_of",
    "find_disposal",
    "over",
    "propose",
    "refuse",
    "roles_of",
]

KIND: Final = "disposal"
"""Kind of the records."""
EYES: Final = 2
"""Archive administrators who sign that documents are destroyed."""
MAX_ITEMS: Final = 10_000
"""Documents of one disposal: its record, with the certificate, stays within the limit of a record."""
TIME: Final = 30 * 86_400 * 1_000_000
"""Microseconds that a proposal waits: what was looked through a month ago is looked through again."""
_PAGE: Final = 500


class NoDisposal(EcluseError):
    """There is no such disposal."""

    code = "archive.no-disposal"
    fault = Fault.USAGE
    remedy = "Look at `ecluse archive dispose list`."


class DisposalOver(EcluseError):
    """A disposal does not wait for this any more, or not yet."""

    code = "archive.disposal-over"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse archive dispose show`; propose it again where it is still wanted."


class NothingToDispose(EcluseError):
    """No document may be destroyed today."""

    code = "archive.nothing-to-dispose"
    fault = Fault.USAGE
    remedy = "Look at `ecluse archive list`: retention, holds and the profile's at_end say why."


class Item(msgspec.Struct, frozen=True):
    """A document on the list.

    Attributes:
        archive: Its id.
        message: The message that carried it.
        sha256: Hex digest.
        profile: By which it was archived.
        ended: When its retention was over.
    """

    archive: ArchiveId
    message: MessageId
    sha256: str
    profile: str
    ended: Instant

    @property
    def line(self) -> str:
        """Its line of the list."""
        return f"{self.archive} {self.sha256} {self.profile} {iso(self.ended)}\n"


class Disposal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disposal, from its proposal to its certificate.

    Attributes:
        id: The hub's id (``z…``).
        at: When it was proposed.
        until: Until when it waits.
        by: Who proposed it.
        reason: Why.
        origin: Name of the log.
        items: The list, in order of id.
        signatures: Approvals.
        began: When the destruction began; ``None`` before.
        certificate: The certificate of destruction; ``None`` before.
        ended: How it ended, in words; empty while it is under way.
    """

    id: str
    at: Instant
    until: Instant
    by: str
    reason: str
    origin: str
    items: tuple[Item, ...]
    signatures: tuple[Signed, ...] = ()
    began: Instant | None = None
    certificate: Statement | None = None
    ended: str = ""

    @property
    def list_text(self) -> str:
        """The list: a line for each document."""
        return "".join(item.line for item in self.items)

    @property
    def list_sha256(self) -> str:
        """Digest of the list."""
        return sha256(self.list_text.encode()).hexdigest()

    def statement(self, operator: str) -> str:
        """The text that an operator signs."""
        reason = "".join(each if each.isprintable() else " " for each in self.reason)
        return (
            "ecluse archive disposal 1\n"
            f"log {self.origin}\n"
            f"disposal {self.id}\n"
            f"proposed {iso(self.at)} by {self.by}\n"
            f"until {iso(self.until)}\n"
            f"reason {reason}\n"
            f"documents {len(self.items)}\n"
            f"list sha256 {self.list_sha256}\n"
            f"approved by {operator}\n"
        )


_read = json_decoder(Disposal).decode


def disposal_record(disposal: Disposal, state: str, at: Instant) -> Record:
    """As it is kept."""
    due = disposal.until if state == "proposed" else None
    return Record(KIND, disposal.id, at, msgspec.json.encode(disposal), state=state, due=due)


def find_disposal(view: View, id: str) -> tuple[Record, Disposal]:
    """A disposal by its id. Raises :class:`NoDisposal`."""
    record = view.record(KIND, id)
    if record is None:
        raise NoDisposal(f"There is no disposal {id[:64]!a}.")
    return record, _read(record.body)


def disposals(view: View, state: str | None = None) -> list[tuple[str, Disposal]]:
    """All of them with their states, oldest first."""
    return [(each.state, _read(each.body)) for each in view.records(KIND, state=state)]


def over(book: Book, archived: Archived, now: Instant) -> bool:
    """Whether a document's retention is over, by its row and by its profile as it is today: the later one counts."""
    if archived.ends is None or archived.ends > now:
        return False
    profile = book.profiles.get(archived.profile)
    if profile is None:
        return False  # nobody says any more for how long
    if profile.begins == "event" and archived.starts is None:
        return False
    today = terms(profile, archived.deposited, archived.day, body_of(archived).event)
    return today.ends is not None and today.ends <= now


def candidates(
    view: View, room: Room, now: Instant, *, profile: str = "", ids: Collection[str] = ()
) -> list[Archived]:
    """Documents that may be proposed: over, not held, and with an end action that lets them go.

    What is to be reviewed at its end goes by name alone.
    """
    book = room.book()
    if ids:
        rows: Iterable[Archived] = [archived_or_raise(view, id) for id in sorted(set(ids))]
    else:
        rows = _ended(view, now)
    actions = ("dispose", "review") if ids else ("dispose",)
    found: list[Archived] = []
    for row in rows:
        settings = book.profiles.get(row.profile)
        if row.state is ArchiveState.DISPOSED or settings is None or settings.at_end not in actions:
            continue
        if (profile and row.profile != profile) or not over(book, row, now) or holds_of(view, row):
            continue
        found.append(row)
        if len(found) == MAX_ITEMS:
            break
    return found


def _ended(view: View, now: Instant) -> Iterable[Archived]:
    after = (Instant(-(2**62)), "")
    while True:
        page = view.archive_ending(now, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]
        assert last.ends is not None, "it has ended"
        after = (last.ends, last.id)


def propose(room: Room, *, actor: str, reason: str, profile: str = "", ids: Collection[str] = ()) -> Disposal:
    """Propose documents for destruction.

    Raises:
        ClockDoubted: The clock can't be believed.
        NothingToDispose: None may go.
        NotArchived: One that is named is not there.
    """
    now = room.hub.clock()

    def work(tx: Tx) -> Disposal:
        check_clock(tx, room, now)
        rows = candidates(tx, room, now, profile=profile, ids=ids)
        if not rows:
            raise NothingToDispose("No document may be destroyed today.")
        items = tuple(
            Item(row.id, row.message, row.sha256.hex(), row.profile, row.ends)
            for row in sorted(rows, key=lambda row: row.id)
            if row.ends is not None
        )
        until = Instant(now + TIME)
        made = Disposal(room.hub.new_id("z"), now, until, actor, reason, room.origin(), items)
        tx.add_record(disposal_record(made, "proposed", now))
        facts = {"documents": len(items), "list": made.list_sha256, "reason": reason, "until": made.until}
        room.hub.event(tx, "archive.disposal-proposed", made.id, facts, actor=actor, at=now)
        return made

    return room.hub.store.write(work)


def roles_of(book: Book, disposal: Disposal) -> set[str]:
    """The roles that may sign a disposal: those that every profile on its list names."""
    roles: set[str] | None = None
    for name in {item.profile for item in disposal.items}:
        profile = book.profiles.get(name)
        named = {str(role) for role in (profile.dispose if profile is not None else ("archive",))}
        roles = named if roles is None else roles & named
    return roles or {"archive"}


def eyes_of(book: Book, disposal: Disposal) -> tuple[Signed, ...]:
    """The approvals that count today, each over the very list that is kept."""
    found: list[Signed] = []
    for signed in disposal.signatures:
        text = disposal.statement(signed.operator)
        for each in counting(text, [signed], book.operators, roles_of(book, disposal)):
            if all(each.operator != other.operator and each.key != other.key for other in found):
                found.append(each)
    return tuple(found)


def approve(room: Room, id: str, operator: str, armored: str) -> Disposal:
    """Take an archive administrator's approval; with the second one the disposal may be run.

    Raises:
        NoDisposal: There is none.
        DisposalOver: It does not wait for approval.
        NotAllowed: They may not sign, or have signed already.
        BadSshSignature: It is no signature over the text.
    """
    book = room.book()
    now = room.hub.clock()

    def work(tx: Tx) -> Disposal:
        record, disposal = find_disposal(tx, id)
        _waiting(record, disposal, now)
        signed = checked(
            disposal.statement(operator), book.operators, roles_of(book, disposal), operator, armored, now
        )
        before = eyes_of(book, disposal)
        if any(signed.operator == each.operator or signed.key == each.key for each in before):
            raise NotAllowed(
                f"{operator} signed this disposal already: the second signature is another person's.",
                code="archive.own-approval",
            )
        after = msgspec.structs.replace(disposal, signatures=(*before, signed))
        state = "approved" if len(after.signatures) >= EYES else "proposed"
        tx.replace_record(record, disposal_record(after, state, now))
        facts = {
            "list": disposal.list_sha256,
            "statement": disposal.statement(operator),
            "signatures": len(after.signatures),
            "fingerprint": signed.fingerprint,
            "signature": signed.signature,
        }
        room.hub.event(
            tx, "archive.disposal-approved", id, facts, actor=f"operator:{signed.operator}", at=now
        )
        return after

    return room.hub.store.write(work)


def refuse(room: Room, id: str, *, actor: str, reason: str) -> Disposal:
    """End a disposal before anything is destroyed by it; anybody may. Raises :class:`DisposalOver` once it began."""
    now = room.hub.clock()

    def work(tx: Tx) -> Disposal:
        record, disposal = find_disposal(tx, id)
        if record.state not in ("proposed", "approved") or disposal.began is not None:
            raise DisposalOver(f"The disposal {id} is {record.state}.")
        after = msgspec.structs.replace(disposal, ended=f"refused: {reason}")
        tx.replace_record(record, disposal_record(after, "refused", now))
        facts = {"list": disposal.list_sha256, "reason": reason}
        room.hub.event(tx, "archive.disposal-refused", id, facts, actor=actor, at=now)
        return after

    return room.hub.store.write(work)


def _waiting(record: Record, disposal: Disposal, now: Instant) -> None:
    if record.state != "proposed":
        raise DisposalOver(f"The disposal {disposal.id} is {record.state}.")
    if now >= disposal.until:
        raise DisposalOver(f"The time of the disposal {disposal.id} was over at {iso(disposal.until)}.")
