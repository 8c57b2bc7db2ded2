"""What there is of one message, written into a pack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from cryptography import x509

from ecluse.app.node import Node
from ecluse.app.packs.as2 import Said, built_again, comes_out, read_answer, read_receipt, wire_of
from ecluse.app.packs.certificates import Shelf
from ecluse.app.packs.notes import Note
from ecluse.app.packs.versions import Versions
from ecluse.archive.commitments import opened
from ecluse.archive.terms import DataClass
from ecluse.blobs.port import BlobMissing
from ecluse.evidence.pack.container import PackWriter
from ecluse.evidence.pack.proofs import prove_all
from ecluse.evidence.record import decode_leaf
from ecluse.exchange.actions import NoSuchMessage
from ecluse.model.basics import MessageId, iso
from ecluse.model.nouns import (
    Answer,
    Checkpoint,
    Delivery,
    Direction,
    Event,
    LoggedEvent,
    Message,
    Receipt,
)
from ecluse.model.states import MessageState
from ecluse.store.port import View
from ecluse.wire.smime.headers import field_block

__all__ = ["Packed", "Packer"]


class _Kept(NamedTuple):
    message: Message
    children: list[MessageId]
    deliveries: list[Delivery]
    receipts: list[Receipt]
    answer: Answer | None
    events: list[LoggedEvent]


@dataclass(frozen=True, slots=True)
class Packed:
    """A message that was written.

    Attributes:
        facts: What ``message.json`` says.
        events: Its events, in order.
    """

    facts: dict[str, Any]
    events: list[Event]


@dataclass(slots=True)
class Packer:
    """Writes messages into one pack.

    Attributes:
        node: The hub.
        writer: The pack.
        checkpoint: What all is proven by.
        shelf: Certificates.
        versions: Configurations.
        documents: Whether documents, and octets that hold them, go in.
        notes: What is missing so far.
    """

    node: Node
    writer: PackWriter
    checkpoint: Checkpoint
    shelf: Shelf
    versions: Versions
    documents: bool = True
    notes: list[Note] = field(default_factory=list)

    def write(self, id: MessageId) -> Packed:
        """Write one.

        Raises:
            NoSuchMessage: There is none of that id.
            NotProvable, BadProof: The log does not bear its events out.
        """
        return _Folder(self, self.node.store.read(lambda view: _look(view, id))).write()


def _look(view: View, id: MessageId) -> _Kept:
    message = view.message(id)
    if message is None:
        raise NoSuchMessage(f"There is no message {id}.")
    return _Kept(
        message,
        [child.id for child in view.children(id)],
        view.deliveries(id),
        view.receipts(id),
        view.answer(id),
        view.events(id),
    )


class _Folder:
    """One message's folder in a pack."""

    def __init__(self, pack: Packer, kept: _Kept) -> None:
        self._pack = pack
        self._kept = kept
        self._message = kept.message
        self._wire = wire_of(kept.message)
        self._root = f"messages/{kept.message.id}"
        self._bound: list[dict[str, Any]] = []
        self._opened: str | None = None

    def write(self) -> Packed:
        message = self._message
        events = self._events()
        if not self._pack.versions.want(message):
            self._note("no-configuration")
        self._missing(events)
        wire = self._wire_files()
        documents = self._documents()
        receipts, said = self._receipts()
        answer, answered = self._answer()
        facts = {
            "id": message.id,
            "direction": message.direction.value,
            "partner": message.partner,
            "protocol": message.protocol,
            "protocol_id": message.protocol_id,
            "state": message.state.value,
            "created": iso(message.created),
            "updated": iso(message.updated),
            "subject": message.subject,
            "reference": message.reference,
            "reason_code": message.reason_code,
            "reason": message.reason,
            "flow": message.flow or None,
            "origin": message.origin or None,
            "relay": message.relay or None,
            "children": self._kept.children,
            "config_version": message.config_version,
            "documents": documents,
            "wire": wire,
            "mic": self._mic(said, answered, events),
            "protections": self._protections(events),
            "certificates": self._certificates(said, answered),
            "deliveries": [_delivery(each) for each in self._kept.deliveries],
            "receipts": receipts,
            "answer": answer,
            "events": [
                {"path": self._event_path(number), "index": index, "kind": event.kind, "at": iso(event.at)}
                for number, (index, event) in enumerate(events)
            ],
            "openings": self._opened,
            "shredded": self._shredded(events),
            "withheld": not self._pack.documents,
        }
        self._add("message.json", "message", _json(facts))
        return Packed(facts, [event for _, event in events])

    # Files

    def _add(self, name: str, role: str, data: bytes, about: str = "") -> str:
        path = f"{self._root}/{name}"
        self._pack.writer.add(path, role, data, message=self._message.id, about=about)
        return path

    def _stream(self, name: str, role: str, chunks: Iterator[bytes], expected: int, about: str = "") -> str:
        path = f"{self._root}/{name}"
        self._pack.writer.stream(path, role, chunks, expected, message=self._message.id, about=about)
        return path

    def _note(self, code: str, *values: str) -> None:
        self._pack.notes.append(Note(code, self._message.id, values))

    # The log

    def _event_path(self, number: int) -> str:
        return f"{self._root}/events/{number:04d}.tlog-proof"

    def _events(self) -> list[tuple[int, Event]]:
        """Those under the checkpoint, in order of their place; written with their proofs."""
        size = self._pack.checkpoint.size
        records = [each for each in self._kept.events if each.index is not None and each.index < size]
        records.sort(key=lambda each: each.index or 0)
        checkpoint = self._pack.checkpoint
        proofs = self._pack.node.store.read(lambda view: prove_all(view, records, checkpoint))
        found = []
        for number, (record, proof) in enumerate(zip(records, proofs, strict=True)):
            event = decode_leaf(record.leaf)
            self._add(f"events/{number:04d}.tlog-proof", "event", proof, about=event.kind)
            found.append((record.index or 0, event))
            self._bound.append(msgspec.json.decode(event.data))
        self._opened = self._openings(records)
        return found

    def _openings(self, records: list[LoggedEvent]) -> str | None:
        """What commitments in the events stand for, as far as it is kept."""
        found = [
            {"event": self._event_path(number), "commitment": commitment, "salt": salt, "value": value}
            for number, record in enumerate(records)
            for commitment, (salt, value) in opened(record.beside).items()
        ]
        return self._add("openings.json", "openings", _json({"openings": found})) if found else None

    def _erased(self, name: DataClass) -> bool:
        """Whether the log says that what is of this class was erased."""
        return any(name in data.get("classes", ()) for data in self._bound)

    def _is_bound(self, member: str) -> bool:
        return any(member in data for data in self._bound)

    def _fits(self, member: str, data: bytes) -> bool:
        """Whether a record holds the digest, or none was made to."""
        digest = sha256(data).hexdigest()
        return not self._is_bound(member) or any(bound.get(member) == digest for bound in self._bound)

    def _shredded(self, events: list[tuple[int, Event]]) -> dict[str, Any] | None:
        if not self._message.shredded:
            return None
        paths = [self._event_path(n) for n, (_, e) in enumerate(events) if e.kind == "message.shredded"]
        return {"at": iso(self._message.shredded), "event": paths[-1] if paths else None}

    def _missing(self, events: list[tuple[int, Event]]) -> None:
        if self._message.shredded:
            shredded = self._shredded(events)
            path = shredded["event"] if shredded is not None else None
            self._note("shredded", iso(self._message.shredded), path or "-")
        elif self._message.state is MessageState.REJECTED:
            self._note("refused")

    # What came and went

    def _wire_files(self) -> dict[str, str | None]:
        wire, message = self._wire, self._message
        files: dict[str, str | None] = dict.fromkeys(("headers", "entity", "signature", "body"))
        block = field_block(wire.headers)
        if block and not self._fits("headers_sha256", block) and self._erased(DataClass.NAMES):
            self._note("erased", "wire/headers")
        elif block:
            files["headers"] = self._add("wire/headers", "headers", block)
            self._check_bound("wire/headers", "headers_sha256")
        if wire.signature:
            files["signature"] = self._add("wire/signature.p7s", "signature", wire.signature)
            self._check_bound("wire/signature.p7s", "signature_sha256")
        elif wire.signer:
            self._note("no-signature")
        if not self._pack.documents or message.shredded:
            return files
        role = "signed-bytes" if wire.signature else "entity"
        if message.direction is Direction.OUT:
            if wire.opened:
                files["entity"] = self._built_again(role)
            files["body"] = self._blob("wire/body", "sent-bytes", message.wire_blob, "wire_sha256")
        elif wire.opened:
            files["entity"] = self._blob("wire/entity", role, message.wire_blob, "entity_sha256")
        else:
            files["body"] = self._blob("wire/body", "received-bytes", message.wire_blob, "wire_sha256")
        return files

    def _check_bound(self, name: str, member: str) -> None:
        if not self._is_bound(member):
            self._note("unbound", name)

    def _blob(self, name: str, role: str, blob: str, member: str) -> str | None:
        if not blob:
            return None
        try:
            with self._pack.node.hub.blob(blob) as reader:
                path = self._stream(name, role, reader.chunks(), reader.size)
        except BlobMissing:
            self._note("octets-gone", name)
            return None
        self._check_bound(name, member)
        return path

    def _built_again(self, role: str) -> str | None:
        node, message, wire = self._pack.node, self._message, self._wire
        try:
            size = comes_out(node, message, wire)
        except BlobMissing:
            size = None
            self._note("octets-gone", "wire/entity")
        else:
            if size is None:
                self._note("entity-differs")
        if size is None:
            return None
        path = self._stream("wire/entity", role, built_again(node, message, wire), size)
        self._check_bound("wire/entity", "entity_sha256")
        return path

    def _documents(self) -> list[dict[str, Any]]:
        found = []
        for number, part in enumerate(self._message.parts):
            path = None
            if self._pack.documents and not self._message.shredded:
                try:
                    with self._pack.node.hub.document(part) as document:
                        name = f"documents/{number}"
                        path = self._stream(name, "document", document.chunks(), part.size, part.name)
                except BlobMissing:
                    self._note("octets-gone", f"documents/{number}")
            found.append(
                {
                    "name": part.name,
                    "type": part.content_type,
                    "kind": part.kind,
                    "size": part.size,
                    "sha256": part.sha256,
                    "path": path,
                }
            )
        return found

    # What was said

    @property
    def _theirs(self) -> tuple[x509.Certificate, ...]:
        message, versions = self._message, self._pack.versions
        now = self._pack.node.version
        found: dict[x509.Certificate, None] = {}
        # A receipt may have been checked under a later version than the one that the message was accepted under.
        for number in dict.fromkeys((message.config_version, now)):
            of = self._pack.shelf.of_partner(message.partner, number, versions.files(number))
            found.update(dict.fromkeys(of))
        return tuple(found)

    def _receipts(self) -> tuple[list[dict[str, Any]], list[Said]]:
        found, said = [], []
        for number, receipt in enumerate(self._kept.receipts):
            read = read_receipt(receipt, self._theirs)
            erased = not receipt.headers and not receipt.body and self._erased(DataClass.RECEIPTS)
            if read is not None:
                said.append(read)
                self._pack.shelf.offer_der(read.certificates)
            if erased:
                self._note("erased", f"receipts/{number}")
            elif receipt.kind == "mdn" and (read is None or read.signer is None):
                self._note("receipt-unread", str(number))
            found.append(
                {
                    "delivery": receipt.delivery,
                    "kind": receipt.kind,
                    "positive": receipt.positive,
                    "verdict": receipt.verdict,
                    "received": iso(receipt.received),
                    "disposition": read.disposition if read is not None else None,
                    "headers": None
                    if erased
                    else self._add(f"receipts/{number}.headers", "receipt", receipt.headers),
                    "body": None if erased else self._add(f"receipts/{number}.body", "receipt", receipt.body),
                }
            )
        return found, said

    def _answer(self) -> tuple[dict[str, Any] | None, Said | None]:
        answer = self._kept.answer
        if answer is None:
            return None, None
        read = read_answer(answer, self._pack.shelf.ours) if self._message.protocol == "as2" else None
        if read is not None:
            self._pack.shelf.offer_der(read.certificates)
        erased = not answer.headers and not answer.body and self._erased(DataClass.RECEIPTS)
        headers = body = None
        if erased:
            self._note("erased", "answer")
        else:
            headers = self._add("answer.headers", "answer", field_block(answer.headers))
            body = self._add("answer.body", "answer", answer.body)
            self._check_bound("answer.headers", "answer_headers_sha256")
        return {
            "status": answer.status,
            "positive": answer.positive,
            "created": iso(answer.created),
            "disposition": read.disposition if read is not None else None,
            "headers": headers,
            "body": body,
        }, read

    def _mic(
        self, said: list[Said], answered: Said | None, events: list[tuple[int, Event]]
    ) -> dict[str, Any] | None:
        wire = self._wire
        if not wire.mics:
            return None
        voices = said if self._message.direction is Direction.OUT else [answered] if answered else []
        voice = next((each for each in reversed(voices) if each.mic), None)
        name = (voice.algorithm if voice is not None else "") or wire.mic_algorithm or "sha256"
        ours = wire.mics.get(name)
        theirs = voice.mic if voice is not None else None
        return {
            "algorithm": name,
            "ours": ours,
            "theirs": theirs,
            "theirs_algorithm": voice.algorithm if voice is not None else None,
            "equal": ours == theirs if ours is not None and theirs is not None else None,
            "canonical": any(data.get("mic_canonical", False) for data in self._bound),
        }

    def _protections(self, events: list[tuple[int, Event]]) -> list[dict[str, Any]]:
        if self._message.direction is Direction.IN:
            return self._wire.protections
        sealed = [d for d, (_, e) in zip(self._bound, events, strict=True) if e.kind == "message.sealed"]
        sealed = [data for data in sealed if "wire_sha256" in data]
        if not sealed:
            return []
        facts, found = sealed[-1], []
        if facts.get("encrypt"):
            found.append({"encrypted": facts["encrypt"]})
        compressed = [{"compressed": True}] if facts.get("compress", "none") != "none" else []
        if facts.get("compress") == "after-signing":
            found += compressed
        if facts.get("sign"):
            found.append({"signed": facts["sign"], "certificate_sha256": facts.get("signer_sha256")})
        if facts.get("compress") == "before-signing":
            found += compressed
        return found

    def _certificates(self, said: list[Said], answered: Said | None) -> list[dict[str, Any]]:
        message, wire, shelf = self._message, self._wire, self._pack.shelf
        if message.protocol != "as2":
            return []
        theirs, ours = f"partner:{message.partner}", "us"
        outbound = message.direction is Direction.OUT
        _ = self._theirs, shelf.ours  # what they know is on the shelf from here on
        shelf.offer_der(wire.certificates())
        wanted = [
            (wire.signer, "message-signed", ours if outbound else theirs),
            (wire.recipient, "message-encrypted-to", theirs),
            *((each.signer_sha256, "receipt-signed", theirs) for each in said),
            (answered.signer_sha256 if answered is not None else "", "answer-signed", ours),
        ]
        found = []
        for print_, use, owner in dict.fromkeys(each for each in wanted if each[0]):
            facts, held = shelf.take(print_, use, owner)
            found.append(facts)
            if not held:
                self._note("certificate-unknown", print_)
        return found


def _json(facts: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "channel": delivery.channel,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "created": iso(delivery.created),
        "updated": iso(delivery.updated),
        "reason_code": delivery.reason_code,
        "reason": delivery.reason,
        "flow": delivery.flow or None,
    }
