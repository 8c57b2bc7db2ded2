"""Taking an export into an archive that does not have it yet.

All of it is checked before anything is written. Then message by message: bytes are sealed under keys of this hub, and
the message, its archived documents and the events are one transaction. What was cut goes on where it was: a message
that is there already came with the same export, or the import is refused before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ecluse.archive.holds import Hold, hold_record
from ecluse.archive.room import Room
from ecluse.archive.transfer.check import Checked, Message, check_export, units_again
from ecluse.archive.transfer.facts import DocumentFacts
from ecluse.archive.transfer.former import FORMER, Former, FormerFile, former_record, known_former
from ecluse.archive.transfer.layout import MANIFEST, BadExport, Bag
from ecluse.blobs.vault import Sealed
from ecluse.errors import EcluseError, Fault
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import Instant, MessageId, PartnerId
from ecluse.model.nouns import Answer
from ecluse.model.nouns import Message as MessageRow
from ecluse.store.archive import HOLD
from ecluse.store.port import Conflict, Tx, View
from ecluse.wire.tlog.note import NoteKey

__all__ = ["Loaded", "NotLoadable", "load_export"]

_OWN: Final = ("journal", "protocol")
"""Folders of a message that are evidence of the hub that exported it."""
_TOGETHER: Final = 32
"""Messages whose transactions are under way at once, so that they share the wait for the disk."""


class NotLoadable(EcluseError):
    """The archive can't take this export."""

    code = "archive.import-conflict"
    fault = Fault.USAGE
    remedy = "Import into a hub whose archive does not have these documents."


@dataclass(slots=True)
class Loaded:
    """What an import did.

    Attributes:
        checked: What the export is.
        messages: Taken in this run.
        documents: Taken in this run.
        there: Messages that were there already, of the same export.
        holds: Legal holds taken.
        left_out: Documents without their octets, which the exporting hub could not read.
    """

    checked: Checked
    messages: int = 0
    documents: int = 0
    there: int = 0
    holds: int = 0
    left_out: list[str] = field(default_factory=list)


def load_export(
    room: Room,
    folder: Path,
    keys: Sequence[NoteKey] = (),
    *,
    reason: str,
    actor: str,
    progress: Callable[[str, int], None] = lambda step, messages: None,
) -> Loaded:
    """Check an export, then take all of it.

    Ids, terms of retention, holds and the deposit receipts of the former hub stay as they are. Nothing is under way:
    what was on its way when it was exported counts as delivered.

    Args:
        room: The archive.
        folder: Where the export is.
        keys: Verifier keys of the hub that made it, had by another way.
        reason: Why.
        actor: Who.
        progress: Told of the step (``check`` or ``import``) and the messages done.

    Raises:
        BadExport: It was changed; nothing was written, unless it was changed while it was read.
        NotLoadable: The archive has other documents of the same ids, or lacks an archive profile.
    """
    holds: list[Hold] = []
    conflicts: list[str] = []
    manifest = Bag(folder).tags()[MANIFEST].decode()

    def visit(message: Message) -> None:
        conflict = _conflict(room, message, manifest)
        if conflict and not conflicts:
            conflicts.append(f"{message.unit.path}: {conflict}")

    checked = check_export(
        folder, keys, visit=visit, hold=holds.append, progress=lambda count: progress("check", count)
    )
    if conflicts:
        raise NotLoadable(conflicts[0])
    missing = sorted(checked.profiles - set(room.book().profiles))
    if missing:
        raise NotLoadable(
            f"The archive profile {missing[0]} is not in force here.",
            remedy=f"Copy data/system/profiles/{missing[0]}.toml of the export to archive/ of the configuration, "
            "look at it, and `ecluse apply` it.",
        )
    done = Loaded(checked)
    subject = f"import:{checked.manifest[:32]}"
    facts: dict[str, Any] = {
        "manifest": checked.manifest,
        "origin": checked.origin,
        "claimed": checked.claimed,
        "messages": checked.messages,
        "documents": checked.documents,
        "reason": reason,
    }
    room.hub.store.write(lambda tx: room.hub.event(tx, "archive.import-begun", subject, facts, actor=actor))
    # Holds come first: what they are about is held from its first moment here.
    for hold in holds:
        done.holds += room.hub.store.write(lambda tx, hold=hold: _hold(room, tx, hold, checked, actor))  # type: ignore[misc]
    bag = Bag(folder)
    under_way: list[_Taken] = []

    def settle() -> None:
        for each in under_way:
            each.settle(done)
        under_way.clear()

    for message in units_again(bag):
        if message.facts.origin or len(under_way) >= _TOGETHER:
            settle()  # what a message was made of is there before it
        taken = _take(room, bag, message, done, actor)
        if taken is not None:
            under_way.append(taken)
        progress("import", done.messages + done.there + len(under_way))
    settle()
    ended = {
        "manifest": checked.manifest,
        "messages": done.messages,
        "documents": done.documents,
        "there": done.there,
    }
    room.hub.store.write(lambda tx: room.hub.event(tx, "archive.import-ended", subject, ended, actor=actor))
    return done


