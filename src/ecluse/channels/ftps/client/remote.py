"""Collecting from a partner's FTP server: list, read, delete, move."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import IO, Final, Self, cast

import structlog

from ecluse.channels.ftps.client.errors import ListingTooLong, ServerRefused
from ecluse.channels.ftps.client.line import Line
from ecluse.channels.ftps.client.place import place_of
from ecluse.exchange.remote import FileGone, NameTaken, RemoteFile
from ecluse.model.basics import Clock, Instant
from ecluse.trust.directory import Directory
from ecluse.trust.sightings import Sightings
from ecluse.wire.ftp import MAX_ENTRY, FtpSyntaxError, Listed, parse_facts, parse_list, parse_time

__all__ = ["FtpsRemote", "FtpsSource", "exists", "joined", "size_of"]

MAX_DEPTH: Final = 32
"""Folders within folders that a recursive listing enters."""
MAX_FOLDERS: Final = 10_000
"""Folders that wait to be listed."""
HELD_LISTING: Final = 4 << 20
"""Octets of a listing that are held in memory, some 50,000 names; more of them wait in a file without a name."""
MAX_LISTING: Final = 1 << 30
"""Octets of one folder's listing, some ten million names: one without end would fill the disk."""

UNKNOWN: Final = frozenset({0, 500, 502, 504})
"""Replies of a server that has no such command, or answers it with something else (RFC 959 section 4.2)."""
_NO_SUCH: Final = frozenset({501, 550})
"""Replies to a listing of what is not there, or is no folder (RFC 3659 section 7.2.1)."""

_UNFIT: Final = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")
_log = structlog.get_logger("ecluse.ftps")


class FtpsSource:
    """Partners' FTP servers as a :class:`~ecluse.exchange.remote.Source`.

    Args:
        directory: Gives the partners as they stand now.
        clock: Time.
        sightings: Told of the servers' TLS.
    """

    kind = "ftps"

    def __init__(self, directory: Callable[[], Directory], clock: Clock, sightings: Sightings) -> None:
        self._directory = directory
        self._clock = clock
        self._sightings = sightings

    def open(self, name: str) -> FtpsRemote:
        """Connect to a partner's server. Raises as :func:`~ecluse.channels.ftps.client.place.place_of` does."""
        directory = self._directory()
        partner = directory.partner(name)
        line = Line(place_of(directory, partner, self._clock()))
        return FtpsRemote(
            line, self._clock, lambda: self._sightings.saw_all(partner.id, self.kind, line.seen)
        )


