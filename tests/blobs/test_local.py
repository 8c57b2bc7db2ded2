"""What only the local place does: its folders and its permissions."""

import os
import stat
from pathlib import Path

import pytest
from tests.support.vaults import FakeClock, make_vault

from ecluse.blobs.local import LocalPlace
from ecluse.durable import DiskError


def put(place: LocalPlace, id: str) -> None:
    writer = place.create(id)
    writer.write(b"x")
    writer.commit()


def test_blobs_of_one_time_lie_together_and_are_the_hub_s_alone(tmp_path: Path) -> None:
    place, clock = LocalPlace(tmp_path / "blobs"), FakeClock()
    vault = make_vault(place, clock=clock, inline_limit=0)
    for _ in range(10):
        clock.forward(30)
        writer = vault.create()
        writer.write(b"x")
        writer.finish()
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 10
    assert len({path.parent for path in files}) <= 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files} == {0o700}


def test_the_sweep_takes_folders_that_have_long_been_empty(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    put(place, "b0000000old")
    put(place, "b0001111kept")
    place.delete("b0000000old")
    place.sweep(3600)
    assert (tmp_path / "b0000" / "00").is_dir()
    for folder in ("b0000/00", "b0001/11"):
        os.utime(tmp_path / folder, (0, 0))
    assert place.sweep(3600) == 0
    assert not (tmp_path / "b0000" / "00").exists()
    assert list(place.ids()) == ["b0001111kept"]
    put(place, "b0000000old")
    assert len(list(place.ids())) == 2


def test_foreign_files_are_no_blobs(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    put(place, "b0000000a")
    (tmp_path / "README").write_text("x")
    (tmp_path / "b0000" / "00" / "lost+found").mkdir()
    assert list(place.ids()) == ["b0000000a"]


def test_a_root_that_can_t_be_made_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DiskError):
        LocalPlace(tmp_path / "file" / "blobs")
