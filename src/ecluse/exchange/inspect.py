"""INSPECT: what a document is, by its own first octets, and whether that fits what it is declared to be.

Recognition only: no document is parsed or translated here. The business reference (order or invoice number) is
what lets an operator ask "what happened to order 4711?".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["HEAD_LIMIT", "Inspector", "Problem"]

HEAD_LIMIT: Final = 16 * 1024
"""Octets looked at. An interchange header and its first message's BGM/BIG segment, or an invoice's id, stand
within the first few kilobytes."""

_BGM: Final = re.compile(rb"BGM\+[^+']{0,40}\+([A-Za-z0-9][\w./ -]{0,34})[+:']")
_X12_NUMBER: Final = {
    b"850": re.compile(rb"[~\r\n]BEG\W[^~]{0,10}?\W[^~]{0,10}?\W([\w./-]{1,22})"),
    b"810": re.compile(rb"[~\r\n]BIG\W\d{6,8}\W([\w./-]{1,22})"),
}
_X12_KIND: Final = re.compile(rb"[~\r\n]\s?ST\W(\d{3})\W")
_UBL_ID: Final = re.compile(rb"<(?:\w+:)?ID(?:\s[^>]{0,200})?>\s*([^<\s][^<]{0,34}?)\s*</(?:\w+:)?ID>")
_ROOT: Final = re.compile(rb"<(?![?!])(?:[\w.-]+:)?([A-Za-z_][\w.-]{0,99})")
_EDI_TYPES: Final = {"application/edifact": "edifact", "application/edi-x12": "x12"}
_XML_TYPES: Final = ("application/xml", "text/xml")
_MAGIC: Final = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"ISA", "x12"),
    (b"UNA", "edifact"),
    (b"UNB", "edifact"),
    (b"{", "json"),
    (b"MZ", "windows-program"),
    (b"\x7fELF", "program"),
)
_PROGRAMS: Final = frozenset({"windows-program", "program"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document stops in quarantine.

    Attributes:
        code: Stable reason.
        reason: One sentence, with what to do.
    """

    code: str
    reason: str


class Inspector:
    """Looks at the head of one document as it passes.

    Args:
        content_type: Media type as declared, with or without parameters.
    """

    def __init__(self, content_type: str) -> None:
        """Nothing seen yet."""
        self._declared = content_type.partition(";")[0].strip().lower()
        self._head = bytearray()
        self._size = 0
        self._kind: str | None = None

    def feed(self, data: bytes) -> None:
        """Octets of the document, in order; only the first of them are kept."""
        self._size += len(data)
        room = HEAD_LIMIT - len(self._head)
        if room > 0:
            self._head += data[:room]
            self._kind = None

    @property
    def kind(self) -> str:
        """``edifact``, ``x12``, ``xml:Invoice``, ``pdf``... or ``unknown``."""
        if self._kind is None:
            self._kind = self._recognise()
        return self._kind

    def _recognise(self) -> str:
        head = bytes(self._head[:4096]).lstrip(b"\xef\xbb\xbf \t\r\n")
        for magic, name in _MAGIC:
            if head.startswith(magic):
                return name
        if head.startswith(b"<"):
            root = _ROOT.search(head)
            return f"xml:{root[1].decode('ascii')}" if root else "xml"
        return "unknown"

    @property
    def reference(self) -> str:
        """The document's own number (EDIFACT BGM, X12 BEG/BIG, UBL ID); empty where it shows none."""
        head = bytes(self._head)
        kind = self.kind
        found: re.Match[bytes] | None = None
        if kind == "edifact":
            found = _BGM.search(head)
        elif kind == "x12":
            transaction = _X12_KIND.search(head)
            pattern = _X12_NUMBER.get(transaction[1]) if transaction else None
            found = pattern.search(head) if pattern else None
        elif kind.startswith("xml:") and b"urn:oasis:names:specification:ubl" in head:
            found = _UBL_ID.search(head)
        return found[1].decode("utf-8", "replace").strip() if found else ""

    def problem(self) -> Problem | None:
        """Why a person should look before the document goes on; ``None`` where nothing is wrong."""
        if self._size == 0:
            return Problem("inspect.empty", "The document is empty; ask the partner what was meant.")
        kind = self.kind
        if kind in _PROGRAMS:
            return Problem("inspect.program", "The document is a program; release it only if it was agreed.")
        expected = _EDI_TYPES.get(self._declared)
        if expected is not None and kind != expected:
            return Problem(
                "inspect.type-mismatch",
                f"It is declared as {self._declared} and begins as {kind}; look at it, then release or give up.",
            )
        if self._declared in _XML_TYPES and not kind.startswith("xml") and not _looks_utf16(self._head):
            return Problem(
                "inspect.type-mismatch",
                f"It is declared as {self._declared} and begins as {kind}; look at it, then release or give up.",
            )
        return None


def _looks_utf16(head: bytearray) -> bool:
    return head.startswith((b"\xff\xfe", b"\xfe\xff"))
