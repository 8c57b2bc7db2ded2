"""Types that several threads use for the first time at once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import ecluse

ROOT = Path(ecluse.__file__).parent
TOGETHER = """
import sys, threading
import msgspec
from ecluse.trust.settings.schema import Partner
from ecluse.typed import convert

sys.setswitchinterval(1e-6)
names = list(Partner.__struct_fields__)
begin = threading.Barrier(4)

def use():
    begin.wait()
    for name in reversed(names):
        try:
            CONVERT({name: {}, "name": "Birch"}, Partner)
        except msgspec.ValidationError:
            pass

threads = [threading.Thread(target=use) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


def ends(convert: str) -> int:
    code = TOGETHER.replace("CONVERT", convert)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, timeout=120
    ).returncode


def test_a_type_is_learned_once_whoever_uses_it_first():
    assert [ends("convert") for _ in range(3)] == [0, 0, 0]


def test_without_that_the_process_ends():
    """Where this fails, msgspec has been mended, and the lock may go."""
    assert any(ends("msgspec.convert") for _ in range(5))


def test_nobody_gives_msgspec_a_type_past_the_lock():
    past = []
    for path in ROOT.rglob("*.py"):
        if path == ROOT / "typed.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("msgspec."):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            if name == "convert" or (name == "Decoder" and node.args) or (name == "decode" and node.keywords):
                past.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert past == []
