"""What every channel that delivers files does where attempts die: the far ends of the suite, and who kills.

A far end is where documents land, as its owner sees it. ``Killed`` passes through everything as the end of a process
does: whatever the channel held in memory is given up with it, as the next attempt is made by another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest
from tests.support.buckets import peer_access, put_object, s3_objects
from tests.support.fake_sftp import FakeSsh
from tests.support.ftp_places import changed, foreign
from tests.support.proftpd_sftp import Proftpd
from tests.support.sftp_world import World
from tests.support.sshd import Sshd
from tests.support.webdav import DavFar, dav_far

from ecluse.channels.bucket.channel import BucketChannel
from ecluse.channels.bucket.places import BucketPlace
from ecluse.channels.bucket.s3 import S3Access
from ecluse.channels.folder.channel import FolderChannel
from ecluse.channels.folder.source import FolderPlace
from ecluse.channels.ftps.client import channel as ftps_channel
from ecluse.channels.ftps.client.channel import FtpsChannel
from ecluse.channels.ftps.client.place import Place
from ecluse.channels.sftp.client.channel import SftpChannel
from ecluse.channels.webdav.channel import WebDavChannel
from ecluse.channels.webdav.client import DavClient
from ecluse.channels.webdav.places import WebDavPlace
from ecluse.exchange.hub import Hub
from ecluse.exchange.once import Staged
from ecluse.exchange.port import Channel
from ecluse.exchange.remembered import Remembered

__all__ = ["FARS", "NAME", "FarEnd", "Killed", "far_end", "killed"]

NAME = "orders.edi"
"""Of the document that most tests send."""


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed(patch: pytest.MonkeyPatch, when: str) -> Iterator[None]:
    """The hub dies ``before`` or ``after`` it has written down that a document is about to appear."""
    remember = Remembered.remember

    def dies(self: Remembered, path: str, staged: Staged) -> None:
        if when == "after":
            remember(self, path, staged)
        raise Killed

    with patch.context() as inner:
        inner.setattr(Remembered, "remember", dies)
        with pytest.raises(Killed):
            yield


class FarEnd(Protocol):
    """Attributes:
    channel_name: As a delivery names it.
    """

    channel_name: str

    def channel(self, hub: Hub, *, replace: bool = False) -> Channel:
        """Another process's."""

    def put(self, name: str, data: bytes) -> None:
        """What anybody else does."""

    def all(self) -> dict[str, bytes]:
        """Everything that lies there, files that are not finished among it."""

    def take(self, name: str) -> bytes | None:
        """The reader fetches a file: it is not there any more."""

    def drop_upload(self, name: str) -> None:
        """The bucket's rules end an upload in parts."""


@dataclass
class _Files:
    """A folder of this machine that a server serves, or none."""

    folder: Path
    channel_name: str
    make: Callable[[Hub, bool], Channel]

    def channel(self, hub: Hub, *, replace: bool = False) -> Channel:
        return self.make(hub, replace)

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)
        (self.folder / name).chmod(0o666)

    def all(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}

    def take(self, name: str) -> bytes | None:
        path = self.folder / name
        if not path.exists():
            return None
        data = path.read_bytes()
        path.unlink()
        return data

    def drop_upload(self, name: str) -> None:
        raise AssertionError("no bucket")


@dataclass
class _Dav:
    """rclone does not see what is done behind its back: all goes by the server."""

    far: DavFar
    channel_name: str = "webdav:birch"
    client: DavClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = DavClient(self.far.access)

    def channel(self, hub: Hub, *, replace: bool = False) -> Channel:
        return WebDavChannel(hub, lambda name: WebDavPlace(DavClient(self.far.access), "in", replace))

    def put(self, name: str, data: bytes) -> None:
        self.client.make_folders("in")
        self.client.put(f"in/{name}", "text/plain", len(data), [data])

    def all(self) -> dict[str, bytes]:
        return {name: self._read(name) for name, each in self.client.list("in") if not each.folder}

    def take(self, name: str) -> bytes | None:
        if self.client.look(f"in/{name}") is None:
            return None
        data = self._read(name)
        self.client.delete(f"in/{name}")
        return data

    def drop_upload(self, name: str) -> None:
        raise AssertionError("no bucket")

    def _read(self, name: str) -> bytes:
        with self.client.read(f"in/{name}") as answer:
            return b"".join(answer.chunks())


