"""The package by itself: built, put into a fresh virtual environment without the hub, and run there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.support.packs import Company, World

ROOT = Path(__file__).parents[2]
LIBRARIES = ("cryptography", "cffi", "pycparser")
"""What it needs, and what that needs."""


def call(*words: object, folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package, built from its sources, and nothing else but its one library."""
    folder = tmp_path_factory.mktemp("fresh")
    ignore = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    source = shutil.copytree(ROOT / "verify", folder / "source", ignore=ignore)
    pip = (sys.executable, "-m", "pip")
    call(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source, folder=folder)
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    here = Path(sysconfig.get_paths()["platlib"])
    for path in here.iterdir():
        name = path.name.lower().lstrip("_")
        if name.startswith(LIBRARIES):
            (site / path.name).symlink_to(path)
    (wheel,) = folder.glob("*.whl")
    python = folder / "venv" / "bin" / "python"
    call(*pip, "--python", python, "install", "--quiet", "--no-deps", wheel, folder=folder)
    return folder


def test_it_verifies_a_pack_without_the_hub(fresh: Path, aster: Company, world: World) -> None:
    bin = fresh / "venv" / "bin"
    call(bin / "python", "-c", "import ecluse", folder=fresh, code=1)
    words = (aster.packs[0].resolve(), "--key", aster.key, "--trust", world.pem("birch"), "--json")
    told = json.loads(call(bin / "ecluse-verify", *words, folder=fresh))
    assert told["ok"]
    proven = {each["code"] for each in told["findings"] if each["level"] == "proven"}
    assert proven >= {
        "log.proven",
        "receipt.positive",
        "mic.equal",
        "signature.proven",
        "certificate.trusted",
    }
    loaded = "import sys, ecluse_verify.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    names = set(call(bin / "python", "-c", loaded, folder=fresh).split())
    foreign = {name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert foreign <= {"ecluse_verify", "cryptography", "cffi", "pycparser", "sitecustomize"}


def test_a_tampered_pack_is_told_there_too(fresh: Path, aster: Company, tmp_path: Path) -> None:
    path = tmp_path / "tampered.zip"
    data = bytearray(aster.packs[0].read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    text = call(fresh / "venv" / "bin" / "ecluse-verify", path, folder=fresh, code=1)
    assert "BROKEN" in text
