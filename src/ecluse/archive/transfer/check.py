"""Reading an export whole, without a hub: what is in it, that nothing of it was changed, and who says so.

The manifest is compared with the folder both ways. Every document is compared with what the archive knows of it and
with its deposit receipt, and every record of the journal with its proof. What a key proves counts as proven where the
caller gave the key; a key that the export itself names is only claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec

from ecluse.archive.deposit import ArchivedBody
from ecluse.archive.holds import Hold
from ecluse.archive.statement import check_statement
from ecluse.archive.transfer.facts import DocumentFacts, MessageFacts, read_facts
from ecluse.archive.transfer.former import FORMER
from ecluse.archive.transfer.layout import FORMAT, INFO, MANIFEST, NOTE, BadExport, Bag, Unit
from ecluse.errors import EcluseError
from ecluse.evidence.proof import check_proof
from ecluse.evidence.record import decode_leaf
from ecluse.model.archive import ArchiveState
from ecluse.typed import convert
from ecluse.wire.tlog.note import NoteKey, Signature, open_note, parse_note

__all__ = ["Checked", "Message", "check_export", "message_of"]

_DOCUMENT: Final = ("document", "metadata.json", "receipt.json", "receipt.note")


@dataclass(slots=True)
class Checked:
    """What an export is, and what was proven of it.

    Attributes:
        manifest: SHA-256 of its manifest, in hexadecimal: it names this export.
        origin: Name of the log that signed it.
        key: That log's verifier key.
        claimed: The key is the one that the export names: whoever made the export chose it.
        made: When it was made, as it says.
        organisation: Whose archive it is, as it says.
        messages: How many.
        documents: Archived documents, destroyed ones among them.
        destroyed: Of these.
        lacking: Documents whose octets the exporting hub could not read.
        octets: Of all files.
        receipts: Deposit receipts whose signature fits.
        foreign: Receipts of another log, whose key was not given.
        proofs: Records proven to stand in the log.
        unproven: Records without a proof.
        profiles: Names of the archive profiles of its documents.
    """

    manifest: str = ""
    origin: str = ""
    key: str = ""
    claimed: bool = True
    made: str = ""
    organisation: str = ""
    messages: int = 0
    documents: int = 0
    destroyed: int = 0
    lacking: list[str] = field(default_factory=list)
    octets: int = 0
    receipts: int = 0
    foreign: int = 0
    proofs: int = 0
    unproven: int = 0
    profiles: set[str] = field(default_factory=set)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return {**facts, "profiles": sorted(self.profiles)}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an export.

    Attributes:
        unit: Its files.
        facts: What the hub says of it.
        documents: Of each of its archived documents the folder, relative to the message's, and what is known of it.
    """

    unit: Unit
    facts: MessageFacts
    documents: tuple[tuple[str, DocumentFacts], ...]


def check_export(
    folder: Path,
    keys: Sequence[NoteKey] = (),
    *,
    visit: Callable[[Message], None] = lambda message: None,
    hold: Callable[[Hold], None] = lambda hold: None,
    progress: Callable[[int], None] = lambda messages: None,
) -> Checked:
    """Read an export and say what it is.

    Args:
        folder: Where it is.
        keys: Verifier keys of logs, had by another way than the export.
        visit: Given each message that was found right.
        hold: Given each legal hold.
        progress: Told of the messages read.

    Raises:
        BadExport: A file was changed, is missing or does not belong, or a signature does not fit; it names the file.
    """
    bag = Bag(folder)
    done = Checked()
    known = _signed(bag, done, keys)
    _same_files(bag)
    for unit in bag.units():
        if unit.message:
            message = message_of(bag, unit)
            _check_message(bag, message, done, known)
            visit(message)
            progress(done.messages)
        else:
            _check_file(bag, unit, done, hold)
    return done


