"""What holds for every command: help with an example, exit codes, errors for people and for programs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import GIVES, say

import ecluse

SOURCES = Path(ecluse.__file__).parent


@pytest.mark.parametrize("words", sorted(GIVES))
def test_help_ends_with_an_example(words: str) -> None:
    text = " ".join(say(*words.split(), "--help").text.split())
    assert "Example" in text
    assert "--json" in text
    assert "--hub" in text


def test_what_json_gives_is_promised() -> None:
    assert [words for words, promised in GIVES.items() if not promised] == []


@pytest.mark.parametrize("group", ["message", "partner", "cert", "log", "keyring", "secret"])
def test_group_without_a_command_shows_its_help(group: str) -> None:
    result = say(group, code=2)
    assert "Usage" in result.text
    assert result.err == ""


def test_nothing_heavy_is_imported_for_help() -> None:
    script = (
        "import sys; from ecluse.cli.tree import run; run(['--help']);"
        "print(sorted({'cryptography', 'msgspec', 'structlog', 'asyncio', 'ecluse.app.node'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ecluse", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("ecluse")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["nonsense"], "nonsense"),
        (["send", "birch"], "files"),
        (["init"], "folder"),
        (["message", "list", "--limit", "0"], "--limit"),
        (["message", "list", "--direction", "up"], "--direction"),
        (["cert", "list", "--expiring", "soon"], "soon"),
        (["export", "--version", "x"], "--version"),
        (["plan", "--nope"], "--nope"),
        (["message", "resend", "x"], "--reason"),
    ],
)
def test_wrong_usage(words: list[str], names: str) -> None:
    plain = say(*words, code=2)
    assert "cli.usage" in plain.err
    assert names in plain.err
    assert plain.out == b""
    told = say(*words, "--json", code=2)
    assert told.data["error"]["code"] == "cli.usage"
    assert "--help" in told.data["error"]["remedy"]


def test_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECLUSE_HUB", raising=False)
    monkeypatch.chdir(tmp_path)
    result = say("plan", code=2)
    assert "app.not-a-hub" in result.err
    assert "ecluse init" in result.err
    assert say("doctor", "--json", code=2).data["error"]["code"] == "app.not-a-hub"


def test_the_hub_is_named_before_after_or_by_the_environment(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say("--hub", hub, "--json", "plan").data["version"] == 1
    assert say("plan", "--json", "--hub", hub).data["version"] == 1
    monkeypatch.setenv("ECLUSE_HUB", str(hub))
    assert say("plan", "--json").data["version"] == 1
    monkeypatch.delenv("ECLUSE_HUB")
    monkeypatch.chdir(hub)
    assert say("plan", "--json").data["version"] == 1


def test_quiet_says_nothing(hub: Path) -> None:
    assert say("plan", "-q", hub=hub).out == b""
    assert say("--quiet", "doctor", hub=hub).out == b""


def test_a_wrong_passphrase_is_an_error_and_not_a_trace(hub: Path) -> None:
    (hub / "passphrase").write_text("something else\n")
    result = say("partner", "list", hub=hub, code=1)
    assert "keyring.wrong-passphrase" in result.err
    assert "something else" not in result.err


def test_every_command_that_a_text_names_is_there() -> None:
    """Remedies send people to commands; each has to exist."""
    wrong = []
    known = {*GIVES, "posture"}  # alone it is its report
    for path in SOURCES.rglob("*.py"):
        for found in re.findall(r"`ecluse ([a-z][a-z -]*)", path.read_text()):
            words = found.split(" --")[0].split()
            if not any(" ".join(words[:length]) in known for length in (1, 2, 3)):
                wrong.append(f"{path.name}: ecluse {found}")
    assert not wrong


@pytest.mark.parametrize("words", [[], ["cert"], *(words.split() for words in GIVES)])
def test_flags_are_shown_as_flags(words):
    text = say(*words, "--help").text
    assert "--json" in text or words == ["cert"]
    assert "bool" not in text
