"""Responses as bytes."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from ecluse.channels.http.message import Response
from ecluse.wire.http1 import encode_head

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_BODYLESS = frozenset({204, 304})

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A response ready to be written.

    Attributes:
        head: To its empty line.
        length: Bytes that the streamed body must have, or None.
        chunked: The streamed body is written in chunks.
        send_body: False for HEAD, 204 and 304.
        close: The connection ends with this response.
    """

    head: bytes
    length: int | None
    chunked: bool
    send_body: bool
    close: bool


def plan(response: Response, method: str, minor: int, date: str, close: bool) -> Plan:
    """Choose the framing and write the head.

    Args:
        response: From the handler.
        method: Of the request, empty where it could not be read.
        minor: The HTTP/1.x of the request.
        date: The Date field's value (RFC 9110 section 6.6.1).
        close: The connection can't be used again.

    Raises:
        ValueError: The handler's status or fields can't be sent.
    """
    status = response.status
    if not 200 <= status <= 599:
        raise ValueError(f"The status {status} is no final status.")
    declared: int | None = None
    dated = False
    fields: list[tuple[str, str]] = []
    for name, value in response.headers:
        key = name.lower()
        if key == "content-length":
            declared = int(value)
            continue
        if key == "transfer-encoding":
            raise ValueError("The server chooses the transfer coding.")
        if key == "connection":
            close = close or "close" in value.lower()
            continue
        dated = dated or key == "date"
        fields.append((name, value))
    body = response.body
    bodyless = status in _BODYLESS
    chunked = False
    length = len(body) if isinstance(body, bytes) and (body or method != "HEAD") else declared
    if bodyless:
        length = None
    elif length is None and isinstance(body, bytes):
        length = 0
    elif length is None:
        chunked = minor == 1
        close = close or not chunked
    if length is not None:
        fields.append(("Content-Length", str(length)))
    elif chunked:
        fields.append(("Transfer-Encoding", "chunked"))
    if not dated:
        fields.append(("Date", date))
    if close:
        fields.append(("Connection", "close"))
    head = encode_head(_STATUS_LINES.get(status) or f"HTTP/1.1 {status} ", fields)
    return Plan(head, length, chunked, not bodyless and method != "HEAD", close)


def canned(status: int, date: str) -> bytes:
    """A whole response of no content that ends its connection, for what never reaches a handler."""
    headers = [("Retry-After", "5")] if status == 503 else []
    return plan(Response(status, headers), "", 1, date, close=True).head
