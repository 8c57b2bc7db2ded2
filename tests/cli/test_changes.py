"""Operators and changes that wait for a second one, on the command line."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from tests.support.commands import say
from tests.support.operators import Person, person, write_key


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    """Private keys by name; the public ones lie beside them."""
    return {name: write_key(tmp_path / name, person(name)) for name in ("ada", "berta", "carl")}


@pytest.fixture
def eyes(hub: Path, people: dict[str, Path]) -> Path:
    """A hub with the operators ada and berta."""
    for name in ("ada", "berta"):
        words = ("--public-key", f"{people[name]}.pub", "--email", f"{name}@aster.example", "--yes")
        say("operator", "add", name, *words, hub=hub)
    return hub


def rename(hub: Path, to: str = "Cedar & Co") -> None:
    path = hub / "ecluse.toml"
    path.write_text(path.read_text().replace('name = "Cedar"', f'name = "{to}"'))


def held(hub: Path, *words: object) -> str:
    result = say("apply", "--yes", "--json", *words, hub=hub, code=1)
    assert result.data["error"]["code"] == "change.held"
    return str(result.data["error"]["change"])


def test_the_first_operators(hub: Path, people: dict[str, Path]) -> None:
    assert say("operator", "list", "--json", hub=hub).data == {"eyes": 1, "operators": []}
    assert "One person is enough" in say("operator", "list", hub=hub).text
    (hub / "ecluse.toml").write_text("# ours\n" + (hub / "ecluse.toml").read_text())
    first = say("operator", "add", "ada", "--public-key", f"{people['ada']}.pub", "--yes", "--json", hub=hub)
    assert (first.data["eyes"], first.data["changes"][0]["field"]) == (1, "operator ada")
    assert "# ours" in (hub / "ecluse.toml").read_text()
    second = say(
        "operator", "add", "berta", "--public-key", f"{people['berta']}.pub", "--yes", "--json", hub=hub
    )
    assert second.data["eyes"] == 2
    rows = say("operator", "list", "--json", hub=hub).data["operators"]
    assert [(row["name"], row["roles"], len(row["keys"])) for row in rows] == [
        ("ada", ["trust", "run"], 1),
        ("berta", ["trust", "run"], 1),
    ]
    assert "two of role trust" in say("operator", "list", hub=hub).text
    lines = say("operator", "allowed-signers", hub=hub).text.splitlines()
    assert lines[0] == f'ada namespaces="ecluse-change" {person("ada").line}'
    assert (
        "operator.exists"
        in say(
            "operator", "add", "ada", "--public-key", f"{people['carl']}.pub", "--yes", hub=hub, code=2
        ).err
    )
    assert "operator.not-found" in say("operator", "remove", "carl", "--yes", hub=hub, code=2).err
    assert (
        "sshsig.bad-key"
        in say("operator", "add", "carl", "--public-key", hub / "passphrase", "--yes", hub=hub, code=2).err
    )


def test_proposed_shown_and_approved(eyes: Path, people: dict[str, Path]) -> None:
    rename(eyes)
    plan = say("plan", "--json", hub=eyes).data
    assert plan["held"]
    assert [(each["field"], each["kind"]) for each in plan["trust"]] == [("organisation.name", "identity")]
    assert "would wait for a second operator" in say("plan", hub=eyes).text
    id = held(eyes, "--as", "ada", "--key", people["ada"], "--reason", "a new name")
    assert say("export", "--history", "--json", hub=eyes).data["versions"][0]["version"] == 3
    assert held(eyes) == id, "the same is proposed once"

    (row,) = say("change", "list", "--json", hub=eyes).data["changes"]
    assert (row["id"], row["state"], row["proposer"], row["reason"]) == (id, "pending", "ada", "a new name")
    assert id in say("change", "list", hub=eyes).text
    shown = say("change", "show", id[-6:], hub=eyes).text
    assert "hub ~ organisation.name: Cedar -> Cedar & Co (identity)" in shown
    assert "pending: signed by ada" in shown
    assert say("change", "show", id, "--json", hub=eyes).data["problem"] is None

    own = say("change", "approve", id, "--as", "ada", "--key", people["ada"], "--yes", hub=eyes, code=2)
    assert "change.own" in own.err
    asked = say("change", "approve", id, "--as", "berta", "--key", people["berta"], hub=eyes, code=2)
    assert "cli.not-confirmed" in asked.err
    assert "hub ~ organisation.name" in asked.err, "the diff comes before the question"
    other = say("change", "approve", id, "--as", "berta", "--key", people["carl"], "--yes", hub=eyes, code=2)
    assert "change.cannot-sign" in other.err
    assert "--as" in say("change", "approve", id, "--yes", hub=eyes, code=2).err
    done = say("change", "approve", id, "--as", "berta", "--key", people["berta"], "--yes", hub=eyes)
    assert done.text == "Version 4 is in force: ada and berta signed it.\n"
    assert say("change", "list", "--json", hub=eyes).data == {"changes": []}
    assert "No change waits" in say("change", "list", hub=eyes).text
    (row,) = say("change", "list", "--all", "--json", hub=eyes).data["changes"]
    assert (row["state"], row["version"]) == ("applied", 4)
    found = say("change", "verify", "--json", hub=eyes).data
    assert found["ok"]
    assert [each["eyes"] for each in found["versions"]] == [1, 1, 1, 2]
    assert "4 of 4 versions" in say("change", "verify", hub=eyes).text
    over = say("change", "approve", id, "--as", "berta", "--key", people["berta"], "--yes", hub=eyes, code=2)
    assert "change.not-pending" in over.err
    assert say("plan", "--json", hub=eyes).data["changes"] == []


def test_environment_names_the_operator(
    eyes: Path, people: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECLUSE_OPERATOR", "ada")
    monkeypatch.setenv("ECLUSE_OPERATOR_KEY", str(people["ada"]))
    rename(eyes)
    id = held(eyes)
    assert say("change", "show", id, "--json", hub=eyes).data["proposer"] == "ada"
    done = say("change", "withdraw", id, "--yes", hub=eyes)
    assert "It is over: ada took it back." in done.text


def test_a_partner_that_is_added_waits(eyes: Path, people: dict[str, Path], tmp_path: Path) -> None:
    say("init", tmp_path / "elm", "--name", "Elm", "--as2-id", "ELM", "--key-kind", "ec-p256")
    say("partner", "card", "--out", tmp_path / "elm.card", hub=tmp_path / "elm")
    words = ("--as", "ada", "--key", people["ada"])
    result = say("partner", "add", tmp_path / "elm.card", "--yes", "--json", *words, hub=eyes, code=1)
    assert result.data["error"]["code"] == "change.held"
    assert say("partner", "list", "--json", hub=eyes).data == {"partners": []}
    assert not list((eyes / "partners").iterdir())
    id = result.data["error"]["change"]
    done = say(
        "change", "approve", id, "--as", "berta", "--key", people["berta"], "--yes", "--json", hub=eyes
    )
    assert any(path.startswith("partners/") for path in done.data["written"])
    assert [row["id"] for row in say("partner", "list", "--json", hub=eyes).data["partners"]] == ["elm"]
    assert say("plan", "--json", hub=eyes).data["changes"] == []


def test_an_operator_is_removed_by_two(eyes: Path, people: dict[str, Path]) -> None:
    words = ("--as", "ada", "--key", people["ada"], "--yes", "--json")
    result = say("operator", "remove", "berta", *words, hub=eyes, code=1)
    id = result.data["error"]["change"]
    refused = say(
        *(
            "change",
            "refuse",
            id,
            "--because",
            "I am still here",
            "--as",
            "berta",
            "--key",
            people["berta"],
            "--yes",
        ),
        hub=eyes,
    )
    assert "berta refused it: I am still here" in refused.text
    assert say("operator", "list", "--json", hub=eyes).data["eyes"] == 2


def test_an_operator_who_is_gone(eyes: Path, people: dict[str, Path]) -> None:
    words = ("operator", "recover", "berta", "--because", "she left", "--yes")
    assert "--as" in say(*words, hub=eyes, code=2).err
    mine = ("--as", "ada", "--key", people["ada"])
    facts = say(*words, *mine, "--json", hub=eyes).data
    early = say("change", "approve", facts["change"], *mine, "--yes", hub=eyes, code=2)
    assert "change.too-early" in early.err
    assert facts["from"] in early.err
    assert "removes operators alone" in say("doctor", hub=eyes).text
    assert say("operator", "list", "--json", hub=eyes).data["eyes"] == 2


@pytest.mark.peer("ssh-keygen")
def test_signed_elsewhere_and_checked_with_ssh_keygen_alone(
    eyes: Path, people: dict[str, Path], tmp_path: Path
) -> None:
    rename(eyes)
    id = held(eyes, "--as", "ada", "--key", people["ada"])
    assert "--as" in say("change", "show", id, "--to-sign", hub=eyes, code=2).err
    text = tmp_path / "change.txt"
    text.write_bytes(say("change", "show", id, "--to-sign", "--as", "berta", hub=eyes).out)
    assert text.read_text().startswith("ecluse.change/1\naction: approve\noperator: berta\n")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "ecluse-change", "-f", str(people["berta"]), str(text)]
    subprocess.run(sign, check=True)
    done = say("change", "approve", id, "--signature", f"{text}.sig", hub=eyes)
    assert "ada and berta signed it" in done.text

    folder = tmp_path / "evidence"
    facts = say("change", "evidence", id, folder, "--json", hub=eyes).data
    assert facts["files"] == [
        "1-proposed-ada.txt",
        "1-proposed-ada.txt.sig",
        "2-approved-berta.txt",
        "2-approved-berta.txt.sig",
        "allowed_signers",
    ]
    assert len(facts["commands"]) == 2
    for line in facts["commands"]:
        checked = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        assert checked.stdout.startswith('Good "ecluse-change" signature for ')
    assert "ssh-keygen -Y verify" in say("change", "evidence", id, tmp_path / "again", hub=eyes).text
    (folder / "2-approved-berta.txt").write_text(text.read_text().replace("Co", "Sons"))
    changed = subprocess.run(facts["commands"][1], shell=True, cwd=folder, capture_output=True)
    assert changed.returncode != 0


@pytest.mark.peer("ssh-keygen")
def test_signatures_that_do_not_count(eyes: Path, people: dict[str, Path], tmp_path: Path) -> None:
    rename(eyes)
    id = held(eyes)
    path = tmp_path / "x.sig"
    path.write_text("nothing")
    assert "sshsig.bad-signature" in say("change", "approve", id, "--signature", path, hub=eyes, code=2).err
    path.write_text(person("mallory").sign("x"))
    assert "change.not-approver" in say("change", "approve", id, "--signature", path, hub=eyes, code=2).err
    path.write_text(person("berta").sign("x"))
    assert "sshsig.bad-signature" in say("change", "approve", id, "--signature", path, hub=eyes, code=2).err
    assert "change.not-found" in say("change", "show", "nothing", hub=eyes, code=2).err


def encrypted(path: Path, who: Person, word: bytes) -> Path:
    path.write_bytes(
        who.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(word))
    )
    return path


def test_keys_with_a_passphrase(eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = encrypted(tmp_path / "locked", person("ada"), b"horse")
    rename(eyes)
    words = ("apply", "--yes", "--as", "ada", "--key", key)
    assert "cli.not-confirmed" in say(*words, hub=eyes, code=2).err
    monkeypatch.setenv("ADA", "wrong")
    assert "change.cannot-sign" in say(*words, "--key-passphrase", "env:ADA", hub=eyes, code=2).err
    monkeypatch.setenv("ADA", "horse")
    assert "change.held" in say(*words, "--key-passphrase", "env:ADA", hub=eyes, code=1).err


@pytest.mark.peer("ssh-keygen")
def test_keys_in_ways_that_can_not_be_read(
    eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename(eyes)
    monkeypatch.setenv("WORD", "horse")
    locked, dsa, rubbish = tmp_path / "locked", tmp_path / "dsa", tmp_path / "rubbish"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "horse", "-f", locked], check=True)
    rubbish.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    for path in (locked, dsa, rubbish):
        words = ("apply", "--yes", "--as", "ada", "--key", path, "--key-passphrase", "env:WORD")
        result = say(*words, hub=eyes, code=2)
        assert "change.cannot-sign" in result.err
        assert "horse" not in result.err
    assert (
        "change.not-approver"
        in say("apply", "--yes", "--as", "nobody", "--key", locked, hub=eyes, code=2).err
    )


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield socket
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.peer("ssh-agent")
def test_the_ssh_agent_signs(eyes: Path, people: dict[str, Path], tmp_path: Path, agent: Path) -> None:
    rename(eyes)
    empty = say("apply", "--yes", "--as", "ada", hub=eyes, code=2)
    assert "holds none of ada's keys" in empty.err
    rsa = tmp_path / "carl-rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "3072", "-N", "", "-f", rsa], check=True)
    for name in (people["ada"], people["berta"], rsa):
        subprocess.run(["ssh-add", "-q", str(name)], check=True, env={**os.environ})
    id = held(eyes, "--as", "ada")
    done = say("change", "approve", id, "--as", "berta", "--yes", "--json", hub=eyes)
    assert done.data["version"] == 4
    added = say(
        "operator",
        "add",
        "carl",
        "--public-key",
        f"{rsa}.pub",
        "--yes",
        "--json",
        "--as",
        "ada",
        hub=eyes,
        code=1,
    )
    say("change", "approve", added.data["error"]["change"], "--as", "berta", "--yes", hub=eyes)
    rename_back = eyes / "ecluse.toml"
    rename_back.write_text(rename_back.read_text().replace("Cedar & Co", "Cedar Sons"))
    id = held(eyes, "--as", "carl")
    assert "ada and" not in say("change", "approve", id, "--as", "berta", "--yes", hub=eyes).text


def test_without_an_agent(eyes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rename(eyes)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert "There is no SSH agent" in say("apply", "--yes", "--as", "ada", hub=eyes, code=2).err
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nothing"))
    assert "change.cannot-sign" in say("apply", "--yes", "--as", "ada", hub=eyes, code=2).err


def test_doctor_tells(hub: Path, people: dict[str, Path]) -> None:
    def found() -> dict[str, str]:
        findings = json.loads(say("doctor", "--json", hub=hub, code=0).out)["findings"]
        return {each["check"]: each["observed"] for each in findings}

    assert "Single-operator hub" in found()["operators"]
    for name in ("ada", "berta"):
        say("operator", "add", name, "--public-key", f"{people[name]}.pub", "--yes", hub=hub)
    rename(hub)
    held(hub)
    say("export", hub=hub)
    assert found()["operators"].startswith("Four eyes: two of ada, berta")
    assert found()["changes"] == "1 wait for approval: `ecluse change list`."


def test_the_environment_does_not_say_who_is_at_work(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "berta")
    rename(hub)
    say("apply", "--yes", hub=hub)
    newest = say("export", "--history", "--json", hub=hub).data["versions"][0]
    assert newest["actor"] != "operator:berta"


def test_who_signs_answers_for_having_called_them_back(
    eyes: Path, people: dict[str, Path], tmp_path: Path
) -> None:
    other, card = tmp_path / "birch", tmp_path / "birch.card"
    say("init", other, "--name", "Birch", "--as2-id", "BIRCH", "--key-kind", "ec-p256")
    phrase = say("partner", "card", "--out", card, "--json", hub=other).data["phrase"]
    words = (
        "--phrase",
        phrase,
        "--verified-with",
        "Jo",
        "--evidence",
        "called",
        "--as",
        "ada",
        "--key",
        people["ada"],
    )
    result = say("partner", "add", card, *words, "--json", hub=eyes, code=1)
    shown = say("change", "show", result.data["error"]["change"], hub=eyes).text
    assert "verification.by: operator:ada" in shown
