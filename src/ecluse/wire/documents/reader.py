"""Which format a document is in, by its head; and then its facts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ecluse.wire.documents.edifact import EdifactReader
from ecluse.wire.documents.facts import DocumentFacts, Interchange
from ecluse.wire.documents.pdf import PdfReader
from ecluse.wire.documents.recognise import HEAD, kind_of
from ecluse.wire.documents.x12 import ISA_SIZE, X12Reader
from ecluse.wire.documents.xml import XmlDocument

__all__ = ["DocumentReader", "facts", "read"]

_BLANKS = b"\xef\xbb\xbf \t\r\n"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class _Reader(Protocol):
    def feed(self, data: bytes) -> None:
        """Octets, in order."""

    def finish(self) -> Interchange:
        """What was read so far."""


class DocumentReader:
    """Reads one document as it passes. It never raises, and what it holds does not grow with the document."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._head = b""
        self._chosen = False
        self._reader: _Reader | None = None

    def feed(self, data: bytes) -> None:
        """Octets of the document, in order, in any pieces."""
        if self._chosen:
            if self._reader is not None:
                self._reader.feed(data)
            return
        self._head += data
        if len(self._head) >= HEAD:
            self._choose()

    def finish(self) -> Interchange:
        """What was in it, as far as it was fed."""
        if not self._chosen:
            self._choose()
        return self._reader.finish() if self._reader is not None else Interchange()

    def _choose(self) -> None:
        head, self._head, self._chosen = self._head, b"", True
        self._reader = _reader_for(head)
        if self._reader is not None:
            self._reader.feed(head if isinstance(self._reader, XmlDocument) else head.lstrip(_BLANKS))


def _reader_for(head: bytes) -> _Reader | None:
    kind = kind_of(head)
    plain = head[:HEAD].lstrip(_BLANKS)
    if kind == "edifact":
        return EdifactReader(plain)
    if kind == "x12":
        return X12Reader(plain) if len(plain) >= ISA_SIZE else None
    if kind == "pdf":
        return PdfReader()
    if kind.startswith("xml") or head.startswith(_UTF16):
        return XmlDocument()
    return None


def read(data: Iterable[bytes]) -> Interchange:
    """What is in a document that comes in any pieces. Never raises of itself."""
    reader = DocumentReader()
    for piece in data:
        reader.feed(piece)
    return reader.finish()


def facts(data: Iterable[bytes]) -> DocumentFacts:
    """The facts of a document's first message; blank ones where there is none. Never raises of itself."""
    return read(data).first
