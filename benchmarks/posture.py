"""Posture of 10,000 partners with 60,000 keys: CPU seconds of a run, the first, the next, and after changes.

The hub is that of the inventory's benchmark; besides, every partner was seen to use two channels, and the present state
is approved as the baseline. What is measured runs in a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from benchmarks import inventory
from benchmarks.limits import Row, row

from ecluse.app.node import Node
from ecluse.app.opening import open_node
from ecluse.app.posture.report import report
from ecluse.app.posture.work import PostureWork
from ecluse.app.settings import apply_files
from ecluse.model.basics import system_clock
from ecluse.trust.configuration import read_folder
from ecluse.trust.sightings import Sightings

PARTNERS: Final = inventory.PARTNERS
LIMIT: Final = 1.0
"""Seconds of CPU for a run, after the first."""
MEMORY: Final = 512.0
"""MiB that posture may add to the node: fifty kilobytes for each partner."""
GOALS: Final = ("run-again", "run-after-a-change", "run-after-sightings", "report")
CHANNELS: Final = {
    "as2": {"verify": "ab" * 32, "signature-algorithm": "sha256", "encryption-algorithm": "aes-256-cbc"},
    "sftp": {"host-key": "SHA256:x", "kex": "curve25519-sha256", "cipher": "aes256-gcm@openssh.com"},
}

T = TypeVar("T")


def run() -> list[Row]:
    """Measure; one row for each figure."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name) / "hub"
        inventory.make(folder)
        figures: dict[str, float] = {}
        for step in STEPS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.posture", step, str(folder)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            figures.update(json.loads(done.stdout.splitlines()[-1]))
    keys = f"{PARTNERS:,} partners, {PARTNERS * 6:,} keys"
    rows = []
    for what, value in figures.items():
        if what == "memory":
            rows.append(
                row("posture.memory", value, "MiB", MEMORY, f"the bound for {keys}, beside the node's", 1.0)
            )
        elif what == "findings":
            rows.append(row("posture.findings", value, "", value, "what was found and kept"))
        elif what in GOALS:
            rows.append(row(f"posture.{what}", value, "s", LIMIT, f"CPU for {keys}", 1.0))
        else:
            rows.append(row(f"posture.{what}", value, "s", LIMIT, f"CPU for {keys}"))
    return rows


def prepare(folder: Path) -> Iterator[tuple[str, float]]:
    """Put the partners in force, and let them be seen."""
    with open_node(folder) as node:
        apply_files(node, read_folder(folder), actor="bench", reason="all")
        seen(node, "", PARTNERS)
    yield from ()


def measure(folder: Path) -> Iterator[tuple[str, float]]:
    """Figures, in the order in which they come about."""
    with open_node(folder) as node:
        gc.collect()
        work = PostureWork(node)
        before = _resident()
        looked, spent = _timed(work.run)
        yield "first-run", spent
        yield "findings", float(sum(1 for _ in looked.verdict))
        gc.collect()
        yield "memory", _resident() - before
        yield "run-again", _timed(work.run)[1]
        yield "approve", _timed(lambda: work.approve(reason="reviewed", actor="operator:bench"))[1]
        yield "run-after-approval", _timed(work.run)[1]
        files = {**node.directory.configuration.files, "partners/mill7.toml": inventory.partner(7, "Invoice")}
        apply_files(node, files, actor="bench", reason="one")
        looked, spent = _timed(work.run)
        assert any(each.rule.code == "operations.drift" for each in looked.verdict.found["partner:mill7"])
        yield "run-after-a-change", spent
        seen(node, "-new", PARTNERS // 100)
        looked, spent = _timed(work.run)
        assert any(each.rule.code == "transport.server-drift" for each in looked.verdict)
        yield "run-after-sightings", spent
        files = dict(node.directory.configuration.files)
        yield "report", _timed(lambda: report(looked, work.keeper, files, partner="mill7"))[1]
        yield "report-of-all", _timed(lambda: report(looked, work.keeper, files))[1]


def again(folder: Path) -> Iterator[tuple[str, float]]:
    """What a command takes, that knows nothing yet."""
    with open_node(folder) as node:
        yield "first-run-of-another", _timed(PostureWork(node).run)[1]


STEPS: Final = {"prepare": prepare, "measure": measure, "again": again}


def seen(node: Node, ending: str, count: int) -> None:
    """Let so many partners be seen on two channels, with keys of such an ending."""
    sightings = Sightings(system_clock)
    for number in range(count):
        for channel, values in CHANNELS.items():
            keys = {role: value + ending * (role == "host-key") for role, value in values.items()}
            sightings.saw_all(node.directory.partner(f"mill{number}").id, channel, keys)
    sightings.flush(node.store, lambda tx, kind, subject, data: None, everything=True)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def _resident() -> float:
    """MiB that this process holds; what was given back does not count."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / (1 << 20)


if __name__ == "__main__":
    print(json.dumps(dict(STEPS[sys.argv[1]](Path(sys.argv[2])))))
