"""Collecting: the suite that every place passes, against OpenSSH and ProFTPD, and what is particular to SFTP."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support.proftpd_sftp import Proftpd
from tests.support.remotes import RemoteConformance, take
from tests.support.sftp_world import World
from tests.support.sshd import Sshd

from ecluse.channels.sftp.client import source
from ecluse.channels.sftp.client.source import SftpSource
from ecluse.exchange.remote import FileGone


class Far:
    """A server's folder as the partner sees it."""

    odd_names = ("back\\slash", "question?*<>|", "C:")
    many = 20_000

    def __init__(self, world: World, server) -> None:
        self.world = world
        self.files: Path = server.files
        self.owner = server.uid, server.gid
        self.source = SftpSource(world.hub, lambda: world.directory, world.secret, world.links)

    def open(self):
        return self.source.open("birch")

    def put(self, path: str, data: bytes) -> None:
        whole = self.files / path
        if not whole.parent.exists():
            whole.parent.mkdir(parents=True)
            for folder in (whole.parent, *whole.parent.parents):
                if folder.is_relative_to(self.files):
                    os.chown(folder, *self.owner)
        whole.write_bytes(data)

    def content(self, path: str) -> bytes | None:
        whole = self.files / path
        return whole.read_bytes() if whole.exists() else None


@pytest.fixture(scope="module")
def openssh(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def proftpd(tmp_path_factory):
    with Proftpd(tmp_path_factory.mktemp("proftpd")) as running:
        yield running


def far_side(tmp_path, server):
    shutil.rmtree(server.files)
    server.files.mkdir()
    os.chown(server.files, server.uid, server.gid)
    world = World(tmp_path / "hub")
    world.reach(server)
    return world, Far(world, server)


@pytest.mark.peer("sshd")
class TestOpenSsh(RemoteConformance):
    @pytest.fixture
    def far(self, tmp_path, openssh):
        world, far = far_side(tmp_path, openssh)
        with world:
            yield far

    def test_links_are_not_followed(self, far):
        far.put("in/real.txt", b"x")
        (far.files / "in/link.txt").symlink_to("real.txt")
        (far.files / "in/etc").symlink_to("/etc")
        with far.open() as remote:
            assert [file.path for file in remote.files("", recursive=True)] == ["in/real.txt"]

    def test_impossible_names_are_left_there_and_told_of_once(self, far):
        far.put("in/good.txt", b"x")
        for name in (b"\xff\xfe.txt", b"new\nline", b"esc\x1b[2J"):
            Path(os.fsdecode(bytes(far.files) + b"/in/" + name)).write_bytes(b"y")
        with far.open() as remote:
            assert [file.path for file in remote.files("in")] == ["in/good.txt"]
            assert [file.path for file in remote.files("in")] == ["in/good.txt"]
        events = far.world.events("birch")
        assert [(kind, facts["count"]) for kind, facts in events] == [("partner.names-skipped", 3)]

    def test_a_file_that_grows_while_it_is_read_is_not_taken(self, far):
        far.put("in/file.bin", bytes(3 << 20))
        with far.open() as remote:
            file = take(remote, "in/file.bin")
            reading = remote.read(file)
            next(reading)
            with (far.files / "in/file.bin").open("ab") as growing:
                growing.write(b"more")
            with pytest.raises(FileGone):
                list(reading)
            assert take(remote, "in/file.bin").size == (3 << 20) + 4

    def test_a_move_that_was_done_before_is_no_error(self, far):
        far.put("in/file.txt", b"x")
        with far.open() as remote:
            file = take(remote, "in/file.txt")
            remote.move(file, "done")
            remote.move(file, "done")
            assert far.content("done/file.txt") == b"x"

    def test_a_listing_has_an_end(self, far, monkeypatch):
        monkeypatch.setattr(source, "MAX_NAMES", 20)
        for number in range(30):
            far.put(f"in/{number}", b"")
        with far.open() as remote, pytest.raises(source.EndlessListing):
            list(remote.files("in"))


@pytest.mark.peer("proftpd", "root")
class TestProftpd(RemoteConformance):
    @pytest.fixture
    def far(self, tmp_path, proftpd):
        world, far = far_side(tmp_path, proftpd)
        far.many = 3000
        with world:
            yield far
