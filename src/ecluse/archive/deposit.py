"""Deposit: a message's documents become archived ones, with a signed receipt each.

A message that a profile governs gets a job in the transaction that accepts or confirms it; until that has ended, the
message's bytes are not deleted (:mod:`ecluse.archive.holds`). The job looks at the documents, signs a receipt for each,
and writes rows, receipts and events in one transaction: there is no document without its evidence, nor the other way
round. A job that was cut begins anew, and finds what was done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from ecluse.archive.contents import Contents, columns, contents
from ecluse.archive.holds import DEPOSIT_JOB, REFUSED, deposit_key
from ecluse.archive.periods import terms
from ecluse.archive.room import Room
from ecluse.archive.statement import DEPOSIT, Statement, state
from ecluse.blobs.vault import BlobDamaged, VaultReader
from ecluse.engine.context import JobContext, Outcome
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveId
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Direction, Job, Message, Part
from ecluse.model.records import Record
from ecluse.model.states import MessageState
from ecluse.store.port import Tx, View
from ecluse.typed import from_json, json_decoder
from ecluse.wire.documents import Interchange, read

__all__ = [
    "ArchivedBody",
    "NotNow",
    "Refused",
    "begin_retention",
    "body_of",
    "decline",
    "deposit",
    "deposit_job",
    "note_message",
    "refused_messages",
]

_LOOK: Final = 1 << 20
"""Octets read of a document at once."""

_KEPT: Final = frozenset(
    {
        MessageState.ACCEPTED,
        MessageState.SEALED,
        MessageState.DELIVERED,
        MessageState.FAILED,
        MessageState.GIVEN_UP,
        MessageState.QUARANTINED,
    }
)


class NotNow(EcluseError):
    """What is asked for does not fit what the archive has."""

    code = "archive.not-now"
    fault = Fault.USAGE
    remedy = "Look at it with `ecluse archive show`, and choose what fits."


class Refused(msgspec.Struct, frozen=True):
    """A message that left, or was let through, and that its profile does not take.

    Attributes:
        message: Which.
        profile: Which profile.
        reason: Why, in a sentence.
    """

    message: MessageId
    profile: str
    reason: str


class ArchivedBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the archive knows of a document besides what is searched.

    Attributes:
        name: Its file name.
        content_type: As declared.
        kind: As inspection found it.
        offset: Where it begins in its blob.
        submitter: Who deposited it: ``partner:birch``, ``flow:invoices``, ``operator:anne``.
        receipt: The signed receipt.
        waived: Why it was taken though the profile's formats leave it out; empty where they do not.
        event: Date of the event that began its retention; empty while there was none.
        contents: What is inside, and what its envelope says; empty where nothing was recognised.
        disposal: The disposal that it was destroyed by; empty while it is kept.
        receipt_sha256: Digest of the receipt, once the receipt itself went with the document.
    """

    name: str = ""
    content_type: str = ""
    kind: str = ""
    offset: int = 0
    submitter: str = ""
    receipt: Statement | None = None
    waived: str = ""
    event: str = ""
    contents: Contents = Contents()
    disposal: str = ""
    receipt_sha256: str = ""


_read_body = json_decoder(ArchivedBody).decode
_read_refused = json_decoder(Refused).decode


def body_of(archived: Archived) -> ArchivedBody:
    """The body of a row."""
    return _read_body(archived.body)


def note_message(room: Room, tx: Tx, message: Message) -> None:
    """Have a message archived that has just been accepted, or confirmed, where a profile governs it.

    What comes in is archived once it is accepted, what goes out once the other side has confirmed it.
    """
    inward = message.direction is Direction.IN and message.state is MessageState.ACCEPTED
    outward = (
        message.direction is Direction.OUT
        and message.state is MessageState.DELIVERED
        and bool(message.partner)
    )
    if not (inward or outward) or message.shredded:
        return
    profile = room.book().governing(message)
    if profile and not tx.archived_of(message.id):
        payload = msgspec.json.encode({"message": message.id, "profile": profile})
        tx.add_job(Job(deposit_key(message.id), DEPOSIT_JOB, "", payload, message.updated))


