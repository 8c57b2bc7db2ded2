"""What a file is, by its own first octets."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["HEAD", "kind_of"]

HEAD: Final = 4096
"""Octets looked at: comments and white space may stand before a root element."""

_ROOT: Final = re.compile(rb"<(?![?!])(?:[\w.-]+:)?([A-Za-z_][\w.-]{0,99})")
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


def kind_of(head: bytes) -> str:
    """``edifact``, ``x12``, ``xml:Invoice``, ``pdf``... or ``unknown``, by a file's first 4096 octets."""
    head = head[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(b"<"):
        root = _ROOT.search(head)
        return f"xml:{root[1].decode('ascii')}" if root else "xml"
    return "unknown"
