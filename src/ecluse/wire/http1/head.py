"""The head of a message: first line and fields (RFC 9112 sections 3, 4 and 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ecluse.wire.http1.errors import HttpSyntaxError

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of one head. AS2 peers send under 4 KiB; common servers stop at 8 to 64 KiB."""
MAX_FIELDS = 100
"""Fields in one head: the default of Apache httpd's LimitRequestFields."""
MAX_TARGET_BYTES = 8000
"""Bytes of a request target: what RFC 9112 section 3 recommends to support at least."""

Fields = tuple[tuple[str, str], ...]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,32}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (" + _VALUE + rb"*))?")
_FIELD_LINES = re.compile(rb"(?:" + _TOKEN + rb"+:" + _VALUE + rb"*\r\n)*")
_FOLD = re.compile(rb"\r\n[ \t]+")
# A proxy in front may read these without the continuation: a fold in one of them changes what is framed.
_FOLDED_FRAMING = re.compile(
    rb"(?:^|\n)(?:content-length|transfer-encoding|connection|host|expect):[^\r\n]*\r\n[ \t]", re.IGNORECASE
)


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request's first line and fields. ``minor`` is the 0 or 1 of HTTP/1.x; names are in lower case."""

    method: str
    target: str
    minor: int
    fields: Fields


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """A response's status line and fields. Names are in lower case, values are Latin-1."""

    status: int
    reason: str
    minor: int
    fields: Fields


def parse_request_head(block: bytes) -> RequestHead:
    """Read a head; ``block`` ends before the CRLF CRLF.

    Raises:
        HttpSyntaxError: With status 400, 414 (target too long), 431 (too many fields) or 505 (version).
    """
    line, _, rest = block.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise HttpSyntaxError("The request line is malformed.")
    method, target, major, minor = match.groups()
    if major != b"1" or minor > b"1":
        raise HttpSyntaxError("The request is not HTTP/1.0 or HTTP/1.1.", 505)
    if len(target) > MAX_TARGET_BYTES:
        raise HttpSyntaxError(f"The request target is longer than {MAX_TARGET_BYTES} bytes.", 414)
    return RequestHead(method.decode("ascii"), target.decode("ascii"), minor[0] - 48, parse_fields(rest))


def parse_response_head(block: bytes) -> ResponseHead:
    """Read a head; ``block`` ends before the CRLF CRLF.

    Raises:
        HttpSyntaxError: The status line or a field is malformed, or there are too many fields.
    """
    line, _, rest = block.partition(b"\r\n")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise HttpSyntaxError("The status line is malformed.")
    minor, status, reason = match.groups()
    return ResponseHead(int(status), (reason or b"").decode("latin-1"), minor[0] - 48, parse_fields(rest))


def parse_fields(block: bytes) -> Fields:
    """Read field lines; names in lower case, values without the white space around them, order kept.

    Raises:
        HttpSyntaxError: 400 for a malformed line (bare CR or LF, NUL, white space before the colon, a fold
            in a field that frames the message), 431 past :data:`MAX_FIELDS`.
    """
    if not block:
        return ()
    if b"\r\n " in block or b"\r\n\t" in block:
        if _FOLDED_FRAMING.search(block):
            raise HttpSyntaxError("A field that frames the message is folded.")
        block = _FOLD.sub(b" ", block)
    if block.count(b"\n") >= MAX_FIELDS:
        raise HttpSyntaxError(f"There are more than {MAX_FIELDS} fields in the head.", 431)
    if _FIELD_LINES.fullmatch(block + b"\r\n") is None:
        raise HttpSyntaxError("A field line in the head is malformed.")
    fields = []
    for line in block.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        fields.append((name.lower(), value.strip(" \t")))
    return tuple(fields)


def encode_head(first: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a head, its empty line included, with the fields exactly as given and never folded.

    Raises:
        ValueError: A name is no token or a value holds CR, LF, NUL, another control character or a
            character outside Latin-1. The message names the field and never shows the value.
    """
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    try:
        block = "".join(lines).encode("latin-1")
        start = first.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(_culprit(lines)) from None
    # An injected CRLF would pass the pattern as one more line: the count gives it away.
    if _FIELD_LINES.fullmatch(block) is None or block.count(b"\n") != len(lines):
        raise ValueError(_culprit(lines))
    return b"%s\r\n%s\r\n" % (start, block)


def _culprit(lines: list[str]) -> str:
    for line in lines:
        raw = line.encode("latin-1", "replace")
        if not line.isascii() and line.encode("latin-1", "ignore") != raw:
            return f"The field {line.partition(':')[0]!a} holds a character outside Latin-1."
        if raw.count(b"\n") != 1 or _FIELD_LINES.fullmatch(raw) is None:
            return f"The field {line.partition(':')[0][:64]!a} holds a character that is not allowed."
    return "The first line holds a character that is not allowed."