def deposit_job(room: Room, job: Job, context: JobContext) -> Outcome:
    """Do what :func:`note_message` noted."""
    asked = from_json(job.payload, dict[str, str])
    id, name = MessageId(asked["message"]), asked["profile"]
    message = room.hub.store.read(lambda view: view.message(id))
    if message is None or message.shredded or not message.parts:
        return context.finish()
    name = room.book().governing(message) or name
    reason = room.book().refused(name, message)
    if reason and message.direction is Direction.OUT:
        return context.finish(lambda tx: _refuse(room, tx, Refused(id, name, reason)))
    # What came in was stopped in quarantine for it: that it is here means that a person let it through.
    prepared = _prepare(room, message, name, submitter=_submitter(message), waived=reason)
    context.check()

    def work(tx: Tx) -> None:
        if not tx.archived_of(id):
            _keep(room, tx, prepared, "hub")

    return context.finish(work)


def _submitter(message: Message) -> str:
    if message.direction is Direction.IN and message.partner:
        return f"partner:{message.partner}"
    return f"flow:{message.flow}" if message.flow else "hub"


def _refuse(room: Room, tx: Tx, refused: Refused) -> None:
    now = room.hub.clock()
    body = msgspec.json.encode(refused)
    tx.put_record(Record(REFUSED, refused.message, now, body, state="waiting"))
    data = {"profile": refused.profile, "reason": refused.reason}
    room.hub.event(tx, "archive.refused", refused.message, data, at=now)


def refused_messages(view: View) -> list[Refused]:
    """Messages whose profile does not take them, and that wait for a decision; their bytes are kept until then."""
    return [_read_refused(record.body) for record in view.records(REFUSED)]


def decline(room: Room, id: MessageId, *, actor: str, reason: str) -> None:
    """Decide that a refused message is not archived. Raises :class:`NotNow` where none waits."""

    def work(tx: Tx) -> None:
        if tx.record(REFUSED, id) is None:
            raise NotNow(f"Nobody has to decide about {id}.")
        tx.drop_record(REFUSED, id)
        room.hub.event(tx, "archive.declined", id, {"reason": reason}, actor=actor)

    room.hub.store.write(work)


def deposit(room: Room, id: MessageId, profile: str, *, actor: str, waive: str = "") -> list[Archived]:
    """Archive a message by hand.

    Args:
        room: The archive.
        id: The message.
        profile: By which profile; its own where this is empty.
        actor: Who does it.
        waive: Why it is archived though the profile's formats leave it out.

    Returns:
        Its archived documents; those that are there already, where it was archived before.

    Raises:
        NoProfile: There is none of that name, or none governs it.
        NotNow: The message is unknown, has no bytes (any more), or is not of a kind that the profile takes.
    """
    message = room.hub.store.read(lambda view: view.message(id))
    if message is None or message.shredded or not message.parts or message.state not in _KEPT:
        raise NotNow(f"The message {id[:64]!a} has no documents that could be archived.")
    name = profile or room.book().governing(message)
    reason = room.book().refused(name, message)
    if reason and not waive:
        raise NotNow(
            reason, code="archive.format-refused", remedy="Take another profile, or give --waive REASON."
        )
    prepared = _prepare(room, message, name, submitter=actor, waived=f"{reason} {waive}" if reason else "")

    def work(tx: Tx) -> list[Archived]:
        present = tx.archived_of(id)
        return present or _keep(room, tx, prepared, actor)

    return room.hub.store.write(work)


@dataclass(frozen=True, slots=True)
class _Prepared:
    message: Message
    profile: str
    rows: tuple[Archived, ...]
    submitter: str


def _prepare(room: Room, message: Message, name: str, *, submitter: str, waived: str) -> _Prepared:
    book = room.book()
    profile = book.profile(name)
    now = room.hub.clock()
    rows = []
    for number, part in enumerate(message.parts):
        found = _read(room, part)
        inside = columns(found)
        term = terms(profile, now, inside["day"])
        id = ArchiveId(room.hub.new_id("a"))
        row = Archived(
            id=id,
            message=message.id,
            part=number,
            blob=part.blob,
            partner=message.partner,
            direction=message.direction,
            deposited=now,
            profile=name,
            sha256=bytes.fromhex(part.sha256),
            size=part.size,
            flow=message.flow,
            type=inside["type"],
            reference=inside["reference"] or message.reference,
            refs=inside["refs"],
            day=inside["day"],
            amount=inside["amount"],
            currency=inside["currency"],
            starts=term.starts,
            ends=term.ends,
        )
        said: dict[str, Any] = {
            "message": message.id,
            "document": number + 1,
            "documents": len(message.parts),
            "name": part.name,
            "content_type": part.content_type,
            "kind": part.kind,
            "type": row.type,
            "reference": row.reference,
            "sha256": part.sha256,
            "size": part.size,
            "partner": message.partner,
            "direction": message.direction.value,
            "submitter": submitter,
            "profile": {
                "id": name,
                "name": profile.name,
                "retention": profile.retention,
                "begins": profile.begins,
                "counts_from": profile.counts_from,
                "basis": profile.basis,
            },
            "configuration": book.version,
            "starts": None if row.starts is None else iso(row.starts),
            "ends": None if row.ends is None else iso(row.ends),
            "record": {"log": room.origin(), "kind": "archive.deposited", "subject": id},
        }
        if waived:
            said["waived"] = waived
        receipt = state(DEPOSIT, id, said, now, room.sign)
        body = ArchivedBody(
            name=part.name,
            content_type=part.content_type,
            kind=part.kind,
            offset=part.offset,
            submitter=submitter,
            receipt=receipt,
            waived=waived,
            contents=contents(found),
        )
        rows.append(msgspec.structs.replace(row, body=msgspec.json.encode(body)))
    return _Prepared(message, name, tuple(rows), submitter)


