"""Consultation: who read what, and why, stands in the log before the first octet goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ecluse.archive.deposit import body_of
from ecluse.archive.room import Room, archived_or_raise
from ecluse.archive.signing import NotAllowed, Signed, checked
from ecluse.blobs.port import BlobMissing
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant, iso

__all__ = ["Sign", "consult"]

Sign = Callable[[str], str]
"""Makes an armoured signature of the operator over a text."""


@contextmanager
def consult(
    room: Room, id: str, *, reason: str, actor: str, operator: str = "", sign: Sign | None = None
) -> Iterator[tuple[Archived, Callable[[], Iterator[bytes]]]]:
    """Open an archived document for reading.

    Args:
        room: The archive.
        id: Of the document.
        reason: Why it is read.
        actor: Who reads, as far as the system knows.
        operator: Who reads, as they say and sign; needed where the profile says who may.
        sign: Signs as they.

    Yields:
        The row, and what gives the octets. The log has the consultation by then, durably.

    Raises:
        NotArchived: There is none.
        BlobMissing: It was destroyed.
        NotAllowed: They may not, or have not signed.
    """
    row = room.hub.store.read(lambda view: archived_or_raise(view, id))
    now = room.hub.clock()
    signed = _right(room, row, reason, operator, sign, now)
    if row.state is ArchiveState.DISPOSED:
        raise BlobMissing(
            f"The archived document {row.id} was destroyed.",
            code="archive.destroyed",
            remedy="Look at its certificate with `ecluse archive show`.",
        )
    by = f"operator:{signed.operator}" if signed is not None else actor
    facts: dict[str, Any] = {"reason": reason, "sha256": row.sha256.hex(), "profile": row.profile}
    if signed is not None:
        facts |= {
            "statement": _text(room, row, reason, operator, now),
            "fingerprint": signed.fingerprint,
            "signature": signed.signature,
        }
    room.hub.store.write(lambda tx: room.hub.event(tx, "archive.consulted", row.id, facts, actor=by, at=now))
    with room.hub.blob(row.blob) as blob:
        yield row, lambda: blob.chunks(body_of(row).offset, row.size)


def _right(
    room: Room, row: Archived, reason: str, operator: str, sign: Sign | None, now: Instant
) -> Signed | None:
    book = room.book()
    profile = book.profiles.get(row.profile)
    # Of a profile that is gone nobody says any more who may: then those who administer the archive do.
    roles = profile.read if profile is not None else ("archive",)
    if not roles and not operator:
        return None
    if not operator or sign is None:
        raise NotAllowed(
            f"Documents of the profile {row.profile} are read by operators of role {' or '.join(sorted(roles))}."
        )
    person = next((each for each in book.operators if each.name == operator), None)
    asked = roles or (person.roles if person is not None else ())
    if person is None or not {*person.roles} & {*asked}:
        raise NotAllowed(
            f"{operator[:64]!a} is no operator in force of role {' or '.join(sorted(asked)) or 'any'}."
        )
    return checked(
        _text(room, row, reason, operator, now),
        book.operators,
        asked,
        operator,
        sign(_text(room, row, reason, operator, now)),
        now,
    )


def _text(room: Room, row: Archived, reason: str, operator: str, at: Instant) -> str:
    shown = "".join(each if each.isprintable() else " " for each in reason)
    return (
        "ecluse archive consultation 1\n"
        f"log {room.origin()}\n"
        f"archive {row.id}\n"
        f"sha256 {row.sha256.hex()}\n"
        f"reason {shown}\n"
        f"by {operator}\n"
        f"at {iso(at)}\n"
    )
