"""The how-to page that needs no program of ours: its very commands, on a real pack."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.packs import Company, Vouchers, World, read_pack, spelt, write_pack

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "check-evidence-with-openssl.md"
BLOCKS = re.findall(r"^```(sh)?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = "\n".join(f"echo '# {number}'\n{text}" for number, (kind, text) in enumerate(BLOCKS) if kind)


@pytest.fixture
def folder(aster: Company, world: World, vouchers: Vouchers, tmp_path: Path) -> Path:
    write_pack(tmp_path / "order.zip", aster.resign(vouchers.vouch(read_pack(aster.packs[0]))))
    (tmp_path / "aster.vkey").write_text(aster.key + "\n")
    (tmp_path / "cedar.vkey").write_text(spelt(vouchers.keys[0]) + "\n")
    shutil.copy(world.pem("birch"), tmp_path / "birch.pem")
    shutil.copy(vouchers.root, tmp_path / "tsa.pem")
    return tmp_path


def walk(folder: Path, *options: str) -> tuple[int, dict[int, str]]:
    """Run the page; what each of its blocks says."""
    done = subprocess.run(
        ["sh", *options, "-c", COMMANDS],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    parts = re.split(r"^# (\d+)\n", done.stdout.decode("utf-8", "replace"), flags=re.MULTILINE)
    return done.returncode, {int(number): said for number, said in zip(parts[1::2], parts[2::2], strict=True)}


def test_its_commands_work_as_written(folder: Path) -> None:
    code, said = walk(folder, "-e")
    assert code == 0, said
    for number, (kind, text) in enumerate(BLOCKS):
        if not kind:
            at = 0
            for line in text.splitlines():
                at = said[number - 1].find(line, at)
                assert at >= 0, (line, said[number - 1])
    assert "<order-1@ASTER>" in "".join(said.values())


@pytest.mark.parametrize("name", ["documents/0", "receipts/0.body", "events/0001.tlog-proof", "wire/entity"])
def test_what_was_tampered_with_shows(folder: Path, aster: Company, name: str) -> None:
    """Somebody with the log's key put other octets into the pack: one of the page's checks fails."""
    files = read_pack(folder / "order.zip")
    path = next(path for path in files if path.endswith(name))
    data = bytearray(files[path])
    data[len(data) // 2] ^= 2
    write_pack(folder / "order.zip", aster.resign({**files, path: bytes(data)}))
    code, said = walk(folder)
    good = walk_of_good(said)
    assert code != 0 or not good


def walk_of_good(said: dict[int, str]) -> bool:
    """Whether every line that the page promises was said."""
    for number, (kind, text) in enumerate(BLOCKS):
        at = 0
        for line in [] if kind else text.splitlines():
            at = said.get(number - 1, "").find(line, at)
            if at < 0:
                return False
    return True
