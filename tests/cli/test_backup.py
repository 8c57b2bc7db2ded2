"""Backups and a restore by the command line, sealed for a key that GnuPG made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import say
from tests.support.gnupg import GnuPG, gnupg

from ecluse.app.backup.sealing import MAGIC
from ecluse.blobs.sealed import HEADER_SIZE, Opener

PARTNER = """name = "Mill"
[as2]
id = "MILL"
"""
BACKUP = """
[backup]
recipients = ["openpgp/safe.asc"]
[backup.to]
place = "../backups"
[backup.keys_to]
place = "../backup-keys"
"""
PASSPHRASE = "open the safe"

pytestmark = pytest.mark.peer("gpg")


@pytest.fixture(scope="module")
def safe() -> Iterator[GnuPG]:
    with gnupg() as gpg:
        gpg.key("safe@aster.example", "ed25519", "cv25519", passphrase=PASSPHRASE)
        yield gpg


@pytest.fixture
def backed(hub: Path, safe: GnuPG, tmp_path: Path) -> Path:
    """A hub with [backup] and one backup; beside it the private key and its passphrase."""
    (hub / "openpgp").mkdir(exist_ok=True)
    (hub / "openpgp" / "safe.asc").write_bytes(safe.public("safe@aster.example"))
    with (hub / "ecluse.toml").open("a") as file:
        file.write(BACKUP)
    say("apply", "--yes", "--reason", "backups", hub=hub)
    (tmp_path / "safe.key").write_bytes(safe.secret("safe@aster.example", PASSPHRASE))
    private_text(tmp_path / "safe.txt", PASSPHRASE)
    assert say("backup", "run", "--json", hub=hub).data["missing"] == []
    return hub


def private_text(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text + "\n")


def key(folder: Path) -> tuple[object, ...]:
    locked = ("--key", folder / "safe.key", "--key-passphrase", f"file:{folder / 'safe.txt'}")
    return (*locked, "--secrets", folder / "cedar")


def test_made_listed_verified_pruned(backed: Path) -> None:
    again = say("backup", "run", hub=backed)
    assert "blobs were copied" in again.text
    rows = say("backup", "list", "--json", hub=backed).data["backups"]
    assert len(rows) == 2
    assert rows[0]["made"] > rows[1]["made"]
    assert rows[0]["id"] in say("backup", "list", hub=backed).text
    assert say("backup", "verify", "--deep", "--json", hub=backed).data["ok"]
    assert "Nothing is wrong." in say("backup", "verify", rows[0]["id"], hub=backed).text
    keep = ["--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0", "--keep-monthly", "0"]
    facts = say("backup", "prune", *keep, "--dry-run", "--json", hub=backed).data
    assert (facts["kept"], facts["dropped"]) == ([rows[0]["id"]], [rows[1]["id"]])
    say("backup", "prune", *keep, hub=backed)
    assert [each["id"] for each in say("backup", "list", "--json", hub=backed).data["backups"]] == [
        rows[0]["id"]
    ]


def test_what_is_wrong_is_an_exit_code(backed: Path) -> None:
    pack = next(each for each in (backed.parent / "backups").rglob("p0*") if each.is_file())
    pack.unlink()
    said = say("backup", "verify", hub=backed, code=1)
    assert pack.name in said.text


def test_rehearsed_and_restored(backed: Path, tmp_path: Path) -> None:
    facts = say("backup", "rehearse", *key(tmp_path), "--folder", tmp_path, "--json", hub=backed).data
    assert facts["ok"]
    assert facts["failure"] is None
    said = say("backup", "rehearse", *key(tmp_path), "--folder", tmp_path, hub=backed)
    assert "A restore takes" in said.text
    places = [backed.parent / "backups", "--keys-from", backed.parent / "backup-keys"]
    again = tmp_path / "again"
    restored = say("restore", *places, "--into", again, *key(tmp_path), "--json").data
    assert restored["ok"], restored
    held = say("backup", "held", "--json", hub=again).data
    assert (held["messages"], held["backup"]) == ([], restored["backup"])
    assert say("backup", "release", "--all", "--yes", "--json", hub=again).data["released"] == []
    assert "Restored from" in say("backup", "held", hub=again).text
    # It is refused to put it over anything, and without the right key.
    assert "backup.place-taken" in say("restore", *places, "--into", again, *key(tmp_path), code=2).err
    private_text(tmp_path / "wrong.txt", "wrong")
    wrong = ("--key", tmp_path / "safe.key", "--key-passphrase", f"file:{tmp_path / 'wrong.txt'}")
    assert (
        "backup.no-private-key" in say("restore", *places, "--into", tmp_path / "third", *wrong, code=2).err
    )
    assert not (tmp_path / "third").exists()


def test_without_settings_it_says_what_to_add(hub: Path) -> None:
    assert "backup.not-configured" in say("backup", "run", hub=hub, code=2).err


def test_gnupg_and_the_format_of_blobs_open_an_object(backed: Path, safe: GnuPG) -> None:
    pack = next(each for each in (backed.parent / "backups").rglob("p0*") if each.is_file())
    data = pack.read_bytes()
    start = len(MAGIC) + 2
    end = start + int.from_bytes(data[len(MAGIC) : start], "big")
    secret = safe.run("--decrypt", data=data[start:end], passphrase=PASSPHRASE)
    assert len(secret) == 32
    opener = Opener(secret, data[end : end + HEADER_SIZE], pack.name)
    assert len(opener.open(0, data[end + HEADER_SIZE :])) > 100
