"""Real packs: what they prove, and what is said of it."""

from __future__ import annotations

import pytest
from tests.support.packs import Company, World

from ecluse_verify.cli import main


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main([str(word) for word in words])
    return code, capsys.readouterr().out


def test_a_senders_pack(aster: Company, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(aster.packs[0], "--key", aster.key, "--trust", world.pem("birch"), capsys=capsys)
    print(text)
    assert code == 0


def test_a_receivers_pack(birch: Company, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(birch.packs[0], "--key", birch.key, "--trust", world.pem("aster"), capsys=capsys)
    print(text)
    assert code == 0
