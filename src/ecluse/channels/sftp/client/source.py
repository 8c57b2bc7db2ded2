"""COLLECT over SFTP: what lies in the partner's folders, listed page by page and read in flat memory."""

from __future__ import annotations

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
            try:
                while (page := self._loop.call(session.read_folder(handle))) is not None:
                    left += len(page) or 1
                    if left > MAX_NAMES:
                        raise EndlessListing(f"The folder {below or self._base} has no end of names.")
                    for entry in page:
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
                if session.alive:
                    self._loop.call(session.close(handle, "end a listing"))
        if count:
            self._skipped(odd, count)

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """See the port."""
        link = self._open
        session = link.session
        try:
            handle = self._loop.call(session.open(octets_of(self._path(file.path)), READ, "read the file"))
        except NoSuchPlace:
            raise gone(file.path) from None
        try:
            if not _same(file, self._loop.call(session.fstat(handle))):
                raise gone(file.path)
            rate = self._links.rate(self._relation.partner.id, self._relation.rate)
            download = self._loop.call(_download(link, handle, file.size, rate))
            while octets := self._loop.call(download.next()):
                yield octets
            # Written while it was read, cut or replaced: then what was read is no one's document.
            if download.short or not _same(file, self._loop.call(session.fstat(handle))):
                raise gone(file.path)
            if not _same(file, self._look(file.path)):
                raise gone(file.path)
        finally:
            if session.alive:
                self._loop.call(session.close(handle))

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


async def _download(link: Link, handle: bytes, size: int, rate: Rate) -> Download:
    return Download(link.session, handle, size, link.window, rate)


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
