"""Backups of an embedded hub: MB a second, what an increment takes, and what they cost a hub that takes traffic.

The state is messages of 12 KB, whose bytes lie in their rows; the documents beside it have a mebibyte each. The limit
of a rate is what the disk takes of one file that is written and synced; that of the cost is the same work without a
backup.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from benchmarks.limits import Row, row
from tests.support.backups import World

from ecluse.app.backup.check import verify
from ecluse.app.backup.run import open_site
from ecluse.app.backup.sealing import PrivateKeys

SMALL: Final = int(os.environ.get("BENCH_SMALL", "12000"))
"""Messages whose bytes lie in the database: 12 KB each."""
LARGE: Final = int(os.environ.get("BENCH_LARGE", "200"))
"""Documents of a mebibyte each."""
CHANGED: Final = 100
"""Messages between a backup and its increment: one in a hundred."""
SECONDS: Final = 4.0
"""Of traffic, with and without a backup."""
CLIENTS: Final = 4


def run() -> list[Row]:
    """Measure; a row each."""
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("ECLUSE_BENCH_DIR")) as folder,
        World(Path(folder)) as world,
    ):
        _fill(world, SMALL, 12_000)
        _fill(world, LARGE, 1 << 20)
        world.seal()
        disk = _disk(Path(folder))
        full = world.backup()
        octets = full.manifest.streams + full.manifest.blob_octets
        rows = [
            row("backup.full", octets / full.seconds / 1e6, "MB/s", disk, "one file, written and synced"),
            row(
                "backup.database",
                full.manifest.streams / 1e6,
                "MB",
                full.manifest.written / 1e6,
                "as it lies sealed",
            ),
        ]
        nothing = world.backup()
        rows.append(row("backup.unchanged", nothing.seconds, "s", full.seconds, "the full one"))
        _fill(world, CHANGED, 12_000)
        increment = world.backup()
        rows.append(row("backup.increment", increment.seconds, "s", full.seconds, "the full one"))
        added = increment.manifest.written + increment.copied_octets
        rows.append(row("backup.increment-size", added / 1e6, "MB", octets / 1e6, "the full one"))
        began = time.monotonic()
        assert verify(open_site(world.node), deep=True)["ok"]
        rows.append(
            row("backup.verify-deep", octets / (time.monotonic() - began) / 1e6, "MB/s", disk, "as above")
        )
        result = world.restore(Path(folder) / "again", unlock=PrivateKeys(world.private))
        assert result.ok
        rows.append(row("backup.restore", octets / result.seconds / 1e6, "MB/s", disk, "as above"))
        alone = _traffic(world, None)
        beside = _traffic(world, lambda: world.backup(full=True))
        rows.append(row("backup.beside-traffic", beside[0], "messages/s", alone[0], "without a backup"))
        rows.append(row("backup.longest-wait", beside[1] * 1000, "ms", alone[1] * 1000, "without a backup"))
        return rows


def _fill(world: World, count: int, size: int) -> None:
    def some(number: int) -> None:
        for _ in range(count // CLIENTS):
            world.message(os.urandom(size), number)

    threads = [threading.Thread(target=some, args=(number,)) for number in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _disk(folder: Path) -> float:
    """MB a second of one file."""
    block = os.urandom(1 << 20)
    began = time.monotonic()
    with (folder / "plain").open("wb") as file:
        for _ in range(256):
            file.write(block)
        os.fsync(file.fileno())
    return 256 * 1.048576 / (time.monotonic() - began)


def _traffic(world: World, backup: object) -> tuple[float, float]:
    """Messages a second that several clients hand in, and the longest that one of them waited."""
    stop = threading.Event()
    counts, longest = [0] * CLIENTS, [0.0] * CLIENTS

    def client(number: int) -> None:
        while not stop.is_set():
            began = time.monotonic()
            world.message(os.urandom(4000), number)
            counts[number] += 1
            longest[number] = max(longest[number], time.monotonic() - began)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    began = time.monotonic()
    for each in threads:
        each.start()
    if callable(backup):
        backup()
    else:
        time.sleep(SECONDS)
    took = time.monotonic() - began
    stop.set()
    for each in threads:
        each.join()
    return sum(counts) / took, max(longest)
