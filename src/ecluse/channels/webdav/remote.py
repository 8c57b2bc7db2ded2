"""Collecting from a WebDAV server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from ecluse.channels.http.stream import Answered
from ecluse.channels.webdav.client import DavClient, WebDavRefused
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.durable import is_part
from ecluse.exchange.remote import FileGone, NameTaken, Remote, RemoteFile
from ecluse.model.basics import Instant
from ecluse.wire.http1.dates import http_date
from ecluse.wire.webdav.multistatus import Listed, bare_etag

__all__ = ["WebDavRemote", "WebDavSource"]

MAX_DEPTH: Final = 100
"""Folders inside each other that a listing goes down: more is a loop, or a trap."""


class WebDavSource:
    """Partners' WebDAV servers, as a :class:`~ecluse.exchange.remote.Source`.

    Args:
        open: Opens the server of a partner.
    """

    kind = "webdav"

    def __init__(self, open: Callable[[str], WebDavPlace]) -> None:
        self._open = open

    def open(self, name: str) -> Remote:
        """See the port."""
        return WebDavRemote(self._open(name).client)


class WebDavRemote:
    """One server. See :class:`~ecluse.exchange.remote.Remote`.

    Files whose size the server does not say are left out, and so are the hub's own that are being written.
    """

    def __init__(self, client: DavClient) -> None:
        self._client = client

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """See the port. One folder is asked for at a time: many servers refuse a listing of all of them."""
        below: list[str] = [folder]
        while below:
            at = below.pop()
            if at.count("/") - folder.count("/") > MAX_DEPTH:
                raise WebDavRefused(f"More than {MAX_DEPTH} folders lie in each other at {at[:200]}.")
            for name, each in self._client.list(at):
                path = f"{at}/{name}" if at else name
                if each.folder:
                    if recursive:
                        below.append(path)
                elif each.size is not None and not is_part(name):
                    modified = None if each.modified is None else Instant(each.modified)
                    yield RemoteFile(path, each.size, modified, each.etag)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """See the port."""
        with self._client.read(file.path) as answer:
            if answer.status == 404 or (answer.status == 200 and not _is_listed(file, answer)):
                raise _gone(file)
            self._client.check(answer, 200)
            size = 0
            for piece in answer.chunks():
                size += len(piece)
                yield piece
        if size != file.size:
            raise _gone(file)

    def delete(self, file: RemoteFile) -> None:
        """See the port. Between the look and the deletion the server is asked to compare the ETag, where it does."""
        found = self._client.look(file.path)
        if found is None:
            return
        if not _same(file, found) or not self._client.delete(file.path, file.tag):
            raise _gone(file)

    def move(self, file: RemoteFile, folder: str) -> None:
        """See the port."""
        found = self._client.look(file.path)
        if found is None or not _same(file, found):
            raise _gone(file)
        target = f"{folder}/{file.name}"
        if target == file.path:
            return
        self._client.make_folders(folder)
        if not self._client.move(file.path, target, replace=False):
            raise NameTaken(f"There is a file {target} already.")

    def close(self) -> None:
        """Connections are the pool's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _same(file: RemoteFile, found: Listed) -> bool:
    return not found.folder and (file.size, file.tag, file.modified) == (
        found.size,
        found.etag,
        found.modified,
    )


def _is_listed(file: RemoteFile, answer: Answered) -> bool:
    """Whether the answer to GET is of the file that was listed, by whatever the server says of it."""
    tag, modified = bare_etag(answer.header("etag")), http_date(answer.header("last-modified"))
    if tag and file.tag:
        return tag == file.tag
    if answer.length is not None and answer.length != file.size:
        return False
    return modified is None or file.modified is None or modified == file.modified


def _gone(file: RemoteFile) -> FileGone:
    return FileGone(f"{file.path} is not the file that was listed.")
