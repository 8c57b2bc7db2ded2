"""One WebDAV server below one URL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from ecluse.channels.http.egress import Egress
from ecluse.channels.http.limits import ClientLimits
from ecluse.channels.http.line import Pool
from ecluse.channels.http.message import Peer
from ecluse.channels.http.stream import Answered, request
from ecluse.channels.http.tls import ClientTls
from ecluse.errors import EcluseError, Fault
from ecluse.wire.webdav.multistatus import PROPFIND, Listed, Multistatus

__all__ = ["DavAccess", "DavClient", "WebDavDenied", "WebDavMissing", "WebDavRefused", "WebDavUnavailable"]

_ASK_FIRST: Final = 1 << 20
"""Octets from which a server is asked before they are sent."""


class WebDavUnavailable(EcluseError):
    """The server can't serve at present."""

    code = "webdav.unavailable"
    fault = Fault.TRANSIENT
    remedy = "Look at the server's own state; the hub tries again."


class WebDavDenied(EcluseError):
    """The server denies the access."""

    code = "webdav.denied"
    fault = Fault.PARTNER
    remedy = "Check user, password and rights with the partner; only basic authentication is spoken."


class WebDavMissing(EcluseError):
    """There is no folder at the URL."""

    code = "webdav.missing"
    fault = Fault.PARTNER
    remedy = "Check the URL in the partner's file."


class WebDavRefused(EcluseError):
    """The server refuses the request, or answers what no WebDAV server should."""

    code = "webdav.refused"
    fault = Fault.PARTNER
    remedy = "Check that the URL is that of a WebDAV folder, and ask the partner what their server says."