def _read(room: Room, part: Part) -> Interchange:
    """What a document says of itself, once its octets are seen to be those that came."""
    digest = sha256()

    def pieces(blob: VaultReader) -> Iterator[bytes]:
        for chunk in blob.chunks(part.offset, part.size, _LOOK):
            digest.update(chunk)
            yield chunk

    with room.hub.blob(part.blob) as blob:
        rest = pieces(blob)
        found = read(rest)
        for _ in rest:
            pass  # a reader stops early where it has seen enough
    if digest.hexdigest() != part.sha256:
        raise BlobDamaged(f"The octets of a document in blob {part.blob} are not those that came.")
    return found


def _keep(room: Room, tx: Tx, prepared: _Prepared, actor: str) -> list[Archived]:
    """Write the rows and their events; the message's row is held meanwhile, so that its bytes stay."""
    message = tx.message(prepared.message.id)
    if message is None or message.shredded:
        raise NotNow(f"The bytes of {prepared.message.id} were deleted meanwhile.")
    wire: Sequence[str] = (message.wire_blob,) if message.wire_blob else ()
    tx.drop_record(REFUSED, message.id)
    for row in prepared.rows:
        tx.add_archived(row, wire)
        receipt = body_of(row).receipt
        data = {
            "message": row.message,
            "part": row.part,
            "sha256": row.sha256.hex(),
            "size": row.size,
            "partner": row.partner,
            "profile": row.profile,
            "type": row.type,
            "submitter": prepared.submitter,
            "receipt": receipt.digest if receipt is not None else "",
            "starts": row.starts,
            "ends": row.ends,
            "configuration": room.book().version,
        }
        room.hub.event(tx, "archive.deposited", row.id, data, actor=actor, at=row.deposited)
    return list(prepared.rows)


def begin_retention(room: Room, id: ArchiveId, day: str, *, actor: str, reason: str) -> Archived:
    """Tell of the event that a document's retention begins with, such as the end of a contract.

    Args:
        room: The archive.
        id: The document.
        day: When it happened, ISO 8601.
        actor: Who tells.
        reason: What happened.

    Raises:
        NotNow: Its profile does not wait for an event, or it began already: it can't be made shorter.
    """
    book = room.book()

    def work(tx: Tx) -> Archived:
        row = tx.archived(id)
        if row is None or row.state.value == "disposed":
            raise NotNow(f"There is no archived document {id[:64]!a} that is kept.")
        profile = book.profile(row.profile)
        if profile.begins != "event" or row.starts is not None:
            raise NotNow(f"The retention of {id} began already.")
        term = terms(profile, row.deposited, row.day, day)
        body = msgspec.structs.replace(body_of(row), event=day)
        after = msgspec.structs.replace(
            row, starts=term.starts, ends=term.ends, body=msgspec.json.encode(body)
        )
        tx.update_archived(after)
        for blob in tx.archive_blobs_of(id):
            kept = tx.archive_bytes(blob)
            if kept is not None and kept.due is not None:  # a lock of the second copy is to follow
                tx.update_archive_bytes(msgspec.structs.replace(kept, due=room.hub.clock()))
        data = {"day": day, "reason": reason, "starts": after.starts, "ends": after.ends}
        room.hub.event(tx, "archive.started", id, data, actor=actor)
        return after

    return room.hub.store.write(work)
