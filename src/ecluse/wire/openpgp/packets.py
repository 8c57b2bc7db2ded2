"""Packets (RFC 9580 s4): headers of both formats, bodies in one piece or in parts, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ecluse.wire.openpgp._stream import GATHERED, Piece, Stream, regroup
from ecluse.wire.openpgp.errors import LimitExceeded, Malformed, Truncated
from ecluse.wire.openpgp.names import Tag

__all__ = ["Fields", "Packet", "encode_length", "next_packet", "packet", "partial_packet"]

_PARTIAL: Final = frozenset({Tag.COMPRESSED, Tag.SED, Tag.LITERAL, Tag.SEIPD, Tag.OCB})
"""Only what holds data may come in parts (s4.2.1.4) or without a length (s4.2.2)."""

_SMALL: Final = 32 * 1024
"""Octets from which on a piece of a part is worth a step of its own, without being copied."""

MAX_TINY_PARTS: Final = 65_536
"""Parts of less than 512 octets, the least that a first part may have (s4.2.1.4): each costs as much as a large one."""
_TINY: Final = 512

_WRITTEN_PART: Final = 17
"""Binary logarithm of the parts that are written: 128 KiB."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet whose header was read.

    Attributes:
        tag: Its type.
        body: Its body; read it to its end before the next packet.
    """

    tag: int
    body: Stream


def next_packet(stream: Stream) -> Packet | None:
    """Read the next header; ``None`` at the end of the input.

    Raises:
        Malformed: It is no header, or a packet that may not comes in parts.
        Truncated: It is cut off; so does reading a body that is.
    """
    if stream.at_end():
        return None
    first = stream.octet()
    if not first & 0x80:
        raise Malformed("A packet does not begin with a packet's header.")
    if first & 0x40:
        tag = first & 0x3F
        size, partial = _new_length(stream)
        body = _parts(stream, size) if partial else _sized(stream, size)
    else:
        tag = first >> 2 & 0x0F
        kind = first & 3
        partial = kind == 3
        body = stream.pieces() if partial else _sized(stream, int.from_bytes(stream.exact(1 << kind), "big"))
    if tag == 0:
        raise Malformed("A packet has the reserved type 0.")
    if partial and tag not in _PARTIAL:
        raise Malformed(f"A packet of type {tag} may not come in parts.")
    return Packet(tag, Stream(body))


def _new_length(stream: Stream) -> tuple[int, bool]:
    """(octets, whether it is the length of a part): s4.2.1."""
    first = stream.octet()
    if first < 192:
        return first, False
    if first < 224:
        return ((first - 192) << 8) + stream.octet() + 192, False
    if first < 255:
        return 1 << (first & 0x1F), True
    return int.from_bytes(stream.exact(4), "big"), False


def _sized(stream: Stream, size: int) -> Iterator[Piece]:
    while size:
        part = stream.some(size)
        if not part:
            raise Truncated("The message is cut off.")
        size -= len(part)
        yield part


def _parts(stream: Stream, size: int) -> Iterator[Piece]:
    """A body in parts. Small ones are joined: GnuPG writes parts of 8 KiB."""
    held = bytearray()
    more = True
    tiny = 0
    while True:
        tiny += size < _TINY
        if tiny > MAX_TINY_PARTS:
            raise LimitExceeded("The message comes in too many tiny parts.")
        while size:
            part = stream.some(size)
            if not part:
                raise Truncated("The message is cut off.")
            size -= len(part)
            if len(part) < _SMALL:
                held += part
            if held and (len(part) >= _SMALL or len(held) >= GATHERED):
                yield bytes(held)
                held.clear()
            if len(part) >= _SMALL:
                yield part
        if not more:
            break
        size, more = _new_length(stream)
    if held:
        yield bytes(held)


class Fields:
    """Reads the fields of a packet that is held whole.

    Args:
        data: The body.
        name: What it is, for the error.
    """

    __slots__ = ("_at", "_data", "_name")

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    @property
    def at(self) -> int:
        """Octets read so far."""
        return self._at

    def take(self, size: int) -> bytes:
        """The next ``size`` octets. Raises :class:`Malformed` where there are fewer."""
        end = self._at + size
        if end > len(self._data):
            raise Malformed(f"A {self._name} is shorter than it says.")
        part = self._data[self._at : end]
        self._at = end
        return part

    def number(self, size: int) -> int:
        """The next ``size`` octets as a number."""
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        """All that is left."""
        part = self._data[self._at :]
        self._at = len(self._data)
        return part

    def end(self) -> None:
        """Raise :class:`Malformed` where something is left."""
        if self._at != len(self._data):
            raise Malformed(f"A {self._name} is longer than it should be.")


def encode_length(size: int) -> bytes:
    """A length in the present format (s4.2.1)."""
    if size < 192:
        return bytes([size])
    if size < 8384:
        return bytes([(size - 192 >> 8) + 192, size - 192 & 0xFF])
    return b"\xff" + size.to_bytes(4, "big")


def packet(tag: Tag, body: bytes) -> bytes:
    """A whole packet."""
    return bytes([0xC0 | tag]) + encode_length(len(body)) + body


def partial_packet(tag: Tag, body: Iterable[Piece]) -> Iterator[Piece]:
    """A packet whose length is not known before its end: in parts of 128 KiB, the last with its length."""
    head, more = bytes([0xC0 | tag]), bytes([0xE0 | _WRITTEN_PART])
    held: Piece = b""
    for part in regroup(body, 1 << _WRITTEN_PART):
        if held:
            yield b"".join((head, more, held))
            head = b""
        held = part
    yield b"".join((head, encode_length(len(held)), held))
