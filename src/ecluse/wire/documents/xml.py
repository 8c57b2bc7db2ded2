"""XML documents: elements as they come, and nothing that XML can do beside.

A document type ends the reading (and with it every entity but XML's own five); depth, the length of a kept text, and
what the parser may hold back of one markup are bounded. The texts that nobody asked for, such as an attachment in
base64, are not kept.
"""

from __future__ import annotations

from typing import Final, Protocol
from xml.parsers import expat

from ecluse.wire.documents.cii import CiiReader
from ecluse.wire.documents.facts import Interchange, moment_from, plain
from ecluse.wire.documents.iso20022 import Iso20022Reader
from ecluse.wire.documents.ubl import UblReader

__all__ = ["MAX_DEPTH", "MAX_MARKUP", "MAX_TEXT", "XmlDocument"]

MAX_DEPTH: Final = 64
"""Elements inside each other: UBL has some 12, a signed invoice in an SBDH some 20."""
MAX_TEXT: Final = 1024
"""Characters kept of one text: numbers, names and amounts are below it."""
MAX_MARKUP: Final = 256 * 1024
"""Octets of one tag, comment or instruction, which the parser holds whole."""
_STEP: Final = 64 * 1024
_ENVELOPE: Final = "StandardBusinessDocument"
_HEADER: Final = "StandardBusinessDocumentHeader"
_UBL: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_CII: Final = "urn:un:unece:uncefact:data:standard:"
_ZUGFERD: Final = "urn:ferd:CrossIndustryDocument:"
_ISO: Final = "urn:iso:std:iso:20022:tech:xsd:"


class XmlFormat(Protocol):
    """What reads one family of XML documents."""

    def wants(self, path: tuple[str, ...]) -> bool:
        """Whether the text of the element at this path (below the root) is to be kept."""

    def ended(self, path: tuple[str, ...], text: str, attributes: dict[str, str]) -> None:
        """An element ended."""

    def finish(self) -> Interchange:
        """What was read so far."""


class _Enough(Exception):
    """Nothing further is read."""


class XmlDocument:
    """Reads one document. Any octets may be fed; what was read before something wrong stands."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._format: XmlFormat | None = None
        self._base = 0
        self._kept: list[tuple[int, dict[str, str], list[str]]] = []
        self._room = 0
        self._envelope: dict[str, str] = {}
        self._fed = 0
        self._over = False
        self._pending = bytearray()
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def feed(self, data: bytes) -> None:
        """Octets of the document, in order."""
        # In steps of one size: what the parser holds back is then the same whatever pieces the octets came in.
        self._pending += data
        while len(self._pending) >= _STEP and not self._over:
            step = bytes(self._pending[:_STEP])
            del self._pending[:_STEP]
            self._parse(step, False)
        if self._over:
            self._pending.clear()

    def finish(self) -> Interchange:
        """What was read so far."""
        if not self._over:
            self._parse(bytes(self._pending), True)
            self._pending.clear()
        found = self._format.finish() if self._format is not None else Interchange()
        if not self._envelope:
            return found
        told = self._envelope.get
        day, _, time = told("CreationDateAndTime", "").partition("T")
        return Interchange(
            plain(told("Sender", "")),
            plain(told("Receiver", "")),
            plain(told("InstanceIdentifier", "")),
            moment_from(day, time),
            found.test,
            found.documents,
            found.count,
        )

    def _parse(self, data: bytes, last: bool) -> None:
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, _Enough, ValueError, LookupError):
            self._over = True
            return
        if self._fed - self._parser.CurrentByteIndex > MAX_MARKUP:
            self._over = True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        if len(path) >= MAX_DEPTH:
            raise _Enough
        space, _, local = name.rpartition(" ")
        if self._format is None and not (local == _ENVELOPE and not path) and not self._in_header(local):
            self._format = _format(space, local)
            self._base = len(path) + 1
            if self._format is None:
                raise _Enough
        path.append(local)
        if self._format is not None and len(path) > self._base:
            wanted = self._format.wants(tuple(path[self._base :]))
        else:
            wanted = bool(path) and path[0] == _ENVELOPE
        if wanted:
            self._kept.append((len(path), attributes, []))
            self._room = MAX_TEXT

    def _in_header(self, local: str) -> bool:
        path = self._path
        return bool(path) and path[0] == _ENVELOPE and (local if len(path) == 1 else path[1]) == _HEADER

    def _end(self, name: str) -> None:
        path = self._path
        if self._kept and self._kept[-1][0] == len(path):
            _, attributes, pieces = self._kept.pop()
            text = "".join(pieces).strip()
            if self._format is not None and len(path) > self._base:
                named = {each.rpartition(" ")[2]: value for each, value in attributes.items()}
                self._format.ended(tuple(path[self._base :]), text, named)
            elif path[1:2] == [_HEADER] and text:
                self._envelope.setdefault(
                    path[2] if len(path) == 4 and path[3] == "Identifier" else path[-1], text
                )
        path.pop()

    def _text(self, text: str) -> None:
        if self._kept and self._kept[-1][0] == len(self._path) and self._room > 0:
            self._kept[-1][2].append(text[: self._room])
            self._room -= len(text)

    def _doctype(self, *_: object) -> None:
        raise _Enough


def _format(space: str, local: str) -> XmlFormat | None:
    if space.startswith(_UBL):
        return UblReader(local)
    if space.startswith((_CII, _ZUGFERD)):
        return CiiReader(local)
    if space.startswith(_ISO) and local == "Document":
        return Iso20022Reader(space.removeprefix(_ISO))
    return None