_BUSY: Final = frozenset({408, 423, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class DavAccess:
    """How a server is reached.

    Attributes:
        url: Of the folder that all paths begin at, without a slash at its end.
        egress: What may be reached.
        tls: How the server is trusted; ``None`` for plain HTTP.
        basic: User and password.
        limits: Times.
        met: Told who answered a request.
    """

    url: str
    egress: Egress
    tls: ClientTls | None
    basic: tuple[str, str] | None = field(repr=False)
    limits: ClientLimits
    met: Callable[[Peer], object] | None = None


class DavClient:
    """See the module. Paths are names joined by ``/``, below the URL; empty for the folder there.

    May be used from several threads. Methods raise the errors of this module, of :mod:`ecluse.wire.xml` and of the
    HTTP client.

    Args:
        access: Where, and as whom.
        pool: Where connections are kept.
    """

    def __init__(self, access: DavAccess, pool: Pool | None = None) -> None:
        self._access = access
        self._pool = pool
        self._root = unquote(urlsplit(access.url).path)
        self.url = access.url
        self.where = urlsplit(access.url).netloc

    def look(self, path: str) -> Listed | None:
        """What is there; ``None`` where nothing is."""
        headers = [("Depth", "0"), ("Content-Type", 'application/xml; charset="utf-8"')]
        with self._call("PROPFIND", path, headers, PROPFIND) as answer:
            if answer.status == 404:
                answer.read()
                return None
            self.check(answer, 207)
            found = list(Multistatus().feed(answer.read(), last=True))
        if len(found) != 1:
            raise WebDavRefused(f"{self.where} was asked for one file, and answers for {len(found)}.")
        return found[0]

    def list(self, folder: str) -> Iterator[tuple[str, Listed]]:
        """(name, facts) of what is in a folder, as the answer comes; nothing where there is no such folder."""
        headers = [("Depth", "1"), ("Content-Type", 'application/xml; charset="utf-8"')]
        head = f"{self._root}/{folder}/" if folder else f"{self._root}/"
        reader = Multistatus()
        with self._call("PROPFIND", folder, headers, PROPFIND) as answer:
            if answer.status == 404:
                answer.read()
                if not folder:
                    raise self._error(404)
                return
            self.check(answer, 207)
            for piece in answer.chunks():
                yield from self._inside(head, reader.feed(piece))
            yield from self._inside(head, reader.feed(b"", last=True))

    def _inside(self, head: str, found: Iterable[Listed]) -> Iterator[tuple[str, Listed]]:
        for each in found:
            path = each.path.rstrip("/")
            name = path[len(head) :]
            # The folder itself is in its listing; what a server names elsewhere is nobody's.
            if path.startswith(head) and name not in ("", ".", "..") and "/" not in name:
                yield name, each

    def read(self, path: str) -> AbstractContextManager[Answered]:
        """Open a file; the caller looks at the status: 200 or 404."""
        return self._call("GET", path)

    def same(self, path: str, size: int, sha256: str) -> bool:
        """Whether the file there has that content: it is read where its size is right."""
        found = self.look(path)
        if found is None or found.folder or found.size != size:
            return False
        digest = hashlib.sha256()
        with self.read(path) as answer:
            if answer.status == 404:
                return False
            self.check(answer, 200)
            for piece in answer.chunks():
                digest.update(piece)
        return digest.hexdigest() == sha256

    def put(self, path: str, content_type: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a file, over one of that name. Its folder is there."""
        headers = [("Content-Type", content_type)]
        ask = size >= _ASK_FIRST
        with self._call("PUT", path, headers, chunks if size else b"", length=size, ask=ask) as answer:
            self.check(answer, 200, 201, 204)
            answer.read()

    def move(self, path: str, to: str, *, replace: bool) -> bool:
        """Move a file to another name in one step; false where there is one, and it was not to be replaced.

        Raises:
            WebDavMissing: There is no such file, or no folder to move it to.
        """
        target = self._url(to)
        headers = [("Destination", target), ("Overwrite", "T" if replace else "F")]
        with self._call("MOVE", path, headers, resend=False) as answer:
            if answer.status == 412 and not replace:
                answer.read()
                return False
            self.check(answer, 201, 204)
            answer.read()
            return True

    def delete(self, path: str, etag: str = "") -> bool:
        """Delete a file; false where there is another content than ``etag`` says (as far as the server looks)."""
        with self._call("DELETE", path, [("If-Match", f'"{etag}"')] if etag else []) as answer:
            if answer.status == 412:
                answer.read()
                return False
            if answer.status == 404:
                answer.read()
                return True
            self.check(answer, 200, 202, 204)
            answer.read()
            return True

    def make_folders(self, path: str) -> None:
        """Make a folder, and those that it is in."""
        names = path.split("/") if path else []
        missing = []
        while names and self.look("/".join(names)) is None:
            missing.append("/".join(names))
            names.pop()
        for each in reversed(missing):
            with self._call("MKCOL", each) as answer:
                if answer.status != 405:  # somebody else made it meanwhile (RFC 4918 section 9.3.1)
                    self.check(answer, 200, 201)
                answer.read()

    def _url(self, path: str) -> str:
        return f"{self._access.url}/{quote(path, safe='/-_.~')}"

    def _call(
        self,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] = b"",
        *,
        length: int | None = None,
        ask: bool = False,
        resend: bool = True,
    ) -> AbstractContextManager[Answered]:
        access = self._access
        return request(
            method,
            self._url(path),
            headers,
            body,
            egress=access.egress,
            length=length,
            tls=access.tls,
            basic=access.basic,
            limits=access.limits,
            pool=self._pool,
            expect_continue=ask,
            met=access.met,
            resend=resend,
        )

    def check(self, answer: Answered, *allowed: int) -> None:
        """Raise our error for an answer of any other status."""
        if answer.status not in allowed:
            answer.read()
            raise self._error(answer.status)

    def _error(self, status: int) -> EcluseError:
        if status in (401, 403, 407):
            return WebDavDenied(f"{self.where} denies the access (status {status}).")
        if status in (404, 409, 410):
            return WebDavMissing(f"{self.where} has no such folder (status {status}).")
        if status in (413, 507):
            return WebDavUnavailable(
                f"{self.where} has no room for the document (status {status}).",
                code="webdav.full",
                fault=Fault.PARTNER,
                remedy="Ask the partner to make room, or to raise the quota.",
            )
        if status in _BUSY:
            return WebDavUnavailable(f"{self.where} can't serve at present (status {status}).")
        return WebDavRefused(f"{self.where} refuses the request (status {status}).")
