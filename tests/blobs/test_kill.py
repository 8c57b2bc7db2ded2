"""Killed at every call that changes the disk: what is visible is whole, and what is not can be swept."""

from pathlib import Path

import pytest
from tests.support.children import injected, needs_strace, run_child, traced
from tests.support.disk_worker import DATA

from ecluse.durable import is_part, sweep_parts

WORKER = "tests.support.disk_worker"


@needs_strace
@pytest.mark.parametrize("how", ["new", "replace", "blob"])
def test_a_kill_leaves_all_or_nothing(tmp_path: Path, how: str) -> None:
    dry = tmp_path / "dry"
    dry.mkdir()
    calls = traced(dry, WORKER, how, str(dry / "f"))
    assert {"write", "fsync", "acknowledge"} <= {call.name for call in calls}
    for run, call in enumerate(calls):
        if call.name == "acknowledge":
            continue
        folder = tmp_path / str(run)
        folder.mkdir()
        if how == "replace":
            (folder / "f").write_bytes(b"former")
        done = injected("signal=KILL", call, WORKER, how, str(folder / "f"))
        assert done.returncode != 0
        assert "durable" not in done.stdout
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in files:
            if not is_part(path.name):
                assert path.read_bytes() in ((b"former", DATA) if how == "replace" else (DATA,)), call
            sweep_parts(path.parent, 0)
        # The next start does it again, or finds it done.
        again = run_child(WORKER, how, str(folder / "f"))
        assert again.stdout in ("durable\n", "disk.name-taken\n", "blobs.exists\n")
        [path] = [path for path in folder.rglob("*") if path.is_file()]
        assert path.read_bytes() == DATA
