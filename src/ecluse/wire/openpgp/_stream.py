"""Octets as they are pulled: one buffer over an iterator of pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ecluse.wire.openpgp.errors import LimitExceeded, Truncated

__all__ = ["GATHERED", "Piece", "Stream", "regroup"]

Piece = bytes | memoryview
"""Octets that stay as they are while whoever got them works on them."""

GATHERED: Final = 128 * 1024
"""Small pieces are joined up to this, so that the price of a step is paid per join; it fits a core's cache."""

_PARTS: Final = 1024
"""Pieces that are held apart: beyond it their own objects would weigh more than what they hold."""


class Stream:
    """A source that is read octet by octet, or piece by piece.

    Args:
        source: Pieces of any size. Whatever it raises comes through.
    """

    def __init__(self, source: Iterable[Piece]) -> None:
        self._source: Iterator[Piece] = iter(source)
        self._view = memoryview(b"")

    def at_end(self) -> bool:
        """Whether nothing is left."""
        while not self._view:
            piece = next(self._source, None)
            if piece is None:
                return True
            self._view = memoryview(piece)
        return False

    def octet(self) -> int:
        """The next octet. Raises :class:`Truncated`."""
        if not self._view and self.at_end():
            raise Truncated("The message is cut off.")
        value = self._view[0]
        self._view = self._view[1:]
        return value

    def exact(self, size: int) -> bytes:
        """The next ``size`` octets, as a copy. Raises :class:`Truncated`."""
        parts = bytearray()
        while len(parts) < size:
            part = self.some(size - len(parts))
            if not part:
                raise Truncated("The message is cut off.")
            parts += part
        return bytes(parts)

    def some(self, size: int) -> memoryview:
        """What is at hand of the next ``size`` octets, at least one; empty at the end."""
        if not self._view and self.at_end():
            return self._view
        part = self._view[:size]
        self._view = self._view[size:]
        return part

    def peek(self, size: int) -> bytes:
        """The next ``size`` octets, or all there are, without taking them."""
        if len(self._view) < size:
            held = bytearray(self._view)
            for piece in self._source:
                held += piece
                if len(held) >= size:
                    break
            self._view = memoryview(bytes(held))
        return bytes(self._view[:size])

    def rest(self, limit: int) -> bytes:
        """Everything that is left. Raises :class:`LimitExceeded` beyond ``limit`` octets."""
        parts = bytearray()
        while not self.at_end():
            parts += self.some(limit + 1 - len(parts))
            if len(parts) > limit:
                raise LimitExceeded(f"A packet is larger than {limit} octets.")
        return bytes(parts)

    def pieces(self) -> Iterator[memoryview]:
        """Everything that is left, piece by piece."""
        while not self.at_end():
            view, self._view = self._view, self._view[:0]
            yield view


def regroup(source: Iterable[Piece], size: int) -> Iterator[Piece]:
    """The same octets in pieces of exactly ``size``; the last one may be shorter, and is never empty.

    A piece of the source is held until what it is part of is whole.
    """
    parts: list[Piece] = []
    held = 0
    for piece in source:
        view = memoryview(piece)
        while held + len(view) >= size:
            cut = size - held
            if parts:
                parts.append(view[:cut])
                yield b"".join(parts)
                parts.clear()
                held = 0
            else:
                yield view[:cut]
            view = view[cut:]
        if view:
            parts.append(view)
            held += len(view)
            if len(parts) >= _PARTS:
                parts = [b"".join(parts)]
    if parts:
        yield b"".join(parts)
