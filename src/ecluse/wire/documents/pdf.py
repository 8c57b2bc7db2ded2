"""PDF with an invoice inside (Factur-X, ZUGFeRD): the embedded XML is found as the octets pass.

No PDF is parsed: an embedded file is a stream, which stands in the file itself (ISO 32000-1, 7.5.7 keeps streams out of
object streams), its dictionary before it says what it is, and Factur-X has it deflated or plain. The first
one that is a business document counts. What is encrypted is not found.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from ecluse.wire.documents.facts import Interchange
from ecluse.wire.documents.xml import XmlDocument

__all__ = ["MAX_EMBEDDED", "PdfReader"]

MAX_EMBEDDED: Final = 16 << 20
"""Octets read of embedded files, inflated: invoices have some 10 KB, with attachments in them some megabytes."""
_DICTIONARY: Final = 2048
"""Octets looked at before ``stream``: the dictionary of an embedded file has some 200."""
_MARKS: Final = (b"/EmbeddedFile", b"/text#2Fxml", b"/application#2Fxml")
"""One of these stands in the dictionary: its type may be left out (ISO 32000-1, table 45), its media type then not."""
_STREAM: Final = re.compile(rb"stream\r?\n")
_END: Final = b"endstream"
_STEP: Final = 64 * 1024


class PdfReader:
    """Reads one PDF file. Any octets may be fed."""

    def __init__(self) -> None:
        self._tail = b""
        self._inside: _Embedded | None = None
        self._left = MAX_EMBEDDED
        self._found = Interchange()

    def feed(self, data: bytes) -> None:
        """Octets of the file, in order."""
        while data and not self._found.documents and self._left > 0:
            data = self._outside(data) if self._inside is None else self._within(self._inside, data)

    def _outside(self, data: bytes) -> bytes:
        data, self._tail = self._tail + data, b""
        at = 0
        while (found := _STREAM.search(data, at)) is not None:
            head = data[max(0, found.start() - _DICTIONARY) : found.start()]
            head = head[head.rfind(b"obj") + 1 :] if b"obj" in head else head
            if any(mark in head for mark in _MARKS) and not head.endswith(b"end"):
                self._inside = _Embedded(b"/FlateDecode" in head, self._left)
                return data[found.end() :]
            at = found.end()
        self._tail = data[-_DICTIONARY - 8 :]
        return b""

    def _within(self, inside: _Embedded, data: bytes) -> bytes:
        data, self._tail = self._tail + data, b""
        end = data.find(_END)
        if end < 0:
            keep = len(_END) - 1
            inside.feed(data[:-keep])
            self._tail = data[-keep:]
        else:
            inside.feed(data[:end])
        self._left = inside.left
        if end < 0 and self._left > 0:
            return b""
        self._inside = None
        found = inside.finish()
        if any(each.format for each in found.documents):
            self._found = found
        return data[end:] if end >= 0 else b""

    def finish(self) -> Interchange:
        """What was found so far."""
        if self._inside is not None and not self._found.documents:
            self._inside.feed(self._tail)
            self._found = self._inside.finish()
        return self._found


class _Embedded:
    """One embedded file as it passes."""

    def __init__(self, deflated: bool, left: int) -> None:
        self._document = XmlDocument()
        self._broken = False
        self.left = left
        self._inflate = zlib.decompressobj() if deflated else None

    def feed(self, data: bytes) -> None:
        """Octets as they stand in the PDF file."""
        if self._broken:
            return
        if self._inflate is None:
            data = data[: self.left]
            self.left -= len(data)
            self._document.feed(data)
            return
        try:
            while data and self.left > 0 and not self._inflate.eof:
                plain = self._inflate.decompress(data, _STEP)
                data = self._inflate.unconsumed_tail
                plain = plain[: self.left]
                self.left -= len(plain)
                self._document.feed(plain)
        except zlib.error:
            # How much of it was inflated before depends on the pieces that it came in: none of it counts.
            self._broken = True

    def finish(self) -> Interchange:
        """What is in it."""
        return Interchange() if self._broken else self._document.finish()
