"""Watching folders: told at once, or by the clock; nothing is given up, and it ends when it is told to."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecluse.channels.folder import watch as module
from ecluse.channels.folder.watch import Watcher, is_remote


class Seen:
    """Counts calls by name."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.condition = threading.Condition()

    def __call__(self, name: str) -> None:
        with self.condition:
            self.calls.append(name)
            self.condition.notify_all()

    def clear(self) -> None:
        with self.condition:
            self.calls.clear()

    def wait(self, name: str, seconds: float = 8.0) -> bool:
        with self.condition:
            return self.condition.wait_for(lambda: name in self.calls, seconds)


@contextmanager
def watching(folders: dict[str, Path], **options: object) -> Iterator[Seen]:
    seen = Seen()
    watcher = Watcher(folders, seen, **options)  # type: ignore[arg-type]
    watcher.start()
    try:
        yield seen
    finally:
        begun = time.monotonic()
        watcher.stop()
        watcher.stop()
        assert time.monotonic() - begun < 25
        assert not any(thread.name == "watch-folders" for thread in threading.enumerate())


@pytest.mark.parametrize("force_poll", [False, True], ids=["told", "polled"])
def test_a_file_calls_its_own_folder(tmp_path: Path, force_poll: bool) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with watching({"one": one, "two": two}, force_poll=force_poll, poll=0.3) as seen:
        assert seen.wait("one")
        assert seen.wait("two")
        time.sleep(0.3)
        seen.clear()
        (one / "a.txt").write_text("x")
        assert seen.wait("one")
        (two / "deep").mkdir()
        (two / "deep" / "b.txt").write_text("x")
        assert seen.wait("two")


def test_what_the_hub_writes_and_what_goes_away_calls_nobody(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("x")
    with watching({"in": tmp_path}) as seen:
        assert seen.wait("in")
        time.sleep(1.5)
        seen.clear()
        (tmp_path / ".half.00.part").write_text("x")
        (tmp_path / "old.txt").unlink()
        assert not seen.wait("in", 1.0)
        (tmp_path / ".half.00.part").rename(tmp_path / "whole.txt")
        assert seen.wait("in")


def test_a_folder_that_comes_later_goes_away_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    with watching({"share": folder}) as seen:
        assert not seen.wait("share", 0.3)
        folder.mkdir()
        assert seen.wait("share")
        for _ in range(2):
            shutil.rmtree(folder)
            time.sleep(1.2)
            seen.clear()
            folder.mkdir()
            (folder / "a.txt").write_text("x")
            assert seen.wait("share")
        away = tmp_path / "away"
        folder.rename(away)
        folder.mkdir()
        time.sleep(1.5)
        seen.clear()
        (folder / "b.txt").write_text("x")
        assert seen.wait("share")


def test_what_the_kernel_did_not_tell_is_found_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an overflow of its queue: nothing is told at all."""

    def deaf(*paths: Path, stop_event: threading.Event, **_: object) -> Iterator[set[object]]:
        while not stop_event.wait(0.05):
            yield set()

    monkeypatch.setattr(module, "watch", deaf)
    with watching({"in": tmp_path}, recheck=0.4) as seen:
        assert seen.wait("in")
        seen.clear()
        assert seen.wait("in", 2)


def test_without_watches_left_it_is_looked_at_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*paths: Path, **_: object) -> Iterator[set[object]]:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(module, "watch", none_left)
    with watching({"in": tmp_path}, poll=0.2, recheck=30.0) as seen:
        assert seen.wait("in")
        seen.clear()
        assert seen.wait("in", 3)


def test_many_files_at_once_are_not_lost(tmp_path: Path) -> None:
    taken: set[str] = set()
    lock = threading.Lock()

    def collect(name: str) -> None:
        with lock:
            for path in tmp_path.glob("*.txt"):
                taken.add(path.name)
                path.unlink()

    watcher = Watcher({"in": tmp_path}, collect)
    watcher.start()
    try:
        for number in range(2000):
            part = tmp_path / f".{number}.part"
            part.write_text("x")
            part.rename(tmp_path / f"{number}.txt")
        _until(lambda: len(taken) == 2000)
    finally:
        watcher.stop()
    assert len(taken) == 2000


def _until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


def test_a_local_folder_is_not_remote(tmp_path: Path) -> None:
    assert not is_remote(tmp_path.resolve())


def test_it_may_be_stopped_without_having_begun(tmp_path: Path) -> None:
    watcher = Watcher({"in": tmp_path}, lambda name: None)
    watcher.stop()
    assert tmp_path.exists()
