"""The client's other methods: one blocking request whose answer is read as it comes, for worker threads.

What an error says is the same as with :func:`~ecluse.channels.http.client.post`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ecluse.channels.http.client import _head, _target
from ecluse.channels.http.egress import Egress
from ecluse.channels.http.errors import Doubtful, Interrupted
from ecluse.channels.http.exchange import Exchange, Incoming, first
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Line, Pool, connect
from ecluse.channels.http.message import Peer
from ecluse.channels.http.tls import ClientTls
from ecluse.errors import EcluseError

__all__ = ["Answered", "request"]

_STEP: Final = 1 << 20


class Answered:
    """A final answer, whose content is read while it is open. Its meaning is the caller's affair.

    Attributes:
        status: Of the answer.
        headers: Its fields, names in lower case.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self.status = incoming.head.status
        self.headers = incoming.head.fields

    def header(self, name: str) -> str:
        """The first value of a header (``name`` in lower case), or an empty text."""
        return first(self.headers, name) or ""

    @property
    def length(self) -> int | None:
        """Octets of the content, where the answer says."""
        return self._incoming.length

    def read(self) -> bytes:
        """All of the content, up to the limit on replies."""
        return self._incoming.whole()

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces of at most 1 MiB, however long it is."""
        held: list[bytes] = []
        size = 0
        for piece in self._incoming.stream():
            if size + len(piece) > _STEP:
                yield b"".join(held)
                held, size = [], 0
            held.append(piece)
            size += len(piece)
        if held:
            yield b"".join(held)


@contextmanager
def request(
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | Iterable[bytes] = b"",
    *,
    egress: Egress,
    length: int | None = None,
    tls: ClientTls | None = None,
    basic: tuple[str, str] | None = None,
    limits: ClientLimits | None = None,
    pool: Pool | None = None,
    expect_continue: bool = False,
    met: Callable[[Peer], object] | None = None,
    resend: bool = True,
) -> Iterator[Answered]:
    """Send one request and give its answer; left before its content was read, the connection is closed.

    Args:
        method: In capitals.
        url: As for :func:`~ecluse.channels.http.client.post`.
        headers: Sent as given, in this order.
        body: The content.
        egress: What may be reached.
        length: Octets of the content where it is not ``bytes``; without it, it goes in chunks.
        tls: Required for ``https``.
        basic: User and password.
        limits: Times and sizes.
        pool: Where connections are kept.
        expect_continue: Ask before the content is sent.
        met: Told who answered.
        resend: A request on a connection that was kept, and that was lost before any answer, is sent once more on a
            fresh one where its content is ``bytes``. Not so where doing it twice is wrong.

    Raises:
        EcluseError: As for :func:`~ecluse.channels.http.client.post`.
    """
    limits = limits or ClientLimits()
    target = _target(url, tls)
    size = len(body) if isinstance(body, bytes) else length
    head = _head(target, headers, size, basic, expect_continue, method)
    deadline = time.monotonic() + limits.total
    key = (target.secure, target.host, target.port, tls)

    kept = _kept(pool, key, egress, target.host, limits.idle)
    exchange = Exchange(head, body, size, expect_continue, limits, deadline, method)
    line = kept or connect(target.host, target.port, tls, egress, limits, deadline)
    try:
        try:
            incoming = exchange.begin(line)
        except (Interrupted, Doubtful):
            if kept is None or not resend or exchange.answered or not isinstance(body, bytes):
                raise
            line.close()
            line = connect(target.host, target.port, tls, egress, limits, deadline)
            incoming = exchange.begin(line)
        if met is not None:
            met(line.peer)
        yield Answered(incoming)
    except BaseException:
        line.close()
        raise
    if incoming.reusable and pool is not None:
        pool.give(key, line)
    else:
        line.close()


def _kept(pool: Pool | None, key: Hashable, egress: Egress, host: str, idle: float) -> Line | None:
    egress.check_host(host)
    line = pool.take(key, idle) if pool is not None else None
    if line is not None:
        try:
            egress.check_address(host, line.peer.address)
        except EcluseError:
            line.close()
            raise
    return line
