"""A disk that is really full: a file size limit set by the kernel, and every call failed in turn."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = [sys.executable, "-m", "tests.support.disk_worker"]


def visible(folder: Path) -> list[str]:
    return [name for _, _, files in os.walk(folder) for name in files if not name.startswith(".")]


def test_past_the_limit_nothing_is_left(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = subprocess.run(
        [*WORKER, "new", str(tmp_path / "f")], preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "disk.file-too-large\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.peer("strace")
@pytest.mark.skipif(shutil.which("strace") is None, reason="peer strace is not installed")
@pytest.mark.parametrize("how", ["new", "replace", "blob"])
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", ["write", "fsync", "link,linkat,rename,renameat2"])
def test_each_call_refused_by_the_kernel(tmp_path: Path, how: str, error: str, call: str) -> None:
    if how == "replace":
        (tmp_path / "f").write_bytes(b"former")
    if how == "replace" and call.startswith("link"):
        call = "rename,renameat,renameat2"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(tmp_path / "f"), "-e", f"trace={call}"),
            *("-e", f"inject={call}:error={error}:when=1"),
            *(*WORKER, how, str(tmp_path / "f")),
        ]
        if call.startswith(("link", "rename"))
        else [
            *("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"),
            *("-e", f"inject={call}:error={error}:when=1"),
            *(*WORKER, how, str(tmp_path / "f")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if how == "blob" and call.startswith("link"):
        pytest.skip("the blob's own path is deeper than the traced one")
    assert (done.returncode, done.stdout) == (3, "disk.full\n" if error == "ENOSPC" else "disk.failing\n")
    if how == "replace":
        assert (tmp_path / "f").read_bytes() == b"former"
    else:
        assert visible(tmp_path) == []
