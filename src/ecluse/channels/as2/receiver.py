"""The AS2 listener's handler: messages and asynchronous receipts come in.

A small body (most are) is opened and kept in one go. A large one is opened as it arrives, in pieces, on a worker
thread. A message whose receipt is to come later is kept unopened, acknowledged, and opened by a job.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv6Network, ip_address
from typing import Any, Final, TypeVar

import msgspec
import structlog

from ecluse.channels.as2.allowance import Allowance
from ecluse.channels.as2.answering import acknowledgement, negative
from ecluse.channels.as2.opening import Opening, begin, conclude, header_pairs
from ecluse.channels.as2.receipts import peer_facts, receive_receipt
from ecluse.channels.as2.relation import Relation, stranger_options
from ecluse.channels.http.errors import BodyError, BodyTooLarge
from ecluse.channels.http.message import Peer, Request, Response
from ecluse.channels.http.seen import as_client
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Hub
from ecluse.exchange.intake import Arrival, Duplicate, Intake, Kept, Outgrown, Reply
from ecluse.store.port import Conflict
from ecluse.trust.directory import Directory
from ecluse.wire.as2.disposition import UNKNOWN_PARTNER
from ecluse.wire.as2.errors import As2Failure, As2RequestError
from ecluse.wire.as2.headers import As2Request, parse_request
from ecluse.wire.as2.mdn_reader import MAX_MDN

__all__ = ["Receiver"]

T = TypeVar("T")

SMALL_BODY: Final = 256 * 1024
"""Octets up to which a body is opened in one go: some milliseconds of cipher and hash."""
PIECE: Final = 1024 * 1024
"""Octets handed to a worker thread at once: a hand-over costs about 0.1 ms, a mebibyte about 2 ms of work."""
STRANGER_BODY: Final = 4 * 1024 * 1024
"""Octets read, and thrown away, from an unknown sender before the answer."""
RECEIPT_BODY: Final = MAX_MDN
"""Octets of what may be an MDN that are held to see whether it is one; what is longer is a message."""
INBOUND_CONCURRENCY: Final = 256
"""Messages of one partner that are opened at once; one more is told to come again."""
ADDRESS_CONCURRENCY: Final = 16
"""The same from one address. AS2-From is only a claim until the body ends: a stranger who makes it, and sends slowly,
takes these and leaves the others."""
REFUSALS: Final = 100
"""Refusals recorded in a row. The log only grows, and anybody can be refused: more than this is counted, and the
count recorded."""
REFUSALS_EVERY: Final = 6.0
"""Seconds for one more: at most some 14,000 records a day, about ten megabytes."""
RETRY_AFTER: Final = "30"
"""Seconds after which a partner may come back when the hub can't keep anything."""

_log = structlog.get_logger("ecluse.as2")