class FtpsRemote:
    """One connection, as a :class:`~ecluse.exchange.remote.Remote`.

    Args:
        line: The connection; it is closed with the remote.
        clock: Decides the years that LIST leaves out.
        closing: Called just before the connection is let go.
    """

    def __init__(self, line: Line, clock: Clock, closing: Callable[[], None] = lambda: None) -> None:
        self._line = line
        self._clock = clock
        self._closing = closing

    def files(self, folder: str, *, recursive: bool = False) -> Iterator[RemoteFile]:
        """What lies in a folder; see :class:`~ecluse.exchange.remote.Remote`.

        Servers with MLSD tell the exact time of each file. Others are asked for it file by file (MDTM): what LIST
        shows changes its form with age, and would make a new document of an old file.
        """
        waiting = [(folder.strip("/"), 0)]
        while waiting:
            here, depth = waiting.pop()
            for entry in self._there(here):
                path = joined(here, entry.name)
                if entry.kind == "file":
                    modified = None if entry.modified is None else Instant(entry.modified)
                    yield RemoteFile(path, entry.size, modified)
                elif recursive and entry.kind == "folder" and depth < MAX_DEPTH:
                    if len(waiting) >= MAX_FOLDERS:
                        raise ListingTooLong("There are too many folders.")
                    waiting.append((path, depth + 1))

    def _there(self, folder: str) -> Iterator[Listed]:
        """The entries of a folder; none where there is no such folder."""
        try:
            yield from self._entries(folder)
        except ServerRefused as error:
            if error.reply not in _NO_SUCH:
                raise

    def _entries(self, folder: str) -> Iterator[Listed]:
        line, path, now = self._line, self._path(folder), self._clock()
        facts = not line.features.isdisjoint(("MLSD", "MLST"))
        with _whole(line.download(path, listing="MLSD" if facts else "LIST")) as listing:
            for text in _lines(listing):
                entry = parse_facts(text) if facts else parse_list(text, now)
                if entry is None or (entry := _plain(entry)) is None:
                    continue
                if not facts and entry.kind == "file" and "MDTM" in line.features:
                    entry = replace(entry, modified=self._modified(joined(path, entry.name)))
                yield entry

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """The octets of a file, if it is still the one that was listed."""
        self._check(file)
        total = 0
        try:
            for block in self._line.download(self._path(file.path)):
                total += len(block)
                yield block
        except ServerRefused:
            if size_of(self._line, self._path(file.path)) is None:
                raise FileGone("The file is not there any more.") from None
            raise
        if total != file.size:
            raise FileGone(f"The file has {total} octets; it was listed with {file.size}.")

    def delete(self, file: RemoteFile) -> None:
        """Delete it, if it is still the one that was listed."""
        try:
            self._check(file)
        except FileGone:
            if not exists(self._line, self._path(file.path)):
                return
            raise
        self._line.command(f"DELE {self._path(file.path)}", "delete the file")

    def move(self, file: RemoteFile, folder: str) -> None:
        """Move it into a folder, never over another file: FTP has no rename that can't, so that a look before it
        has to do.
        """
        self._check(file)
        target = self._path(folder.strip("/"))
        self._make(target)
        new = joined(target, file.name)
        if exists(self._line, new):
            raise NameTaken(f"There is a file {file.name} in {folder} already.")
        self._line.commands([f"RNFR {self._path(file.path)}", f"RNTO {new}"], "move the file")

    def close(self) -> None:
        """Let the connection go."""
        self._closing()
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, path: str) -> str:
        return joined(self._line.place.folder, path)

    def _check(self, file: RemoteFile) -> None:
        """Raise :class:`FileGone` unless size and time are the ones that were listed."""
        path = self._path(file.path)
        size = size_of(self._line, path)
        if size is None:
            raise FileGone("The file is not there any more.")
        if size != file.size:
            raise FileGone("The file has another size by now.")
        if file.modified is not None and "MDTM" in self._line.features:
            modified = self._modified(path)
            if modified is not None and modified // 1_000_000 != file.modified // 1_000_000:
                raise FileGone("The file was written again.")

    def _modified(self, path: str) -> int | None:
        try:
            return parse_time(self._line.command(f"MDTM {path}", "ask for the file's time").text)
        except (ServerRefused, FtpSyntaxError):
            return None

    def _make(self, folder: str) -> None:
        made = ""
        for name in folder.split("/"):
            made = joined(made, name) if made or name else "/"
            try:
                self._line.command(f"MKD {made}", "make the folder")
            except ServerRefused:
                continue  # it is there; if not, the move says so


def joined(folder: str, name: str) -> str:
    """A path in a folder."""
    return f"{folder.rstrip('/')}/{name}" if folder.strip("/") else f"{folder}{name}"


def size_of(line: Line, path: str) -> int | None:
    """Octets of a file; ``None`` where there is none.

    Raises:
        ServerRefused: The server has no SIZE, answers what is no size, or can't tell at present.
    """
    try:
        # Servers that think in ASCII refuse SIZE then (RFC 3659 section 4), in the words of a file that is not there.
        reply = line.commands(["TYPE I", f"SIZE {path}"], "ask for the file's size")
    except ServerRefused as error:
        if error.reply in UNKNOWN or error.reply < 500:
            raise
        return None
    if not (reply.text.strip().isascii() and reply.text.strip().isdigit()):
        raise ServerRefused("The server answered SIZE with something else.")
    return int(reply.text)


def exists(line: Line, path: str) -> bool:
    """Whether there is a file."""
    return size_of(line, path) is not None


def _plain(entry: Listed) -> Listed | None:
    """An entry whose name is one: some servers list paths, or themselves. No command could carry the others."""
    name = entry.name.rstrip("/").rpartition("/")[2]
    if name in ("", ".", ".."):
        return None
    if _UNFIT.search(name):
        _log.warning("a name that can't be taken was passed over", name=ascii(name))
        return None
    return entry if name == entry.name else replace(entry, name=name)


def _whole(blocks: Iterator[bytes]) -> IO[bytes]:
    """A listing, read to its end: the connection is free for what is done with each name."""
    spool = tempfile.SpooledTemporaryFile(HELD_LISTING)  # noqa: SIM115 - the caller closes it
    size = 0
    try:
        for block in blocks:
            size += len(block)
            if size > MAX_LISTING:
                raise ListingTooLong(f"The listing of a folder is longer than {MAX_LISTING >> 20} MiB.")
            spool.write(block)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return cast(IO[bytes], spool)


def _lines(listing: IO[bytes]) -> Iterator[str]:
    while line := listing.readline(MAX_ENTRY + 2):
        if len(line) > MAX_ENTRY:
            raise ListingTooLong("A line of the listing is too long.")
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
