"""Delivering to a WebDAV server: a temporary name, a look at what arrived, and one step to the name itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ecluse.blobs.vault import VaultReader
from ecluse.channels.webdav.client import DavClient, WebDavUnavailable
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.errors import EcluseError
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import Landed, file_names, folder_of, landed, target_of
from ecluse.model.nouns import Answer, Delivery, Message

__all__ = ["WebDavChannel", "part_name"]


class WebDavChannel:
    """Partners' WebDAV servers.

    Args:
        hub: What the chamber shares.
        open: Opens the server of a partner.
    """

    kind = "webdav"

    def __init__(self, hub: Hub, open: Callable[[str], WebDavPlace]) -> None:
        self._hub = hub
        self._open = open

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Put each document.

        Where there was an earlier attempt, a file of its name that is there with the same content (it is read to find
        out) is what that one brought.

        Raises:
            NameTaken: Another file of that name is there.
            EcluseError: Any of :mod:`~ecluse.channels.webdav.client`.
        """
        target = target_of(message)
        place = self._open(delivery.channel.partition(":")[2])
        folder = "/".join(filter(None, (place.folder, folder_of(target))))
        replace = place.replace if target.replace is None else target.replace
        files = []
        for name, document in zip(file_names(message), self._hub.documents(message), strict=True):
            path = f"{folder}/{name}" if folder else name
            again = delivery.attempts > 1
            files.append(_put(place.client, folder, path, message.id, document, replace=replace, again=again))
        return landed(files, server=place.client.where)

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""


def part_name(name: str, message: str) -> str:
    """The temporary name of a document: the same for every attempt, and hidden from those who list."""
    return f".{name[:48]}.{message}.part"


def _put(
    client: DavClient,
    folder: str,
    path: str,
    message: str,
    document: Document,
    *,
    replace: bool,
    again: bool,
) -> Landed:
    part = document.part
    there = client.look(path)
    before = again and there is not None and client.same(path, part.size, part.sha256)
    if there is not None and not before and not replace:
        raise _taken(path, client)
    if not before:
        name = path.rpartition("/")[2]
        half = f"{folder}/{part_name(name, message)}" if folder else part_name(name, message)
        client.make_folders(folder)
        try:
            client.put(half, part.content_type, part.size, document.chunks())
            arrived = client.look(half)
            if arrived is None or arrived.size != part.size:
                raise WebDavUnavailable(f"{client.where} has not kept all that was sent.")
            moved = client.move(half, path, replace=replace)
        except BaseException:
            with contextlib.suppress(EcluseError):
                client.delete(half)
            raise
        if not moved:
            client.delete(half)
            if not client.same(path, part.size, part.sha256):
                raise _taken(path, client)
            before = True
    there = client.look(path)
    if there is None or there.size != part.size:
        raise WebDavUnavailable(
            f"What was put on {client.where} is not there.",
            remedy="Ask the partner what takes files away so soon; the hub tries again.",
        )
    checked = "size sha256" if before else "size"
    return Landed(path, part.size, part.sha256, checked, there.etag, before=before)


def _taken(path: str, client: DavClient) -> NameTaken:
    return NameTaken(f"There is another file {path} on {client.where}.")
