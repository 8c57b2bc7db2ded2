"""Collecting from a folder: the suite, and what only a file system can do to its reader."""

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.remotes import RemoteConformance, take

from ecluse.channels.folder.beneath import FolderMissing, NotAFolder, UnsafePath
from ecluse.channels.folder.source import MAX_DEPTH, FolderPlace, FolderRemote, FolderSource, TooDeep
from ecluse.exchange.remote import FileGone, InUse, NameTaken, Remote, RemoteFile
from ecluse.model.basics import Instant


@dataclass
class FolderFar:
    folder: Path
    odd_names: tuple[str, ...] = (
        "new\nline",
        "back\\slash",
        "e\u0301 and \u00e9",
        "\u202etxt.exe",
        "nul",
        " dots. ",
        'a:b*c?"',
    )
    many: int = 20_000

    def open(self) -> Remote:
        return FolderSource(lambda name: FolderPlace(self.folder)).open("orders")

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True)
        with open(file, "wb") as out:
            out.write(data)

    def content(self, path: str) -> bytes | None:
        file = self.folder / path
        return file.read_bytes() if file.exists() else None


class TestFolder(RemoteConformance):
    @pytest.fixture
    def far(self, tmp_path: Path) -> FolderFar:
        return FolderFar(tmp_path)


def test_links_pipes_devices_and_sockets_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder-link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folder / "socket"))
    (folder / "plain").write_text("plain")
    (folder / ".half.0011.part").write_text("hal")
    with FolderRemote(folder) as remote:
        assert [file.path for file in remote.files("", recursive=True)] == ["plain"]
        for name in ("link", "pipe", "socket"):
            forged = RemoteFile(name, 6, Instant(0), str(os.lstat(folder / name).st_mtime_ns))
            with pytest.raises(FileGone):
                list(remote.read(forged))
        with pytest.raises(NotAFolder):
            list(remote.files("folder-link"))
        with pytest.raises(NotAFolder):
            list(remote.read(RemoteFile("folder-link/file", 1, Instant(0), "1")))
        with pytest.raises(NotAFolder):
            remote.move(take(remote, "plain"), "folder-link")
    assert (folder / "plain").exists()


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "a//b", ".", "..", "a/\0"])
def test_a_path_that_leads_out_is_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    forged = RemoteFile(path, 6, Instant(0), str((tmp_path / "secret").stat().st_mtime_ns))
    with FolderRemote(tmp_path / "in") as remote:
        for use in (
            lambda: list(remote.read(forged)),
            lambda: remote.delete(forged),
            lambda: remote.move(forged, "done"),
            lambda: list(remote.files(path)),
        ):
            with pytest.raises(UnsafePath):
                use()
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("not!")
    with FolderRemote(folder) as remote:
        file = take(remote, "deep/file")
        os.utime(tmp_path / "outside" / "file", ns=(0, int(file.tag)))
        (folder / "deep").rename(folder / "away")
        (folder / "deep").symlink_to(tmp_path / "outside")
        for use in (
            lambda: list(remote.read(file)),
            lambda: remote.delete(file),
            lambda: remote.move(file, "done"),
        ):
            with pytest.raises(NotAFolder):
                use()
    assert (tmp_path / "outside" / "file").read_text() == "not!"


def test_a_file_that_grows_while_it_is_read_is_another(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 << 20))
    with FolderRemote(tmp_path) as remote:
        reading = remote.read(take(remote, "file"))
        next(reading)
        with open(tmp_path / "file", "ab") as more:
            more.write(b"more")
        with pytest.raises(FileGone):
            list(reading)


def test_a_move_that_was_cut_after_its_link_is_finished(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "done").mkdir()
    with FolderRemote(tmp_path) as remote:
        file = take(remote, "file")
        os.link(tmp_path / "file", tmp_path / "done" / "file")
        remote.move(file, "done")
    assert [path.name for path in tmp_path.rglob("file")] == ["file"]
    assert (tmp_path / "done" / "file").read_text() == "x"


