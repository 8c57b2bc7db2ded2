"""What both sides said of a message: receipts, our answer, the MICs in them, and who signed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509

from ecluse.app.packs.as2 import Said, Wire, read_answer, read_receipt
from ecluse.app.packs.folder import Folder
from ecluse.archive.classes import DataClass
from ecluse.model.basics import iso
from ecluse.model.nouns import Answer, Direction, Receipt
from ecluse.wire.smime.headers import field_block

__all__ = ["Testimony"]


class Testimony:
    """The voices about one message.

    Args:
        folder: The message's.
        wire: What is kept of its way.
    """

    def __init__(self, folder: Folder, wire: Wire) -> None:
        self._folder = folder
        self._wire = wire
        self._said: list[Said] = []
        self._answered: Said | None = None

    def write_receipts(self, receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
        """Write the partner's receipts; what ``message.json`` says of them."""
        folder, theirs = self._folder, self._theirs() if receipts else ()
        found = []
        for number, receipt in enumerate(receipts):
            read = read_receipt(receipt, theirs)
            erased = not receipt.headers and not receipt.body and folder.erased(DataClass.RECEIPTS)
            if read is not None:
                self._said.append(read)
                folder.making.shelf.offer_der(read.certificates)
            if erased:
                folder.note("erased", f"receipts/{number}")
            elif receipt.kind == "mdn" and (read is None or read.signer is None):
                folder.note("receipt-unread", str(number))
            headers = None if erased else folder.add(f"receipts/{number}.headers", "receipt", receipt.headers)
            body = None if erased else folder.add(f"receipts/{number}.body", "receipt", receipt.body)
            found.append(
                {
                    "delivery": receipt.delivery,
                    "kind": receipt.kind,
                    "positive": receipt.positive,
                    "verdict": receipt.verdict,
                    "received": iso(receipt.received),
                    "disposition": read.disposition if read is not None else None,
                    "headers": headers,
                    "body": body,
                }
            )
        return found

    def write_answer(self, answer: Answer | None) -> dict[str, Any] | None:
        """Write our answer, likewise."""
        folder = self._folder
        if answer is None:
            return None
        shelf = folder.making.shelf
        if folder.message.protocol == "as2":
            self._answered = read_answer(answer, shelf.ours)
        if self._answered is not None:
            shelf.offer_der(self._answered.certificates)
        headers = body = None
        if not answer.headers and not answer.body and folder.erased(DataClass.RECEIPTS):
            folder.note("erased", "answer")
        else:
            headers = folder.add("answer.headers", "answer", field_block(answer.headers))
            body = folder.add("answer.body", "answer", answer.body)
            folder.check_bound("answer.headers", "answer_headers_sha256")
        return {
            "status": answer.status,
            "positive": answer.positive,
            "created": iso(answer.created),
            "disposition": self._answered.disposition if self._answered is not None else None,
            "headers": headers,
            "body": body,
        }

    def mic(self) -> dict[str, Any] | None:
        """What was computed here beside what was said: by the partner of what we sent, by us of what they sent."""
        wire = self._wire
        if not wire.mics:
            return None
        answered = [self._answered] if self._answered is not None else []
        voices = self._said if self._folder.message.direction is Direction.OUT else answered
        voice = next((each for each in reversed(voices) if each.mic), None)
        name = (voice.algorithm if voice is not None else "") or wire.mic_algorithm or "sha256"
        ours, theirs = wire.mics.get(name), voice.mic if voice is not None else None
        return {
            "algorithm": name,
            "ours": ours,
            "theirs": theirs,
            "theirs_algorithm": voice.algorithm if voice is not None else None,
            "equal": ours == theirs if ours is not None and theirs is not None else None,
            "canonical": any(data.get("mic_canonical", False) for data in self._folder.data),
        }

    def protections(self) -> list[dict[str, Any]]:
        """What is around the documents, from the outermost."""
        if self._folder.message.direction is Direction.IN:
            return self._wire.protections
        facts = self._folder.last_of("message.sealed", "encrypt")
        compress = facts.get("compress", "none")
        found = [{"encrypted": facts["encrypt"]}] if facts.get("encrypt") else []
        if compress == "after-signing":
            found.append({"compressed": True})
        if facts.get("sign"):
            found.append({"signed": facts["sign"], "certificate_sha256": facts.get("signer_sha256")})
        if compress == "before-signing":
            found.append({"compressed": True})
        return found

    def certificates(self) -> list[dict[str, Any]]:
        """Who signed, and to whom it is encrypted; their certificates go into the pack."""
        folder, wire = self._folder, self._wire
        message, shelf = folder.message, folder.making.shelf
        if message.protocol != "as2":
            return []
        theirs, ours = f"partner:{message.partner}", "us"
        _ = self._theirs(), shelf.ours  # what they hold is on the shelf from here on
        shelf.offer_der(wire.certificates())
        wanted = [
            (wire.signer, "message-signed", ours if message.direction is Direction.OUT else theirs),
            (wire.recipient, "message-encrypted-to", theirs),
            *((each.signer_sha256, "receipt-signed", theirs) for each in self._said),
            (self._answered.signer_sha256 if self._answered is not None else "", "answer-signed", ours),
        ]
        found = []
        for print_, use, owner in dict.fromkeys(each for each in wanted if each[0]):
            facts, held = shelf.take(print_, use, owner)
            found.append(facts)
            if not held:
                folder.note("certificate-unknown", print_)
        return found

    def _theirs(self) -> tuple[x509.Certificate, ...]:
        making, message = self._folder.making, self._folder.message
        found: dict[x509.Certificate, None] = {}
        # A receipt may have been checked under a later version than the one that the message was accepted under.
        for number in dict.fromkeys((message.config_version, making.node.version)):
            of = making.shelf.of_partner(message.partner, number, making.versions.files(number))
            found.update(dict.fromkeys(of))
        return tuple(found)
