"""Segments of EDIFACT and X12, as they pass: cut at their terminator, whatever pieces the octets come in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

__all__ = ["MAX_SEGMENT", "Cutter", "split_released"]

MAX_SEGMENT: Final = 8 * 1024
"""Octets of a segment that is read; longer ones are passed over. The longest that matter (NAD) have some hundreds."""


class Cutter:
    """Cuts octets into segments, and gives those whose tag is wanted.

    Args:
        terminator: The octet that ends a segment.
        release: The octet that takes the next one's meaning away; nothing where there is none.
        wanted: Tags of the segments to give.
    """

    __slots__ = ("_release", "_skipping", "_tail", "_terminator", "_wanted")

    def __init__(self, terminator: bytes, release: bytes, wanted: Collection[bytes]) -> None:
        self._terminator = terminator
        self._release = release
        self._wanted = tuple(wanted)
        self._tail = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Segments that end within ``data``, without their terminators, line breaks and the white space before them."""
        terminator, release = self._terminator, self._release
        pieces = (self._tail + data).split(terminator)
        last = pieces.pop()
        parts: list[bytes] = []
        for piece in pieces:
            if release and piece.endswith(release) and _odd(piece, release):
                parts.append(piece)
                continue
            if parts:
                piece = terminator.join((*parts, piece))
                parts.clear()
            if self._skipping:
                self._skipping = False
            elif len(piece) <= MAX_SEGMENT:
                if b"\n" in piece:
                    # Some programs break their lines after 80 characters, wherever that is.
                    piece = piece.replace(b"\r\n", b"").replace(b"\n", b"")
                piece = piece.lstrip(b"\r\n \t")
                if piece.startswith(self._wanted):
                    yield piece
        tail = terminator.join((*parts, last)) if parts else last
        if len(tail) > MAX_SEGMENT:
            # Of what is passed over only this matters: whether the next octet is released.
            self._skipping = True
            tail = release if release and _odd(tail, release) else b""
        self._tail = tail


def _odd(piece: bytes, release: bytes) -> bool:
    return (len(piece) - len(piece.rstrip(release))) % 2 == 1


def split_released(text: str, separator: str, release: str) -> list[str]:
    """Split at separators that are not released; release characters stay, for the next split."""
    pieces = text.split(separator)
    if not release or release not in text:
        return pieces
    whole: list[str] = []
    held = ""
    for piece in pieces:
        piece = held + piece
        if (len(piece) - len(piece.rstrip(release))) % 2:
            held = piece + separator
        else:
            whole.append(piece)
            held = ""
    if held:
        whole.append(held)
    return whole
