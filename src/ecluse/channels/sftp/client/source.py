"""COLLECT over SFTP: what lies in the partner's folders, listed page by page and read in flat memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from ecluse.channels.sftp.client.channel import base_of, note_host_key, note_spoken
from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import HostKeyChanged, NoSuchPlace, gone, of_status
from ecluse.channels.sftp.client.pool import Links
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.relation import Relation
from ecluse.channels.sftp.client.steps import join, make_folders, octets_of, rename_free
from ecluse.channels.sftp.client.transfer import Download
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.hub import Hub
from ecluse.exchange.remote import NameTaken, Remote, RemoteFile, Source
from ecluse.model.basics import Instant
from ecluse.model.paths import MAX_NAME
from ecluse.trust.directory import Directory
from ecluse.trust.secrets import ResolveSecret
from ecluse.wire.sftp.answers import Entry, FileFacts
from ecluse.wire.sftp.requests import READ

__all__ = ["EndlessListing", "SftpRemote", "SftpSource"]

MAX_NAMES: Final = 10_000_000
"""Names of one listing: as many as the largest account of ours may hold. Pages without a name count too."""
MAX_DEPTH: Final = 32
"""Folders within folders; what lies deeper is left alone."""
MAX_FOLDERS: Final = 100_000
"""Folders that wait to be listed: some ten megabytes."""
_EXAMPLES: Final = 5


class EndlessListing(EcluseError):
    """A server lists more than any folder holds."""

    code = "sftp.endless-listing"
    fault = Fault.PARTNER
    remedy = "Ask the partner to clear the folder; the hub looks again."


class SftpSource:
    """Partners' SFTP servers as places that files are collected from.

    Args:
        hub: What the chamber shares.
        directory: Gives the partners as they stand now.
        secret: From references to secrets.
        links: Connections kept for reuse.
    """

    kind = "sftp"

    def __init__(
        self, hub: Hub, directory: Callable[[], Directory], secret: ResolveSecret, links: Links
    ) -> None:
        self._hub = hub
        self._directory = directory
        self._secret = secret
        self._links = links
        self._told: dict[str, list[str]] = {}

    def open(self, name: str) -> SftpRemote:
        """Connect to the server of a partner."""
        directory = self._directory()
        partner = directory.check_active(directory.partner(name))
        relation = Relation(directory, partner, self._secret, self._hub.clock())
        try:
            link = self._links.take(relation.key, relation.route)
        except HostKeyChanged as error:
            note_host_key(self._hub, relation, error)
            raise
        note_spoken(self._hub, relation, link)
        return SftpRemote(self._links, relation, link, lambda names, count: self._skip(name, names, count))

    def _skip(self, partner: str, names: list[str], count: int) -> None:
        """Tell of names that can't be collected, once for as long as they stay the same."""
        if self._told.get(partner) == names:
            return
        self._told[partner] = names
        facts = {"names": names, "count": count}
        self._hub.store.write(lambda tx: self._hub.event(tx, "partner.names-skipped", partner, facts))


