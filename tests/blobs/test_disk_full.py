"""A disk that refuses: a limit that the kernel enforces, and every call failed in turn."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.children import ROOT, child_env, injected, needs_strace, traced
from tests.support.disk_worker import DATA

WORKER = "tests.support.disk_worker"


def test_past_the_limit_nothing_is_left(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [sys.executable, "-m", WORKER, "new", str(tmp_path / "f")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=child_env(),
    )
    assert (done.returncode, done.stdout) == (3, "disk.file-too-large\n")
    assert os.listdir(tmp_path) == []


@needs_strace
@pytest.mark.parametrize("how", ["new", "replace", "blob"])
@pytest.mark.parametrize(("error", "code"), [("ENOSPC", "disk.full"), ("EIO", "disk.failing")])
def test_every_call_refused_in_turn(tmp_path: Path, how: str, error: str, code: str) -> None:
    dry = tmp_path / "dry"
    dry.mkdir()
    calls = [call for call in traced(dry, WORKER, how, str(dry / "f")) if call.name != "acknowledge"]
    assert len(calls) >= 5
    for run, call in enumerate(calls):
        folder = tmp_path / str(run)
        folder.mkdir()
        if how == "replace":
            (folder / "f").write_bytes(b"former")
        done = injected(f"error={error}", call, WORKER, how, str(folder / "f"))
        assert (done.returncode, done.stdout) == (3, f"{code}\n"), call
        left = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        if how == "replace":
            # Before the rename the former file stands, after it the new one: whole, both.
            assert left in ([b"former"], [DATA]), call
        else:
            assert left == [], call
