"""Delivering into folders of ours."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from ecluse.blobs.durable import NameTaken as DiskNameTaken
from ecluse.blobs.durable import NewFile, disk_errors, drop_parts, is_part
from ecluse.blobs.vault import VaultReader
from ecluse.channels.folder.beneath import down, open_file, open_root
from ecluse.channels.folder.inbox import Inbox, work_of
from ecluse.channels.folder.source import FolderPlace
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Document, Hub
from ecluse.exchange.port import Outcome, Sealed
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import Landed, UnfitName, file_names, folder_of, landed, target_of
from ecluse.model.basics import MessageId
from ecluse.model.nouns import Answer, Delivery, Message

__all__ = ["FolderChannel", "NoFolder", "OneFolder"]

_MODE: Final = 0o640
"""Permissions of delivered files: their group may read them, as applications of another user do."""
_STEP: Final = 1 << 20


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

    A document of a named folder keeps its name. Where an earlier attempt of the same delivery may have brought it, a
    file of that name with the same content is it; any other one is left as it is, unless replacing was agreed.

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
        if name == "inbox" and self._inbox is not None:
            before = [message.id] if delivery.attempts > 1 else []
            return _or_raise(self._inbox.deliver([message], before)[0])
        place = self._place(name)
        target = target_of(message)
        path = folder_of(target)
        replace = place.replace if target.replace is None else target.replace
        files = []
        with open_root(place.path, create=place.create) as root, down(root, path, create=True) as handle:
            assert handle is not None, "made where it is missing"
            work, again = work_of(message), delivery.attempts > 1
            if again:
                drop_parts(handle, work)
            folder = OneFolder(handle, replace=replace, again=again, work=work)
            for name, document in zip(file_names(message), self._hub.documents(message), strict=True):
                folder.put(name, document)
                part = document.part
                files.append(Landed(f"{path}/{name}" if path else name, part.size, part.sha256))
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


class OneFolder:
    """An open folder that documents are put into.

    Args:
        handle: It.
        replace: A document may take the place of a file of the same name.
        again: An earlier attempt may have put them there.
        work: What the names of unfinished files say.
    """

    def __init__(self, handle: int, *, replace: bool, again: bool, work: str = "") -> None:
        self._handle = handle
        self._replace = replace
        self._again = again
        self._work = work

    def put(self, name: str, document: Document) -> None:
        """Return when the document lies durably under ``name``. See :meth:`FolderChannel.deliver`."""
        if is_part(name):
            raise UnfitName(f"The name {name} is one of those that unfinished files have here.")
        if self._again and self._holds(name, document):
            return
        new = NewFile(name, _MODE, over=self._replace, at=self._handle, work=self._work)
        try:
            for chunk in document.chunks(_STEP):
                new.write(chunk)
        except BaseException:
            new.abort()
            raise
        try:
            new.commit()
        except DiskNameTaken:
            if not (self._again and self._holds(name, document)):
                raise NameTaken(f"There is another file {name} already.") from None

    def _holds(self, name: str, document: Document) -> bool:
        """Whether the same content lies there, durably: an earlier attempt may have been cut before its last fsync."""
        found = open_file(self._handle, name)
        if found is None:
            return False
        handle, status = found
        try:
            if status.st_size != document.part.size:
                return False
            digest = hashlib.sha256()
            with disk_errors(name):
                while data := os.read(handle, _STEP):
                    digest.update(data)
                if digest.hexdigest() != document.part.sha256:
                    return False
                os.fsync(handle)
                os.fsync(self._handle)
                return True
        finally:
            os.close(handle)
