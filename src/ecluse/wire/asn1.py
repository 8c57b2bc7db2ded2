"""ASN.1 in BER and DER (X.690): a small encoder, and a bounded decoder for whole buffers.

The decoder is lazy: :func:`parse` checks the outermost element only, and each level is opened when its
``children`` are first asked for. A certificate that nobody looks into costs one header. Tag numbers above 30
(the long identifier form) are refused: CMS, X.509 and the EDI acknowledgements never use them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from ecluse.errors import EcluseError, Fault

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "CONSTRUCTED",
    "CONTEXT",
    "END_OF_CONTENTS",
    "ENUMERATED",
    "GENERALIZED_TIME",
    "INTEGER",
    "NULL",
    "OCTET_STRING",
    "OID",
    "SEQUENCE",
    "SET",
    "UTC_TIME",
    "Asn1Error",
    "Asn1LimitError",
    "Element",
    "ParseLimits",
    "begin",
    "encode",
    "explicit",
    "header",
    "implicit",
    "integer",
    "null",
    "octets",
    "oid",
    "parse",
    "parse_measured",
    "sequence",
    "set_of",
    "time",
]

# Identifier octets (X.690 s8.1.2), class and form included.
BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OID = 0x06
ENUMERATED = 0x0A
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

CONSTRUCTED = 0x20
"""The bit of the identifier octet that says: the content is elements."""
CONTEXT = 0x80
"""The class bits of a context-specific tag."""

END_OF_CONTENTS = b"\0\0"
"""Closes what :func:`begin` opened (X.690 s8.1.5)."""

MAX_OID_OCTETS = 128
"""No registered identifier is near it; it bounds the decimal text made from one."""
MAX_LENGTH_OCTETS = 8
"""A length of more octets says more than 2**64: no such thing is on any wire."""


class Asn1Error(EcluseError):
    """The bytes are not the BER or DER that was expected."""

    code = "asn1.malformed"
    fault = Fault.PARTNER
    remedy = "Ask the sender to check the program that made it."


class Asn1LimitError(Asn1Error):
    """The bytes may be right, and cost more than :class:`ParseLimits` grant."""

    code = "asn1.limit"


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What a decoder may spend on one buffer.

    Attributes:
        depth: Levels of nesting. Certificates and CMS headers stay under 16.
        elements: Elements opened in total, and those passed over in search of the end of an indefinite
            length. 256 recipients of 20 elements each are 5,120, or 20,000 where every length is indefinite.
    """

    depth: int = 32
    elements: int = 65_536


DEFAULT_LIMITS = ParseLimits()


# --- writing ---------------------------------------------------------------------------------------------


def header(tag: int, length: int) -> bytes:
    """Identifier octet and the shortest definite length for ``length`` content octets."""
    if length < 0x80:
        return bytes((tag, length))
    octet_count = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | octet_count)) + length.to_bytes(octet_count, "big")


def encode(tag: int, *contents: bytes) -> bytes:
    """One element: ``tag`` (the whole identifier octet), its DER length, and ``contents`` joined."""
    body = contents[0] if len(contents) == 1 else b"".join(contents)
    return header(tag, len(body)) + body


def begin(tag: int) -> bytes:
    """The start of an element of indefinite length; :data:`END_OF_CONTENTS` closes it."""
    return bytes((tag, 0x80))


