"""Folders for one piece of work: held by who lives, gone when it ended, however it ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ecluse.durable import DiskError, scratch_folder


def test_it_is_ours_and_goes(tmp_path: Path) -> None:
    with scratch_folder("work-", tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text("secret")
    assert list(tmp_path.iterdir()) == []


def test_it_goes_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch_folder("work-", tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_holds_stays(tmp_path: Path) -> None:
    with scratch_folder("work-", tmp_path) as first, scratch_folder("work-", tmp_path) as second:
        assert first != second
        assert first.is_dir()
        assert second.is_dir()


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    process = os.fork()
    if process == 0:
        try:
            with scratch_folder("work-", tmp_path) as folder:
                (folder / "file").write_text("secret")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(0)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert (left / "file").exists()
    with scratch_folder("other-", tmp_path):
        assert left.exists()
    with scratch_folder("work-", tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_only_folders_of_ours_go(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / "work-link").symlink_to(elsewhere)
    (tmp_path / "work-file").touch()
    theirs = tmp_path / "work-theirs"
    theirs.mkdir()
    if os.geteuid() == 0:
        os.chown(theirs, 12345, 12345)
    with scratch_folder("work-", tmp_path):
        pass
    assert (elsewhere / "file").exists()
    assert (tmp_path / "work-link").is_symlink()
    assert (tmp_path / "work-file").exists()
    assert theirs.exists() == (os.geteuid() == 0)


def test_no_room(tmp_path: Path) -> None:
    with pytest.raises(DiskError), scratch_folder("work-", tmp_path / "missing"):
        pass
