"""The disk is full, or read-only: a partner is told to come again, nothing acknowledged is lost, and when there is room
again everything flows, without a restart.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from tests.support.pair import LARGE, SMALL, Pair, wait_for

from ecluse.channels.as2.receiver import Receiver
from ecluse.errors import EcluseError
from ecluse.exchange.intake import Duplicate, Intake, Kept
from ecluse.model.nouns import Direction

DISK = 12 * 1024 * 1024
MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2

pytestmark = [
    pytest.mark.peer("root"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a small disk needs root"),
]

_libc = ctypes.CDLL(None, use_errno=True)


class SmallDisk:
    """A file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._mount(0)

    def _mount(self, flags: int) -> None:
        options = f"size={DISK},mode=700".encode()
        if _libc.mount(b"tmpfs", bytes(self.folder), b"tmpfs", flags, options) != 0:
            if flags:
                raise OSError(ctypes.get_errno(), "can't be mounted otherwise")
            pytest.skip("this container can't mount a disk")

    def fill(self) -> None:
        handle = os.open(self.folder / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for step in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while os.write(handle, bytes(step)) == step:
                    pass
        os.close(handle)

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def read_only(self, on: bool) -> None:
        self._mount(MS_REMOUNT | (MS_RDONLY if on else 0))

    def remove(self) -> None:
        _libc.umount2(bytes(self.folder), MNT_DETACH)


@pytest.fixture
def disks() -> Iterator[list[SmallDisk]]:
    made: list[SmallDisk] = []
    yield made
    for disk in reversed(made):
        disk.remove()


def refusals(pair: Pair) -> set[str]:
    """Why Birch's deliveries to Aster wait."""
    node = pair.nodes["birch"]
    return {
        delivery.reason
        for message in node.store.read(lambda view: view.messages(direction=Direction.OUT, limit=1000))
        for delivery in node.store.read(lambda view, m=message: view.deliveries(m.id))
        if delivery.reason
    }


@pytest.mark.parametrize("receipt", ["sync", "async"])
def test_a_full_disk(tmp_path: Path, disks: list[SmallDisk], receipt: str) -> None:
    disks.append(SmallDisk(tmp_path / "aster"))
    pair = Pair(tmp_path, receipt=receipt)
    try:
        pair.send("birch", "b0")
        pair.send("aster", "a0", LARGE)
        pair.settle()
        disks[0].fill()
        message = pair.send("birch", "b1", LARGE)
        pair.send("birch", "b2", LARGE)
        wait_for(lambda: any("503" in reason for reason in refusals(pair)), 20, lambda: str(refusals(pair)))
        reply = pair.post_again(message)
        assert reply.status == 503
        assert int(reply.header("retry-after") or 0) > 0
        with pytest.raises(EcluseError) as refused:
            pair.send("aster", "a1", LARGE)
        assert refused.value.code in ("disk.full", "store.unavailable")
        disks[0].empty()
        pair.send("aster", "a-after", LARGE)
        pair.send("birch", "b-after")
        pair.settle()
        pair.check()
    finally:
        pair.close()


@pytest.mark.parametrize("what", ["full", "read-only"])
def test_the_inbox_takes_nothing(tmp_path: Path, disks: list[SmallDisk], what: str) -> None:
    """The partner's message is kept and answered; the application gets it when its disk is well."""
    disks.append(SmallDisk(tmp_path / "aster" / "inbox"))
    pair = Pair(tmp_path)
    try:
        if what == "full":
            disks[0].fill()
        else:
            disks[0].read_only(True)
        pair.send("birch", "b1", LARGE)
        pair.send("birch", "b2", SMALL)
        code = f"disk.{what}"
        states = lambda: pair.delivery_states("aster")  # noqa: E731
        wait_for(lambda: states()[f"waiting:{code}"] == 2, 20, lambda: str(states()))
        assert pair.delivery_states("birch") == {"confirmed": 2}
        if what == "full":
            disks[0].empty()
        else:
            disks[0].read_only(False)
        pair.settle()
        pair.check()
    finally:
        pair.close()


def test_the_blobs_are_read_only(tmp_path: Path, disks: list[SmallDisk]) -> None:
    """What rides in the database goes on; what needs the blob store waits."""
    disks.append(SmallDisk(tmp_path / "aster" / "state" / "blobs"))
    pair = Pair(tmp_path)
    try:
        disks[0].read_only(True)
        large = pair.send("birch", "b1", LARGE)
        pair.send("birch", "b2", SMALL)
        with pytest.raises(EcluseError) as refused:
            pair.send("aster", "a1", LARGE)
        assert refused.value.code == "disk.read-only"
        pair.send("aster", "a2", SMALL)
        wait_for(lambda: any("503" in reason for reason in refusals(pair)), 20, lambda: str(refusals(pair)))
        assert pair.post_again(large).status == 503
        wait_for(lambda: pair.delivery_states("birch")["confirmed"] >= 2, 120)
        disks[0].read_only(False)
        pair.send("aster", "a3", LARGE)
        pair.settle()
        pair.check()
    finally:
        pair.close()


def test_a_wrong_hub_is_found(
    tmp_path: Path, disks: list[SmallDisk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that answers before the commit tells the partner what the full disk then undoes."""
    original = Receiver._kept
    full = threading.Event()

    async def early(self: Receiver, intake: Intake, future: Future[Any]) -> Kept | Duplicate:
        if not full.is_set() or "Aster" not in self._directory().organisation.name:
            return await original(self, intake, future)
        future.add_done_callback(lambda done: done.exception())
        return Kept(None)  # type: ignore[arg-type]

    monkeypatch.setattr(Receiver, "_kept", early)
    disks.append(SmallDisk(tmp_path / "aster"))
    pair = Pair(tmp_path)
    try:
        disks[0].fill()
        full.set()
        for number in range(30):
            pair.send("birch", f"b{number}", 10_000)
        wait_for(lambda: pair.delivery_states("birch")["confirmed"] >= 30, 120)
        disks[0].empty()
        pair.settle()
        with pytest.raises(AssertionError, match="missing"):
            pair.check()
    finally:
        pair.close()
