"""Writing an export: message by message in the order of ids, so that what was cut goes on where it was.

A message counts as written once its lines stand in the manifest, which come after its files are durable. What has no
manifest lines yet is written again. The declaration ``bagit.txt`` is the last file, and then ``export.state`` goes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import tomli_w

from ecluse.archive.consult import Sign
from ecluse.archive.deposit import body_of
from ecluse.archive.disposal import KIND as DISPOSAL
from ecluse.archive.holding import all_holds
from ecluse.archive.room import Room
from ecluse.archive.signing import NotAllowed, checked
from ecluse.archive.transfer.facts import document_facts, encoded, message_facts
from ecluse.archive.transfer.former import FORMER, former_of
from ecluse.archive.transfer.layout import (
    BAGIT,
    DECLARATION,
    FORMAT,
    INFO,
    MANIFEST,
    NOTE,
    STATE,
    TAG_MANIFEST,
    TAGS,
    message_folder,
)
from ecluse.archive.transfer.manifest import Manifest, put, sync
from ecluse.archive.transfer.readme import README
from ecluse.blobs.port import BlobMissing
from ecluse.blobs.vault import BlobDamaged
from ecluse.errors import EcluseError, Fault
from ecluse.evidence.errors import NotProvable
from ecluse.evidence.proof import prove
from ecluse.model.archive import Archived, ArchiveState
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import Answer, LoggedEvent, Message, Receipt
from ecluse.store.port import View
from ecluse.typed import from_json

__all__ = ["Exported", "Owner", "Scope", "export_archive"]

_PAGE: Final = 500


class WrongFolder(EcluseError):
    """The folder has something else in it."""

    code = "archive.export-folder"
    fault = Fault.USAGE
    remedy = "Give a new or an empty folder, or the one of an export that was cut, with the same conditions."


@dataclass(frozen=True, slots=True)
class Scope:
    """Which messages: those with a document to which all fits that is given.

    Attributes:
        partner: From or for whom.
        profile: Of the archive.
        type: Of the document.
        since: First day of the document.
        until: Last day.
    """

    partner: str = ""
    profile: str = ""
    type: str = ""
    since: str = ""
    until: str = ""

    def takes(self, archived: Archived) -> bool:
        """Whether a document fits."""
        if self.partner not in ("", archived.partner) or self.profile not in ("", archived.profile):
            return False
        if self.type not in ("", archived.type) or archived.day < self.since:
            return False
        return not self.until or (archived.day != "" and archived.day <= self.until)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose archive it is.

    Attributes:
        organisation: Name.
        keys: The log's verifier keys (C2SP ``vkey``), that in force first.
        software: Name and version.
    """

    organisation: str
    keys: tuple[str, ...]
    software: str