def integer(value: int) -> bytes:
    """An INTEGER, negative ones included."""
    magnitude = value if value >= 0 else ~value
    return encode(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


@lru_cache(maxsize=512)
def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted text. The caller's mistake is a :class:`ValueError`."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        out += bytes(reversed(groups))
    return encode(OID, bytes(out))


def octets(value: bytes) -> bytes:
    """An OCTET STRING in primitive form."""
    return encode(OCTET_STRING, value)


def null() -> bytes:
    """A NULL."""
    return b"\x05\x00"


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of elements that are encoded already."""
    return encode(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    """A SET OF elements that are encoded already, in DER's order (X.690 s11.6)."""
    return encode(SET, *sorted(parts))


def explicit(number: int, content: bytes) -> bytes:
    """``[number] EXPLICIT`` around one whole element."""
    return encode(CONTEXT | CONSTRUCTED | number, content)


def implicit(number: int, content: bytes, *, constructed: bool = False) -> bytes:
    """``[number] IMPLICIT``: ``content`` is the content octets alone, without the tag it replaces."""
    return encode(CONTEXT | (CONSTRUCTED if constructed else 0) | number, content)


def time(moment: datetime) -> bytes:
    """A Time as RFC 5652 s11.3 wants it: UTCTime from 1950 to 2049, else GeneralizedTime; whole seconds."""
    moment = moment.astimezone(UTC)
    if 1950 <= moment.year < 2050:
        return encode(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return encode(GENERALIZED_TIME, f"{moment.year:04}{moment:%m%d%H%M%S}Z".encode("ascii"))


# --- reading ---------------------------------------------------------------------------------------------


class _Budget:
    """What is left to spend on one buffer, shared by all its elements."""

    __slots__ = ("depth", "elements")

    def __init__(self, limits: ParseLimits) -> None:
        self.depth = limits.depth
        self.elements = limits.elements


class Element:
    """One element of a buffer that is held whole. Made by :func:`parse`.

    Attributes:
        tag: The identifier octet: class, form and number.
        indefinite: True where the length was of the indefinite form.
    """

    __slots__ = (
        "_body",
        "_budget",
        "_children",
        "_data",
        "_depth",
        "_end",
        "_start",
        "_stop",
        "indefinite",
        "tag",
    )

    def __init__(
        self, data: bytes, start: int, body: int, stop: int, end: int, budget: _Budget, depth: int
    ) -> None:
        """Content is ``data[body:stop]``, the whole element ``data[start:end]``."""
        self.tag = data[start]
        self.indefinite = end != stop
        self._data = data
        self._start = start
        self._body = body
        self._stop = stop
        self._end = end
        self._budget = budget
        self._depth = depth
        self._children: tuple[Element, ...] | None = None

    def __repr__(self) -> str:
        return f"Element(tag=0x{self.tag:02x}, {self._stop - self._body} octets)"

    @property
    def number(self) -> int:
        """Tag number, 0 to 30."""
        return self.tag & 0x1F

    @property
    def tag_class(self) -> int:
        """0 universal, 1 application, 2 context-specific, 3 private."""
        return self.tag >> 6

    @property
    def constructed(self) -> bool:
        """Whether the content is elements."""
        return bool(self.tag & CONSTRUCTED)

    @property
    def content(self) -> bytes:
        """The content octets, without any end-of-contents."""
        return self._data[self._body : self._stop]

    @property
    def raw(self) -> bytes:
        """The exact octets of the whole element, as they stood."""
        return self._data[self._start : self._end]

    @property
    def children(self) -> tuple[Element, ...]:
        """The elements inside. Raises :class:`Asn1Error` on a primitive element or a malformed level."""
        if self._children is None:
            if not self.tag & CONSTRUCTED:
                raise Asn1Error(f"The ASN.1 element 0x{self.tag:02x} should hold elements.")
            self._children = _elements(self._data, self._body, self._stop, self._budget, self._depth + 1)
        return self._children

    def expect(self, tag: int) -> Element:
        """This element, if its identifier octet is ``tag``; else :class:`Asn1Error`."""
        if self.tag != tag:
            raise Asn1Error(f"The ASN.1 element 0x{self.tag:02x} stands where 0x{tag:02x} belongs.")
        return self

    def as_int(self) -> int:
        """The value of an INTEGER or ENUMERATED, or of an implicitly tagged one."""
        if self.tag & CONSTRUCTED or self._body == self._stop:
            raise Asn1Error("An ASN.1 INTEGER is empty or not primitive.")
        return int.from_bytes(self._data[self._body : self._stop], "big", signed=True)

    def as_oid(self) -> str:
        """The dotted text of an OBJECT IDENTIFIER."""
        self.expect(OID)
        if self._stop - self._body > MAX_OID_OCTETS:
            raise Asn1Error("An ASN.1 OBJECT IDENTIFIER is longer than any that exists.")
        return _dotted(self._data[self._body : self._stop])

    def as_octets(self) -> bytes:
        """The octets of an OCTET STRING (or an implicitly tagged one), its segments joined."""
        if not self.tag & CONSTRUCTED:
            return self._data[self._body : self._stop]
        return b"".join(segment._segment(OCTET_STRING) for segment in self.children)

    def as_der(self) -> bytes:
        """The same value in DER: shortest definite lengths, joined strings, sorted SET OF (X.690 s10-11)."""
        tag = self.tag
        if not tag & CONSTRUCTED:
            content = self.content
            return encode(tag, b"\xff" if tag == BOOLEAN and content not in (b"\0", b"") else content)
        if self.tag_class == 0 and tag not in (SEQUENCE, SET):
            simple = tag ^ CONSTRUCTED
            if simple == BIT_STRING:
                return encode(simple, _joined_bits(self))
            return encode(simple, b"".join(segment._segment(simple) for segment in self.children))
        parts = [child.as_der() for child in self.children]
        return set_of(*parts) if tag == SET else encode(tag, *parts)

    def is_der_length(self) -> bool:
        """Whether every length in here, at every level, is definite and the shortest; false where it is cut."""
        return not self.indefinite and _are_der_lengths(
            self._data, self._start, self._end, self._budget.depth - self._depth
        )

    def _segment(self, tag: int) -> bytes:
        """The content of a segment of a constructed string (X.690 s8.7.3.2), nested ones joined."""
        if self.tag == tag:
            return self.content
        if self.tag == tag | CONSTRUCTED:
            return b"".join(segment._segment(tag) for segment in self.children)
        raise Asn1Error(f"The ASN.1 element 0x{self.tag:02x} can't be a segment of a string.")


def parse(data: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> Element:
    """The one element that ``data`` is.

    Raises:
        Asn1Error: ``data`` is not exactly one element, or is past ``limits``. What is inside is checked when
            it is asked for.
    """
    elements = _elements(data, 0, len(data), _Budget(limits), 0)
    if len(elements) != 1:
        raise Asn1Error("There should be exactly one ASN.1 element.")
    return elements[0]


def parse_measured(data: bytes, header_size: int, limits: ParseLimits = DEFAULT_LIMITS) -> Element:
    """The one element that ``data`` is, whose header of definite length was read and measured already."""
    return Element(data, 0, header_size, len(data), len(data), _Budget(limits), 0)


def _header(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Content start and content length of the element at ``position``; length -1 where it is indefinite."""
    body = position + 2
    if body > end:
        raise Asn1Error("An ASN.1 header is cut off.")
    tag = data[position]
    if tag & 0x1F == 0x1F:
        raise Asn1Error("An ASN.1 tag number is above 30.")
    length = data[position + 1]
    if length == 0x80:
        if not tag & CONSTRUCTED:
            raise Asn1Error("A primitive ASN.1 element has an indefinite length.")
        return body, -1
    if length > 0x80:
        count = length & 0x7F
        if count > MAX_LENGTH_OCTETS:
            raise Asn1Error("An ASN.1 length has more than eight octets.")
        if body + count > end:
            raise Asn1Error("An ASN.1 header is cut off.")
        length = int.from_bytes(data[body : body + count], "big")
        body += count
    if length > end - body:
        raise Asn1Error("An ASN.1 element is longer than what holds it.")
    return body, length


def _are_der_lengths(data: bytes, position: int, end: int, depth: int) -> bool:
    """Whether ``data[position:end]`` is elements whose lengths are all DER's (X.690 s10.1)."""
    if depth < 0:
        return False
    while position < end:
        tag = data[position]
        body = position + 2
        if body > end or tag & 0x1F == 0x1F or not tag:
            return False
        length = data[position + 1]
        if length >= 0x80:
            try:
                body, length = _header(data, position, end)
            except Asn1Error:
                return False
            if length < 0 or body - position != len(header(tag, length)):
                return False
        stop = body + length
        if stop > end or (tag & CONSTRUCTED and not _are_der_lengths(data, body, stop, depth - 1)):
            return False
        position = stop
    return True


def _elements(data: bytes, position: int, end: int, budget: _Budget, depth: int) -> tuple[Element, ...]:
    """Every element of ``data[position:end]``, which they must fill."""
    if depth > budget.depth:
        raise Asn1LimitError("The ASN.1 is nested too deeply.")
    found = []
    while position < end:
        budget.elements -= 1
        if budget.elements < 0:
            raise Asn1LimitError("The ASN.1 has too many elements.")
        body = position + 2
        if body <= end and (length := data[position + 1]) < 0x80 and length <= end - body:
            if data[position] & 0x1F == 0x1F:
                raise Asn1Error("An ASN.1 tag number is above 30.")
        else:
            body, length = _header(data, position, end)
        if data[position] == 0:
            raise Asn1Error("An ASN.1 end-of-contents stands where nothing is open.")
        if length < 0:
            stop = _end_of_contents(data, body, end, budget, depth)
            element_end = stop + 2
        else:
            stop = element_end = body + length
        found.append(Element(data, position, body, stop, element_end, budget, depth))
        position = element_end
    return tuple(found)


def _end_of_contents(data: bytes, position: int, end: int, budget: _Budget, depth: int) -> int:
    """Where the end-of-contents stands that closes the indefinite element with content at ``position``.

    Each level looks for its end anew, so what is passed over is spent from the budget too.
    """
    open_elements = 1
    while True:
        budget.elements -= 1
        if budget.elements < 0:
            raise Asn1LimitError("The ASN.1 has too many elements.")
        body, length = _header(data, position, end)
        if length < 0:
            open_elements += 1
            if open_elements > budget.depth - depth:
                raise Asn1LimitError("The ASN.1 is nested too deeply.")
            position = body
        elif data[position] == 0:
            if length:
                raise Asn1Error("An ASN.1 end-of-contents is not empty.")
            open_elements -= 1
            if not open_elements:
                return position
            position = body
        else:
            position = body + length


@lru_cache(maxsize=512)
def _dotted(content: bytes) -> str:
    """Dotted text of an OBJECT IDENTIFIER's content octets (X.690 s8.19)."""
    if not content or content[-1] & 0x80:
        raise Asn1Error("An ASN.1 OBJECT IDENTIFIER is cut off.")
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            if not arcs:
                first = min(value // 40, 2)
                arcs = [first, value - 40 * first]
            else:
                arcs.append(value)
            value = 0
    return ".".join(map(str, arcs))


def _joined_bits(element: Element) -> bytes:
    """The content of a constructed BIT STRING as a primitive one: the last segment says what is unused."""
    unused, bits = b"\0", b""
    for segment in element.children:
        content = segment.expect(BIT_STRING).content
        if not content or unused != b"\0":
            raise Asn1Error("An ASN.1 BIT STRING has a malformed segment.")
        unused, bits = content[:1], bits + content[1:]
    return unused + bits
