"""512 MiB into a bucket and out of it, and into a folder of ours, beside the plainest program that does the like.

Both clients speak to one rclone on loopback, one after the other: ours as a channel and a source do it (each part
digested twice, signed, its ETag compared, the whole under a condition), and ``rclone copyto``. A folder is measured
beside ``cp`` and ``fsync`` of the file and its folder. Documents come from a vault with nothing sealed in it, so that
the figures are those of the channels.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.limits import Row, row
from tests.support.buckets import access_to, make_bucket, s3_objects
from tests.support.stores import STORES, rclone_s3_at

from ecluse.channels.bucket.store import Upload
from ecluse.channels.folder.beneath import open_root
from ecluse.channels.folder.spot import FolderSpot
from ecluse.exchange.hub import Document
from ecluse.model.nouns import Part

__all__ = ["run"]

SIZE: Final = 512 << 20
ROUNDS: Final = 3
GOAL: Final = 0.75
"""Of the other program's rate."""

_BLOCK: Final = hashlib.shake_128(b"benchmark").digest(8 << 20)


class _Clear:
    """A document's octets without a vault."""

    def chunks(self, offset: int, size: int, step: int) -> Iterator[bytes]:
        for at in range(offset, offset + size, step):
            left = min(step, offset + size - at)
            yield _BLOCK[:left] if left < len(_BLOCK) else _BLOCK


def run() -> list[Row]:
    """Four rows: megabytes a second."""
    if not (STORES / "rclone").exists():
        return []
    digest = hashlib.sha256()
    for _ in range(SIZE // len(_BLOCK)):
        digest.update(_BLOCK)
    part = Part("b", 0, SIZE, digest.hexdigest(), "application/octet-stream", "document.bin")
    with tempfile.TemporaryDirectory(prefix="bench-buckets-") as name:
        folder = Path(name)
        source = folder / "document.bin"
        with open(source, "wb") as out:
            for _ in range(SIZE // len(_BLOCK)):
                out.write(_BLOCK)
        return [*_bucket(folder, source, part), *_folder(folder, source, part)]


def _bucket(folder: Path, source: Path, part: Part) -> Iterator[Row]:
    (folder / "store").mkdir()
    server = rclone_s3_at(str(folder / "store"))
    access = access_to(server.endpoint, "bench", "test", "testing", conditional=False)
    make_bucket(access)
    store = s3_objects(access)
    document = Document(part, _Clear())  # type: ignore[arg-type]
    upload = Upload(SIZE, part.sha256, "m", part.content_type, document.chunks)
    remote = f":s3,provider=Rclone,endpoint='{server.endpoint}',access_key_id=test,secret_access_key=testing"

    def ours_up() -> None:
        assert store.create("ours", upload, replace=True) == "md5"

    def ours_down() -> None:
        found = store.look("ours")
        assert found is not None
        assert sum(map(len, store.read("ours", found.etag))) == SIZE

    def theirs_up() -> None:
        _rclone("copyto", "--ignore-times", str(source), f"{remote}:bench/theirs")

    def theirs_down() -> None:
        _rclone("copyto", "--ignore-times", f"{remote}:bench/theirs", str(folder / "back"))

    against = "rclone copyto, to the same rclone serve s3"
    for name, ours, theirs in (("up", ours_up, theirs_up), ("down", ours_down, theirs_down)):
        mine, other = _rates(ours, theirs)
        yield row(f"buckets.s3-{name}", mine, "MB/s", other, against, GOAL)


def _rclone(*command: str) -> None:
    subprocess.run([str(STORES / "rclone"), "--config", os.devnull, "-q", *command], check=True)


def _folder(folder: Path, source: Path, part: Part) -> Iterator[Row]:
    target = folder / "out"
    target.mkdir()
    document = Document(part, _Clear())  # type: ignore[arg-type]

    def ours() -> None:
        with open_root(target) as handle:
            spot = FolderSpot(handle, "ours", document, replace=False, work="b0")
            spot.appear(spot.stage().mark)
        (target / "ours").unlink()

    def theirs() -> None:
        shutil.copyfile(source, target / "theirs")
        for path in (target / "theirs", target):
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        (target / "theirs").unlink()

    mine, other = _rates(ours, theirs)
    yield row("buckets.folder", mine, "MB/s", other, "a copy by the kernel, and fsync", GOAL)


def _rates(*works: Callable[[], None]) -> list[float]:
    """Megabytes a second of each, by turns; medians."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, taken in zip(works, times, strict=True):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
    return [SIZE / median(taken) / 1e6 for taken in times]
