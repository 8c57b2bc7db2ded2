"""The configuration that governed messages: versions with those of their files that are about them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ecluse.app.node import Node
from ecluse.app.packs.certificates import partner_certificates
from ecluse.app.packs.notes import Note
from ecluse.app.versions import file_digests, files_set_digest
from ecluse.archive.commitments import opened
from ecluse.evidence.pack.container import PackWriter
from ecluse.evidence.pack.proofs import prove_all
from ecluse.evidence.record import decode_leaf
from ecluse.model.basics import iso
from ecluse.model.nouns import Checkpoint, ConfigVersion, LoggedEvent, Message
from ecluse.trust.configuration import HUB_FILE
from ecluse.wire.tlog.errors import BadProof

__all__ = ["Versions", "config_subject"]

_HELD: Final = 4
"""Versions whose files are held at once: those of a large hub are some hundred megabytes."""


def config_subject(number: int) -> str:
    """What the events of a version are about."""
    return f"config:{number}"


class Versions:
    """Which versions, and which of their files, a pack needs.

    Args:
        node: The hub.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wanted: dict[int, set[str]] = {}
        self._held: dict[int, ConfigVersion | None] = {}

    def version(self, number: int) -> ConfigVersion | None:
        """A version; ``None`` where it is not kept (the folder's own, of a hub that was never served)."""
        if number not in self._held:
            if len(self._held) >= _HELD:
                del self._held[next(iter(self._held))]
            self._held[number] = self._node.store.read(lambda view: view.config(number)) if number else None
        return self._held[number]

    def files(self, number: int) -> dict[str, str]:
        """All files of a version; those in force where it is not kept."""
        version = self.version(number)
        return version.files if version is not None else dict(self._node.directory.configuration.files)

    def want(self, message: Message) -> bool:
        """Put what governed a message into the pack; false where that is in no version."""
        version = self.version(message.config_version)
        if version is None:
            return False
        wanted = self._wanted.setdefault(message.config_version, {HUB_FILE})
        named = {f"partners/{message.partner}.toml", f"flows/{message.flow}.toml"}
        named.update(partner_certificates(message.partner, version.files))
        wanted.update(named & version.files.keys())
        return True

    def write(self, writer: PackWriter, checkpoint: Checkpoint) -> list[Note]:
        """Write them, with the records by which they came into force; give what is missing."""
        notes = []
        for number in sorted(self._wanted):
            version = self.version(number)
            if version is None:
                continue
            facts: dict[str, Any] = {
                "number": number,
                "at": iso(version.at),
                "actor": version.actor,
                "reason": version.reason,
                "files": {path: version.files[path] for path in sorted(self._wanted[number])},
                "digests": file_digests(version.files),
            }
            record, proof_path = self._applied(number, checkpoint), f"configuration/{number}.tlog-proof"
            if record is not None:
                facts["openings"] = [
                    {"event": proof_path, "commitment": commitment, "salt": salt, "value": value}
                    for commitment, (salt, value) in opened(record.beside).items()
                ]
            data = msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"
            writer.add(f"configuration/{number}.json", "configuration", data, about=config_subject(number))
            if record is None:
                notes.append(Note("configuration-unbound", values=(str(number),)))
                continue
            writer.add(proof_path, "event", self._proof(record, checkpoint), about=config_subject(number))
            data = msgspec.json.decode(decode_leaf(record.leaf).data)
            if data.get("files_set_sha256") != files_set_digest(version.files):
                notes.append(Note("configuration-unbound", values=(str(number),)))
        return notes

    def _proof(self, record: LoggedEvent, checkpoint: Checkpoint) -> bytes:
        (proof,) = self._node.store.read(lambda view: prove_all(view, [record], checkpoint))
        return proof

    def _applied(self, number: int, checkpoint: Checkpoint) -> LoggedEvent | None:
        events = self._node.store.read(lambda view: view.events(config_subject(number)))
        for event in events:
            if event.event.kind == "config.applied":
                if event.index is None or event.index >= checkpoint.size:
                    raise BadProof(f"The record of configuration {number} is not under the checkpoint.")
                return event
        return None
