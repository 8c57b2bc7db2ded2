"""Small XML documents from other parties: elements as they come, and nothing that XML can do beside.

A document type (and with it every entity but the five of XML's own) is refused before it is read, so nothing expands
and nothing is fetched. Depth and the length of texts are bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.parsers import expat

from ecluse.errors import EcluseError, Fault

__all__ = ["MAX_DEPTH", "MAX_TEXT", "XmlError", "XmlReader"]

MAX_DEPTH: Final = 32
"""Elements inside each other: answers of S3 have 4, those of WebDAV (RFC 4918) 6."""
MAX_TEXT: Final = 64 * 1024
"""Characters of one element's own text: the longest are URLs of some kilobytes."""


class XmlError(EcluseError):
    """What should be an XML document is none, or has more in it than is read."""

    code = "xml.malformed"
    fault = Fault.PARTNER
    remedy = "Check that the URL names the store, and not a page of a proxy or a portal."


class XmlReader:
    """Takes a document in any pieces, and tells of the end of each element.

    Args:
        ended: Called with an element's path (names without their namespaces, from the root down) and its own text,
            stripped, once it has ended.
        started: Called with an element's path and its attributes (names without their namespaces) when it begins.
    """

    __slots__ = ("_ended", "_left", "_parser", "_path", "_started", "_texts")

    def __init__(
        self,
        ended: Callable[[tuple[str, ...], str], None],
        started: Callable[[tuple[str, ...], dict[str, str]], None] | None = None,
    ) -> None:
        self._ended = ended
        self._started = started
        self._path: list[str] = []
        self._texts: list[list[str]] = []
        self._left = MAX_TEXT
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Take octets; with ``last`` the document ends there.

        Raises:
            XmlError: It is not well-formed, has a document type, or passes a limit.
        """
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise XmlError(f"The answer is no XML document ({expat.ErrorString(error.code)}).") from None
        except (ValueError, LookupError):
            raise XmlError("The answer is in an encoding that is not read.") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= MAX_DEPTH:
            raise XmlError(f"The answer's elements are more than {MAX_DEPTH} deep.")
        self._path.append(name.rpartition(" ")[2])
        self._texts.append([])
        self._left = MAX_TEXT
        if self._started is not None:
            named = {each.rpartition(" ")[2]: value for each, value in attributes.items()}
            self._started(tuple(self._path), named)

    def _end(self, name: str) -> None:
        text = "".join(self._texts.pop()).strip()
        path = tuple(self._path)
        self._path.pop()
        self._ended(path, text)

    def _text(self, text: str) -> None:
        # Counted from the last start of an element: what stands between elements is not looked at by anybody.
        self._left -= len(text)
        if self._left < 0:
            raise XmlError("A text in the answer is too long.")
        self._texts[-1].append(text)

    def _doctype(self, *_: object) -> None:
        raise XmlError("The answer has a document type, which is not read.")
