"""Delivering into folders of ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ecluse.blobs.vault import VaultReader
from ecluse.channels.folder.beneath import down, open_root
from ecluse.channels.folder.inbox import Inbox
from ecluse.channels.folder.source import FolderPlace
from ecluse.channels.folder.spot import FolderSpot
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.once import deliver_once
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remembered import Remembered
from ecluse.exchange.target import Landed, file_names, folder_of, landed, target_of
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Answer, Delivery, Message

__all__ = ["FolderChannel", "NoFolder"]


class NoFolder(EcluseError):
    """There is no folder of that name."""

    code = "folder.unknown"
    fault = Fault.OURS
    remedy = "Add [folders.NAME] with its path to ecluse.toml, or give the delivery up."


def no_folders(name: str) -> FolderPlace:
    """Where nothing is configured."""
    raise NoFolder(f"There is no folder {name}.")


class FolderChannel:
    """The application's inbox (``folder:inbox``), and the folders of ``[folders]`` (``folder:NAME``).

    A document of a named folder keeps its name, and appears there once; any other file of that name is left as it is,
    unless replacing was agreed. One of the inbox has a name that nothing else has.

    Args:
        hub: What the chamber shares.
        inbox: The application's folder, or ``None`` where there is none.
        place: Where the folder of a name is; raises :class:`~ecluse.errors.EcluseError` where there is none.
    """

    kind = "folder"

    def __init__(
        self, hub: Hub, inbox: Path | None, place: Callable[[str], FolderPlace] = no_folders
    ) -> None:
        self._hub = hub
        self._inbox = Inbox(hub, inbox) if inbox is not None else None
        self._place = place

    def seal(
        self, message: Message, documents: Iterator[Document], write: Callable[[bytes], None]
    ) -> Sealed | None:
        """Documents go as they are."""
        return None

    def deliver(self, message: Message, delivery: Delivery, sealed: VaultReader | None) -> Outcome:
        """Write each document durably under its name.

        Raises:
            NameTaken: Another file of that name is there.
            FolderMissing: The folder is not there.
            DiskError: The disk did not take it; nothing is visible of it.
        """
        name = delivery.channel.partition(":")[2]
        again = delivery.attempts > 1
        if name == "inbox" and self._inbox is not None:
            return _or_raise(self._inbox.deliver([message], [message.id] if again else [])[0])
        place = self._place(name)
        target = target_of(message)
        path = folder_of(target)
        replace = place.replace if target.replace is None else target.replace
        memory = Remembered(self._hub, message, delivery, str(place.path))
        files = []
        # Where something of it may lie there, a folder that is away (a disk that is not mounted) is not made anew.
        awaited = again and any(
            memory.left(f"{path}/{name}" if path else name) is not None for name in file_names(message)
        )
        with (
            open_root(place.path, create=place.create and not awaited) as root,
            down(root, path, create=True) as handle,
        ):
            assert handle is not None, "made where it is missing"
            documents = zip(file_names(message), self._hub.documents(message), strict=True)
            for number, (name, document) in enumerate(documents):
                where = f"{path}/{name}" if path else name
                work = f"{delivery.id[-12:]}{number}"
                spot = FolderSpot(handle, where, document, replace=replace, work=work)
                came = deliver_once(spot, memory, again=again)
                part = document.part
                files.append(Landed(where, part.size, part.sha256, before=came.before))
        return landed(files)

    def deposit(
        self, messages: Sequence[Message], again: Collection[MessageId]
    ) -> list[Outcome | EcluseError]:
        """Write the documents of several messages into the inbox, in one go.

        Args:
            messages: Whose.
            again: Those that were attempted before.

        Returns:
            For each message what :meth:`deliver` would give, or raise.
        """
        if self._inbox is None:
            return [NoFolder("There is no folder inbox.") for _ in messages]
        return self._inbox.deliver(messages, again)

    def open_received(self, message: Message) -> None:
        """Nothing comes in by this channel."""

    def send_answer(self, message: Message, answer: Answer) -> None:
        """Nothing is answered by this channel."""


def _or_raise(outcome: Outcome | EcluseError) -> Outcome:
    if isinstance(outcome, EcluseError):
        raise outcome
    return outcome
