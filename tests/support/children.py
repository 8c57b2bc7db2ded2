"""Child processes of tests: their environment, and strace around them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DISK_CALLS = "mkdir,mkdirat,openat,write,fsync,link,linkat,rename,renameat,renameat2,unlink,unlinkat"


def needs_strace(test: Callable[..., None]) -> Callable[..., None]:
    """Skip by name where strace is not installed."""
    missing = pytest.mark.skipif(shutil.which("strace") is None, reason="peer strace is not installed")
    return pytest.mark.peer("strace")(missing(test))


class Call(NamedTuple):
    """One system call: its name, the paths that it names, the how-manieth of its name it is."""

    name: str
    paths: list[str]
    number: int


def child_env(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", **more}


def run_child(*args: str, strace: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m args`` and wait."""
    return subprocess.run(
        [*strace, sys.executable, "-m", *args],
        capture_output=True,
        text=True,
        check=False,
        env=child_env(**more),
        cwd=ROOT,
    )


def traced(folder: Path, *args: str, **more: str) -> list[Call]:
    """The system calls by which ``python -m args`` changed the disk under ``folder``, and its word to us."""
    log = folder.parent / f"{folder.name}.strace"
    run_child(*args, strace=("strace", "-y", "-qq", "-o", str(log), "-e", f"trace={DISK_CALLS}"), **more)
    counts: dict[str, int] = {}
    calls = []
    for line in log.read_text().splitlines():
        name = line.split("(", 1)[0]
        counts[name] = counts.get(name, 0) + 1
        if name == "write" and '"durable' in line:
            calls.append(Call("acknowledge", [], counts[name]))
        elif str(folder) in line and (name != "openat" or "O_CREAT" in line):
            found = re.findall(re.escape(str(folder)) + r'[^">]*', line.rsplit(" = ", 1)[0])
            calls.append(Call(name, found, counts[name]))
    return calls


def injected(fault: str, call: Call, *args: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m args`` with a fault (``signal=KILL``, ``error=EIO``) at that call."""
    return run_child(
        *args,
        strace=(
            *("strace", "-qq", "-o", "/dev/null", "-e", f"trace={call.name}"),
            *("-e", f"inject={call.name}:{fault}:when={call.number}"),
        ),
    )
