"""INSPECT: what a document is, by its own first octets, and whether that fits what it is declared to be.

Recognition only: no document is parsed or translated here. The business reference (order or invoice number) is
what lets an operator ask "what happened to order 4711?".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ecluse.wire.documents import facts, kind_of
from ecluse.wire.documents.recognise import HEAD

__all__ = ["HEAD_LIMIT", "Inspector", "Problem"]

HEAD_LIMIT: Final = 16 * 1024
"""Octets looked at. An interchange header and its first message's BGM/BIG segment, or an invoice's id, stand
within the first few kilobytes."""
_SHORT: Final = 1024

_EDI_TYPES: Final = {"application/edifact": "edifact", "application/edi-x12": "x12"}
_XML_TYPES: Final = ("application/xml", "text/xml")
_NUMBERLESS: Final = frozenset({"unknown", "json", "zip", "gzip", "windows-program", "program"})
"""Kinds whose facts nobody reads here."""
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
            self._kind = kind_of(bytes(self._head[:HEAD]))
        return self._kind

    @property
    def reference(self) -> str:
        """The document's own number, where its head shows one: of an order, an invoice, a payment..."""
        if self.kind in _NUMBERLESS and not _looks_utf16(self._head):
            return ""
        head = bytes(self._head)
        # The number stands near the beginning, unless a signature stands before it.
        return facts([head[:_SHORT]]).number or (facts([head]).number if len(head) > _SHORT else "")

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
