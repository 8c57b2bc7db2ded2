"""The demo as a command: the scenes in order, a summary, and no process left behind."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from ecluse.demo import scenes
from ecluse.demo.checks import Unheld
from ecluse.demo.company import Company, free_port
from ecluse.demo.evidence import evidence
from ecluse.demo.intruder import refusals
from ecluse.demo.screen import Screen, size_text
from ecluse.demo.stage import Stage
from ecluse.errors import EcluseError

__all__ = ["FolderInUse", "run"]

MARKER: Final = ".ecluse-demo"
"""A folder that has this file was made by the demo, which may empty it."""
NEEDED: Final = 5 << 30
"""Octets of disk: the large file is kept by both hubs, sealed and as it was handed in, and lies in an inbox."""
NEEDED_QUICK: Final = 1 << 30

Scene = tuple[str, Callable[[Stage], None]]


class FolderInUse(EcluseError):
    """The folder to keep things in holds something else."""

    code = "demo.folder-in-use"
    remedy = "Give a folder that is empty, that does not exist, or that an earlier demo made."


def run(keep: Path | None, file: Path | None, quick: bool = False, *, screen: Screen | None = None) -> int:
    """Play the demo.

    Args:
        keep: Folder that is emptied (where an earlier demo made it) and kept; a temporary one without it.
        file: A file of the user's, sent beside the documents.
        quick: Some mebibytes instead of a gibibyte.
        screen: Where it is shown; standard output by default.

    Returns:
        0 where all of it held, else 1.
    """
    screen = screen or Screen()
    with _terminable():
        try:
            with _folder(keep) as root:
                return _play(root, screen, file, quick, kept=keep is not None)
        except (Unheld, EcluseError, OSError) as error:
            screen.failed(str(error))
        except KeyboardInterrupt:
            screen.failed("interrupted")
    return 1


def _scenes(stage: Stage) -> list[Scene]:
    large = "8 MiB" if stage.quick else "1 GiB"
    return [
        ("Two companies become partners", scenes.partners),
        ("Aster Foods orders", scenes.order),
        ("Birch Packaging bills", scenes.invoice),
        *([(f"Aster Foods sends {stage.file.name}", scenes.own_file)] if stage.file else []),
        ("A hub is killed while it receives", scenes.survives_a_kill),
        (f"{large} in flat memory", scenes.large_file),
        ("What must not pass", refusals),
        ("What can be proven", evidence),
    ]


def _play(root: Path, screen: Screen, file: Path | None, quick: bool, *, kept: bool) -> int:
    free = shutil.disk_usage(root).free
    needed = NEEDED_QUICK if quick else NEEDED
    if free < needed:
        raise Unheld(f"the demo needs {size_text(needed)} of disk, and {root} has {size_text(free)}")
    begun = time.monotonic()
    times: list[tuple[str, str]] = []
    companies: list[Company] = []
    where = ""
    try:
        where = "Two hubs are made"
        screen.title(where)
        for id, name, as2_id in (
            ("aster", "Aster Foods", "ASTER"),
            ("birch", "Birch Packaging", "BIRCH"),
        ):
            companies.append(Company(root, id, name, as2_id, free_port()))
            screen.held(f"{name}'s hub is in {companies[-1].folder}, with a fresh key")
        times.append((where, _seconds(begun)))
        stage = Stage(root, screen, companies[0], companies[1], quick, file)
        for number, (where, scene) in enumerate(_scenes(stage), 1):
            start = time.monotonic()
            screen.title(f"{number}. {where}")
            scene(stage)
            times.append((f"{number}. {where}", _seconds(start)))
        where = "The hubs stop"
        ended = [company.stop() for company in companies]
        stage.check(all(ended), "both hubs ended in good order")
    except (Unheld, EcluseError, OSError) as error:
        screen.failed(f"{where}: {error}")
        return 1
    finally:
        for company in companies:
            company.close()
    screen.table("", ("", "took"), [*times, ("all of it", _seconds(begun)), *stage.figures])
    if kept:
        _next(screen, root, stage)
    else:
        screen.text("\nNothing is left of it. Run it with --keep FOLDER to look at both hubs afterwards.")
    return 0


def _next(screen: Screen, root: Path, stage: Stage) -> None:
    order = stage.exchanges["order"]
    screen.text(f"\nBoth hubs are in {root}; delete it when you have seen enough. Look at:")
    for command in (
        f"ecluse message list --hub {order.receiver.folder}",
        f"ecluse message trace {order.arrived.id} --hub {order.receiver.folder}",
        f"ecluse log verify --hub {order.receiver.folder}",
        f"less {root / 'traces' / 'order-received-birch.txt'}",
        f"ls {order.receiver.inbox / 'aster'}",
    ):
        screen.text(f"  {command}")


def _seconds(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The demo's folder, empty but for its marker."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ecluse-demo-") as name:
            yield Path(name)
        return
    root = keep.resolve()
    if root.exists():
        if not root.is_dir() or (any(root.iterdir()) and not (root / MARKER).is_file()):
            raise FolderInUse(f"{keep} holds something that no demo made.")
        for entry in root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER:
                entry.unlink()
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).write_text(
        "Made by `ecluse demo`, which empties this folder when it runs again.\n", "utf-8"
    )
    yield root


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: its processes go first."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
