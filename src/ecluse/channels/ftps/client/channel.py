"""Delivering documents to a partner's FTP server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import msgspec

from ecluse.blobs.vault import VaultReader
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import place_of
from ecluse.channels.ftps.client.remote import joined
from ecluse.channels.ftps.client.spot import FtpsSpot, names_of
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.once import FOUND, Came, deliver_once
from ecluse.exchange.port import Confirmed, Outcome, ReceiptBytes, Sealed
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.target import file_names, target_of
from ecluse.model.nouns import Answer, Delivery, Message, Part
from ecluse.trust.directory import Directory

__all__ = ["FileFacts", "FtpsChannel"]


class FileFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was checked of one file that was delivered: the body of the receipt.

    Attributes:
        path: Where, below the folder that the login leads to.
        size: Octets, as the server says where ``size_checked``, else as they were sent.
        sha256: Of what was sent, in hexadecimal digits.
        how: ``stored`` (written anew), ``resumed`` (what an attempt before had begun was finished), ``found`` (an
            attempt before had delivered it: the octets were read back and compared), ``taken`` (likewise, and it was
            fetched since).
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
        memory = Remembered(self._hub, message, delivery, f"{place.user}@{place.host}:{place.port}")
        again = delivery.attempts > 1
        with closing(Line(place)) as line:
            files = []
            for number, (part, name) in enumerate(zip(message.parts, file_names(message), strict=True)):
                folder = joined(place.folder, target.folder)
                names = names_of(message, delivery, number, name, folder, place.temporary)
                with self._hub.document(part) as document:
                    spot = FtpsSpot(line, names, document, may_replace, again=again, base=place.folder)
                    files.append(_facts(line, part, names.final, deliver_once(spot, memory, again=again)))
            self._hub.sightings.saw_all(message.partner, self.kind, line.seen)
        body = files[0] if len(files) == 1 else {"files": files}
        return Confirmed(ReceiptBytes("file", "confirmed", body=msgspec.json.encode(body)))

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""


def _facts(line: Line, part: Part, path: str, came: Came) -> FileFacts:
    return FileFacts(
        path=path,
        size=part.size,
        sha256=part.sha256,
        how=came.how if came.before else came.staged.how or "resumed",
        size_checked=came.how == FOUND or came.staged.checked == "size",
        tls=line.tls,
        certificate=line.certificate,
    )
