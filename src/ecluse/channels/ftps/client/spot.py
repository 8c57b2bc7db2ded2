"""One document to one name on the partner's server: FTP's steps of :mod:`ecluse.exchange.once`.

FTP has no operation that gives a file its name only if there is none of that name. It is looked whether the name is
free right before; two senders that look at the same moment could both go on (`ecluse doctor` says so).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ecluse.channels.ftps.client.errors import Doubtful, ServerRefused
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.remote import UNKNOWN, joined, size_of
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document
from ecluse.exchange.once import Spot, Staged, Standing
from ecluse.exchange.remote import NameTaken
from ecluse.model.nouns import Delivery, Message, Part
from ecluse.model.paths import MAX_NAME
from ecluse.wire.ftp import FtpSyntaxError, parse_facts

__all__ = ["FtpsSpot", "Names", "WrongSize", "names_of"]

RESUME_FROM: Final = 1 << 20
"""Octets of a half upload from which on it is worth to go on with it."""
TAIL: Final = 1 << 16
"""Octets at the end of a half upload that are read back and compared before it is gone on with."""
_STEP: Final = 1 << 20
_CLOSING: Final = 421
"""The server goes away (RFC 959 section 4.2): whether it did what it was asked is not said."""


class WrongSize(EcluseError):
    """The server has another number of octets than were sent."""

    code = "ftps.wrong-size"
    fault = Fault.PARTNER
    remedy = "Ask the partner whether their server changes what it stores (ASCII mode, a virus scanner)."


@dataclass(frozen=True, slots=True)
class Names:
    """Where a document goes.

    Attributes:
        final: Its path.
        temporary: Path of the passing name: the same for every attempt, so that a half upload is gone on with, and
            this delivery's alone.
    """

    final: str
    temporary: str


class FtpsSpot:
    """See :class:`~ecluse.exchange.once.Spot`.

    Args:
        line: The connection.
        names: Where.
        document: What.
        may_replace: It may take another file's place.
        again: There were attempts before.
        base: The agreed folder, which the names lie in; empty for the one that the login leads to.
    """

    def __init__(
        self,
        line: Line,
        names: Names,
        document: Document,
        may_replace: bool,
        *,
        again: bool,
        base: str = "",
    ) -> None:
        self._base = base
        self._line = line
        self._names = names
        self._document = document
        self._part: Part = document.part
        self._may_replace = may_replace
        self._again = again

    @property
    def path(self) -> str:
        """The final path."""
        return self._names.final

    def tidy(self, spared: str) -> None:
        """See the port: there is one passing name, and :meth:`stage` goes on from it."""

    def check_free(self) -> None:
        """See the port."""
        if not self._may_replace and self._size(self._names.final) is not None:
            raise NameTaken(f"There is a file {self._names.final} on the partner's server.")

    def stage(self) -> Staged:
        """See the port. What a server without sizes keeps can't be told from what it lost."""
        how = self._store()
        checked = self._check_size(self._names.temporary)
        return Staged(self._names.temporary, safe=checked, checked="size" if checked else "", how=how)

    def standing(self, mark: str) -> Standing:
        """See the port."""
        size = self._size(mark)
        if size is None:
            if self._base and "MLST" in self._line.features:
                self._line.facts(
                    self._base
                )  # refused where the folder itself is away: then nothing in it has gone
            return Standing.GONE
        return Standing.WHOLE if size == self._part.size else Standing.TORN

    def holds(self) -> bool:
        """See the port: the octets are read back."""
        if self._size(self._names.final) != self._part.size:
            return False
        digest = hashlib.sha256()
        for block in self._line.download(self._names.final):
            digest.update(block)
        return digest.hexdigest() == self._part.sha256

    def appear(self, mark: str) -> str:
        """See the port."""
        self.check_free()
        commands = [f"RNFR {mark}", f"RNTO {self._names.final}"]
        try:
            self._rename(commands)
        except ServerRefused as error:
            if error.reply == _CLOSING or not self._may_replace or self._size(self._names.final) is None:
                raise
            # Some servers rename over a file, others want it gone first.
            self._rename([f"DELE {self._names.final}", *commands])
        return "rename"

    def drop(self, mark: str) -> None:
        """See the port."""
        with suppress(EcluseError):
            self._line.command(f"DELE {mark}", "remove a half file")

    def _rename(self, commands: list[str]) -> None:
        try:
            self._line.commands(commands, "rename the file")
        except ServerRefused as error:
            if error.reply == _CLOSING:
                raise Doubtful("The server went away while it was asked to rename the file.") from None
            raise
        except EcluseError as error:
            raise Doubtful(f"The file was to be renamed, and no answer came. {error.cause}") from None

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
                self.drop(self._names.temporary)
            raise
        except Doubtful:
            # The connection may be gone: what is there decides, in this attempt if it can be asked, else in the next.
            if self._size(self._names.temporary) != self._part.size:
                raise
        return "resumed" if offset else "stored"

    def _resumable(self, size: int) -> bool:
        """Whether a half upload is ours and worth to be gone on with: its name is this delivery's alone, and its last
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

    def _check_size(self, path: str) -> bool:
        """Compare sizes; false where the server can't tell. A file of another size is removed."""
        size = self._size(path)
        if size is None:
            return False
        if size != self._part.size:
            self.drop(path)
            raise WrongSize(f"The server has {size} octets of {self._part.size}.")
        return True

    def _size(self, path: str) -> int | None:
        """Octets of a file; ``None`` where there is none, or the server never tells."""
        try:
            return size_of(self._line, path)
        except ServerRefused as error:
            if error.reply not in UNKNOWN:
                raise
            return self._size_by_facts(path)

    def _size_by_facts(self, path: str) -> int | None:
        """For servers without SIZE."""
        if "MLST" not in self._line.features:
            return None
        try:
            facts = self._line.facts(path)
            return parse_facts(facts).size if facts else None
        except FtpSyntaxError:
            return None
        except ServerRefused as error:
            if error.reply and error.reply < 500:
                raise
            return None

    def _chunks(self, offset: int, size: int | None = None) -> Iterator[bytes]:
        part = self._part
        length = part.size - offset if size is None else size
        return self._document.reader.chunks(part.offset + offset, length, _STEP)


def names_of(
    message: Message, delivery: Delivery, number: int, name: str, folder: str, template: str
) -> Names:
    """Where the document of that number goes. The temporary name is this delivery's alone, whatever others are called.

    Args:
        message: Whose.
        delivery: Which.
        number: Of the document.
        name: Its own.
        folder: Where.
        template: Of temporary names, with ``{name}``.
    """
    several = f"-{number + 1}" if len(message.parts) > 1 else ""
    mark = f".{delivery.id[-10:]}{several}"
    room = MAX_NAME - len(template.encode()) - len(mark)
    short = name.encode()[: max(1, room)].decode("utf-8", "ignore")
    temporary = template.replace("{name}", short + mark, 1).replace("{name}", short)
    return Names(joined(folder, name), joined(folder, temporary))


_: type[Spot] = FtpsSpot
