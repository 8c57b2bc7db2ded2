"""The register of what partners have shown of how they guard what they are given, and who has to look again when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from ecluse.app.node import Node
from ecluse.blobs.vault import Sealed
from ecluse.engine.context import JobContext
from ecluse.engine.schedule import Daily, Recurring
from ecluse.errors import EcluseError, Fault
from ecluse.model.basics import Instant, PartnerId, iso
from ecluse.model.records import Record
from ecluse.store.port import Tx, View
from ecluse.trust.assurance import KIND, Entry, EvidenceFile, check_entry, entry_from, entry_record

__all__ = [
    "NoSuchEntry",
    "entry_facts",
    "keep_file",
    "read_file",
    "record_entry",
    "register",
    "remind",
    "remove_entry",
]

MAX_FILE: Final = 64 << 20
"""Octets of an evidence file: reports are scans of some hundred pages."""
MAX_FILES: Final = 20
_PAGE: Final = 500
_STEP: Final = 1 << 20
_REMINDED: Final = "assurance-reminder"
"""Kind of the records that say for which date a reminder was written."""


class NoSuchEntry(EcluseError):
    """The register has no such entry, or the entry has no such file."""

    code = "audit.no-such-entry"
    fault = Fault.USAGE
    remedy = "Look at `ecluse audit list`."


class FileTooLarge(EcluseError):
    """An evidence file that the register does not take."""

    code = "audit.file-too-large"
    fault = Fault.USAGE
    remedy = "Attach the certificate or the report's summary, and keep the rest where it is."


def register(node: Node, partner: PartnerId | None = None) -> list[Entry]:
    """Every entry, or a partner's, in order of partner, topic and name."""
    return node.store.read(lambda view: list(_entries(view, partner)))


def _entries(view: View, partner: PartnerId | None) -> Iterator[Entry]:
    after = ""
    while True:
        page = view.records(KIND, owner=partner, after=after, limit=_PAGE)
        yield from map(entry_from, page)
        if len(page) < _PAGE:
            return
        after = page[-1].key


def keep_file(node: Node, path: Path) -> tuple[EvidenceFile, Sealed]:
    """Seal a file that proves an entry; it counts once :func:`record_entry` names it.

    Returns:
        The file, and what :func:`record_entry` writes down with it.

    Raises:
        FileTooLarge: It has more than 64 MiB.
        OSError: It can't be read.
    """
    with path.open("rb") as source, node.vault.create() as writer:
        size = 0
        while data := source.read(_STEP):
            size += len(data)
            if size > MAX_FILE:
                raise FileTooLarge(f"{path.name} is larger than {MAX_FILE >> 20} MiB.")
            writer.write(data)
        sealed = writer.finish()
    row = sealed.row
    return EvidenceFile(_plain(path.name), row.size, row.sha256.hex(), row.id), sealed


def record_entry(node: Node, entry: Entry, sealed: Sequence[Sealed], *, actor: str, reason: str) -> Entry:
    """Put an entry into the register, in the place of one of the same topic and name, whose files it keeps.

    Args:
        node: The hub.
        entry: What is recorded; its partner has to be known.
        sealed: The blobs of its new files, as :func:`keep_file` gave them.
        actor: Who records it.
        reason: Why, or how it was checked.

    Raises:
        PartnerRefused: There is no such partner.
        AssuranceError: The entry can't be recorded; its files are swept later.
    """
    node.directory.partner(entry.partner)
    check_entry(entry)
    now = node.hub.clock()

    def work(tx: Tx) -> Entry:
        before = tx.record(KIND, entry.key)
        former = entry_from(before).files if before is not None else ()
        files = (*former, *entry.files)
        if len(files) > MAX_FILES:
            raise FileTooLarge(
                f"An entry has at most {MAX_FILES} files.", remedy="Remove the entry, then record it anew."
            )
        kept = msgspec.structs.replace(entry, files=files)
        for each in sealed:
            tx.add_blob(each.row, each.wrapped_key)
        tx.put_record(entry_record(kept, now))
        facts = {**entry_facts(kept, now), "reason": reason}
        node.hub.event(tx, "assurance.recorded", f"partner:{entry.partner}", facts, actor=actor, at=now)
        return kept

    return node.store.write(work)


def remove_entry(node: Node, key: str, *, actor: str, reason: str) -> Entry:
    """Take an entry out of the register, and delete the keys of its files. Raises :class:`NoSuchEntry`."""
    now = node.hub.clock()

    def work(tx: Tx) -> Entry:
        entry = _found(tx, key)
        for file in entry.files:
            tx.drop_blob(file.blob)
        tx.drop_record(KIND, key)
        tx.drop_record(_REMINDED, key)
        facts = {**entry_facts(entry, now), "reason": reason}
        node.hub.event(tx, "assurance.removed", f"partner:{entry.partner}", facts, actor=actor, at=now)
        return entry

    return node.store.write(work)


def read_file(node: Node, key: str, name: str, out: BinaryIO) -> EvidenceFile:
    """Write the newest file of that name of an entry to ``out``. Raises :class:`NoSuchEntry`."""
    entry = node.store.read(lambda view: _found(view, key))
    file = next((each for each in reversed(entry.files) if each.name == name), None)
    if file is None:
        raise NoSuchEntry(f"{entry.title} of {entry.partner} has no file of that name.")
    with node.hub.blob(file.blob) as reader:
        for chunk in reader.chunks():
            out.write(chunk)
    return file


def entry_facts(entry: Entry, now: Instant) -> dict[str, Any]:
    """An entry for programs and events."""
    return {
        "partner": entry.partner,
        "topic": entry.topic,
        "name": entry.name,
        "title": entry.title,
        "state": entry.state(now),
        "from": entry.begins or None,
        "until": entry.ends or None,
        "due": entry.due or None,
        "scope": entry.scope,
        "issuer": entry.issuer,
        "reference": entry.reference,
        "answers": dict(entry.answers),
        "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in entry.files],
    }


def remind(node: Node) -> Recurring:
    """The recurring work that tells, once for every date, what somebody has to look at."""

    def work(context: JobContext) -> None:
        now = node.hub.clock()
        for entry in register(node):
            context.check()
            if entry.state(now) in ("ending", "due", "ended"):
                node.store.write(partial(_remind, node, entry, now))

    return Recurring("assurance.remind", Daily(6, 0), work)


def _remind(node: Node, entry: Entry, now: Instant, tx: Tx) -> None:
    told, state = tx.record(_REMINDED, entry.key), entry.state(now)
    mark = f"{state} {entry.ends} {entry.due}"
    if tx.record(KIND, entry.key) is None or (told is not None and told.state == mark):
        return
    tx.put_record(Record(_REMINDED, entry.key, now, b"{}", str(entry.partner), mark))
    moment = entry.looked_at
    facts = {
        "topic": entry.topic,
        "name": entry.name,
        "state": state,
        "by": iso(moment) if moment is not None else None,
    }
    node.hub.event(tx, "assurance.due", f"partner:{entry.partner}", facts, at=now)


def _found(view: View, key: str) -> Entry:
    record = view.record(KIND, key)
    if record is None:
        raise NoSuchEntry(f"The register has no entry {key[:200]!a}.")
    return entry_from(record)


def _plain(name: str) -> str:
    """A file's name as a screen and a log can show it."""
    return "".join(letter if letter.isprintable() else "_" for letter in name)[:200] or "file"
