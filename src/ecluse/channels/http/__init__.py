"""The HTTP/1.1 shell: a server and a client for the channels that ride on HTTP. It knows none of them.

The server (:class:`Server`) hands each request to one async handler and streams bodies both ways with
back-pressure; the client (:func:`post`) blocks and belongs in worker threads. Both are strict about what two
readers could understand differently, and both hold their memory flat whatever the other side does.
"""

from ecluse.channels.http.client import post
from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import (
    BodyError,
    BodyMalformed,
    BodyTooLarge,
    BodyTooSlow,
    BodyTruncated,
    Doubtful,
    EgressDenied,
    Interrupted,
    ListenFailed,
    ReplyMalformed,
    ReplyTooLarge,
    RequestInvalid,
    ServerStopped,
    TlsConfigError,
    TlsRefused,
    Unreachable,
)
from ecluse.channels.http.exchange import Reply
from ecluse.channels.http.limits import ClientLimits, Limits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.message import Handler, Peer, Request, Response
from ecluse.channels.http.server import Listener, Server
from ecluse.channels.http.stream import Answered, request
from ecluse.channels.http.tls import ClientTls, client_tls, server_context

__all__ = [
    "Answered",
    "BodyError",
    "BodyMalformed",
    "BodyTooLarge",
    "BodyTooSlow",
    "BodyTruncated",
    "ClientLimits",
    "ClientTls",
    "Doubtful",
    "Egress",
    "EgressDenied",
    "Handler",
    "Interrupted",
    "Limits",
    "ListenFailed",
    "Listener",
    "Peer",
    "Pool",
    "Reply",
    "ReplyMalformed",
    "ReplyTooLarge",
    "Request",
    "RequestInvalid",
    "Response",
    "Server",
    "ServerStopped",
    "TlsConfigError",
    "TlsRefused",
    "Unreachable",
    "client_tls",
    "post",
    "request",
    "server_context",
]
