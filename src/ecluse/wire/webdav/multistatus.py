"""The answer to PROPFIND (RFC 4918 section 9.1), read as it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from ecluse.wire.http1.dates import http_date
from ecluse.wire.xml import XmlError, XmlReader

__all__ = ["PROPFIND", "Listed", "Multistatus", "bare_etag"]

PROPFIND: Final = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    b"<getlastmodified/><getetag/></prop></propfind>"
)
"""The question: is it a folder, how long, how old, which content."""

_SIZE: Final = re.compile(r"[0-9]{1,18}")
_RESPONSE: Final = ("multistatus", "response")


@dataclass(frozen=True, slots=True)
class Listed:
    """One resource.

    Attributes:
        path: Decoded path of its URL, from the server's root; a folder's ends in a slash with some servers.
        folder: Whether it is a collection.
        size: Octets; ``None`` where the server does not say.
        modified: When it was written, microseconds since 1970.
        etag: See :func:`bare_etag`.
    """

    path: str
    folder: bool
    size: int | None
    modified: int | None
    etag: str


class Multistatus:
    """Takes the octets of an answer in any pieces, gives the resources in it."""

    __slots__ = ("_facts", "_folder", "_found", "_reader", "_root")

    def __init__(self) -> None:
        self._reader = XmlReader(self._ended)
        self._facts: dict[str, str] = {}
        self._folder = False
        self._found: list[Listed] = []
        self._root = ""

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Listed]:
        """Take octets, and give the resources that ended in them.

        Raises:
            XmlError: It is no such answer.
        """
        self._reader.feed(data, last=last)
        if last and self._root != "multistatus":
            raise XmlError("The answer is no WebDAV listing.")
        found, self._found = self._found, []
        yield from found

    def _ended(self, path: tuple[str, ...], text: str) -> None:
        if len(path) == 1:
            self._root = path[0]
        elif path[:2] != _RESPONSE:
            return
        elif len(path) == 2:
            self._response()
        elif path[2:] == ("href",):
            self._facts.setdefault("href", text)
        elif path[2:4] == ("propstat", "prop"):
            if path[4:] == ("resourcetype", "collection"):
                self._folder = True
            elif len(path) == 5 and text:  # what a server does not have is there, empty, beside a 404
                self._facts.setdefault(path[4], text)

    def _response(self) -> None:
        facts, folder = self._facts, self._folder
        self._facts, self._folder = {}, False
        try:
            path = unquote(urlsplit(facts.get("href", "")).path, errors="strict")
        except ValueError:  # UnicodeDecodeError is one
            return
        if not path:
            return
        size = facts.get("getcontentlength", "")
        self._found.append(
            Listed(
                path,
                folder,
                int(size) if _SIZE.fullmatch(size) else None,
                http_date(facts.get("getlastmodified", "")),
                bare_etag(facts.get("getetag", "")),
            )
        )


def bare_etag(text: str) -> str:
    """An entity tag without its quotation marks, and without the mark of a weak one.

    The same file's tag is weak in the second in which it was written, and strong later, with some servers.
    """
    return text.strip().removeprefix("W/").strip('"')
