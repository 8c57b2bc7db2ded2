"""The command line, run in this process with its streams caught, or in one of its own."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.reference import leaves

import ecluse
from ecluse.cli.tree import run

__all__ = ["GIVES", "Result", "command", "free_port", "say", "serving"]

GIVES = {words: getattr(found.callback, "gives", "") for words, found in leaves()}
"""What each command promises to give with ``--json``."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended.

    Attributes:
        code: Exit code.
        out: Standard output.
        err: Standard error.
        data: Standard output as JSON, where ``--json`` was said.
    """

    code: int
    out: bytes
    err: str
    data: Any = None

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.out.decode()


def say(*words: object, hub: Path | None = None, code: int = 0, typed: str | None = None) -> Result:
    """Run ``ecluse`` in this process; its exit code has to be ``code``.

    With ``--json`` among the words, the members of what it gives have to be among those that it promises.
    """
    line = [str(word) for word in words]
    if hub is not None:
        line += ["--hub", str(hub)]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    before = sys.stdin
    sys.stdin = io.StringIO(typed or "")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            ended = run(line)
    finally:
        sys.stdin = before
    result = Result(ended, out.buffer.getvalue(), err.getvalue())  # type: ignore[attr-defined]
    assert result.code == code, f"{line} ended with {result.code}\n{result.text}\n{result.err}"
    assert "Traceback" not in result.err
    if "--json" not in line:
        return result
    data = json.loads(result.out)
    assert result.out.count(b"\n") == 1, "one value on one line"
    if "error" in data:
        assert {"code", "fault", "cause", "remedy"} <= set(data["error"])
        assert code != 0
    else:
        promised = set(re.findall(r"[a-z0-9_-]+", GIVES[command(line)]))
        assert set(data) <= promised, f"{set(data) - promised} is not promised by {command(line)}"
    return Result(result.code, result.out, result.err, data)


def command(line: list[str]) -> str:
    """The command's own words among the words of a line."""
    found = [words for words in GIVES if f" {words} " in f" {' '.join(line)} "]
    return max(found, key=len)


def free_port() -> int:
    """A port that nothing listens on just now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A hub served by a process of its own, and the line that it says where it listens in."""
    source = str(Path(ecluse.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-m", "ecluse", "--hub", str(folder), "serve", "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
