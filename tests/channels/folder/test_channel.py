"""Delivering into folders of ours: durable, under checked names, never over another file."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from tests.support.children import injected, needs_strace, traced
from tests.support.folder_worker import DATA, FORGETFUL, MUTANT, main
from tests.support.outbound import Sender, files_of

from ecluse.channels.folder.beneath import FolderMissing, NotAFolder
from ecluse.channels.folder.channel import FolderChannel, NoFolder
from ecluse.channels.folder.inbox import work_of
from ecluse.channels.folder.source import FolderPlace
from ecluse.durable import DiskError
from ecluse.errors import EcluseError, Fault
from ecluse.exchange.remote import NameTaken
from ecluse.exchange.target import UnfitName

WORKER = "tests.support.folder_worker"


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    return Sender(tmp_path / "hub")


def channel(sender: Sender, folder: Path, **place: bool) -> FolderChannel:
    return FolderChannel(sender.hub, None, lambda name: FolderPlace(folder, **place))


@pytest.mark.parametrize("data", [b"", b"small", bytes(range(256)) * 20_000], ids=["empty", "small", "large"])
def test_a_document_lies_there_once(sender: Sender, tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    to = channel(sender, folder)
    message = sender.message(("Bestellung 4711.edi", data), folder="orders/2026")
    (file,) = files_of(sender.deliver(to, "folder:orders", message))
    path = folder / "orders/2026/Bestellung 4711.edi"
    assert file == {
        "path": "orders/2026/Bestellung 4711.edi",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o007 == 0
    before = path.stat().st_ino
    (file,) = files_of(sender.deliver(to, "folder:orders", message))
    assert file["before"] is True
    assert (path.stat().st_ino, os.listdir(path.parent)) == (before, [path.name])


def test_never_over_another_file_unless_agreed(sender: Sender, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for theirs in (b"theirs", b"MINE"):
        (folder / "a.txt").write_bytes(theirs)
        with pytest.raises(NameTaken):
            sender.deliver(channel(sender, folder), "folder:orders", sender.message(("a.txt", b"mine")))
        assert (folder / "a.txt").read_bytes() == theirs
    sender.deliver(channel(sender, folder, replace=True), "folder:orders", sender.message(("a.txt", b"mine")))
    assert (folder / "a.txt").read_bytes() == b"mine"
    with pytest.raises(NameTaken):
        sender.deliver(
            channel(sender, folder, replace=True),
            "folder:orders",
            sender.message(("a.txt", b"newer"), replace=False),
        )
    assert os.listdir(folder) == ["a.txt"]


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", "..", ".", "nul", "x.", "a\nb", "a\0b", "a" * 300, "/etc/passwd", ".a.part"]
)
def test_a_name_that_is_none_is_refused(sender: Sender, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(UnfitName) as caught:
        sender.deliver(channel(sender, folder), "folder:orders", sender.message((name, b"x")))
    assert caught.value.fault is Fault.PERMANENT
    assert os.listdir(folder) == []


def test_links_inside_are_not_followed(sender: Sender, tmp_path: Path) -> None:
    folder, outside = tmp_path / "out", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    with pytest.raises(NotAFolder):
        sender.deliver(
            channel(sender, folder), "folder:orders", sender.message(("a.txt", b"x"), folder="link")
        )
    (folder / "a.txt").symlink_to(outside / "a.txt")
    with pytest.raises(NameTaken):
        sender.deliver(channel(sender, folder), "folder:orders", sender.message(("a.txt", b"x")))
    sender.deliver(channel(sender, folder, replace=True), "folder:orders", sender.message(("a.txt", b"x")))
    assert os.listdir(outside) == []
    assert not (folder / "a.txt").is_symlink()


def test_a_missing_folder_comes_back(sender: Sender, tmp_path: Path) -> None:
    folder = tmp_path / "share" / "out"
    message = sender.message(("a.txt", b"x"))
    with pytest.raises(FolderMissing) as caught:
        sender.deliver(channel(sender, folder), "folder:orders", message)
    assert caught.value.fault is Fault.TRANSIENT
    sender.deliver(channel(sender, folder, create=True), "folder:orders", message)
    assert (folder / "a.txt").read_bytes() == b"x"
    with pytest.raises(NoFolder):
        sender.deliver(FolderChannel(sender.hub, None), "folder:orders", message)


def test_documents_of_the_same_name_do_not_end_as_one(sender: Sender, tmp_path: Path) -> None:
    to = channel(sender, tmp_path / "out", create=True, replace=True)
    documents = [("3-a.txt", b"u"), ("A.txt", b"v"), ("a.txt", b"w")]
    sender.deliver(to, "folder:orders", sender.message(*documents))
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert found == {"3-a.txt": b"u", "A.txt": b"v", "3-3-a.txt": b"w"}


def test_the_same_content_of_another_message_is_another_document(sender: Sender, tmp_path: Path) -> None:
    to = channel(sender, tmp_path / "out", create=True)
    sender.deliver(to, "folder:orders", sender.message(("stock.csv", b"1")))
    with pytest.raises(NameTaken):
        sender.deliver(to, "folder:orders", sender.message(("stock.csv", b"1")))


@pytest.mark.peer("root")
def test_a_full_and_a_read_only_disk(sender: Sender, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this container can't mount a disk")
    try:
        message = sender.message(("a.bin", bytes(900_000)))
        (folder / "ballast").write_bytes(bytes(500_000))
        with pytest.raises(DiskError) as caught:
            sender.deliver(channel(sender, folder), "folder:orders", message)
        assert (caught.value.code, caught.value.fault) == ("disk.full", Fault.TRANSIENT)
        assert os.listdir(folder) == ["ballast"]
        (folder / "ballast").unlink()
        sender.deliver(channel(sender, folder), "folder:orders", message)
        assert (folder / "a.bin").stat().st_size == 900_000
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(DiskError) as caught:
            sender.deliver(channel(sender, folder), "folder:orders", sender.message(("b.bin", b"x")))
        assert caught.value.code == "disk.read-only"
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


@needs_strace
def test_killed_at_every_write_it_is_whole_or_not_there(tmp_path: Path) -> None:
    assert _torn(tmp_path / "ours", "") == 0


@needs_strace
def test_the_same_test_finds_a_plain_overwrite(tmp_path: Path) -> None:
    assert _torn(tmp_path / "mutant", MUTANT) > 0


def _torn(base: Path, mutant: str) -> int:
    """Kill a delivery at each of its calls; count where a reader sees half a file, or theirs is gone."""
    dry = base / "dry"
    dry.mkdir(parents=True)
    args = [WORKER, str(dry / "out"), *([mutant] if mutant else [])]
    calls = traced(dry, *args)
    assert len(calls) >= (3 if mutant else 5)
    torn = 0
    for run, call in enumerate(calls):
        for theirs in (None, b"theirs"):
            folder = base / f"{run}-{theirs is None}" / "out"
            folder.mkdir(parents=True)
            if theirs is not None:
                (folder / "order.edi").write_bytes(theirs)
            injected("signal=KILL", call, WORKER, str(folder), *([mutant] if mutant else []))
            path = folder / "order.edi"
            left = path.read_bytes() if path.exists() else None
            torn += left not in ({theirs} if theirs is not None else {None, DATA})
            if theirs is None and not mutant:
                main(str(folder))
                assert path.read_bytes() == DATA
    return torn


@needs_strace
@pytest.mark.parametrize("mutant", ["", FORGETFUL])
def test_killed_at_every_call_while_a_reader_takes_what_is_there(tmp_path: Path, mutant: str) -> None:
    """It is there for the reader once, whether the hub died before or after; the mutant brings it twice."""
    dry = tmp_path / "dry"
    dry.mkdir()
    twice = 0
    for run, call in enumerate(traced(dry, WORKER, str(dry / "out"))):
        folder = tmp_path / str(run) / "out"
        folder.mkdir(parents=True)
        injected("signal=KILL", call, WORKER, str(folder), *([mutant] if mutant else []))
        got = [take(folder)]
        main(str(folder), mutant)
        got.append(take(folder))
        came = [data for data in got if data is not None]
        assert came[0] == DATA, call
        twice += len(came) - 1
        assert os.listdir(folder) == [], call
    assert (twice > 0) == bool(mutant)


def take(folder: Path) -> bytes | None:
    path = folder / "order.edi"
    if not path.exists():
        return None
    data = path.read_bytes()
    path.unlink()
    return data


@needs_strace
def test_every_call_refused_in_turn_leaves_nothing(tmp_path: Path) -> None:
    dry = tmp_path / "dry"
    dry.mkdir()
    calls = [call for call in traced(dry, WORKER, str(dry / "out")) if call.name != "acknowledge"]
    for run, call in enumerate(calls):
        folder = tmp_path / str(run) / "out"
        folder.mkdir(parents=True)
        done = injected("error=ENOSPC", call, WORKER, str(folder))
        if done.stdout == "durable\n":  # that call of the run before is none of this one
            continue
        assert done.stdout == "disk.full\n", (call, done.stderr)
        assert os.listdir(folder) == [], call


def test_the_error_of_an_unknown_folder_is_ours() -> None:
    with pytest.raises(EcluseError) as caught:
        raise NoFolder("There is no folder x.")
    assert caught.value.code == "folder.unknown"


@pytest.mark.parametrize("channel_name", ["folder:orders", "folder:inbox"])
def test_what_a_killed_attempt_left_goes_with_the_next(
    sender: Sender, tmp_path: Path, channel_name: str
) -> None:
    folder = tmp_path / "out"
    below = folder / "birch" if channel_name == "folder:inbox" else folder
    below.mkdir(parents=True)
    to = FolderChannel(sender.hub, folder, lambda name: FolderPlace(folder))
    message = sender.message(("a.txt", b"mine"))
    (below / ".theirs.part").write_bytes(b"somebody's")
    delivery = sender.begin(channel_name, message, 1)
    work = work_of(message) if channel_name == "folder:inbox" else f"{delivery.id[-12:]}0"
    (below / f".a.txt.{work}-0011223344556677.part").write_bytes(b"mi")
    sender.deliver(to, channel_name, message, attempts=2)
    names = sorted(os.listdir(below))
    assert names[0] == ".theirs.part"
    assert [name for name in names[1:] if name.startswith(".")] == []
    assert len(names) == 2
