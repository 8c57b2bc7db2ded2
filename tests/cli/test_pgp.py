"""OpenPGP keys and certificates on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import say
from tests.support.gnupg import gnupg
from tests.support.openpgp import party

from ecluse.trust.keys.memory import MemoryKeyring
from ecluse.trust.keys.openpgp import armored_certificate
from ecluse.wire.openpgp.certificate import read_certificates

BIRCH = 'name = "Birch"\n[account]\nuser = "birch"\npassword = "env:BIRCH_PASSWORD"\n'


@pytest.fixture
def with_birch(hub: Path) -> Path:
    (hub / "partners").mkdir(exist_ok=True)
    (hub / "partners" / "birch.toml").write_text(BIRCH)
    say("apply", "--yes", hub=hub)
    return hub


def certificate(**named) -> str:
    ring = MemoryKeyring()
    return armored_certificate(
        ring.generate_openpgp("own", "Birch <edi@birch.example>", kind="curve25519", **named)
    )


def _doctor(hub: Path, code: int) -> str:
    """What the doctor thinks of OpenPGP."""
    findings = say("doctor", "--json", hub=hub, code=code).data["findings"]
    return next(each["level"] for each in findings if each["check"] == "openpgp")


def test_make_show_export_extend_revoke_remove(hub: Path, tmp_path: Path) -> None:
    made = say("pgp", "generate", "pgp", "--kind", "curve25519", "--days", 20, "--json", hub=hub).data
    assert made["in_use"] is False
    assert made["state"] == "valid"
    assert "keyring.exists" in say("pgp", "generate", "pgp", hub=hub, code=2).err
    say("pgp", "export", "pgp", "--out", tmp_path / "ours.asc", hub=hub)
    (read,) = read_certificates((tmp_path / "ours.asc").read_bytes())
    assert read.fingerprint == made["fingerprint"]
    assert say("pgp", "export", "pgp", hub=hub).text.encode() == (tmp_path / "ours.asc").read_bytes()

    text = say("pgp", "show", "pgp", hub=hub).text
    groups = [made["fingerprint"][at : at + 4] for at in range(0, 40, 4)]
    assert " ".join(groups) in text
    assert say("pgp", "show", made["fingerprint"][-16:], "--json", hub=hub).data["source"] == "pgp"
    assert "openpgp.no-such-key" in say("pgp", "show", "nobody", hub=hub, code=2).err
    assert "pgp" in say("pgp", "list", hub=hub).text
    assert say("pgp", "list", "--expiring", "10d", "--json", hub=hub).data["certificates"] == []
    rows = say("pgp", "list", "--expiring", "30d", "--json", hub=hub).data["certificates"]
    assert [row["days_left"] in (19, 20) for row in rows] == [True]

    later = say("pgp", "extend", "pgp", "--days", 900, "--json", hub=hub).data
    assert later["expires"] > made["expires"]
    path = hub / "ecluse.toml"
    path.write_text(path.read_text() + '\n[openpgp]\nkeys = ["pgp"]\n')
    say("apply", "--yes", hub=hub)
    (row,) = say("pgp", "list", "--json", hub=hub).data["certificates"]
    assert row["use"] == ["sign", "decrypt"]
    assert "openpgp.key-in-use" in say("pgp", "remove", "pgp", "--yes", hub=hub, code=2).err
    assert "cli.not-confirmed" in say("pgp", "revoke", "pgp", "--reason", "retired", hub=hub, code=2).err
    assert _doctor(hub, 0) == "ok"
    revoked = say("pgp", "revoke", "pgp", "--reason", "retired", "--yes", "--json", hub=hub).data
    assert revoked["state"] == "revoked"
    assert _doctor(hub, 1) == "failed"

    say("pgp", "generate", "spare", "--kind", "curve25519", hub=hub)
    say("pgp", "remove", "spare", "--yes", hub=hub)
    assert len(say("pgp", "list", "--json", hub=hub).data["certificates"]) == 1


def test_a_partners_certificate_is_put_in_force_and_renewed(with_birch: Path, tmp_path: Path) -> None:
    hub = with_birch
    ring = MemoryKeyring()
    (tmp_path / "birch.asc").write_text(
        armored_certificate(ring.generate_openpgp("own", "Birch", kind="curve25519", days=5))
    )
    given = ("pgp", "import", tmp_path / "birch.asc", "--partner", "birch")
    assert "Compare its fingerprint" in say(*given, hub=hub, code=2).err
    first = say(*given, "--yes", "--json", hub=hub).data
    assert first["version"] is not None
    assert "has this certificate already" in say(*given, "--yes", hub=hub).text
    row = say("pgp", "show", "birch", "--json", hub=hub).data
    assert row["use"] == ["encrypt", "verify"]
    (tmp_path / "birch.asc").write_text(armored_certificate(ring.extend_openpgp("own", 500)))
    say(*given, "--yes", hub=hub)
    (renewed,) = say("pgp", "list", "--json", hub=hub).data["certificates"]
    assert renewed["source"] == row["source"]
    assert renewed["days_left"] > 490
    (tmp_path / "other.asc").write_text(certificate())
    say("pgp", "import", tmp_path / "other.asc", "--partner", "birch", "--yes", hub=hub)
    assert len(say("pgp", "list", "--json", hub=hub).data["certificates"]) == 2


def test_what_is_refused(with_birch: Path, tmp_path: Path) -> None:
    hub = with_birch
    (tmp_path / "private.asc").write_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nyxQA\n")
    err = say("pgp", "import", tmp_path / "private.asc", "--partner", "birch", "--yes", hub=hub, code=2).err
    assert "openpgp.private-key" in err
    (tmp_path / "public.asc").write_text(armored_certificate(party().certificate))
    err = say("pgp", "import", tmp_path / "public.asc", "--ref", "x", hub=hub, code=2).err
    assert "openpgp.bad-key" in err
    say("pgp", "import", tmp_path / "public.asc", hub=hub, code=2)
    (hub / "partners" / "birch.toml").write_text(BIRCH + '[openpgp]\ncertificates = ["openpgp/birch.asc"]\n')
    assert "config.missing-file" in say("plan", hub=hub, code=2).err
    (hub / "openpgp").mkdir(exist_ok=True)
    (hub / "openpgp" / "birch.asc").write_text((tmp_path / "private.asc").read_text())
    assert "openpgp.private-key" in say("plan", hub=hub, code=2).err


@pytest.mark.peer("gpg")
def test_a_key_of_gnupg_with_a_passphrase(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gnupg() as gpg:
        gpg.key("aster", "ed25519", "cv25519", passphrase="correct horse")
        file = tmp_path / "key.asc"
        file.write_bytes(gpg.secret("aster", "correct horse"))
    given = ("pgp", "import", file, "--ref", "old")
    assert "cli.not-confirmed" in say(*given, hub=hub, code=2).err
    monkeypatch.setenv("WRONG", "battery staple")
    assert "openpgp.wrong-passphrase" in say(*given, "--password", "env:WRONG", hub=hub, code=2).err
    monkeypatch.setenv("RIGHT", "correct horse")
    assert say(*given, "--password", "env:RIGHT", "--json", hub=hub).data["user_ids"] == ["aster"]
    assert "in use" not in say("pgp", "show", "old", hub=hub).text