def _signed(bag: Bag, done: Checked, keys: Sequence[NoteKey]) -> tuple[NoteKey, ...]:
    """See who signed the manifest; give the keys that are known, and those that the export claims."""
    tags = bag.tags()
    done.manifest = tags[MANIFEST].decode()
    fields = [line.partition(":") for line in tags[INFO].decode("utf-8", "replace").splitlines()]
    info = {name: value.strip() for name, _, value in fields}
    named = [value.strip() for name, _, value in fields if name == "Log-Key"]
    if info.get("Ecluse-Format") != FORMAT:
        raise BadExport(INFO, f"it is not of the format {FORMAT}.")
    done.origin = info.get("Log-Origin", "")
    given = [key for key in keys if key.name == done.origin]
    done.claimed = not given
    try:
        claims = [NoteKey.parse(text) for text in named]
        usable = [key for key in claims if key.name == done.origin] if done.claimed else given
        lines = open_note(tags[NOTE], usable).text.splitlines()
    except EcluseError as error:
        raise BadExport(NOTE, f"the signature does not fit: {error.cause}") from None
    if lines[:2] != [FORMAT, done.manifest] or len(lines) != 3:
        raise BadExport(NOTE, "what was signed is not this manifest.")
    signer = next(
        key for key in usable if any(_made_by(each, key) for each in parse_note(tags[NOTE]).signatures)
    )
    done.key, done.made, done.organisation = str(signer), lines[2], info.get("Source-Organization", "")
    # Who gave a key of this log believes that one, and no other that the export names.
    return (*keys, *claims) if done.claimed else tuple(keys)


def _made_by(signature: Signature, key: NoteKey) -> bool:
    return (signature.name, signature.key_id) == (key.name, key.id)


def _same_files(bag: Bag) -> None:
    """The folder has the files of the manifest, and no other."""
    for listed, present in zip_longest((path for path, _ in bag.lines()), bag.present()):
        if listed != present:
            if present is None or (listed is not None and listed.split("/") < present.split("/")):
                raise BadExport(listed, "it is in the manifest, and not there.")
            raise BadExport(present, "it is not in the manifest.")


def message_of(bag: Bag, unit: Unit) -> Message:
    """What a message's files say it is. Raises :class:`BadExport`."""
    name = "message.json"
    if name not in unit.files:
        raise BadExport(f"{unit.path}/{name}", "it is not there.")
    path = f"{unit.path}/{name}"
    facts = read_facts(path, bag.read(path, unit.files[name]), MessageFacts)
    if facts.id != unit.message:
        raise BadExport(path, "it is of another message than its folder.")
    found = []
    for name, digest in unit.files.items():
        parts = name.split("/")
        if parts[0] == "documents" and len(parts) == 3 and parts[2] == "metadata.json":
            path = f"{unit.path}/{name}"
            document = read_facts(path, bag.read(path, digest), DocumentFacts)
            if document.message != facts.id or str(document.part) != parts[1]:
                raise BadExport(path, "it is of another document than its folder.")
            if document.part >= len(facts.parts) or facts.parts[document.part].sha256 != document.sha256:
                raise BadExport(path, "the message has no such document.")
            found.append(("/".join(parts[:2]), document))
    if not found:
        raise BadExport(unit.path, "none of its documents is there.")
    return Message(unit, facts, tuple(sorted(found, key=lambda each: each[1].part)))


