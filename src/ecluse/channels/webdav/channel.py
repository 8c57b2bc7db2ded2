"""Delivering to a WebDAV server: a temporary name, a look at what arrived, and one step to the name itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ecluse.blobs.vault import VaultReader
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.channels.webdav.spot import WebDavSpot
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.once import FOUND, TAKEN, deliver_once
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.target import Landed, file_names, folder_of, landed, target_of
from ecluse.model.nouns import Answer, Delivery, Message

__all__ = ["WebDavChannel"]


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

        Raises:
            NameTaken: Another file of that name is there.
            EcluseError: Any of :mod:`~ecluse.channels.webdav.client`.
        """
        target = target_of(message)
        place = self._open(delivery.channel.partition(":")[2])
        folder = "/".join(filter(None, (place.folder, folder_of(target))))
        replace = place.replace if target.replace is None else target.replace
        memory = Remembered(self._hub, message, delivery, place.client.url)
        again = delivery.attempts > 1
        files = []
        for name, document in zip(file_names(message), self._hub.documents(message), strict=True):
            spot = WebDavSpot(
                place.client, folder, name, delivery.id, document, replace=replace, base=place.folder
            )
            came = deliver_once(spot, memory, again=again)
            part = document.part
            checked = "size sha256" if came.how == FOUND else came.staged.checked
            tag = "" if came.how == TAKEN else spot.etag()
            files.append(Landed(spot.path, part.size, part.sha256, checked, tag, before=came.before))
        return landed(files, server=place.client.where)

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""
