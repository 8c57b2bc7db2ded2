"""ASN.1 values out of BER or DER octets (X.690), and back into DER.

CMS allows BER: indefinite lengths and octet strings in pieces, as streaming signers write them (RFC 5652 s1.1). What is
signed is always DER (RFC 5652 s5.4), hence :meth:`Node.der`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ecluse_verify.text import Bad

__all__ = ["INTEGER", "OCTETS", "OID", "SEQUENCE", "SET", "Node", "encode", "parse"]

INTEGER: Final = 0x02
OCTETS: Final = 0x04
OID: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31
_CONSTRUCTED: Final = 0x20
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_MAX_DEPTH: Final = 40
"""Levels of nesting; a signed message with a time-stamp within has some 20."""
_MAX_NODES: Final = 200_000
_MAX_OID: Final = 64
_MAX_INTEGER: Final = 200


@dataclass(frozen=True, slots=True, repr=False)
class Node:
    """One value: its identifier octet, where it stands in ``data``, and its parts where it is constructed."""

    data: bytes
    tag: int
    start: int
    body: int
    stop: int
    end: int
    parts: tuple[Node, ...]

    @property
    def raw(self) -> bytes:
        """Its octets as they came, identifier and length among them."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        """Its content octets."""
        return self.data[self.body : self.stop]

    def __getitem__(self, place: int) -> Node:
        """The part at ``place``. Raises :class:`Bad` where there is none."""
        try:
            return self.parts[place]
        except IndexError:
            raise Bad("der") from None

    def __iter__(self) -> Iterator[Node]:
        return iter(self.parts)

    def expect(self, tag: int) -> Node:
        """Itself, where it has that tag. Raises :class:`Bad`."""
        if self.tag != tag:
            raise Bad("der")
        return self

    def find(self, tag: int) -> Node | None:
        """Its first part with that tag."""
        return next((part for part in self.parts if part.tag == tag), None)

    def oid(self) -> str:
        """An object identifier in dotted form (X.690 s8.19)."""
        arcs, value = [], 0
        for octet in self.expect(OID).content[:_MAX_OID]:
            value = (value << 7) | (octet & 0x7F)
            if not octet & 0x80:
                arcs.append(value)
                value = 0
        if not arcs or self.stop - self.body > _MAX_OID or self.content[-1] & 0x80:
            raise Bad("der")
        first = min(arcs[0] // 40, 2)
        return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))

    def integer(self) -> int:
        """An integer of up to ``_MAX_INTEGER`` octets."""
        if not 0 < self.stop - self.expect(INTEGER).body <= _MAX_INTEGER:
            raise Bad("der")
        return int.from_bytes(self.content, "big", signed=True)

    def octets(self) -> bytes:
        """An octet string, whole or in pieces; under an implicit tag, too (X.690 s8.7)."""
        if self.tag & _CONSTRUCTED:
            if any(part.tag & ~_CONSTRUCTED != OCTETS for part in self):
                raise Bad("der")
            return b"".join(part.octets() for part in self)
        return self.content

    def time(self) -> datetime:
        """A UTCTime or GeneralizedTime in UTC (RFC 5280 s4.1.2.5, RFC 3161 s2.4.2). Raises :class:`Bad`."""
        try:
            text = self.content.decode("ascii")
            if self.tag == _UTC_TIME and len(text) == 13:
                text = ("19" if text[:2] >= "50" else "20") + text
            elif self.tag != _GENERALIZED_TIME:
                raise Bad("der")
            whole, dot, fraction = text.removesuffix("Z").partition(".")
            if not text.endswith("Z") or len(whole) != 14 or (dot and not fraction.isdigit()):
                raise Bad("der")
            when = datetime.strptime(whole, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            return when.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        except ValueError:
            raise Bad("der") from None

    def der(self, tag: int | None = None) -> bytes:
        """Itself in DER, under another tag where one is given. Sets keep their order."""
        if self.tag & _CONSTRUCTED and self.tag != OCTETS | _CONSTRUCTED:
            return encode(self.tag if tag is None else tag, b"".join(part.der() for part in self))
        return encode((self.tag & ~_CONSTRUCTED) if tag is None else tag, self.octets())


def encode(tag: int, content: bytes) -> bytes:
    """One value with a definite length of the shortest form (X.690 s10.1)."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def parse(data: bytes) -> Node:
    """The one value that ``data`` is, to its last octet. Raises :class:`Bad`."""
    reader = _Reader(data)
    node, end = reader.value(0, len(data), 0)
    if end != len(data):
        raise Bad("der")
    return node


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._nodes = 0

    def value(self, at: int, end: int, depth: int) -> tuple[Node, int]:
        data, start = self._data, at
        self._nodes += 1
        if end - at < 2 or depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise Bad("der")
        tag, size, at = data[at], data[at + 1], at + 2
        if tag & 0x1F == 0x1F or tag == 0:  # numbers above 30 occur nowhere in CMS
            raise Bad("der")
        if size == 0x80:
            if not tag & _CONSTRUCTED:
                raise Bad("der")
            parts, stop = self._parts(at, end, depth, endless=True)
            return Node(data, tag, start, at, stop, stop + 2, parts), stop + 2
        if size > 0x80:
            octets = size & 0x7F
            if octets > 5 or end - at < octets:
                raise Bad("der")
            size, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if size > end - at:
            raise Bad("der")
        stop = at + size
        parts = self._parts(at, stop, depth, endless=False)[0] if tag & _CONSTRUCTED else ()
        return Node(data, tag, start, at, stop, stop, parts), stop

    def _parts(self, at: int, end: int, depth: int, *, endless: bool) -> tuple[tuple[Node, ...], int]:
        parts: list[Node] = []
        while at < end:
            if endless and self._data[at : at + 2] == b"\0\0":
                return tuple(parts), at
            node, at = self.value(at, end, depth + 1)
            parts.append(node)
        if endless:
            raise Bad("der")
        return tuple(parts), at
