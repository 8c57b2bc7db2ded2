"""Flat memory: the peak of a serving hub for messages of 10 KB and of 1 GiB (``--full``: 10 GiB) each way.

The messages are compressed, signed and encrypted. The same is measured for files that come and go by SFTP, FTPS, S3,
WebDAV and folders. Each size has processes of its own, so that one's peak does not hide another's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import sftp_server
from benchmarks.flat_places import LEGS, ftps_server_peaks, leg_peaks
from benchmarks.hubs import pair
from benchmarks.limits import Row, row

MIB: Final = 1 << 20
DIFFERENCE: Final = 64.0
"""MiB between the peaks of the smallest and the largest message."""
TOTAL: Final = 200.0
"""MiB in all."""
SMALL: Final = ("10-KB", 10_240)
SIZES: Final = (("1-GiB", 1 << 30),)
FULL: Final = (*SIZES, ("10-GiB", 10 << 30))


def payload(size: int) -> Iterator[bytes]:
    """``size`` octets that do not compress."""
    block = os.urandom(min(size, MIB))
    for at in range(0, size, MIB):
        yield block[: size - at]


def peaks(size: int) -> list[tuple[float, float]]:
    """For the sending and the receiving process: MiB at the start, and from then until the message is there."""
    with pair('compress = "before-signing"') as hubs:
        processes = (hubs.aster, hubs.birch)
        start = [process.peak_memory() for process in processes]
        for process in processes:
            process.forget_peak()
        hubs.send(payload(size))
        return [(begin, process.peak_memory()) for begin, process in zip(start, processes, strict=True)]


def sftp_peaks(size: int) -> list[tuple[float, float]]:
    """The same two figures of a process that serves SFTP, for an upload and for the download of what was uploaded."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        key = sftp_server.make_key(folder)
        file = folder / "file"
        sftp_server.write_file(file, size)
        with sftp_server.ecluse(folder, key, "mailbox") as target:
            sftp_server.sftp(target, key, "pwd\n", folder)
            found = []
            for batch in (f"put {file} inbound/file\n", "get inbound/file /dev/null\n"):
                start = sftp_server.memory(target.pids()) / MIB
                sftp_server.forget_memory(target.pids())
                sftp_server.sftp(target, key, batch, folder)
                found.append((start, sftp_server.memory(target.pids()) / MIB))
            return found


MEASURES: Final = (
    (peaks, ("send", "receive")),
    (sftp_peaks, ("sftp-up", "sftp-down")),
    (ftps_server_peaks, ("ftps-up", "ftps-down")),
    (leg_peaks, LEGS),
)


def run(full: bool = False) -> list[Row]:
    """Rows for each direction and size."""
    rows = []
    for measure, names in MEASURES:
        least = measure(SMALL[1])
        for label, size in FULL if full else SIZES:
            for what, (_, small), (start, large) in zip(names, least, measure(size), strict=True):
                against = f"the goal; the start alone takes {start:.0f} MiB"
                rows.append(row(f"flat.{what}.{label}", max(start, large), "MiB", TOTAL, against, 1.0))
                more = max(large - small, 0.1)
                against = f"the goal for what it takes beyond the {small:.0f} MiB of {SMALL[0]}"
                rows.append(row(f"flat.{what}.{label}.more", more, "MiB", DIFFERENCE, against, 1.0))
    return rows
