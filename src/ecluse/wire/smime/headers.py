"""Header blocks: ordered fields with case-insensitive names, the exact bytes kept beside them.

Folded lines are accepted, and never written. Bytes that are no UTF-8 are read as Latin-1, so that no input
fails to decode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ecluse.wire.smime.errors import MimeError

__all__ = [
    "MAX_FIELDS",
    "MAX_HEADER_BLOCK",
    "HeaderScanner",
    "Headers",
    "field_block",
    "parse_headers",
    "write_headers",
]

MAX_HEADER_BLOCK = 65_536
"""Octets in one header block. HTTP servers stop at 8 to 64 KiB; MIME parts need far less."""
MAX_FIELDS = 256
"""Fields in one header block; a real AS2 request has about 20."""

_NAME = re.compile(rb"[!-9;-~]+\Z")
_FIRST_NAME = re.compile(rb"[!-9;-~]+[ \t]*:")
_KNOWN = 256
"""Octets up to which a header block is kept once read."""
_NAME_TEXT = re.compile(r"[!-9;-~]+\Z")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of one header block, in order.

    Attributes:
        fields: Name as written and unfolded value, without surrounding white space.
        raw: The exact octets, the blank line included; empty where the fields came from elsewhere.
    """

    fields: tuple[tuple[str, str], ...] = ()
    raw: bytes = b""
    _first: dict[str, str] | None = field(default=None, init=False, repr=False, compare=False)
    """The first value of each name in lower case, once one was asked for."""

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str]]) -> Headers:
        """Take over fields that were already split, as an HTTP server gives them.

        Raises:
            MimeError: More than ``MAX_FIELDS``.
        """
        taken = tuple((name, _unfold(value)) for name, value in fields)
        if len(taken) > MAX_FIELDS:
            raise MimeError(f"A header block has more than {MAX_FIELDS} fields.", code="smime.too-large")
        return cls(taken)

    def get(self, name: str) -> str | None:
        """The first value under ``name`` (any case), or ``None``."""
        first = self._first
        if first is None:
            first = {key.lower(): value for key, value in reversed(self.fields)}
            object.__setattr__(self, "_first", first)
        return first.get(name.lower())

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value under ``name`` (any case), in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.fields if key.lower() == wanted)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    @property
    def is_mime(self) -> bool:
        """Whether any field is MIME's own: only then is a block before a blank line a MIME header."""
        return any(name.lower().startswith(("content-", "mime-version")) for name, _ in self.fields)


def _unfold(value: str) -> str:
    if "\n" in value or "\r" in value:
        value = " ".join(line.strip(" \t") for line in re.split(r"\r\n|\r|\n", value))
    return value.strip(" \t")


def parse_headers(raw: bytes) -> Headers:
    """Read a header block (RFC 5322 s2.2); lines end in CRLF or LF; the blank line at the end is optional.

    Args:
        raw: The octets. They are kept as ``Headers.raw``.

    Raises:
        MimeError: A line that is no field, or the block is over its limits.
    """
    if len(raw) > MAX_HEADER_BLOCK:
        raise MimeError(f"A header block is larger than {MAX_HEADER_BLOCK} octets.", code="smime.too-large")
    return _known_headers(raw) if len(raw) <= _KNOWN else _parse_headers(raw)


@lru_cache(maxsize=256)
def _known_headers(raw: bytes) -> Headers:
    """The header of a signature, or of a partner's documents, is the same in message after message."""
    return _parse_headers(raw)


def _parse_headers(raw: bytes) -> Headers:
    fields: list[tuple[str, list[str]]] = []
    for line in raw.split(b"\n"):
        line = line.removesuffix(b"\r")
        if not line.strip(b" \t"):
            continue
        if line[0] in b" \t":
            if not fields:
                raise MimeError("A header block begins with a continuation line.")
            fields[-1][1].append(_text(line.strip(b" \t")))
            continue
        name_octets, colon, value_octets = line.partition(b":")
        name_octets = name_octets.rstrip(b" \t")
        if not colon or not _NAME.match(name_octets):
            raise MimeError("A line of a header block is not a header field.")
        fields.append((name_octets.decode("ascii"), [_text(value_octets.strip(b" \t"))]))
        if len(fields) > MAX_FIELDS:
            raise MimeError(f"A header block has more than {MAX_FIELDS} fields.", code="smime.too-large")
    return Headers(tuple((name, " ".join(lines).strip(" ")) for name, lines in fields), raw)


