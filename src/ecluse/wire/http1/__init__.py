"""HTTP/1.1 messages as bytes (RFC 9110, RFC 9112): heads, framing, chunks. No sockets, no clock.

Strict where two readers could disagree (RFC 9112 section 11.2: request smuggling), lenient in one place
only: a folded field is unfolded, since old AS2 products send them (RFC 9112 section 5.2).

A server and a client share it: :func:`parse_request_head` or :func:`parse_response_head` on a block that
ends before its empty line, then :func:`request_framing` or :func:`response_framing` says how the body is
delimited, then :class:`ChunkReader` where it is chunked. :func:`encode_head` writes either kind.
"""

from ecluse.wire.http1.chunked import ChunkReader, encode_chunk
from ecluse.wire.http1.errors import HttpSyntaxError
from ecluse.wire.http1.framing import Framing, request_framing, response_framing
from ecluse.wire.http1.head import (
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    Fields,
    RequestHead,
    ResponseHead,
    encode_head,
    parse_request_head,
    parse_response_head,
)

__all__ = [
    "MAX_FIELDS",
    "MAX_HEAD_BYTES",
    "ChunkReader",
    "Fields",
    "Framing",
    "HttpSyntaxError",
    "RequestHead",
    "ResponseHead",
    "encode_chunk",
    "encode_head",
    "parse_request_head",
    "parse_response_head",
    "request_framing",
    "response_framing",
]