@dataclass
class _Bucket:
    access: S3Access
    channel_name: str = "s3:birch"

    def channel(self, hub: Hub, *, replace: bool = False) -> Channel:
        return BucketChannel("s3", hub, lambda name: BucketPlace(s3_objects(self.access), replace=replace))

    def put(self, name: str, data: bytes) -> None:
        put_object(self.access, name, data)

    def all(self) -> dict[str, bytes]:
        store = s3_objects(self.access)
        there = {each.key: b"".join(store.read(each.key, each.etag)) for each in store.list("", deep=True)}
        with store.call("GET", "", {"uploads": ""}) as answer:
            left = re.findall(rb"<UploadId>([^<]+)<", answer.read())
        return there | {f"upload {id.decode()}": b"" for id in left}

    def drop_upload(self, name: str) -> None:
        s3_objects(self.access).drop(NAME, name.removeprefix("upload "))

    def take(self, name: str) -> bytes | None:
        store = s3_objects(self.access)
        found = store.look(name)
        if found is None:
            return None
        data = b"".join(store.read(name, found.etag))
        store.delete(name, found.etag)
        return data


FARS = [
    pytest.param("folder"),
    pytest.param("vsftpd", marks=pytest.mark.peer("vsftpd")),
    pytest.param("proftpd", marks=pytest.mark.peer("proftpd")),
    pytest.param("openssh", marks=pytest.mark.peer("sshd")),
    pytest.param("proftpd-sftp", marks=pytest.mark.peer("proftpd", "root")),
    pytest.param("asyncssh"),
    pytest.param("wsgidav", marks=pytest.mark.peer("wsgidav")),
    pytest.param("rclone-dav", marks=pytest.mark.peer("rclone")),
    pytest.param("swift", marks=pytest.mark.peer("s3")),
    pytest.param("rclone-s3", marks=pytest.mark.peer("rclone")),
    pytest.param("moto", marks=pytest.mark.peer("moto_server")),
]
"""OpenSSH renames by a link of its own, proftpd after a look, and to asyncssh's server we send the link."""


@contextmanager
def far_end(kind: str, tmp: Path, patch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    """One of :data:`FARS`, empty."""
    with ExitStack() as stack:
        if kind == "folder":
            folder = tmp / "far"
            folder.mkdir()
            yield _Files(
                folder,
                "folder:orders",
                lambda hub, replace: FolderChannel(
                    hub, None, lambda name: FolderPlace(folder, replace=replace)
                ),
            )
        elif kind in ("vsftpd", "proftpd"):
            far = stack.enter_context(foreign(kind, tmp))
            yield _Files(
                far.server.folder, "ftps:birch", lambda hub, replace: _ftps(patch, far.place, hub, replace)
            )
        elif kind in ("openssh", "proftpd-sftp", "asyncssh"):
            server = _ssh(kind, tmp)
            stack.enter_context(server)
            world = stack.enter_context(World(tmp / "world"))

            def sftp(hub: Hub, replace: bool) -> Channel:
                world.reach(server, "replace = true" if replace else "")
                return SftpChannel(hub, lambda: world.directory, world.secret, world.links)

            yield _Files(server.files, "sftp:birch", sftp)
        elif kind in ("wsgidav", "rclone-dav"):
            dav = _Dav(dav_far(kind.removesuffix("-dav")))
            dav.client.make_folders("in")
            yield dav
        else:
            peer = {"swift": "s3", "rclone-s3": "rclone", "moto": "moto_server"}[kind]
            yield _Bucket(peer_access(peer))


def _ftps(patch: pytest.MonkeyPatch, place: Place, hub: Hub, replace: bool) -> Channel:
    where = changed(place, replace=replace)
    patch.setattr(ftps_channel, "place_of", lambda *_: where)
    directory = SimpleNamespace(partner=lambda _: None)
    return FtpsChannel(hub, lambda: directory)  # type: ignore[arg-type, return-value]


def _ssh(kind: str, tmp: Path):  # type: ignore[no-untyped-def]
    if kind == "openssh":
        return Sshd(tmp / "server")
    if kind == "proftpd-sftp":
        (tmp / "server").mkdir()
        return Proftpd(tmp / "server")
    files = tmp / "files"
    files.mkdir()
    server = FakeSsh(files=files)
    server.files = files  # type: ignore[attr-defined]
    return server
