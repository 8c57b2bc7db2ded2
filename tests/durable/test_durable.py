"""Durable writes: exclusive, whole, swept, and clear about what the disk said."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecluse.durable import (
    DiskError,
    NameTaken,
    NewFile,
    is_part,
    make_folder,
    remove,
    replace,
    sweep_parts,
    write_new,
    write_together,
)
from ecluse.errors import Fault


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_write_new_gives_the_size_and_closes_others_out(tmp_path: Path) -> None:
    path = tmp_path / "a.edi"
    assert write_new(path, [b"one", b"", b"two"]) == 6
    assert path.read_bytes() == b"onetwo"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["a.edi"]


def test_write_new_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "a.edi"
    path.write_bytes(b"theirs")
    with pytest.raises(NameTaken):
        write_new(path, [b"ours"])
    assert path.read_bytes() == b"theirs"
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NameTaken):
        write_new(dangling, [b"ours"])
    assert names(tmp_path) == ["a.edi", "link"]


def test_a_source_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def chunks():
        yield b"some"
        raise DiskError("The source went away.")

    with pytest.raises(DiskError):
        write_new(tmp_path / "a", chunks())
    assert names(tmp_path) == []


def test_replace_swaps_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "key"
    replace(path, b"one")
    replace(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["key"]


def test_long_names_have_room_for_their_temporary_one(tmp_path: Path) -> None:
    name = "x" * 255
    write_new(tmp_path / name, [b"x"])
    assert names(tmp_path) == [name]


def test_abort_at_any_time(tmp_path: Path) -> None:
    new = NewFile(tmp_path / "a")
    new.write(b"x")
    assert [is_part(name) for name in names(tmp_path)] == [True]
    new.abort()
    new.abort()
    assert names(tmp_path) == []
    done = NewFile(tmp_path / "b")
    done.commit()
    done.abort()
    assert names(tmp_path) == ["b"]


def test_folders_and_removal(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two"
    make_folder(folder)
    make_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    write_new(folder / "f", [b"x"])
    assert remove(folder / "f")
    assert not remove(folder / "f")


def test_the_sweep_takes_old_parts_only(tmp_path: Path) -> None:
    write_new(tmp_path / "kept", [b"x"])
    (tmp_path / ".hidden").write_bytes(b"x")
    old, young = NewFile(tmp_path / "old"), NewFile(tmp_path / "young")
    [part] = [name for name in names(tmp_path) if name.startswith(".old")]
    os.utime(tmp_path / part, (0, 0))
    assert sweep_parts(tmp_path, 3600) == 1
    assert len(names(tmp_path)) == 3
    assert sweep_parts(tmp_path, 0) == 1
    assert names(tmp_path) == [".hidden", "kept"]
    old.abort()
    young.abort()


def test_a_part_that_was_swept_does_not_become_a_file(tmp_path: Path) -> None:
    new = NewFile(tmp_path / "a")
    sweep_parts(tmp_path, 0)
    with pytest.raises(DiskError):
        new.commit()
    assert names(tmp_path) == []


def test_a_missing_folder_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        write_new(tmp_path / "none" / "f", [b"x"])
    with pytest.raises(DiskError):
        sweep_parts(tmp_path / "none", 0)


@pytest.mark.parametrize(
    ("number", "code", "fault"),
    [
        (errno.ENOSPC, "disk.full", Fault.TRANSIENT),
        (errno.EDQUOT, "disk.full", Fault.TRANSIENT),
        (errno.EROFS, "disk.read-only", Fault.OURS),
        (errno.EIO, "disk.failing", Fault.OURS),
        (errno.EACCES, "disk.denied", Fault.OURS),
        (errno.EMFILE, "disk.no-handles", Fault.TRANSIENT),
        (errno.ELOOP, "disk.failed", Fault.OURS),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
def test_every_refusal_has_its_word_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, fault: Fault, call: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"ecluse.durable.files.os.{call}", refuse)
    with pytest.raises(DiskError) as caught:
        write_new(tmp_path / "f", [b"x"])
    monkeypatch.undo()
    assert (caught.value.code, caught.value.fault) == (code, fault)
    assert str(tmp_path / "f") in caught.value.cause
    assert names(tmp_path) == []


def test_a_folder_that_does_not_sync_takes_the_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = os.fsync

    def second_fails(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.EIO, "I/O error")
        real(handle)

    monkeypatch.setattr("ecluse.durable.files.os.fsync", second_fails)
    with pytest.raises(DiskError):
        write_new(tmp_path / "f", [b"x"])
    assert names(tmp_path) == []


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("ecluse.durable.files.os.write", lambda handle, data: real(handle, data[:7]))
    write_new(tmp_path / "f", [b"0123456789" * 5, memoryview(b"abc" * 9)])
    assert (tmp_path / "f").read_bytes() == b"0123456789" * 5 + b"abc" * 9


def test_files_written_together_each_have_their_end(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise DiskError("the source failed")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "taken").write_bytes(b"before")
    errors = write_together(
        [
            (tmp_path / "a" / "one", [b"1"], "w"),
            (tmp_path / "a" / "taken", [b"2"], "w"),
            (tmp_path / "a" / "broken", broken(), "w"),
            (tmp_path / "missing" / "three", [b"3"], "w"),
            (tmp_path / "a" / "two", [b"2", b"2"], "w"),
        ]
    )
    assert [type(error) for error in errors] == [type(None), NameTaken, DiskError, DiskError, type(None)]
    assert sorted(os.listdir(tmp_path / "a")) == ["one", "taken", "two"]
    assert (tmp_path / "a" / "taken").read_bytes() == b"before"