def _check_message(bag: Bag, message: Message, done: Checked, known: tuple[NoteKey, ...]) -> None:
    unit = message.unit
    places = {place for place, _ in message.documents}
    for name, digest in unit.files.items():
        path = f"{unit.path}/{name}"
        parts = name.split("/")
        if parts[0] == "journal" and len(parts) == 2:
            _check_record(bag, path, digest, message, done, known)
            continue
        ours = (
            name in ("message.json", "wire")
            or (parts[0] == "protocol" and len(parts) == 2)
            or (parts[0] == FORMER and len(parts) > 2)
            or ("/".join(parts[:2]) in places and len(parts) == 3 and parts[2] in _DOCUMENT)
        )
        if not ours:
            raise BadExport(path, "no file of a message is named so.")
        seen, size = sha256(), 0
        for chunk in bag.chunks(path):
            seen.update(chunk)
            size += len(chunk)
        if seen.hexdigest() != digest:
            raise BadExport(path, "it was changed: its SHA-256 is another one.")
        done.octets += size
    for place, facts in message.documents:
        _check_document(bag, unit, place, facts, done, known)
    done.messages += 1


def _check_document(
    bag: Bag, unit: Unit, place: str, facts: DocumentFacts, done: Checked, known: tuple[NoteKey, ...]
) -> None:
    path = f"{unit.path}/{place}/document"
    digest = unit.files.get(f"{place}/document")
    gone = facts.state is ArchiveState.DISPOSED
    if digest is None and not gone and not facts.lacking:
        raise BadExport(path, "it is not there.")
    if digest is not None and digest != facts.sha256:
        raise BadExport(path, "it is not the document that was archived.")
    if facts.lacking:
        done.lacking.append(path)
    done.documents += 1
    done.destroyed += gone
    done.profiles.add(facts.profile)
    try:
        body = convert(facts.body, ArchivedBody)
    except msgspec.ValidationError:
        raise BadExport(f"{unit.path}/{place}/metadata.json", "its body can't be read.") from None
    receipt = body.receipt
    if receipt is None:
        return
    path = f"{unit.path}/{place}/receipt.json"
    written = {name: unit.files.get(f"{place}/{name}") for name in ("receipt.json", "receipt.note")}
    meant = {
        "receipt.json": sha256(receipt.text.encode()).hexdigest(),
        "receipt.note": sha256(receipt.note.encode()).hexdigest(),
    }
    if written != meant:
        raise BadExport(path, "it is not the receipt that the metadata has.")
    try:
        made = parse_note(receipt.note.encode()).signatures
        key = next((key for key in known if any(_made_by(each, key) for each in made)), None)
        if key is None:
            done.foreign += 1
            return
        said = check_statement(receipt, key)
    except EcluseError as error:
        raise BadExport(path, f"the signature does not fit: {error.cause}") from None
    if (said.get("id"), said.get("sha256")) != (facts.id, facts.sha256):
        raise BadExport(path, "it is the receipt of another document.")
    done.receipts += 1


def _check_record(
    bag: Bag, path: str, digest: str, message: Message, done: Checked, known: tuple[NoteKey, ...]
) -> None:
    data = bag.read(path, digest)
    done.octets += len(data)
    try:
        if path.endswith(".leaf"):
            event = decode_leaf(data)
            done.unproven += 1
        else:
            event, _ = check_proof(data, None, known)
            done.proofs += 1
    except EcluseError as error:
        raise BadExport(path, f"it does not prove its record: {error.cause}") from None
    if event.subject not in {message.facts.id, *(each.id for _, each in message.documents)}:
        raise BadExport(path, "it is the record of something else.")


def _check_file(bag: Bag, unit: Unit, done: Checked, hold: Callable[[Hold], None]) -> None:
    digest = unit.files[""]
    if not unit.path.startswith("data/system/"):
        raise BadExport(unit.path, "no file of an export is named so.")
    data = bag.read(unit.path, digest)
    done.octets += len(data)
    if unit.path.startswith("data/system/holds/"):
        found = read_facts(unit.path, data, Hold)
        if unit.path != f"data/system/holds/{found.id}.json":
            raise BadExport(unit.path, "it is another hold than its name says.")
        hold(found)


def units_again(bag: Bag) -> Iterator[Message]:
    """The messages once more, of an export that was checked. Raises :class:`BadExport` where it was changed since."""
    for unit in bag.units():
        if unit.message:
            yield message_of(bag, unit)
