"""Answering requests to the log's listener."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from ecluse.channels.http.errors import BodyError, BodyTooLarge
from ecluse.channels.http.message import Request, Response
from ecluse.channels.tlog.pages import Pages
from ecluse.errors import EcluseError
from ecluse.evidence.witness.service import Answer
from ecluse.wire.tlog.witness import ADD_CHECKPOINT, MAX_REQUEST

__all__ = ["AT_ONCE", "Cosigner", "LogHandler"]

T = TypeVar("T")

AT_ONCE: Final = 8
"""Requests that are worked on at once: each takes a thread, and a cosignature a millisecond of a core."""

_WITNESSED: Final = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
_PLAIN: Final = ("Content-Type", "text/plain; charset=utf-8")


class Cosigner(Protocol):
    """The witness; see :class:`ecluse.evidence.witness.service.Witness`."""

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request for a cosignature."""

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """The newest head of a log that was cosigned."""


class LogHandler:
    """A handler for :class:`~ecluse.channels.http.server.Server`.

    Args:
        pages: The log's pages; ``None`` serves none.
        witness: Gives the witness; ``None`` where nothing is cosigned.
        log: Where failures are told.
    """

    def __init__(
        self,
        pages: Callable[[], Pages | None],
        witness: Callable[[], Cosigner | None],
        log: FilteringBoundLogger,
    ) -> None:
        self._pages = pages
        self._witness = witness
        self._log = log
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            if request.method == "POST":
                return await self._add(request)
            if request.method in ("GET", "HEAD"):
                return await self._show(request)
        except BodyTooLarge:
            return _said(413, "The request is too long.")
        except BodyError:
            return _said(400, "The request ended early.")
        except EcluseError as error:
            self._log.warning("log listener", **error.as_dict())
            return _said(503, "Not now.")
        return _said(405, "GET, HEAD or POST.", ("Allow", "GET, HEAD, POST"))

    async def _show(self, request: Request) -> Response:
        found = _WITNESSED.fullmatch(request.path)
        if found is not None:
            witness = self._witness()
            body = None if witness is None else await self._work(lambda: witness.checkpoint(found[1]))
            if body is None:
                return _nothing()
            return Response(200, [_PLAIN, ("Cache-Control", "no-cache")], body)
        pages = self._pages()
        if pages is None or not request.path.startswith("/"):
            return _nothing()
        page = await self._work(lambda: pages.page(request.path[1:]))
        if page is None:
            return _nothing()
        return Response(200, [("Content-Type", page.content_type), ("Cache-Control", page.cache)], page.body)

    async def _add(self, request: Request) -> Response:
        witness = self._witness()
        if request.path != f"/{ADD_CHECKPOINT}" or witness is None:
            return _nothing()
        body = await request.read(MAX_REQUEST)
        answer = await self._work(lambda: witness.add_checkpoint(body))
        return Response(answer.status, [("Content-Type", answer.content_type)], answer.body)

    async def _work(self, work: Callable[[], T]) -> T:
        async with self._places:
            return await asyncio.to_thread(work)


def _nothing() -> Response:
    return _said(404, "There is nothing here.")


def _said(status: int, cause: str, *headers: tuple[str, str]) -> Response:
    return Response(status, [_PLAIN, *headers], f"{cause}\n".encode())