@dataclass(slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        id: Of the export.
        messages: Written in this run.
        documents: Archived documents of these, destroyed ones among them.
        octets: Of the documents.
        lacking: Documents whose octets could not be read.
        resumed: It went on with what a run before had written.
        manifest: SHA-256 of the manifest, in hexadecimal.
    """

    id: str
    messages: int = 0
    documents: int = 0
    octets: int = 0
    lacking: list[str] = field(default_factory=list)
    resumed: bool = False
    manifest: str = ""


class _State(msgspec.Struct, frozen=True):
    id: str
    origin: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class _Told:
    """What the database says of one message, in one moment."""

    message: Message
    origin: str
    rows: tuple[Archived, ...]
    wire: bool
    answer: Answer | None
    receipts: tuple[Receipt, ...]
    events: tuple[LoggedEvent, ...]


def export_archive(
    room: Room,
    folder: Path,
    owner: Owner,
    scope: Scope = Scope(),
    *,
    reason: str,
    actor: str,
    operator: str = "",
    sign: Sign | None = None,
    progress: Callable[[int], None] = lambda messages: None,
) -> Exported:
    """Write the archive, or some of it, in clear.

    Args:
        room: The archive.
        folder: A new or empty one, or that of an export with the same scope that was cut.
        owner: Whose it is.
        scope: Which messages.
        reason: Why; it stands in the log before the first octet is written.
        actor: Who, as far as the system knows.
        operator: Who, as they say and sign; needed where an operator has the role ``archive``.
        sign: Signs as they.
        progress: Told of the messages written in this run.

    Raises:
        WrongFolder: It has something else in it.
        NotAllowed: They may not, or have not signed.
        OSError: The disk did not take it; another run goes on.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state, resumed = _begun(room, folder, scope)
    _tell(room, state, reason, actor, operator, sign)
    done = Exported(state.id, resumed=resumed)
    with Manifest(folder) as manifest:
        after = manifest.resume()
        for id in _messages(room, after):
            told = room.hub.store.read(lambda view, id=id: _told(view, id))  # type: ignore[misc]
            if not any(scope.takes(row) for row in told.rows):
                continue
            _message(room, manifest, told, done)
            manifest.ended()
            progress(done.messages)
        _system(room, manifest, owner)
        manifest.ended()
        manifest.settle()
    _seal(room, folder, owner, state, done)
    facts: dict[str, Any] = {
        "manifest": done.manifest,
        "messages": done.messages,
        "documents": done.documents,
        "lacking": len(done.lacking),
        "resumed": resumed,
    }
    room.hub.store.write(
        lambda tx: room.hub.event(tx, "archive.exported", f"export:{state.id}", facts, actor=actor)
    )
    return done


def _begun(room: Room, folder: Path, scope: Scope) -> tuple[_State, bool]:
    names = {entry.name for entry in os.scandir(folder)}
    if not names:
        state = _State(room.hub.new_id("x"), room.origin(), scope)
        put(folder / STATE, msgspec.json.encode(state))
        return state, False
    if STATE in names:
        try:
            state = from_json((folder / STATE).read_bytes(), _State)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise WrongFolder(f"{STATE} in {folder} can't be read.") from None
        if (state.origin, state.scope) == (room.origin(), scope):
            (folder / BAGIT).unlink(missing_ok=True)
            return state, True
    raise WrongFolder(f"The folder {folder} has something else in it than this export.")


def _tell(room: Room, state: _State, reason: str, actor: str, operator: str, sign: Sign | None) -> None:
    now = room.hub.clock()
    book = room.book()
    facts: dict[str, Any] = {"reason": reason, "scope": sha256(msgspec.json.encode(state.scope)).hexdigest()}
    if operator or any("archive" in each.roles for each in book.operators):
        if not operator or sign is None:
            raise NotAllowed("The archive is exported by operators of role archive.")
        shown = "".join(each if each.isprintable() else " " for each in reason)
        text = (
            "ecluse archive export 1\n"
            f"log {state.origin}\nexport {state.id}\nscope {facts['scope']}\n"
            f"reason {shown}\nby {operator}\nat {iso(now)}\n"
        )
        signed = checked(text, book.operators, ("archive",), operator, sign(text), now)
        facts |= {"statement": text, "fingerprint": signed.fingerprint, "signature": signed.signature}
        actor = f"operator:{signed.operator}"
    subject = f"export:{state.id}"
    room.hub.store.write(
        lambda tx: room.hub.event(tx, "archive.export-begun", subject, facts, actor=actor, at=now)
    )


def _messages(room: Room, after: str) -> Iterator[MessageId]:
    while True:
        page = room.hub.store.read(lambda view: view.archive_messages(after, _PAGE))  # noqa: B023 - read at once
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]


def _told(view: View, id: MessageId) -> _Told:
    message = view.message(id)
    assert message is not None, "an archived document has its message"
    rows = tuple(view.archived_of(id))
    events = [each for subject in (id, *(row.id for row in rows)) for each in view.events(subject)]
    origin = message.origin if message.origin and view.archived_of(message.origin) else ""
    wire = bool(message.wire_blob) and view.blob(message.wire_blob) is not None
    return _Told(message, origin, rows, wire, view.answer(id), tuple(view.receipts(id)), tuple(events))


def _message(room: Room, manifest: Manifest, told: _Told, done: Exported) -> None:
    base = message_folder(told.message.id)
    shutil.rmtree(manifest.folder / base, ignore_errors=True)
    manifest.file(f"{base}/message.json", [encoded(message_facts(told.message, told.answer, told.origin))])
    if told.wire and not _bytes(room, manifest, f"{base}/wire", told.message.wire_blob, 0, None):
        done.lacking.append(f"{base}/wire")
    if told.answer is not None:
        manifest.file(f"{base}/protocol/answer.body", [told.answer.body])
    for receipt in told.receipts:
        manifest.file(f"{base}/protocol/{receipt.id}.headers", [receipt.headers])
        manifest.file(f"{base}/protocol/{receipt.id}.body", [receipt.body])
    for logged in told.events:
        manifest.file(*_journal(room, base, logged))
    for name, chunks in former_of(room, told.message.id):
        manifest.file(f"{base}/{FORMER}/{name}", chunks)
    for row in told.rows:
        _document(room, manifest, base, row, done)
    done.messages += 1