class Receiver:
    """Handles the requests of the AS2 listener.

    Args:
        hub: What the chamber shares.
        directory: Gives the partners as they stand now.
        pool: Where large bodies are opened.
        path: The path that partners post to.
    """

    def __init__(
        self, hub: Hub, directory: Callable[[], Directory], pool: ThreadPoolExecutor, path: str
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._pool = pool
        self._path = path
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._refusals = Allowance(REFUSALS, REFUSALS_EVERY)

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        try:
            return await self._handle(request)
        except BodyError as error:
            self._event("request.broken", request, {"reason": error.code})
            raise
        except EcluseError as error:
            # Nothing was acknowledged: the partner keeps the message and comes again.
            _log.error("not kept", **error.as_dict())
            headers = [("Retry-After", RETRY_AFTER)]
            return _text(503, "Nothing was kept. Send the same message again later.", headers)

    async def _handle(self, request: Request) -> Response:
        if request.path != self._path:
            return _text(404, "There is nothing here.")
        if request.method in ("GET", "HEAD"):
            return _text(200, "An AS2 listener. Messages come by POST.")
        if request.method != "POST":
            return _text(405, "Messages come by POST.", [("Allow", "POST, GET, HEAD")])
        try:
            as2 = parse_request(request.headers)
        except As2RequestError as error:
            self._event("request.refused", request, {"reason": error.code})
            return _text(400, f"{error.cause} {error.remedy}")
        directory = self._directory()
        try:
            relation = Relation(directory, directory.by_as2(as2.as2_from, as2.as2_to))
        except EcluseError as error:
            return await self._stranger(request, as2, directory, error)
        partner = relation.partner
        if not relation.shows(request.peer.certificate, self._hub.clock()):
            facts = {"reason": "as2.wrong-client-certificate", "partner": partner.id}
            self._event("request.refused", request, facts)
            # The certificate is the connection's: another one needs another connection.
            close = [("Connection", "close")]
            return _text(403, "The TLS client certificate is not the one that was agreed.", close)
        counted = (partner.id, ""), (partner.id, _network(request.peer.address))
        limits = INBOUND_CONCURRENCY, ADDRESS_CONCURRENCY
        if any(self._under_way[key] >= limit for key, limit in zip(counted, limits, strict=True)):
            self._event("request.refused", request, {"reason": "as2.too-many", "partner": partner.id})
            return _text(503, "Too many messages at once.", [("Retry-After", "5")])
        for key in counted:
            self._under_way[key] += 1
        try:
            return await self._from_partner(request, as2, relation)
        finally:
            for key in counted:
                self._under_way[key] -= 1
                if not self._under_way[key]:
                    del self._under_way[key]

    async def _stranger(
        self, request: Request, as2: As2Request, directory: Directory, error: EcluseError
    ) -> Response:
        """An unknown sender or recipient: an MDN that says so where one was asked for, on this connection."""
        facts = {"reason": error.code, "as2_from": as2.as2_from, "as2_to": as2.as2_to}
        self._event("request.refused", request, facts)
        await request.read(STRANGER_BODY)
        if as2.receipt is None or as2.receipt.url is not None:
            return _text(403, f"{error.code}: the sender or the recipient is not known here.")
        failure = As2Failure(
            "The sender or the recipient is not known here.",
            disposition=UNKNOWN_PARTNER,
            remedy="Compare AS2-From and AS2-To with the agreed names; case counts.",
        )
        options = stranger_options(directory, self._hub.clock())
        # Whoever signs it may have to ask a key store.
        reply = await self._in_pool(negative, as2, options, failure, self._hub.clock, self._hub.entropy)
        return _response(reply)

    async def _from_partner(self, request: Request, as2: As2Request, relation: Relation) -> Response:
        if as2.may_be_mdn:
            body = await self._up_to(request, RECEIPT_BODY)
            if len(body) > RECEIPT_BODY:
                return await self._streamed(request, as2, relation, body)
            settled = await self._in_pool(
                receive_receipt, self._hub, relation, as2, body, request.peer, self._refusals
            )
            if settled:
                return Response(200)
            return await self._whole(request, as2, relation, body)
        url = as2.receipt.url if as2.receipt else None
        if url is not None:
            if not relation.may_answer_to(url):
                facts = {"reason": "as2.receipt-address-not-agreed", "partner": relation.partner.id}
                self._event("request.refused", request, facts)
                return _text(403, "The address for the asynchronous receipt was not agreed.")
            return await self._later(request, as2, relation)
        first = await self._up_to(request, SMALL_BODY)
        if len(first) <= SMALL_BODY:
            return await self._whole(request, as2, relation, first)
        return await self._streamed(request, as2, relation, first)

    async def _up_to(self, request: Request, limit: int) -> bytes:
        """The body if it is no longer than ``limit``; else its beginning, longer than that."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in request:
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                break
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _whole(self, request: Request, as2: As2Request, relation: Relation, body: bytes) -> Response:
        # What fits into its row touches no disk before the commit: a hand-over would cost more than it saves.
        if len(body) <= self._hub.vault.inline_limit:
            intake = Intake(self._hub, self._arrival(request, as2, relation), within_row=True)
            opening = begin(self._hub, intake, as2, relation)
            waits = relation.keys_elsewhere(self._hub.clock())
            try:
                if waits:
                    await self._in_pool(opening.feed, body)
                else:
                    opening.feed(body)
                return await self._settle(opening, intake, as2, relation, request.peer, pooled=waits)
            except Outgrown:
                intake.discard()
            except BaseException:
                await self._in_pool(intake.discard)
                raise
        return await self._streamed(request, as2, relation, body)

    async def _streamed(
        self, request: Request, as2: As2Request, relation: Relation, first: bytes
    ) -> Response:
        intake = Intake(self._hub, self._arrival(request, as2, relation))
        opening = begin(self._hub, intake, as2, relation)
        try:
            await self._in_pieces(request, first, opening.feed)
            return await self._settle(opening, intake, as2, relation, request.peer, pooled=True)
        except BaseException:
            await self._in_pool(intake.discard)
            raise

    async def _later(self, request: Request, as2: As2Request, relation: Relation) -> Response:
        """Keep the body unopened, acknowledge it, and have it opened by a job."""
        intake = Intake(self._hub, self._arrival(request, as2, relation), unopened=True)
        try:
            # The whole of it is kept before anybody vouches for it: no more than could be a message of theirs.
            await self._in_pieces(request, b"", intake.exact, relation.most_octets)
            # Who it is from shows when it is opened; what the connection showed is known now.
            wire = msgspec.json.encode({"headers": header_pairs(as2), "connection": as_client(request.peer)})
            outcome = await self._kept(intake, await self._in_pool(intake.receive, wire))
        except BaseException:
            await self._in_pool(intake.discard)
            raise
        if isinstance(outcome, Duplicate) and (outcome.answer is None or not outcome.answer.return_to):
            # While the first is unopened nothing proves that it is the partner's: this one may be. And an
            # answer that was given on its connection can only be given again on one.
            return _again(outcome)
        return _response(acknowledgement(as2))

    async def _in_pieces(
        self, request: Request, first: bytes, take: Callable[[bytes], None], limit: int | None = None
    ) -> None:
        """Hand the body on, in order; while one piece is worked on the next one is read.

        Raises:
            BodyTooLarge: It is longer than ``limit`` octets.
        """
        taken = 0
        loop = asyncio.get_running_loop()
        under_way: asyncio.Future[None] | None = None
        chunks, size = [first], len(first)
        try:
            async for chunk in request:
                chunks.append(chunk)
                size += len(chunk)
                taken += len(chunk)
                if limit is not None and taken > limit:
                    raise BodyTooLarge(f"The body is longer than {limit} octets.")
                if size >= PIECE:
                    if under_way is not None:
                        await asyncio.shield(under_way)
                    under_way = loop.run_in_executor(self._pool, take, b"".join(chunks))
                    chunks, size = [], 0
        finally:
            # Whoever cleans up after a failure must be the only one at work on the intake.
            if under_way is not None:
                await asyncio.wait([under_way])
        if under_way is not None:
            under_way.result()
        if size:
            await self._in_pool(take, b"".join(chunks))

    async def _settle(
        self,
        opening: Opening,
        intake: Intake,
        as2: As2Request,
        relation: Relation,
        peer: Peer,
        *,
        pooled: bool = False,
    ) -> Response:
        seen = as_client(peer)
        if pooled:
            future, reply = await self._in_pool(conclude, self._hub, opening, intake, as2, relation, seen)
        else:
            future, reply = conclude(self._hub, opening, intake, as2, relation, seen)
        outcome = await self._kept(intake, future)
        if isinstance(outcome, Kept):
            return _response(reply)
        return _again(outcome)

    async def _kept(self, intake: Intake, future: Future[Kept | Duplicate]) -> Kept | Duplicate:
        try:
            outcome = await _end_of(future)
        except Conflict:
            outcome = await _end_of(intake.again())
        if isinstance(outcome, Duplicate):
            await self._in_pool(intake.discard)
        return outcome

    async def _in_pool(self, work: Callable[..., Any], *arguments: Any) -> Any:
        done = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # Whoever cleans up after that must be the only one at work on the intake.
            await asyncio.wait([done])
            raise

    def _arrival(self, request: Request, as2: As2Request, relation: Relation) -> Arrival:
        return Arrival(
            partner=relation.partner.id,
            protocol="as2",
            protocol_id=as2.message_id,
            subject=as2.subject or "",
            facts=peer_facts(request.peer),
            return_to=(as2.receipt.url or "") if as2.receipt else "",
        )

    def refused(self, peer: Peer, status: int, cause: str) -> None:
        """Record a request that the HTTP layer answered by itself: it never was one of AS2."""
        self._record("request.refused", peer, {"reason": f"http.{status}", "cause": cause})

    def _event(self, kind: str, request: Request, facts: Mapping[str, Any]) -> None:
        """Record a refusal that belongs to no message. It must not fail the answer."""
        self._record(kind, request.peer, facts)

    def _record(self, kind: str, peer: Peer, facts: Mapping[str, Any]) -> None:
        passed_over = self._refusals.take(self._hub.clock())
        if passed_over is None:
            return
        data = {**peer_facts(peer), **facts}
        if passed_over:
            data["passed_over"] = passed_over
        self._hub.store.submit(lambda tx: self._hub.event(tx, kind, "listener:as2", data))


async def _end_of(future: Future[T]) -> T:
    """What a unit of work ends with; it is cancelled with the caller.

    ``asyncio.wrap_future`` does the same, and leaves a cycle for the garbage collector.
    """
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(_set, ended)

    future.add_done_callback(tell)
    try:
        await ended
    except asyncio.CancelledError:
        future.cancel()
        raise
    return future.result()


def _set(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    """Whose address it is: an IPv6 site has 2**64 of them (RFC 4291 s2.5.4)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped is not None:
        return address
    return str(IPv6Network((int(found) >> 64 << 64, 64)))


def _text(status: int, text: str, headers: list[tuple[str, str]] | None = None) -> Response:
    return Response(
        status, [("Content-Type", "text/plain; charset=utf-8"), *(headers or [])], text.encode() + b"\n"
    )


def _again(outcome: Duplicate) -> Response:
    """What answers a message that was here before."""
    answer = outcome.answer
    if answer is None:
        return _text(503, "The same message is being opened.", [("Retry-After", "5")])
    return Response(answer.status, list(answer.headers), answer.body)


def _response(reply: Reply) -> Response:
    return Response(reply.status, list(reply.headers), reply.body)
