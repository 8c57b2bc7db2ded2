"""One document to one name on a WebDAV server: its steps of :mod:`ecluse.exchange.once`."""

from __future__ import annotations

import contextlib

from ecluse.channels.webdav.client import DavClient, WebDavMissing, WebDavUnavailable
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document
from ecluse.exchange.once import InDoubt, Spot, Staged, Standing
from ecluse.exchange.remote import NameTaken
from ecluse.wire.webdav.multistatus import Listed

__all__ = ["WebDavSpot", "part_name"]


class WebDavSpot:
    """See :class:`~ecluse.exchange.once.Spot`.

    Args:
        client: The server.
        folder: Where.
        name: Under which name.
        delivery: Id of the delivery: its passing name is its alone.
        document: What.
        replace: It may take another file's place.
        base: The agreed folder, which ``folder`` is or lies in.
    """

    def __init__(
        self,
        client: DavClient,
        folder: str,
        name: str,
        delivery: str,
        document: Document,
        *,
        replace: bool,
        base: str = "",
    ) -> None:
        self._base = base
        self._client = client
        self._folder = folder
        self._name = name
        self._delivery = delivery
        self._document = document
        self._replace = replace

    @property
    def path(self) -> str:
        """The final path."""
        return self._within(self._name)

    def tidy(self, spared: str) -> None:
        """See the port: there is one passing name, and :meth:`stage` writes over it."""

    def check_free(self) -> None:
        """See the port."""
        if not self._replace and self._client.look(self.path) is not None:
            raise self._taken()

    def stage(self) -> Staged:
        """See the port."""
        client, part = self._client, self._document.part
        mark = part_name(self._name, self._delivery)
        half = self._within(mark)
        client.make_folders(self._folder)
        try:
            client.put(half, part.content_type, part.size, self._document.chunks())
            if not self._fits(client.look(half)):
                raise WebDavUnavailable(f"{client.where} has not kept all that was sent.")
        except BaseException:
            self.drop(mark)
            raise
        return Staged(mark, safe=True, checked="size")

    def standing(self, mark: str) -> Standing:
        """See the port."""
        found = self._client.look(self._within(mark))
        if found is None:
            if self._base and self._client.look(self._base) is None:
                raise WebDavMissing(f"{self._client.where} has no folder {self._base} any more.")
            return Standing.GONE
        return Standing.WHOLE if self._fits(found) else Standing.TORN

    def holds(self) -> bool:
        """See the port: it is read back."""
        part = self._document.part
        return self._client.same(self.path, part.size, part.sha256)

    def appear(self, mark: str) -> str:
        """See the port. A server that fails, or whose answer is lost, may have done it."""
        try:
            moved = self._client.move(self._within(mark), self.path, replace=self._replace)
        except EcluseError as error:
            if error.code == "webdav.unavailable" or error.code.startswith("http."):
                raise InDoubt(f"{self._name} was sent whole, and was to be renamed. {error.cause}") from None
            raise
        if not moved:
            raise self._taken()
        return "move"

    def drop(self, mark: str) -> None:
        """See the port."""
        with contextlib.suppress(EcluseError):
            self._client.delete(self._within(mark))

    def etag(self) -> str:
        """Of what lies there; empty where nothing does any more."""
        found = self._client.look(self.path)
        return found.etag if self._fits(found) and found is not None else ""

    def _within(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _fits(self, found: Listed | None) -> bool:
        return found is not None and not found.folder and found.size == self._document.part.size

    def _taken(self) -> NameTaken:
        return NameTaken(f"There is another file {self.path} on {self._client.where}.")


def part_name(name: str, delivery: str) -> str:
    """The temporary name of a document: the same for every attempt, and hidden from those who list."""
    return f".{name[:48]}.{delivery}.part"


_: type[Spot] = WebDavSpot
