import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.children import ROOT, child_env

from ecluse.app.messages.outbox import UnreadableFile
from ecluse.demo import run as command
from ecluse.demo.checks import Unheld
from ecluse.demo.run import MARKER, FolderInUse, run
from ecluse.demo.screen import Screen


def start(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=child_env(PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8"),
        cwd=ROOT,
    )


PROGRAM = """
import sys
from pathlib import Path
from ecluse.demo.run import run
file = Path(sys.argv[2]) if len(sys.argv) > 2 else None
sys.exit(run(Path(sys.argv[1]), file, quick=True))
"""


def served(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command_line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command_line and b"serve" in command_line:
                found.append(int(entry.name))
    return found


def screen() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, width=200)), out


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    base = tmp_path_factory.mktemp("demo")
    mine = base / "price list.csv"
    mine.write_text("article;price\n4711;12.50\n")
    with start(str(base / "kept"), str(mine)) as process:
        shown, _ = process.communicate(timeout=150)
    assert process.returncode == 0, shown
    return base / "kept", shown


def test_all_of_it_holds(played: tuple[Path, str]) -> None:
    _, shown = played
    assert "✗" not in shown
    for claim in (
        "its signed receipt came on the same connection",
        "its signed receipt came later",
        "price list.csv is what was sent",
        "it arrived exactly once: one message, one file in the inbox",
        "of memory at most",
        "a signed MDN says processed/error: decryption-failed",
        "from MALLORY: an MDN says processed/error: unknown-trading-relationship",
        "the stored MDN comes back",
        "keys and bank change together",
        "changes to trust are held for Grace",
        "another hand signs their cards, and money goes there",
        "the old trust goes on working",
        "Grace refuses it, signed",
        "traces are complete: every step proven",
        "is record",
        "differs in one bit does not hold",
        "both serving processes ended in good order",
        "no document lies in clear",
    ):
        assert claim in shown
    assert all(line.lstrip().startswith("✓") for line in shown.splitlines() if " exactly once" in line)


def test_what_is_kept(played: tuple[Path, str]) -> None:
    root, _ = played
    assert (root / MARKER).is_file()
    life = json.loads((root / "traces" / "order-received-birch.json").read_text())
    assert life["state"] == "delivered"
    assert all(event["proven"] for event in life["events"])
    assert life["events"][-1]["kind"] == "message.duplicate"
    text = (root / "traces" / "order-received-birch.txt").read_text()
    assert "number 4711" in text
    assert "message.accepted" in text
    assert (root / "traces" / "order-sent-aster.mdn").read_bytes().lower().count(b"disposition:") >= 1
    assert (root / "traces" / "order-received-birch.tlog-proof").read_text().startswith("c2sp.org/tlog-proof")
    assert (root / "traces" / "aster.checkpoint").read_text().splitlines()[0].startswith("ecluse/aster")
    assert len(list((root / "birch" / "inbox" / "aster").iterdir())) == 3, (
        "an order, a file, the supplier's order"
    )
    bridged = json.loads((root / "traces" / "bridged-sent-aster.json").read_text())
    assert (bridged["partner"], bridged["state"]) == ("cedar", "delivered"), "told from what came on"
    assert (root / "traces" / "bridged-sent-aster.mdn").exists()


def test_no_process_is_left(played: tuple[Path, str]) -> None:
    assert served(played[0]) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "kept"
    with start(str(root)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Aster Foods' hub answers" in line:
                break
        assert served(root)
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "interrupted" in rest
    end = time.monotonic() + 60
    while served(root) and time.monotonic() < end:
        time.sleep(0.05)
    assert served(root) == []


def test_a_scene_that_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stage: object) -> None:
        raise Unheld("the moon is made of cheese")

    monkeypatch.setattr(command, "_scenes", lambda stage: [("The moon", broken)])
    shown, out = screen()
    assert run(tmp_path / "kept", None, True, screen=shown) == 1
    assert "The moon: the moon is made of cheese" in out.getvalue()
    assert "All of it held" not in out.getvalue()


def test_too_small_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NEEDED", 1 << 60)
    shown, out = screen()
    assert run(tmp_path / "kept", None, screen=shown) == 1
    assert "of disk" in out.getvalue()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FolderInUse, match="no demo made"):
        run(tmp_path, None, True, screen=screen()[0])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_link_in_a_former_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("years of work")
    root = tmp_path / "kept"
    (root / "aster").mkdir(parents=True)
    (root / "aster" / "old").write_text("x")
    (root / "link").symlink_to(outside)
    (root / MARKER).write_text("")
    monkeypatch.setattr(command, "_play", lambda *args, **more: 0)
    assert run(root, None, True, screen=screen()[0]) == 0
    assert os.listdir(root) == [MARKER]
    assert (outside / "thesis.txt").exists()


def test_nothing_is_left_of_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(command, "_play", lambda root, *args, **more: len(list(root.parent.iterdir())))
    assert run(None, None, True, screen=screen()[0]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        run(tmp_path / "kept", tmp_path / "missing.csv", screen=screen()[0])
    assert not (tmp_path / "kept").exists()