def _conflict(room: Room, message: Message, manifest: str) -> str:
    """Why the archive can't take a message; nothing where it can, or has it of the same export."""
    former = known_former(room, MessageId(message.facts.id))
    if former is not None:
        return "" if former.manifest == manifest else f"it came already, with the export {former.manifest}."

    def look(view: View) -> str:
        if view.message(MessageId(message.facts.id)) is not None:
            return "this hub has a message of that id."
        facts = message.facts
        if facts.protocol_id and view.find_message(
            facts.direction, PartnerId(facts.partner), facts.protocol_id
        ):
            return "this hub has a message of that protocol id."
        if any(view.archived(document.archived("", 0).id) for _, document in message.documents):
            return "this hub has an archived document of that id."
        return ""

    return room.hub.store.read(look)


def _hold(room: Room, tx: Tx, hold: Hold, checked: Checked, actor: str) -> int:
    if tx.record(HOLD, hold.id) is not None:
        return 0
    tx.lock_holds()
    tx.add_record(hold_record(hold))
    facts = {"reference": hold.reference, "manifest": checked.manifest, "standing": hold.released is None}
    room.hub.event(tx, "archive.held", hold.id, facts, actor=actor)
    return 1


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message whose transaction is under way.

    Attributes:
        path: Of the message.
        documents: How many it has.
        ended: Whether it was taken.
    """

    path: str
    documents: int
    ended: Future[bool]

    def settle(self, done: Loaded) -> None:
        """Return once it is durable. Raises :class:`NotLoadable`."""
        try:
            taken = self.ended.result()
        except Conflict as error:
            raise NotLoadable(f"{self.path}: {error.cause}") from None
        done.messages += taken
        done.there += not taken
        done.documents += self.documents if taken else 0


def _take(room: Room, bag: Bag, message: Message, done: Loaded, actor: str) -> _Taken | None:
    facts = message.facts
    id = MessageId(facts.id)
    if known_former(room, id) is not None:
        done.there += 1
        return None
    sealed: list[Sealed] = []
    wire = _sealed(room, bag, message, "wire", sealed) if "wire" in message.unit.files else ""
    blobs = [""] * len(facts.parts)
    rows: list[Archived] = []
    for place, document in message.documents:
        if document.lacking:
            done.left_out.append(f"{message.unit.path}/{place}")
            continue
        row = _row(room, bag, message, place, document, wire, sealed)
        blobs[document.part] = "" if document.state is ArchiveState.DISPOSED else row.blob
        rows.append(row)
    former = _former(room, bag, message, done.checked, sealed)
    answer = _answer(bag, message)

    def work(tx: Tx) -> bool:
        if tx.record(former_record(former, id, facts.partner, 0).kind, id) is not None:
            return False
        for each in sealed:
            tx.add_blob(each.row, each.wrapped_key)
        origin = facts.origin if facts.origin and tx.message(MessageId(facts.origin)) is not None else ""
        taken = facts.message(blobs, wire, origin)
        tx.add_message(taken)
        room.hub.event(tx, "message.imported", id, _imported(taken, done), actor=actor)
        if answer is not None:
            tx.put_answer(answer)
        more = [each for each in (wire, former.blob) if each]
        for row in rows:
            tx.add_archived(row, more)
            told = {
                "message": row.message,
                "sha256": row.sha256.hex(),
                "size": row.size,
                "profile": row.profile,
                "manifest": done.checked.manifest,
                "origin": done.checked.origin,
                "deposited": row.deposited,
            }
            room.hub.event(tx, "archive.imported", row.id, told, actor=actor)
        tx.add_record(former_record(former, id, facts.partner, room.hub.clock()))
        return True

    return _Taken(message.unit.path, len(rows), room.hub.store.submit(work))


def _imported(message: MessageRow, done: Loaded) -> dict[str, Any]:
    """What the log says of a message that another hub exchanged: how it stood there, and what of it is not here."""
    return {
        "state": message.state.value,
        "direction": message.direction.value,
        "partner": message.partner,
        "sha256": [part.sha256 for part in message.parts],
        "left_out": [number for number, part in enumerate(message.parts) if not part.blob],
        "gone": ["payload", "wire"] if message.shredded else [],
        "manifest": done.checked.manifest,
        "origin": done.checked.origin,
    }


def _row(
    room: Room,
    bag: Bag,
    message: Message,
    place: str,
    document: DocumentFacts,
    wire: str,
    sealed: list[Sealed],
) -> Archived:
    if document.state is ArchiveState.DISPOSED:
        # There are no bytes; the name of the blob is that of no other.
        return document.archived(f"b{document.id[1:]}", 0)
    offset = message.facts.parts[document.part].wire_offset
    name = f"{place}/document"
    if wire and offset is not None:
        _in_wire(bag, message, offset, document)
        return document.archived(wire, offset)
    return document.archived(_sealed(room, bag, message, name, sealed), 0)


def _in_wire(bag: Bag, message: Message, offset: int, document: DocumentFacts) -> None:
    """See that the document is where the message says that it is in the wire's bytes."""
    digest, at, end = sha256(), 0, offset + document.size
    for chunk in bag.chunks(f"{message.unit.path}/wire"):
        if at < end and at + len(chunk) > offset:
            digest.update(chunk[max(0, offset - at) : end - at])
        at += len(chunk)
    if at < end or digest.hexdigest() != document.sha256:
        raise BadExport(
            f"{message.unit.path}/wire", f"document {document.part} is not in it where it should be."
        )


