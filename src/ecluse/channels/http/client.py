"""The client: one blocking POST, for worker threads.

An error says how far the request came, since that decides what a retry may do: nothing sent
(:class:`Unreachable`), sent in part (:class:`Interrupted`), sent whole without an answer (:class:`Doubtful`).
Redirects are not followed and proxies named in the environment are not used.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import Doubtful, Interrupted, RequestInvalid
from ecluse.channels.http.exchange import Exchange, Reply
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Line, Pool, connect
from ecluse.channels.http.tls import ClientTls
from ecluse.errors import EcluseError, Fault
from ecluse.wire.http1 import encode_head

_URL = re.compile(r"[\x21-\x7e]+")
_WITHOUT_CONTENT = frozenset({"GET", "HEAD", "DELETE"})
"""Methods whose requests say nothing of content where they have none (RFC 9110 section 8.6)."""
_OWN_FIELDS = frozenset({"content-length", "transfer-encoding", "expect"})


def post(
    url: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | Iterable[bytes],
    *,
    egress: Egress,
    length: int | None = None,
    chunked: bool = False,
    tls: ClientTls | None = None,
    basic: tuple[str, str] | None = None,
    limits: ClientLimits | None = None,
    expect_continue: bool = False,
    pool: Pool | None = None,
    idempotent: bool = False,
) -> Reply:
    """Send one request and wait for the answer.

    Args:
        url: ``http`` or ``https``, ASCII, without user information.
        headers: Sent as given, in this order, never folded. Host is added unless it is there.
        body: The content, whole or in pieces.
        egress: What may be reached.
        length: Bytes of the content; known by itself where ``body`` is bytes. Without it, or where
            ``chunked`` is set, the body goes in chunks.
        chunked: Send chunks though the length is known.
        tls: Required for ``https``.
        basic: User and password (RFC 7617, UTF-8).
        limits: Times and sizes.
        expect_continue: Ask before the body is sent.
        pool: Reuse connections from here, and leave this one there.
        idempotent: The receiver recognises a repetition. A request that a reused connection lost before any
            answer is then sent once more on a fresh one, if ``body`` is bytes or can be iterated again.

    Raises:
        RequestInvalid: The URL or a header can't be sent, or ``body`` has not ``length`` bytes.
        EgressDenied, Unreachable, TlsRefused: Nothing was sent.
        Interrupted: It was sent in part.
        Doubtful, ReplyMalformed, ReplyTooLarge: It was sent whole, and no usable answer came.
        Exception: Whatever iterating ``body`` raises, after the connection was cut.
    """
    limits = limits or ClientLimits()
    if isinstance(body, bytes):
        if length not in {None, len(body)}:
            raise RequestInvalid("The body has not the length that was announced.", fault=Fault.OURS)
        length = len(body)
    target = _target(url, tls)
    exchange = Exchange(
        _head(target, headers, None if chunked else length, basic, expect_continue),
        body,
        None if chunked else length,
        expect_continue,
        limits,
        time.monotonic() + limits.total,
    )
    key = (target.secure, target.host, target.port, tls)
    line = None
    if pool is not None:
        egress.check_host(target.host)
        line = pool.take(key, limits.idle)
    if line is not None:
        try:
            egress.check_address(target.host, line.peer.address)
        except EcluseError:
            line.close()
            raise
        try:
            return _finish(exchange, line, pool, key)
        except (Interrupted, Doubtful):
            again = isinstance(body, bytes) or iter(body) is not body
            if not (idempotent and again) or exchange.answered:
                raise
    line = connect(target.host, target.port, tls, egress, limits, exchange.deadline)
    return _finish(exchange, line, pool, key)


def _finish(exchange: Exchange, line: Line, pool: Pool | None, key: tuple[object, ...]) -> Reply:
    reusable = False
    try:
        reply, reusable = exchange.run(line)
        return reply
    finally:
        if reusable and pool is not None:
            pool.give(key, line)
        else:
            line.close()


@dataclass(frozen=True, slots=True)
class _Target:
    secure: bool
    host: str
    port: int
    authority: str
    path: str


def _target(url: str, tls: ClientTls | None) -> _Target:
    if not _URL.fullmatch(url):
        raise RequestInvalid("The URL is empty or holds a character that is not visible ASCII.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RequestInvalid("The URL can't be read.") from None
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        raise RequestInvalid("The URL is not http or https, has no host, or holds a user name.")
    if (scheme == "https") != (tls is not None):
        raise RequestInvalid("TLS settings belong to an https URL, and an https URL needs them.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(scheme == "https", host, port or (443 if tls else 80), parts.netloc, path)


def _head(
    target: _Target,
    headers: Sequence[tuple[str, str]],
    length: int | None,
    basic: tuple[str, str] | None,
    expect_continue: bool,
    method: str = "POST",
) -> bytes:
    names = {name.lower() for name, _ in headers}
    if owned := names & (_OWN_FIELDS if basic is None else _OWN_FIELDS | {"authorization"}):
        raise RequestInvalid(f"The client itself writes {', '.join(sorted(owned))}.")
    fields = [] if "host" in names else [("Host", target.authority)]
    fields += headers
    if basic is not None:
        if ":" in basic[0]:
            raise RequestInvalid("A user name for basic authentication can't hold a colon.")
        pair = f"{basic[0]}:{basic[1]}".encode()
        fields.append(("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")))
    if length or method not in _WITHOUT_CONTENT:
        fields.append(("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length)))
    if expect_continue:
        fields.append(("Expect", "100-continue"))
    try:
        return encode_head(f"{method} {target.path} HTTP/1.1", fields)
    except ValueError as error:
        raise RequestInvalid(str(error)) from None