def _document(room: Room, manifest: Manifest, base: str, row: Archived, done: Exported) -> None:
    place = f"{base}/documents/{row.part}"
    lacking = False
    if row.state is not ArchiveState.DISPOSED:
        lacking = not _bytes(room, manifest, f"{place}/document", row.blob, body_of(row).offset, row.size)
        if lacking:
            # Destroyed meanwhile, or damaged.
            row = room.hub.store.read(lambda view: view.archived(row.id)) or row
            lacking = row.state is not ArchiveState.DISPOSED
    if lacking:
        done.lacking.append(place)
    manifest.file(f"{place}/metadata.json", [encoded(document_facts(row, lacking=lacking))])
    receipt = body_of(row).receipt
    if receipt is not None:
        manifest.file(f"{place}/receipt.json", [receipt.text.encode()])
        manifest.file(f"{place}/receipt.note", [receipt.note.encode()])
    done.documents += 1
    done.octets += row.size if row.state is not ArchiveState.DISPOSED and not lacking else 0


def _bytes(room: Room, manifest: Manifest, path: str, blob: str, offset: int, size: int | None) -> bool:
    """Write a range of a blob; false where it can't be read, and then nothing is written."""
    try:
        with room.hub.blob(blob) as reader:
            manifest.file(path, reader.chunks(offset, size))
    except (BlobMissing, BlobDamaged):
        manifest.drop(path)
        return False
    return True


def _journal(room: Room, base: str, logged: LoggedEvent) -> tuple[str, list[bytes]]:
    name = f"{base}/journal/{logged.event.id}"
    try:
        return f"{name}.tlog-proof", [prove(room.hub.store, logged, with_record=True).encode()]
    except NotProvable:
        return f"{name}.leaf", [logged.leaf]  # no checkpoint covers it yet


def _system(room: Room, manifest: Manifest, owner: Owner) -> None:
    """What is about the archive as a whole."""

    def read(view: View) -> tuple[list[Any], list[Any], bytes]:
        checkpoint = view.last_checkpoint()
        disposals = [each for each in view.records(DISPOSAL) if each.state == "done"]
        return all_holds(view, released=True), disposals, b"" if checkpoint is None else checkpoint.note

    shutil.rmtree(manifest.folder / "data/system", ignore_errors=True)
    holds, disposals, note = room.hub.store.read(read)
    manifest.file("data/system/README.txt", [README.encode()])
    manifest.file("data/system/log/key", ["".join(f"{key}\n" for key in owner.keys).encode()])
    if note:
        manifest.file("data/system/log/checkpoint", [note])
    for hold in holds:
        manifest.file(f"data/system/holds/{hold.id}.json", [encoded(hold)])
    for record in disposals:
        manifest.file(
            f"data/system/disposals/{record.key}.json", [msgspec.json.format(record.body, indent=2)]
        )
    for name, profile in room.book().profiles.items():
        text = tomli_w.dumps({k: v for k, v in msgspec.to_builtins(profile).items() if v is not None})
        manifest.file(f"data/system/profiles/{name}.toml", [text.encode()])


def _seal(room: Room, folder: Path, owner: Owner, state: _State, done: Exported) -> None:
    """Write the tag files, the declaration last."""
    digest, count, octets = sha256(), 0, 0
    with (folder / MANIFEST).open("rb") as source:
        for line in source:
            digest.update(line)
            count += 1
            octets += (folder / line[66:].decode().rstrip("\n")).stat().st_size
    done.manifest = digest.hexdigest()
    at = iso(room.hub.clock())
    info = (
        f"Source-Organization: {_line(owner.organisation)}\nBagging-Date: {at[:10]}\n"
        f"External-Identifier: {state.id}\nPayload-Oxum: {octets}.{count}\nBagging-Software: {owner.software}\n"
        f"Ecluse-Format: {FORMAT}\nLog-Origin: {state.origin}\n"
        + "".join(f"Log-Key: {key}\n" for key in owner.keys)
    )
    note = room.sign(f"{FORMAT}\n{done.manifest}\n{at}\n")
    tags = {INFO: info.encode(), BAGIT: DECLARATION, NOTE: note}
    digests = {name: sha256(data).hexdigest() for name, data in tags.items()} | {MANIFEST: done.manifest}
    put(folder / INFO, tags[INFO])
    put(folder / NOTE, note)
    put(folder / TAG_MANIFEST, "".join(f"{digests[name]}  {name}\n" for name in TAGS).encode())
    sync(folder)
    put(folder / BAGIT, DECLARATION)
    sync(folder)
    # The last to go: as long as it is there, another run may go on, and nobody takes the folder for an export.
    (folder / STATE).unlink()
    sync(folder)


def _line(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