def test_a_link_in_the_way_of_a_move_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "file").symlink_to(tmp_path / "nothing")
    with FolderRemote(tmp_path) as remote, pytest.raises(NameTaken):
        remote.move(take(remote, "file"), "done")
    assert not (tmp_path / "nothing").exists()


def test_folders_in_folders_without_end_are_refused(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(MAX_DEPTH + 2):
        folder = folder / "d"
    folder.mkdir(parents=True)
    with FolderRemote(tmp_path) as remote, pytest.raises(TooDeep):
        list(remote.files("", recursive=True))


def test_names_that_are_not_utf8_are_left_out(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9", "wb"):
        pass
    (tmp_path / "café").write_text("x")
    with FolderRemote(tmp_path) as remote:
        assert [file.path for file in remote.files("")] == ["café"]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing):
        FolderRemote(tmp_path / "none")
    with FolderRemote(tmp_path / "none" / "deep", create=True) as remote:
        assert list(remote.files("")) == []


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}").write_text("x")
    (tmp_path / "sub").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with FolderRemote(tmp_path) as remote:
        for file in list(remote.files("", recursive=True)):
            reading = remote.read(file)
            next(reading)
            reading.close()
            remote.move(file, "sub")
            remote.delete(take(remote, f"sub/{file.name}"))
        listing = remote.files("", recursive=True)
        next(listing, None)
        listing.close()
    assert len(os.listdir("/proc/self/fd")) == before


class TestFilesInUse:
    """A program that has made a file, and has not written all of it."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path

    @staticmethod
    def listed(remote: Remote) -> RemoteFile:
        (file,) = remote.files("")
        return file

    def test_they_are_not_taken_until_they_are_closed(self, folder: Path) -> None:
        with FolderRemote(folder) as remote:
            with open(folder / "a", "wb", buffering=0) as out:
                out.write(b"half")
                with pytest.raises(InUse):
                    b"".join(remote.read(self.listed(remote)))
            assert b"".join(remote.read(self.listed(remote))) == b"half"

    def test_they_are_neither_deleted_nor_moved(self, folder: Path) -> None:
        (folder / "a").write_bytes(b"whole")
        with FolderRemote(folder) as remote:
            file = self.listed(remote)
            with open(folder / "a", "ab"):
                with pytest.raises(InUse):
                    remote.delete(file)
                with pytest.raises(InUse):
                    remote.move(file, "done")
            assert (folder / "a").read_bytes() == b"whole"
            remote.move(file, "done")
            assert [path.name for path in folder.iterdir()] == ["done"]

    def test_who_opens_it_while_it_is_read_is_seen(self, folder: Path) -> None:
        (folder / "a").write_bytes(bytes(3 << 20))
        with FolderRemote(folder) as remote:
            octets = remote.read(self.listed(remote))
            next(octets)
            with open(folder / "a", "ab"), pytest.raises(InUse):
                list(octets)

    def test_readers_do_not_count(self, folder: Path) -> None:
        (folder / "a").write_bytes(b"whole")
        with FolderRemote(folder) as remote, open(folder / "a", "rb"):
            assert b"".join(remote.read(self.listed(remote))) == b"whole"

    @pytest.mark.parametrize("why", [errno.EACCES, errno.EINVAL, errno.ENOLCK])
    def test_where_nobody_can_tell_it_is_taken(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, why: int
    ) -> None:
        def refuse(*_: object) -> int:
            raise OSError(why, "refused")

        (folder / "a").write_bytes(b"whole")
        monkeypatch.setattr("ecluse.channels.folder.source.fcntl.fcntl", refuse)
        with FolderRemote(folder) as remote:
            assert b"".join(remote.read(self.listed(remote))) == b"whole"

    def test_leases_of_network_file_systems_say_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ecluse.channels.folder.source.is_remote", lambda path: True)
        with FolderRemote(folder) as remote, open(folder / "a", "wb", buffering=0) as out:
            out.write(b"whole")
            assert b"".join(remote.read(self.listed(remote))) == b"whole"