def write_headers(fields: Sequence[tuple[str, str]]) -> bytes:
    """Write a header block with its blank line: CRLF, one line a field, never folded.

    Raises:
        MimeError: A name or value that can't stand on one line of ASCII or UTF-8.
    """
    lines = []
    for name, value in fields:
        check_field(name, value)
        lines.append(f"{name}: {value}\r\n")
    return ("".join(lines) + "\r\n").encode("utf-8")


def field_block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Fields that came, or went, as one block of octets: what their digest is over.

    Each is ``Name: value`` and CR LF, in UTF-8; there is no blank line.
    """
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("utf-8", "backslashreplace")


def check_field(name: str, value: str) -> None:
    """Refuse a field that would break out of its line.

    Raises:
        MimeError: A control character, a lone surrogate, or a name that is no token.
    """
    # What is printable throughout holds nothing unfit; a tab, say, is not printable, and fits.
    if not _NAME_TEXT.match(name) or (not value.isprintable() and _UNFIT.search(value)):
        raise MimeError(
            f"The header field {name!r} holds characters that a header can't carry.",
            code="smime.bad-field",
            remedy="Remove line breaks and control characters from the value.",
        )


class HeaderScanner:
    """Finds where a MIME entity's header ends, in a stream of any chunking.

    An entity without a MIME header is legitimate after decryption (all of it is payload then): a block is
    taken for a header only where it ends in a blank line, every line of it is a field, and one of them is
    ``Content-*`` or ``MIME-Version``. EDIFACT (``UNA:+.? '``) therefore never passes for a header.

    Args:
        require: True where an entity must have a header or an empty one (a part of a multipart).
    """

    __slots__ = ("_buffer", "_require", "_scanned")

    def __init__(self, *, require: bool) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._require = require

    def feed(self, data: bytes) -> tuple[Headers, bytes] | None:
        """Take octets; once the header is known, give it with the octets that follow it.

        ``Headers.raw`` and the rest together are all that was fed, so exactness is never lost.

        Raises:
            MimeError: A malformed or oversized header where one is required.
        """
        self._buffer += data
        start = bytes(self._buffer[:2])
        if start[:1] == b"\n" or start == b"\r\n":
            size = 1 if start[:1] == b"\n" else 2
            return self._split(size) if self._require else self._none()
        if start in (b"", b"\r"):
            return None
        if not self._require and not self._may_be_header():
            return self._none()
        found = _BLANK_LINE.search(self._buffer, max(0, self._scanned - 2))
        self._scanned = len(self._buffer)
        if found and found.end() <= MAX_HEADER_BLOCK:
            return self._split(found.end())
        if found or len(self._buffer) > MAX_HEADER_BLOCK:
            if self._require:
                raise MimeError(
                    f"A header block is larger than {MAX_HEADER_BLOCK} octets.", code="smime.too-large"
                )
            return self._none()
        return None

    def close(self) -> tuple[Headers, bytes]:
        """The stream ended before a blank line: all of it is a header only where one is required."""
        return self._split(len(self._buffer)) if self._require else self._none()

    def _may_be_header(self) -> bool:
        """False once the first line can't be a header field; cheap, so that binary is let through at once."""
        end = self._buffer.find(b"\n", 0, 1024)
        line = self._buffer[: end if end >= 0 else 1024]
        if b":" in line:
            return _FIRST_NAME.match(line) is not None
        return end < 0 and len(line) < 1024 and _NAME.match(line.rstrip(b" \t\r")) is not None

    def _split(self, size: int) -> tuple[Headers, bytes]:
        raw = bytes(self._buffer[:size])
        try:
            headers = parse_headers(raw)
        except MimeError:
            if self._require:
                raise
            return self._none()
        if not self._require and not headers.is_mime:
            return self._none()
        return headers, bytes(self._buffer[size:])

    def _none(self) -> tuple[Headers, bytes]:
        return Headers(), bytes(self._buffer)
