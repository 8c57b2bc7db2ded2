"""A run that fails at any step leaves backups that are whole, and the next run goes through.

Where it is killed, or the power goes: tests/faults/test_backup_crashes.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.backup_journey import check_whole
from tests.support.backups import World, content

from ecluse.app.backup.check import verify
from ecluse.app.backup.errors import BackupBusy, PlaceChanged
from ecluse.app.backup.keep import prune
from ecluse.app.backup.places import TABLE
from ecluse.app.backup.run import open_site
from ecluse.app.opening import open_node
from ecluse.blobs.local import LocalPlace, LocalWriter
from ecluse.durable import DiskError
from ecluse.errors import Fault
from ecluse.trust.settings.backup import Keep

FULL = DiskError("The disk is full.", code="disk.full", fault=Fault.TRANSIENT)
ONE = Keep(last=1, daily=0, weekly=0, monthly=0)


class Faults:
    """The ``at``-th change of a place, and every one after it, fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.count, self.at = 0, 1 << 30
        self._folder = folder
        commit, delete = LocalWriter.commit, LocalPlace.delete

        def commit_or_fail(writer: LocalWriter) -> None:
            self._step(writer._file._path)
            commit(writer)

        def delete_or_fail(place: LocalPlace, id: str) -> None:
            self._step(place._path(id))
            delete(place, id)

        monkeypatch.setattr(LocalWriter, "commit", commit_or_fail)
        monkeypatch.setattr(LocalPlace, "delete", delete_or_fail)

    def _step(self, path: str) -> None:
        if Path(path).resolve().relative_to(self._folder).parts[0] in ("to", "keys"):
            self.count += 1
            if self.count >= self.at:
                raise FULL

    def run(self, work: Callable[[], Any], at: int) -> bool:
        """Whether ``work`` went through although the ``at``-th change would have failed."""
        self.count, self.at = 0, at
        try:
            work()
        except DiskError:
            return False
        finally:
            self.at = 1 << 30
        return True


def test_a_full_disk_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(monkeypatch, tmp_path)
    with World(tmp_path) as world:
        world.message(b"first" * 8_000, 1)
        world.backup()
        at = 0
        while True:
            at += 1
            id = world.message(bytes([at]) * 30_000, at)
            if faults.run(world.backup, at):
                break
            # What was there before is there, whole: the last backup that succeeded, and its keys.
            assert verify(open_site(world.node))["wrong"] == []
            world.backup()
            check_whole(world)
        assert at > 6
        assert world.restore(tmp_path / "again").ok
        with open_node(tmp_path / "again") as node:
            assert content(node, id) == bytes([at]) * 30_000


def test_a_pruning_that_fails_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults(monkeypatch, tmp_path)
    with World(tmp_path) as world:
        at = 0
        while True:
            at += 1
            for number in range(3):
                world.message(bytes([number + at]) * 30_000)
                world.backup()
            if faults.run(lambda: prune(open_site(world.node), ONE), at):
                break
            assert verify(open_site(world.node), deep=True)["wrong"] == []
            prune(open_site(world.node), ONE)
            check_whole(world)
        assert at > 3
        assert world.restore(tmp_path / "again").ok


def test_the_place_goes_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with World(tmp_path) as world:
        world.message(b"a" * 30_000)
        world.backup()
        world.message(b"b" * 30_000)
        create = LocalPlace.create

        def gone(place: LocalPlace, id: str) -> LocalWriter:
            if id.startswith(TABLE) and (tmp_path / "to").exists():
                (tmp_path / "to").rename(tmp_path / "unmounted")
            return create(place, id)

        monkeypatch.setattr(LocalPlace, "create", gone)
        with pytest.raises(PlaceChanged):
            world.backup()
        monkeypatch.undo()
        # What stands in its place is not the place: nothing is begun anew there unasked.
        with pytest.raises(PlaceChanged):
            world.backup()
        shutil.rmtree(tmp_path / "to")
        (tmp_path / "unmounted").rename(tmp_path / "to")
        world.backup()
        check_whole(world)
        shutil.rmtree(tmp_path / "to")
        assert world.backup(full=True).copied == 2
        check_whole(world)


def test_one_at_a_time(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.message(b"a" * 30_000)
        with open_site(world.node).lease(), pytest.raises(BackupBusy):
            world.backup()
        world.backup()
