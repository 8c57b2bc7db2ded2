"""The demo as a command: the scenes in order, a summary, and no process left behind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ecluse.app.messages.outbox import UnreadableFile
from ecluse.demo import scenes, trials
from ecluse.demo.checks import Unheld
from ecluse.demo.company import Company, free_port
from ecluse.demo.evidence import evidence
from ecluse.demo.fraud import fraud
from ecluse.demo.interrupts import terminable, uninterrupted
from ecluse.demo.intruder import refusals
from ecluse.demo.packs import packs
from ecluse.demo.screen import Screen, size_text
from ecluse.demo.stage import Stage
from ecluse.demo.supplier import bridge
from ecluse.errors import EcluseError, Fault

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
    fault = Fault.USAGE
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

    Raises:
        UnreadableFile, FolderInUse: Nothing was done.
    """
    screen = screen or Screen()
    if file is not None and not file.is_file():
        raise UnreadableFile(f"{file} is no file.")
    with terminable():
        try:
            with _folder(keep) as root:
                return _play(root, screen, file, quick, kept=keep is not None)
        except KeyboardInterrupt:
            screen.failed("interrupted")
    return 1


def _scenes(stage: Stage) -> list[Scene]:
    return [
        ("Two companies become partners", scenes.partners),
        ("Aster Foods orders", scenes.order),
        ("Birch Packaging bills", scenes.invoice),
        *([(f"Aster Foods sends {stage.file.name}", scenes.own_file)] if stage.file else []),
        ("A supplier that has only SFTP orders through Aster Foods", bridge),
        ("A hub is killed while it receives", trials.survives_a_kill),
        (f"{_large(stage)} in flat memory", trials.large_file),
        ("What must not pass", refusals),
        ("Somebody writes in a partner's name", fraud),
        ("What can be proven", evidence),
        ("What a third party gets", packs),
        ("What is left", scenes.closing),
    ]


def _large(stage: Stage) -> str:
    return size_text(trials.QUICK if stage.quick else trials.LARGE)


def _play(root: Path, screen: Screen, file: Path | None, quick: bool, *, kept: bool) -> int:
    begun = time.monotonic()
    times: list[tuple[str, str]] = []
    companies: list[Company] = []
    where = "Two hubs are made"
    try:
        screen.title(where)
        free, needed = shutil.disk_usage(root).free, NEEDED_QUICK if quick else NEEDED
        if free < needed:
            raise Unheld(f"this needs {size_text(needed)} of disk, and {root} has {size_text(free)}")
        for id, name, as2_id, sftp_port in (
            ("aster", "Aster Foods", "ASTER", free_port()),
            ("birch", "Birch Packaging", "BIRCH", 0),
        ):
            companies.append(Company(root, id, name, as2_id, free_port(), sftp_port))
            screen.held(f"{companies[-1].whose} hub is in {companies[-1].folder}, with a fresh key")
        times.append((where, _seconds(begun)))
        stage = Stage(root, screen, companies[0], companies[1], quick, file)
        for number, (where, scene) in enumerate(_scenes(stage), 1):
            start = time.monotonic()
            screen.title(f"{number}. {where}")
            scene(stage)
            times.append((f"{number}. {where}", _seconds(start)))
    except (Unheld, EcluseError, OSError) as error:
        screen.failed(f"{where}: {error}")
        return 1
    finally:
        with uninterrupted():
            for company in companies:
                company.close()
    screen.table("All of it held", ("scene", "took"), [*times, ("all of it", _seconds(begun))])
    screen.table(f"The file of {_large(stage)}", ("stage", "took", ""), stage.figures)
    if kept:
        _next(screen, root, stage)
    else:
        screen.text("\nNothing is left of it. Run it with --keep FOLDER to look at both hubs afterwards.")
    return 0


def _next(screen: Screen, root: Path, stage: Stage) -> None:
    order = stage.exchanges["order"]
    folder = Path(os.path.relpath(root))
    hub = folder / order.receiver.id
    ecluse = "ecluse" if shutil.which("ecluse") else f"{os.path.relpath(sys.executable)} -m ecluse"
    taken = sum(path.lstat().st_blocks for path in root.rglob("*")) * 512
    screen.text(
        f"\nBoth hubs are in {folder} ({size_text(taken)}: delete it when you have seen enough). Look at:"
    )
    for command in (
        f"{ecluse} --hub {hub} message list",
        f"{ecluse} --hub {hub} message trace {order.arrived.id}",
        f"{ecluse} --hub {hub} log verify",
        f"less {folder / 'traces' / f'order-received-{order.receiver.id}.txt'}",
        f"{ecluse} evidence show {folder / 'evidence' / f'order-received-{order.receiver.id}.zip'}",
        f"ls {folder / 'traces'} {hub / 'inbox' / order.sender.id}",
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
