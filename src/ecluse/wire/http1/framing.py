"""Where a body ends (RFC 9112 section 6.3), and whether the connection lives on (section 9.3)."""

from __future__ import annotations

import msgspec

from ecluse.wire.http1.errors import HttpSyntaxError
from ecluse.wire.http1.head import Fields, RequestHead, ResponseHead

_MAX_LENGTH_DIGITS = 18
_RELEVANT = frozenset({"content-length", "transfer-encoding", "connection", "host", "expect"})
_BODYLESS = frozenset({204, 304})


class Framing(msgspec.Struct, frozen=True, gc=False):
    """How one message is delimited.

    Attributes:
        length: Bytes of the body; None where it is chunked or lasts until the connection ends.
        chunked: The body is in chunks.
        keep_alive: Another message may follow on the connection.
        expect_continue: The sender waits for ``100 Continue`` before it sends the body.
        length_declared: ``length`` was in the head, and not concluded from its absence.
    """

    length: int | None
    chunked: bool
    keep_alive: bool
    expect_continue: bool = False
    length_declared: bool = False


def request_framing(head: RequestHead) -> Framing:
    """Say where the body of a request ends.

    Raises:
        HttpSyntaxError: 400 where two readers could disagree (Content-Length with Transfer-Encoding, a
            repeated or malformed length, chunks in HTTP/1.0, no Host or several), 417 for an unknown
            expectation, 501 for a transfer coding other than chunked.
    """
    found = _collect(head.fields)
    hosts = len(found.get("host", ()))
    if hosts > 1 or (hosts == 0 and head.minor == 1):
        raise HttpSyntaxError("The request has no Host field, or more than one.")
    length, chunked = _delimiter(found, head.minor)
    expect = [value.lower() for value in found.get("expect", ())]
    if expect and any(value != "100-continue" for value in expect):
        raise HttpSyntaxError("The request has an expectation that nobody can meet.", 417)
    return Framing(
        length=None if chunked else length or 0,
        chunked=chunked,
        keep_alive=head.minor == 1 and "close" not in _tokens(found.get("connection", ())),
        expect_continue=bool(expect) and head.minor == 1,
        length_declared=length is not None,
    )


def response_framing(head: ResponseHead, method: str) -> Framing:
    """Say where the body of the response to a ``method`` request ends.

    Raises:
        HttpSyntaxError: Two readers could disagree, or the transfer coding is unknown.
    """
    found = _collect(head.fields)
    keep_alive = head.minor == 1 and "close" not in _tokens(found.get("connection", ()))
    if method == "HEAD" or head.status in _BODYLESS or head.status < 200:
        return Framing(0, False, keep_alive)
    length, chunked = _delimiter(found, head.minor)
    if length is None and not chunked:
        return Framing(None, False, False)
    return Framing(length, chunked, keep_alive, length_declared=length is not None)


def _collect(fields: Fields) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        if name in _RELEVANT:
            found.setdefault(name, []).append(value)
    return found


def _delimiter(found: dict[str, list[str]], minor: int) -> tuple[int | None, bool]:
    lengths = found.get("content-length")
    codings = found.get("transfer-encoding")
    if codings is not None:
        if lengths is not None:
            raise HttpSyntaxError("Content-Length and Transfer-Encoding are both there.")
        if minor == 0:
            raise HttpSyntaxError("An HTTP/1.0 message can't have a Transfer-Encoding.")
        if len(codings) != 1 or codings[0].lower() != "chunked":
            raise HttpSyntaxError("Only the transfer coding chunked is supported.", 501)
        return None, True
    if lengths is None:
        return None, False
    value = lengths[0]
    if len(lengths) != 1 or not (value.isascii() and value.isdigit()) or len(value) > _MAX_LENGTH_DIGITS:
        raise HttpSyntaxError("Content-Length is repeated, or is no decimal number.")
    return int(value), False


def _tokens(values: list[str] | tuple[()]) -> set[str]:
    return {token.strip().lower() for value in values for token in value.split(",")}