class SftpRemote:
    """One connection to a partner's server. See :class:`~ecluse.exchange.remote.Remote`.

    Args:
        links: Runs the connection, and takes it back.
        relation: What the partner's file amounts to.
        link: The connection.
        skipped: Told of names that can't be collected: some of them, and how many.
    """

    def __init__(
        self, links: Links, relation: Relation, link: Link, skipped: Callable[[list[str], int], None]
    ) -> None:
        self._links = links
        self._loop = links.loop
        self._relation = relation
        self._link: Link | None = link
        self._skipped = skipped
        self._base = base_of(relation.settings.folder, link)

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """See the port."""
        session = self._open.session
        odd: list[str] = []
        count = left = 0
        folders = [(folder.strip("/"), 0)]
        while folders:
            below, depth = folders.pop()
            try:
                handle = self._loop.call(session.open_folder(octets_of(self._path(below))))
            except NoSuchPlace:
                continue
            ahead = self._loop.begin(session.read_folder(handle))
            try:
                while True:
                    page, ahead = ahead, self._loop.begin(session.read_folder(handle))
                    entries = page.result()
                    if entries is None:
                        break
                    left += len(entries) or 1
                    if left > MAX_NAMES:
                        raise EndlessListing(f"The folder {below or self._base} has no end of names.")
                    for entry in entries:
                        name = _name_of(entry)
                        if name is None:
                            count += entry.name not in (b".", b"..")
                            if entry.name not in (b".", b"..") and len(odd) < _EXAMPLES:
                                odd.append(repr(entry.name[:100])[2:-1])
                            continue
                        path = join(below, name)
                        if entry.facts.folder:
                            if recursive and depth < MAX_DEPTH and len(folders) < MAX_FOLDERS:
                                folders.append((path, depth + 1))
                        elif entry.facts.plain:
                            facts = entry.facts if entry.facts.size is not None else self._look(path)
                            if facts is not None and facts.plain and facts.size is not None:
                                yield _file(path, facts)
            finally:
                if session.alive:  # what comes of it nobody waits for
                    self._loop.begin(session.close(handle, "end a listing"))
        if count:
            self._skipped(odd, count)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """See the port."""
        path = octets_of(self._path(file.path))
        rate = self._links.rate(self._relation.partner.id, self._relation.rate)
        reading = _Reading(self._open, path, rate)
        try:
            if not _same(file, self._loop.call(reading.begin(file.size))):
                raise gone(file.path)
            while octets := self._loop.call(reading.next()):
                yield octets
            # Written while it was read, cut or replaced: then what was read is no one's document.
            if not all(_same(file, facts) for facts in self._loop.call(reading.end())):
                raise gone(file.path)
        except NoSuchPlace:
            raise gone(file.path) from None
        finally:
            if reading.open:
                self._loop.call(reading.close())

    def delete(self, file: RemoteFile) -> None:
        """See the port."""
        facts = self._look(file.path)
        if facts is None:
            return
        if not _same(file, facts):
            raise gone(file.path)
        self._loop.call(self._open.session.remove(octets_of(self._path(file.path))))

    def move(self, file: RemoteFile, folder: str) -> None:
        """See the port. One that an earlier try has moved already is no error."""
        link = self._open
        below = folder.strip("/")
        target = join(below, file.name)
        facts = self._look(file.path)
        if facts is None:
            if _same(file, self._look(target)):
                return
            raise gone(file.path)
        if not _same(file, facts):
            raise gone(file.path)
        path, final = octets_of(self._path(file.path)), octets_of(self._path(target))
        renamed = self._loop.call(rename_free(link, path, final))
        if not renamed.how and self._look(target) is None:
            names = below.split("/")
            made = tuple(self._path("/".join(names[: n + 1])) for n in range(len(names)))
            self._loop.call(make_folders(link.session, made))
            renamed = self._loop.call(rename_free(link, path, final))
        if renamed.how:
            return
        if self._look(target) is not None or renamed.status is None:
            raise NameTaken(f"The partner's server has another file named {target}.")
        raise of_status(renamed.status, f"move {file.path} to {folder}")

    def close(self) -> None:
        """Leave the connection for others. At any time, also twice."""
        link, self._link = self._link, None
        if link is not None:
            self._links.give(self._relation.key, link)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _open(self) -> Link:
        assert self._link is not None, "nothing is asked of a closed remote"
        return self._link

    def _path(self, below: str) -> str:
        return join(self._base, below) if below else self._base

    def _look(self, below: str) -> FileFacts | None:
        return self._loop.call(self._open.session.lstat(octets_of(self._path(below))))


class _Reading:
    """One file that is read, in as few round trips as may be: what need not be waited for is asked along.

    Args:
        link: The connection.
        path: Of the file.
        rate: Octets a second.
    """

    def __init__(self, link: Link, path: bytes, rate: Rate) -> None:
        self._link = link
        self._session = link.session
        self._path = path
        self._rate = rate
        self._handle: bytes | None = None
        self._download: Download | None = None

    @property
    def open(self) -> bool:
        """Whether there is something to be closed."""
        return self._handle is not None and self._session.alive

    async def begin(self, size: int) -> FileFacts:
        """Open it, and ask what it is and for its first octets."""
        session = self._session
        handle = self._handle = await session.open(self._path, READ, "read the file")
        download = self._download = Download(session, handle, size, self._link.window, self._rate)
        facts, _ = await asyncio.gather(session.fstat(handle), download.ask_ahead())
        return facts

    async def next(self) -> bytes:
        """See :meth:`Download.next`."""
        assert self._download is not None, "it was begun"
        return await self._download.next()

    async def end(self) -> tuple[FileFacts | None, FileFacts | None]:
        """What the open file is after all, and what its name leads to; the first is ``None`` where it was cut short."""
        assert self._handle is not None, "it was begun"
        assert self._download is not None, "it was begun"
        session, handle, self._handle = self._session, self._handle, None
        last, there, _ = await asyncio.gather(
            session.fstat(handle), session.lstat(self._path), session.close(handle)
        )
        return None if self._download.short else last, there

    async def close(self) -> None:
        """Give it back without a word more."""
        handle, self._handle = self._handle, None
        if handle is not None:
            await self._session.close(handle)


def _name_of(entry: Entry) -> str | None:
    """A name that can be asked for again and shown; ``None`` for any other, and for the folder itself."""
    if entry.name in (b"", b".", b"..") or len(entry.name) > MAX_NAME:
        return None
    try:
        name = entry.name.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return name if name.isprintable() and "/" not in name else None


def _file(path: str, facts: FileFacts) -> RemoteFile:
    modified = None if facts.modified is None else Instant(facts.modified * 1_000_000)
    return RemoteFile(path, facts.size or 0, modified)


def _same(file: RemoteFile, facts: FileFacts | None) -> bool:
    """Whether a file is still the one that was listed, as far as the server tells."""
    if facts is None or not facts.plain:
        return False
    if facts.size not in (None, file.size):
        return False
    return None in (facts.modified, file.modified) or facts.modified == (file.modified or 0) // 1_000_000


_: tuple[type[Source], type[Remote]] = (SftpSource, SftpRemote)
