"""Delivering documents to a partner's FTP server.

FTP has no operation that creates a file under its name only if there is none, and none that does so at once. So a
document is written under a temporary name that only this message uses, its size is compared, and it is renamed after
a look at whether the name is free; two senders that look at the same moment could both go on (`ecluse doctor` says
so). An attempt that follows a doubtful one compares what is there before it sends anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.channels.ftps.client.errors import Doubtful, ServerRefused
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import place_of
from ecluse.channels.ftps.client.remote import joined, size_of
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import file_names, target_of
from ecluse.model.nouns import Answer, Delivery, Message, Part
from ecluse.model.paths import MAX_NAME
from ecluse.trust.directory import Directory
from ecluse.wire.ftp import FtpSyntaxError, parse_facts

__all__ = ["FileFacts", "FtpsChannel", "WrongSize"]

RESUME_FROM: Final = 1 << 20
"""Octets of a half upload from which on it is worth to go on with it."""
TAIL: Final = 1 << 16
"""Octets at the end of a half upload that are read back and compared before it is gone on with."""
_STEP: Final = 1 << 20


class WrongSize(EcluseError):
    """The server has another number of octets than were sent."""

    code = "ftps.wrong-size"
    fault = Fault.PARTNER
    remedy = "Ask the partner whether their server changes what it stores (ASCII mode, a virus scanner)."


class FileFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was checked of one file that was delivered: the body of the receipt.

    Attributes:
        path: Where, below the folder that the login leads to.
        size: Octets, as the server says where ``size_checked``, else as they were sent.
        sha256: Of what was sent, in hexadecimal digits.
        how: ``stored`` (written anew), ``resumed`` (a half upload was finished), ``found`` (an attempt before had
            delivered it: the octets were read back and compared).
        size_checked: The server's size was compared.
        atomic: Whether its name could not be taken by another in between: never with FTP.
        tls: Version and cipher; empty in clear text.
        certificate: SHA-256 of the server's certificate, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str
    how: str
    size_checked: bool = True
    atomic: bool = False
    tls: str = ""
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class _Names:
    folder: str
    final: str
    temporary: str


class FtpsChannel:
    """The FTPS channel as the chamber sees it.

    Args:
        hub: What the chamber shares.
        directory: Gives the partners as they stand now.
    """

    kind = "ftps"

    def __init__(self, hub: Hub, directory: Callable[[], Directory]) -> None:
        self._hub = hub
        self._directory = directory

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """One attempt: every document under its name, or an error that says whether another attempt may help."""
        directory = self._directory()
        place = place_of(directory, directory.partner(message.partner), self._hub.clock())
        target = target_of(message)
        may_replace = place.replace if target.replace is None else target.replace
        with closing(Line(place)) as line:
            files = []
            for number, (part, name) in enumerate(zip(message.parts, file_names(message), strict=True)):
                names = _names(message, number, name, joined(place.folder, target.folder), place.temporary)
                with self._hub.document(part) as document:
                    upload = _Upload(line, names, document, may_replace, again=delivery.attempts > 1)
                    files.append(upload.run())
            self._hub.sightings.saw_all(message.partner, self.kind, line.seen)
        body = files[0] if len(files) == 1 else {"files": files}
        return Confirmed(ReceiptBytes("file", "confirmed", body=msgspec.json.encode(body)))

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""


class _Upload:
    """One document on its way."""

    def __init__(
        self, line: Line, names: _Names, document: Document, may_replace: bool, *, again: bool
    ) -> None:
        self._line = line
        self._names = names
        self._document = document
        self._part: Part = document.part
        self._may_replace = may_replace
        self._again = again

    def run(self) -> FileFacts:
        if self._again and self._was_delivered():
            return self._facts("found", True)
        self._check_free()
        how = self._store()
        checked = self._check_size(self._names.temporary)
        self._check_free()
        # Once it has its name the partner may take it away: what is to be checked is checked before.
        self._rename()
        return self._facts(how, checked)

    def _was_delivered(self) -> bool:
        """Whether an attempt before came to its end, and only its answer was lost."""
        return self._size(self._names.final) == self._part.size and self._same(self._names.final)

    def _check_free(self) -> None:
        if not self._may_replace and self._size(self._names.final) is not None:
            raise NameTaken(f"There is a file {self._names.final} on the partner's server.")

    def _store(self) -> str:
        """Bring the temporary file to its full length."""
        there = self._size(self._names.temporary) if self._again else None
        offset = there if there is not None and self._resumable(there) else 0
        if offset == self._part.size and offset:
            return "resumed"
        try:
            self._line.upload(self._names.temporary, self._chunks(offset), append=offset > 0)
        except ServerRefused:
            if offset:  # the next attempt begins anew
                self._remove(self._names.temporary)
            raise
        except Doubtful:
            # The connection may be gone: what is there decides, in this attempt if it can be asked, else in the next.
            if self._size(self._names.temporary) != self._part.size:
                raise
        return "resumed" if offset else "stored"

    def _resumable(self, size: int) -> bool:
        """Whether a half upload is ours and worth to be gone on with: its name is this message's alone, and its last
        octets are the document's.
        """
        if not RESUME_FROM <= size <= self._part.size:
            return False
        start = max(0, size - TAIL)
        try:
            there = b"".join(self._line.download(self._names.temporary, start))
        except ServerRefused:
            return False
        ours = b"".join(self._chunks(start, size - start))
        return there == ours

    def _rename(self) -> None:
        names = self._names
        commands = [f"RNFR {names.temporary}", f"RNTO {names.final}"]
        try:
            self._line.commands(commands, "rename the file")
        except ServerRefused:
            if not self._may_replace or self._size(names.final) is None:
                raise
            # Some servers rename over a file, others want it gone first.
            self._line.commands([f"DELE {names.final}", *commands], "replace the file")

    def _check_size(self, path: str) -> bool:
        """Compare sizes; false where the server can't tell. A file of another size is removed."""
        size = self._size(path)
        if size is None:
            return False
        if size != self._part.size:
            self._remove(path)
            raise WrongSize(f"The server has {size} octets of {self._part.size}.")
        return True

    def _size(self, path: str) -> int | None:
        try:
            return size_of(self._line, path)
        except ServerRefused:
            return self._size_by_facts(path)

    def _size_by_facts(self, path: str) -> int | None:
        """For servers without SIZE."""
        if "MLST" not in self._line.features:
            return None
        try:
            facts = self._line.facts(path)
            return parse_facts(facts).size if facts else None
        except (ServerRefused, FtpSyntaxError):
            return None

    def _same(self, path: str) -> bool:
        """Whether the server's octets are the document's: they are read back."""
        digest = hashlib.sha256()
        for block in self._line.download(path):
            digest.update(block)
        return digest.hexdigest() == self._part.sha256

    def _remove(self, path: str) -> None:
        with suppress(EcluseError):
            self._line.command(f"DELE {path}", "remove a half file")

    def _chunks(self, offset: int, size: int | None = None) -> Iterator[bytes]:
        part = self._part
        length = part.size - offset if size is None else size
        return self._document.reader.chunks(part.offset + offset, length, _STEP)

    def _facts(self, how: str, checked: bool) -> FileFacts:
        return FileFacts(
            path=self._names.final,
            size=self._part.size,
            sha256=self._part.sha256,
            how=how,
            size_checked=checked,
            tls=self._line.tls,
            certificate=self._line.certificate,
        )


def _names(message: Message, number: int, name: str, folder: str, template: str) -> _Names:
    """Where a document goes. The temporary name is this message's alone, whatever others are called."""
    several = f"-{number + 1}" if len(message.parts) > 1 else ""
    mark = f".{message.id[-10:]}{several}"
    room = MAX_NAME - len(template.encode()) - len(mark)
    short = name.encode()[: max(1, room)].decode("utf-8", "ignore")
    temporary = template.replace("{name}", short + mark, 1).replace("{name}", short)
    return _Names(folder, joined(folder, name), joined(folder, temporary))
