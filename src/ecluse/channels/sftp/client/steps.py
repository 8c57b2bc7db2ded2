"""What both delivering and collecting ask of a server. Coroutines are for the loop's thread alone."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from ecluse.channels.sftp.client.connect import Link
from ecluse.channels.sftp.client.errors import of_status
from ecluse.channels.sftp.client.rate import Rate
from ecluse.channels.sftp.client.session import Session
from ecluse.channels.sftp.client.transfer import Download
from ecluse.errors import EcluseError
from ecluse.wire.sftp.answers import Status
from ecluse.wire.sftp.requests import READ

__all__ = [
    "Renamed",
    "digest_of",
    "join",
    "make_folders",
    "octets_of",
    "remove_all",
    "rename_free",
    "same_file",
]


def join(folder: str, name: str) -> str:
    """A path below a folder."""
    return f"{folder.rstrip('/')}/{name}" if folder not in ("", ".") else name


def octets_of(path: str) -> bytes:
    """A path as it goes over the wire."""
    return path.encode("utf-8", "surrogateescape")


async def remove_all(session: Session, paths: list[bytes]) -> None:
    """Remove what is there of these, all asked at once; what can't be is left."""
    if session.alive:
        await asyncio.gather(*(session.remove(path) for path in paths), return_exceptions=True)


async def make_folders(session: Session, paths: tuple[str, ...]) -> None:
    """Make folders, the outermost first; one that is there already is no error.

    Raises:
        EcluseError: The innermost is not there afterwards.
    """
    status = Status(0, 0, b"")
    for path in paths:
        status = await session.make_folder(octets_of(path))
    if status.code and await session.stat(octets_of(paths[-1])) is None:
        raise of_status(status, f"make the folder {paths[-1]}")


@dataclass(frozen=True, slots=True)
class Renamed:
    """How giving a file a name that nobody has went.

    Attributes:
        how: ``hardlink`` or ``rename``; empty where it has not got it.
        status: The server's refusal; ``None`` where the name was seen to be taken.
        left_over: It has the name, and its former one too.
    """

    how: str
    status: Status | None = None
    left_over: bool = False


async def rename_free(link: Link, path: bytes, final: bytes) -> Renamed:
    """Give a file a name, never another file's.

    Version 3's rename is to fail where there is a file of that name (s6.5). OpenSSH's does, by a link; with another
    server a link is made where it can be, and else the name is looked at first, which leaves a moment in which
    somebody may take it.
    """
    session = link.session
    if session.links and not link.renames_safely:
        status = await session.link(path, final)
        if status.code == 0:
            try:
                await session.remove(path)
            except EcluseError:
                # It has appeared: what is left to do must not make it appear again.
                return Renamed("hardlink", left_over=True)
            return Renamed("hardlink")
    if not link.renames_safely and await session.lstat(final) is not None:
        return Renamed("")
    status = await session.rename(path, final)
    return Renamed("rename" if status.code == 0 else "", status)


async def same_file(session: Session, path: bytes, other: bytes) -> bool:
    """Whether two names lead to one file (a hard link): its time is changed by one name, and shows by the other.

    Version 3 tells no inode. Where the server does not let us change the time of our own file, they are two.
    """
    before, beside = await session.lstat(path), await session.lstat(other)
    if before is None or beside is None or before.modified is None or before.modified != beside.modified:
        return False
    moved = before.modified ^ 1
    status = await session.set_times(path, moved)
    after = await session.lstat(other)
    return status.code == 0 and after is not None and after.modified == moved


async def digest_of(link: Link, path: str, size: int, rate: Rate) -> bytes:
    """SHA-256 of a file of the partner's: asked for where the server tells it, else read back.

    A file that is not of this size has a digest that fits nothing.
    """
    session = link.session
    if session.digests:
        told = await session.digest(octets_of(path))
        if told is not None:
            return told
    handle = await session.open(octets_of(path), READ, "read the file back")
    digest = hashlib.sha256()
    download = Download(session, handle, size, link.window, rate)
    while octets := await download.next():
        digest.update(octets)
    facts = await session.fstat(handle)
    await session.close(handle)
    return digest.digest() if not download.short and facts.size in (None, size) else b""