def _sealed(room: Room, bag: Bag, message: Message, name: str, sealed: list[Sealed]) -> str:
    """Seal a file under a key of this hub; give its blob."""
    path = f"{message.unit.path}/{name}"
    return _seal(room, bag.chunks(path), path, message.unit.files[name], sealed)


def _seal(room: Room, chunks: Iterator[bytes], path: str, digest: str, sealed: list[Sealed]) -> str:
    with room.hub.vault.create() as writer:
        for chunk in chunks:
            writer.write(chunk)
        made = writer.finish()
    if digest and made.row.sha256.hex() != digest:
        raise BadExport(path, "it was changed while it was read.")
    sealed.append(made)
    return made.row.id


def _former(room: Room, bag: Bag, message: Message, checked: Checked, sealed: list[Sealed]) -> Former:
    """Keep the evidence of the exporting hub, and of those before it, in one blob."""
    before = {
        int(name.split("/")[1])
        for name in message.unit.files
        if name.startswith(f"{FORMER}/") and name.split("/")[1].isdecimal()
    }
    here = str(max(before, default=0) + 1)
    files: list[FormerFile] = []
    names: list[str] = []
    for name in message.unit.files:
        parts = name.split("/")
        if parts[0] == FORMER:
            names.append(name)
            files.append(FormerFile(name.removeprefix(f"{FORMER}/"), 0, 0))
        elif parts[0] in _OWN and parts[1] != "answer.body":
            names.append(name)
            files.append(FormerFile(f"{here}/{name}", 0, 0))
    if not files:
        return Former(checked.manifest, checked.origin)
    placed: list[FormerFile] = []

    def chunks() -> Iterator[bytes]:
        at = 0
        for name, file in zip(names, files, strict=True):
            path, size, digest = f"{message.unit.path}/{name}", 0, sha256()
            for chunk in bag.chunks(path):
                size += len(chunk)
                digest.update(chunk)
                yield chunk
            if digest.hexdigest() != message.unit.files[name]:
                raise BadExport(path, "it was changed while it was read.")
            placed.append(FormerFile(file.name, at, size))
            at += size

    blob = _seal(room, chunks(), message.unit.path, "", sealed)
    return Former(checked.manifest, checked.origin, blob, tuple(placed))


def _answer(bag: Bag, message: Message) -> Answer | None:
    facts, name = message.facts.answer, "protocol/answer.body"
    if facts is None:
        return None
    if name not in message.unit.files:
        raise BadExport(f"{message.unit.path}/{name}", "it is not there.")
    body = bag.read(f"{message.unit.path}/{name}", message.unit.files[name])
    return Answer(
        MessageId(message.facts.id),
        facts.status,
        facts.headers,
        body,
        facts.positive,
        Instant(facts.created),
        facts.return_to,
    )
