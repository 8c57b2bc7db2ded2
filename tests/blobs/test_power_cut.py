"""The order of writes and syncs, read from the system calls: no power cut can show a torn or a lost file."""

import os
from pathlib import Path

import pytest
from tests.support.children import Call, needs_strace, traced

WORKER = "tests.support.disk_worker"


def breaches(calls: list[Call]) -> list[str]:
    """What a power cut could do wrong at some moment of this run.

    The disk may write anything early, and what was not synced it may never write. So: bytes must be synced
    before any name leads to them, a folder's names before what is made in it is acknowledged, and all
    before the acknowledgement.
    """
    wrong = []
    unsynced_bytes: set[str] = set()
    unsynced_names: set[str] = set()
    acknowledged = False
    for call in calls:
        match call.name:
            case "openat" | "mkdir" | "mkdirat":
                if call.name != "openat":
                    unsynced_names.add(os.path.dirname(call.paths[0]))
            case "write":
                unsynced_bytes.add(call.paths[0])
            case "fsync":
                unsynced_bytes.discard(call.paths[0])
                unsynced_names.discard(call.paths[0])
            case "link" | "linkat" | "rename" | "renameat" | "renameat2":
                source, target = call.paths
                if source in unsynced_bytes:
                    wrong.append(f"{target} has a name before its bytes are synced")
                unsynced_names.add(os.path.dirname(target))
            case "acknowledge":
                acknowledged = True
                wrong += [
                    f"{path} is acknowledged but not synced" for path in unsynced_bytes | unsynced_names
                ]
    if not acknowledged:
        wrong.append("nothing was acknowledged")
    return wrong


@needs_strace
@pytest.mark.parametrize("how", ["new", "replace", "blob"])
def test_bytes_then_name_then_folder_then_word(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    assert breaches(traced(folder, WORKER, how, str(folder / "f"))) == []


@needs_strace
@pytest.mark.parametrize("how", ["new", "replace", "blob"])
def test_the_mutant_without_fsync_is_caught(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    found = breaches(traced(folder, WORKER, how, str(folder / "f"), MUTANT="1"))
    assert any("before its bytes" in each for each in found)
    assert any("acknowledged but not synced" in each for each in found)
