"""Making a pack: the choice of its checkpoint, its files, its manifest, and the event that tells of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ecluse.app.node import Node
from ecluse.app.packs.certificates import Shelf
from ecluse.app.packs.choice import provable_size, whole_lives
from ecluse.app.packs.folder import Making
from ecluse.app.packs.heads import key_of, vouched_sizes, write_heads
from ecluse.app.packs.message import Packed, write_message
from ecluse.app.packs.notes import Language, Note
from ecluse.app.packs.readme import readme
from ecluse.app.packs.summary import DETAILED, Told, Vouchers, summary_page
from ecluse.app.packs.versions import Versions, config_subject
from ecluse.durable import NameTaken, NewFile, sync_folder
from ecluse.errors import EcluseError
from ecluse.evidence.pack.container import PackWriter
from ecluse.evidence.pack.manifest import MANIFEST, NOTE, Manifest, manifest_note, new_manifest
from ecluse.evidence.pack.proofs import choose_checkpoint
from ecluse.model.basics import Instant, MessageId, iso
from ecluse.model.nouns import Checkpoint
from ecluse.wire.tlog.checkpoint import LogKey

__all__ = ["PATIENCE", "Exported", "export_pack"]

PATIENCE: Final = 15.0
"""Seconds to wait for the log to be signed: a serving node does so within five."""
_TOLD: Final = 500
"""Messages that the event of an export names; of a pack with more it tells their number."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """A pack that was written.

    Attributes:
        path: The file.
        size: Its octets.
        manifest: What is in it.
        manifest_sha256: Digest of the manifest, which names the pack in the log.
        checkpoint: What all is proven by.
    """

    path: Path
    size: int
    manifest: Manifest
    manifest_sha256: str
    checkpoint: Checkpoint

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "file": str(self.path),
            "size": self.size,
            "manifest_sha256": self.manifest_sha256,
            "made": self.manifest.made,
            "origin": self.manifest.origin,
            "checkpoint": self.checkpoint.size,
            "messages": list(self.manifest.messages),
            "files": len(self.manifest.files),
            "notes": list(self.manifest.notes),
        }


def export_pack(
    node: Node,
    ids: Sequence[MessageId],
    out: Path,
    *,
    actor: str,
    documents: bool = True,
    patience: float = PATIENCE,
    progress: Progress = lambda done, total: None,
) -> Exported:
    """Write a pack about messages, each with its whole life.

    The file appears whole, and after the log was told of it; or not at all.

    Args:
        node: The hub.
        ids: Which messages.
        out: A name that is not taken.
        actor: Who does it.
        documents: False leaves documents, and octets that hold them, out.
        patience: Seconds to wait for the log to be signed.
        progress: Told of messages that were written, and of how many.

    Raises:
        NameTaken: There is a file of that name.
        NoSuchMessage, TooMany: As it says.
        NotProvable: The log is not signed so far.
        DiskError: The disk did not take it; nothing is visible.
    """
    if os.path.lexists(out):
        raise NameTaken(f"There is a file {out} already.")
    wanted = whole_lives(node, ids)
    versions = Versions(node)
    size = provable_size(node, [*wanted, *_config_subjects(node, wanted)], patience)
    checkpoint = node.store.read(lambda view: choose_checkpoint(view, size, vouched_sizes(view, size)))
    new = NewFile(out)
    try:
        writer = PackWriter(new)
        made = node.hub.clock()
        making = Making(node, writer, checkpoint, Shelf(node), versions, documents)
        told: list[Told] = []
        if not documents:
            making.notes.append(Note("withheld"))
        for number, id in enumerate(wanted):
            progress(number, len(wanted))
            told.append(_told(making, write_message(making, id), detailed=number < DETAILED))
        making.notes += versions.write(writer, checkpoint)
        making.notes += making.shelf.write(writer)
        vouchers, missing = write_heads(node, writer, checkpoint)
        making.notes += missing
        _for_people(writer, made, vouchers, told, making.notes)
        manifest, total = _finish(node, writer, key_of(node, checkpoint), wanted, making.notes, made)
        new.sync()
        digest = sha256(manifest.encode()).hexdigest()
        _tell(node, manifest, digest, checkpoint, documents, actor, made)
        new.give_name()
        sync_folder(out.parent)
    except BaseException:
        new.abort()
        raise
    progress(len(wanted), len(wanted))
    return Exported(out, total, manifest, digest, checkpoint)


def _config_subjects(node: Node, ids: Sequence[MessageId]) -> list[str]:
    numbers = set()
    for id in ids:
        message = node.store.read(lambda view, id=id: view.message(id))  # type: ignore[misc]
        if message is not None and message.config_version:
            numbers.add(message.config_version)
    return [config_subject(number) for number in sorted(numbers)]


def _told(making: Making, packed: Packed, *, detailed: bool) -> Told:
    """A message for the summaries; of one that is only a line there, not more than the line needs."""
    facts, partner = packed.facts, packed.facts["partner"]
    name = partner or "-"
    with suppress(EcluseError):
        name = making.node.directory.partner(partner).name if partner else name
    if not detailed:
        kept = ("id", "direction", "reference", "subject", "state", "created", "mic")
        return Told({each: facts[each] for each in kept}, [], name, {})
    named = [each["sha256"] for each in facts["certificates"]]
    held = {each: found for each in named if (found := making.shelf.described(each)) is not None}
    return Told(facts, packed.events, name, held)


def _for_people(
    writer: PackWriter, made: Instant, vouchers: Vouchers, told: Sequence[Told], notes: Sequence[Note]
) -> None:
    languages: tuple[Language, ...] = ("en", "fr")
    for language in languages:
        page = summary_page(language, iso(made), vouchers, told, notes)
        writer.add(f"summary.{language}.html", "summary", page.encode())
    writer.add("README.txt", "readme", readme(vouchers.origin, made).encode())


def _finish(
    node: Node,
    writer: PackWriter,
    key: LogKey,
    ids: Sequence[MessageId],
    notes: Sequence[Note],
    made: Instant,
) -> tuple[Manifest, int]:
    sentences = list(dict.fromkeys(note.text("en") for note in notes))
    manifest = new_manifest(writer.entries, key.name, ids, sentences, made)
    data = manifest.encode()
    ring = node.keyring
    note = manifest_note(
        data, manifest.made, key, ring.log_sign, lambda text: ring.note_sign("log-ml-dsa", text)
    )
    return manifest, writer.close(((MANIFEST, data), (NOTE, note)))


def _tell(
    node: Node,
    manifest: Manifest,
    digest: str,
    checkpoint: Checkpoint,
    documents: bool,
    actor: str,
    made: Instant,
) -> None:
    facts = {
        "manifest_sha256": digest,
        "checkpoint": checkpoint.size,
        "documents": documents,
        "count": len(manifest.messages),
        "messages": list(manifest.messages[:_TOLD]),
    }
    subject = f"pack:{digest[:32]}"
    node.store.write(lambda tx: node.hub.event(tx, "evidence.exported", subject, facts, actor=actor, at=made))
