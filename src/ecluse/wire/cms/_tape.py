"""BER as it arrives: the part of the reader that knows about elements and nothing about CMS.

A :class:`Tape` is fed with pieces of any size and read by a generator, which says ``yield`` where it needs
more. Header fields are gathered whole (within the header limit) and parsed by :mod:`ecluse.wire.asn1`;
content goes to a sink slice by slice, uncopied, whether it is one string or a million nested segments.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from ecluse.wire import asn1
from ecluse.wire.asn1 import CONSTRUCTED, OCTET_STRING, Element
from ecluse.wire.cms.errors import LimitExceeded, Malformed
from ecluse.wire.cms.limits import Limits

T = TypeVar("T")
Waiting: TypeAlias = Generator[None, None, T]
"""A step that gives a ``T``, and yields each time it has run out of input."""
Sink: TypeAlias = Callable[[bytes | memoryview], None]
"""Takes content; keeps no reference to what it was given."""

NO_END = 1 << 80
"""The end of an element that nothing bounds: past every length that is read (eight octets)."""
GATHERED = 256 * 1024
"""Small segments are joined up to this size, so that the sink's price is paid per join, not per segment."""


class Tape:
    """Input that was fed and not yet consumed, and the elements that are open at this point of it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parse_limits = asn1.ParseLimits(limits.depth, limits.elements)
        self._buffer: bytes | bytearray | memoryview = b""
        self._position = 0
        self._base = 0  # where the buffer's first octet stands in the input
        self._header_left = limits.header
        self._left = 0  # octets of the current content segment still to come
        self._open: list[tuple[int, bool]] = []  # innermost last: where it must end, is it indefinite

    # --- input -------------------------------------------------------------------------------------------

    def append(self, data: bytes | memoryview) -> None:
        """Put ``data`` after what is left. It may be read in place until :meth:`settle`."""
        if self.available == 0:
            self._base += self._position
            self._buffer = data
        else:
            if isinstance(self._buffer, bytearray):
                del self._buffer[: self._position]
            else:
                self._buffer = bytearray(memoryview(self._buffer)[self._position :])
            self._base += self._position
            self._buffer += data
        self._position = 0

    def settle(self) -> None:
        """Let go of memory that belongs to the caller."""
        if self.available == 0:
            self._base += self._position
            self._buffer, self._position = b"", 0
        elif isinstance(self._buffer, memoryview):
            self._base += self._position
            self._buffer, self._position = bytearray(self._buffer[self._position :]), 0

    @property
    def available(self) -> int:
        """Octets fed and not consumed."""
        return len(self._buffer) - self._position

    def take_rest(self) -> bytes:
        """Everything that is left."""
        rest = bytes(memoryview(self._buffer)[self._position :])
        self._position = len(self._buffer)
        return rest

    # --- header fields -----------------------------------------------------------------------------------

    def enter(self, tag: int) -> Waiting[None]:
        """Consume the start of the constructed element ``tag`` and open it."""
        while (header := self._header(0)) is None:
            yield
        found, size, length = header
        if found != tag:
            raise Malformed(f"The element 0x{found:02x} stands where 0x{tag:02x} belongs.")
        self._spend(size)
        self._position += size
        self._push(length)

    def leave(self) -> Waiting[None]:
        """Close the innermost open element, which must have nothing left."""
        tag = yield from self.peek()
        if tag:
            raise Malformed(f"The element 0x{tag:02x} stands where nothing may follow.")
        self._pop()

    def peek(self) -> Waiting[int]:
        """Identifier octet of the next element; 0 at the end of the innermost open one."""
        end, indefinite = self._open[-1]
        here = self._base + self._position
        if not indefinite and here == end:
            return 0
        if here + 2 > end:
            raise Malformed("An element is longer than what holds it.")
        while self.available < 2:
            yield
        tag = self._buffer[self._position]
        if tag == 0 and not (indefinite and self._buffer[self._position + 1] == 0):
            raise Malformed("An end-of-contents stands where nothing of indefinite length is open.")
        return tag

    def element(self) -> Waiting[Element]:
        """The next element, gathered whole."""
        while (header := self._header(0)) is None:
            yield
        tag, size, length = header
        if tag == 0:
            raise Malformed("An end-of-contents stands where an element belongs.")
        head = size
        size = size + length if length >= 0 else (yield from self._measure(size))
        self._spend(size)
        if self._base + self._position + size > self._open[-1][0]:
            raise Malformed("An element is longer than what holds it.")
        while self.available < size:
            yield
        raw = bytes(memoryview(self._buffer)[self._position : self._position + size])
        self._position += size
        if length < 0:
            return asn1.parse(raw, self._parse_limits)
        return asn1.parse_measured(raw, head, self._parse_limits)

    # --- content -----------------------------------------------------------------------------------------

    def content(self, tag: int, sink: Sink) -> Waiting[None]:
        """Pass the string that comes next to ``sink``: primitive, or constructed at any depth (X.690 s8.7).

        ``tag`` is that of the primitive form; segments inside are universal OCTET STRINGs.
        """
        while (header := self._header(0)) is None:
            yield
        found, size, length = header
        if found not in (tag, tag | CONSTRUCTED):
            raise Malformed(f"The element 0x{found:02x} stands where content (0x{tag:02x}) belongs.")
        self._position += size
        outside = len(self._open)
        self._push(length)
        if found == tag:
            self._left = length
        while True:
            while self._left:
                if self.available == 0:
                    yield
                self._drain(sink)
            if found == tag:
                self._pop()
                return
            self._segments(sink)
            if self._left:
                continue
            inner = yield from self.peek()
            if inner == 0:
                self._pop()
                if len(self._open) == outside:
                    return
                continue
            while (header := self._header(0)) is None:
                yield
            inner, size, length = header
            if inner == OCTET_STRING | CONSTRUCTED:
                self._position += size
                self._push(length)
            elif inner != OCTET_STRING:
                raise Malformed(f"The element 0x{inner:02x} can't be a segment of content.")

    def _drain(self, sink: Sink) -> None:
        """Pass what there is of the current segment."""
        start = self._position
        stop = start + min(self._left, self.available)
        self._position = stop
        self._left -= stop - start
        sink(memoryview(self._buffer)[start:stop])

    def _segments(self, sink: Sink) -> None:
        """Pass the segments that follow each other in the buffer, the last one as far as it is there."""
        buffer, position = self._buffer, self._position
        view, end, bound = memoryview(buffer), len(buffer), self._open[-1][0] - self._base
        pieces: list[memoryview] = []
        gathered = left = 0
        while not left and position < bound and position + 2 <= end and buffer[position] == OCTET_STRING:
            length = buffer[position + 1]
            body = position + 2
            if length >= 0x80:
                octet_count = length & 0x7F
                if not 0 < octet_count <= asn1.MAX_LENGTH_OCTETS:
                    raise Malformed("A segment of content has no definite length of at most eight octets.")
                body += octet_count
                if body > end:
                    break
                length = int.from_bytes(view[body - octet_count : body], "big")
            position = body + length
            if position > bound:
                raise Malformed("A segment of content is longer than what holds it.")
            if position > end:
                left = position - end
                position = end
            if position > body:
                pieces.append(view[body:position])
                gathered += position - body
                if gathered >= GATHERED:
                    sink(pieces[0] if len(pieces) == 1 else b"".join(pieces))
                    pieces.clear()
                    gathered = 0
        self._position, self._left = position, left
        if pieces:
            sink(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    # --- inside ------------------------------------------------------------------------------------------

    def _header(self, at: int) -> tuple[int, int, int] | None:
        """Tag, header size and content length (-1: indefinite) of the element ``at`` octets from here.

        ``None`` where it is not there yet: the caller yields and asks again.
        """
        buffer, here = self._buffer, self._position + at
        there = len(buffer) - here
        if there < 2:
            return None
        tag, length = buffer[here], buffer[here + 1]
        if tag & 0x1F == 0x1F:
            raise Malformed("A tag number is above 30.")
        if length < 0x80:
            return tag, 2, length
        if length == 0x80:
            if not tag & CONSTRUCTED:
                raise Malformed("A primitive element has an indefinite length.")
            return tag, 2, -1
        size = 2 + (length & 0x7F)
        if size > 2 + asn1.MAX_LENGTH_OCTETS:
            raise Malformed("A length has more than eight octets.")
        if there < size:
            return None
        return tag, size, int.from_bytes(buffer[here + 2 : here + size], "big")

    def _measure(self, size: int) -> Waiting[int]:
        """Whole size of the indefinite element that starts here with ``size`` octets of header."""
        unclosed = 1
        passed = 0
        while unclosed:
            passed += 1
            if passed > self._limits.elements:
                raise LimitExceeded(f"A header field has more than {self._limits.elements} elements.")
            while (header := self._header(size)) is None:
                yield
            tag, header_size, length = header
            size += header_size + max(length, 0)
            if size > self._header_left:
                raise LimitExceeded(f"The header is larger than {self._limits.header} octets.")
            if length < 0:
                unclosed += 1
                if unclosed > self._limits.depth:
                    raise LimitExceeded(f"Elements are nested more than {self._limits.depth} deep.")
            elif tag == 0:
                if length:
                    raise Malformed("An end-of-contents is not empty.")
                unclosed -= 1
        return size

    def _spend(self, size: int) -> None:
        self._header_left -= size
        if self._header_left < 0:
            raise LimitExceeded(f"The header is larger than {self._limits.header} octets.")

    def _push(self, length: int) -> None:
        """Open the element whose content of ``length`` octets (-1: indefinite) starts here."""
        if len(self._open) >= self._limits.depth:
            raise LimitExceeded(f"Elements are nested more than {self._limits.depth} deep.")
        bound = self._open[-1][0] if self._open else NO_END
        here = self._base + self._position
        end = bound if length < 0 else here + length
        if here > bound or end > bound:
            raise Malformed("An element is longer than what holds it.")
        self._open.append((end, length < 0))

    def _pop(self) -> None:
        """Close the innermost open element, at whose end :meth:`peek` found the input to be."""
        if self._open.pop()[1]:
            self._position += 2
