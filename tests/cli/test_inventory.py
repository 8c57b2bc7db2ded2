"""`ecluse key list`, `ecluse cert list` and `ecluse cert check`: one inventory, its filters and its exports."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Pair
from tests.support.commands import say
from tests.support.openssl_ca import Authority


@pytest.fixture
def with_birch(hub: Path, pair: Pair) -> Path:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    return hub


def test_every_kind_of_key(with_birch: Path) -> None:
    hub = with_birch
    say("cert", "generate", "ssh-host", "--kind", "ed25519", hub=hub)
    say("pgp", "generate", "pgp", "--kind", "curve25519", hub=hub)
    rows = say("key", "list", "--json", hub=hub).data["credentials"]
    assert {(row["owner"], row["kind"]) for row in rows} == {
        ("us", "certificate"),
        ("us", "openpgp-key"),
        ("us", "password"),
        ("us", "storage-key"),
        ("us", "log-key"),
        ("birch", "certificate"),
    }
    (theirs,) = [row for row in rows if row["owner"] == "birch"]
    assert (theirs["algorithm"], theirs["strength"], theirs["state"]) == ("RSA 2048", 112, "valid")
    assert {binding["role"] for binding in theirs["bindings"]} == {"verify", "encrypt"}
    assert theirs["revocation"]["state"] == "unchecked"
    text = say("key", "list", hub=hub).text
    assert "file:passphrase" in text
    assert (hub / "passphrase").read_text().strip() not in text


def test_filters(with_birch: Path) -> None:
    hub = with_birch
    say("cert", "generate", "short", "--kind", "ec-p256", "--days", "10", hub=hub)

    def names(*words: str) -> list[str]:
        return [row["name"] for row in say("key", "list", *words, "--json", hub=hub).data["credentials"]]

    assert names("--expiring", "30d") == ["short"]
    assert names("--weaker-than", "128") == [
        row["name"] for row in say("key", "list", "--owner", "birch", "--json", hub=hub).data["credentials"]
    ]
    assert names("--kind", "log-key", "--kind", "storage-key") == ["storage.keys", "log.seed"]
    assert names("--purpose", "decrypt") == ["main"]
    assert "main" in names("--unused", "90d")
    assert names("--owner", "us", "--kind", "certificate") == ["main", "short"]
    assert "trust.unknown-partner" in say("key", "list", "--owner", "nobody", hub=hub, code=2).err
    assert "cli.usage" in say("key", "list", "--kind", "tooth", hub=hub, code=2).err
    assert "cli.usage" in say("key", "list", "--unused", "soon", hub=hub, code=2).err
    rows = say("cert", "list", "--purpose", "encrypt", "--json", hub=hub).data["certificates"]
    assert [row["owner"] for row in rows] == ["birch"]


def test_exports(with_birch: Path, tmp_path: Path) -> None:
    hub = with_birch
    told = say("key", "list", "--export", "csv", tmp_path / "keys.csv", "--json", hub=hub).data
    lines = list(csv.DictReader((tmp_path / "keys.csv").read_text().splitlines()))
    assert told == {"file": str(tmp_path / "keys.csv"), "count": len(lines)}
    (birch,) = [line for line in lines if line["owner"] == "birch"]
    assert (birch["purpose"], birch["channels"], birch["strength"]) == ("verify encrypt", "as2:birch", "112")
    say("cert", "list", "--export", "json", tmp_path / "certs.json", hub=hub)
    exported = json.loads((tmp_path / "certs.json").read_text())["credentials"]
    assert {row["owner"] for row in exported} == {"us", "birch"}
    assert "cli.usage" in say("key", "list", "--export", "xls", tmp_path / "x", hub=hub, code=2).err
    assert say("key", "list", "--export", "csv", tmp_path / "keys.csv", hub=hub, code=1).err, "it is there"


@pytest.mark.peer("openssl")
def test_revocation_now(with_birch: Path, tmp_path: Path) -> None:
    hub = with_birch
    assert say("cert", "check", "--json", hub=hub).data == {"certificates": []}, "all sign themselves"
    mill = Authority(tmp_path / "ca")
    mill.issue("birch")
    mill.revoke("birch", "superseded")
    (hub / "mill.crl").write_bytes(mill.crl())
    say("cert", "import", mill.folder / "birch.pem", "--partner", "birch", "--yes", hub=hub)
    (hub / "certificates/mill.pem").write_bytes((mill.folder / "ca.pem").read_bytes())
    path = hub / "ecluse.toml"
    path.write_text(
        f'{path.read_text()}\n[revocation]\nmode = "soft"\n[[revocation.authorities]]\n'
        'certificate = "certificates/mill.pem"\ncrl = "file:mill.crl"\n'
    )
    say("apply", "--yes", hub=hub)
    (row,) = say("cert", "check", "birch", "--json", hub=hub, code=1).data["certificates"]
    assert (row["owner"], row["state"], row["reason"]) == ("birch", "revoked", "superseded")
    assert "revoked" in say("cert", "check", hub=hub, code=1).text
    assert "cert.no-such-certificate" in say("cert", "check", "nobody", hub=hub, code=2).err
    rows = say("cert", "list", "--owner", "birch", "--json", hub=hub).data["certificates"]
    assert [row["usable"] for row in rows] == [True, False]
