"""Partners, cards, certificates, keys and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)
from tests.cli.conftest import Pair
from tests.support.commands import say

from ecluse.model.basics import system_clock
from ecluse.trust.keys.making import make_certificate, make_key


def test_list_and_show(pair: Pair) -> None:
    rows = say("partner", "list", "--json", hub=pair.aster).data["partners"]
    assert [(row["id"], row["as2_id"], row["state"]) for row in rows] == [("birch", "BIRCH", "active")]
    assert "BIRCH" in say("partner", "list", hub=pair.aster).text
    facts = say("partner", "show", "birch", "--json", hub=pair.aster).data
    six = ("sign", "verify", "encrypt", "decrypt", "mdn-sign", "mdn-verify")
    assert all(facts["roles"][role][0]["current"] for role in six)
    assert facts["roles"]["sign"][0]["ref"] == "main"
    text = say("partner", "show", "birch", hub=pair.aster).text
    for piece in (
        "we sign messages with",
        "they sign receipts with",
        facts["roles"]["verify"][0]["fingerprint"][:16],
    ):
        assert piece in text
    assert "trust.unknown-partner" in say("partner", "show", "nobody", hub=pair.aster, code=2).err


def test_a_hub_without_partners(hub: Path) -> None:
    assert say("partner", "list", "--json", hub=hub).data == {"partners": []}
    assert "partner add" in say("partner", "list", hub=hub).text


def test_card_to_standard_output(hub: Path) -> None:
    result = say("partner", "card", hub=hub)
    assert result.text.startswith("ecluse.card/2")
    data = say("partner", "card", "--json", hub=hub).data
    assert len(data["phrase"].split()) == 4


def test_add_by_phrase(hub: Path, pair: Pair) -> None:
    card = pair.cards / "birch.card"
    asked = say("partner", "add", card, hub=hub, code=2)
    assert "cli.not-confirmed" in asked.err
    assert "phrase" in asked.err
    wrong = say("partner", "add", card, "--phrase", "1 2 3 4", hub=hub, code=2)
    assert "partner.incomplete-verification" in wrong.err
    with_ = ["--verified-with", "Jo Birch"]
    wrong = say("partner", "add", card, "--phrase", "1 2 3 4", *with_, hub=hub, code=1)
    assert "card.wrong-phrase" in wrong.err
    phrase = next(line for line in wrong.err.splitlines() if line.startswith("phrase")).removeprefix("phrase")
    assert say("partner", "list", "--json", hub=hub).data == {"partners": []}
    added = say("partner", "add", card, "--id", "b", "--phrase", phrase, *with_, "--json", hub=hub).data
    assert (added["id"], added["version"], added["state"]) == ("b", 2, "active")
    assert added["verification"] == "call-back"
    assert added["card"]["as2_id"] == "BIRCH"
    assert (hub / "partners" / "b.toml").exists()
    again = say("partner", "add", card, "--yes", hub=hub, code=2)
    assert "partner.exists" in again.err


def test_what_can_not_be_added(hub: Path, pair: Pair, tmp_path: Path) -> None:
    card = pair.cards / "birch.card"
    broken = tmp_path / "broken.card"
    broken.write_text(card.read_text().replace("BIRCH", "BIRCK"))
    assert "card.damaged" in say("partner", "add", broken, "--yes", hub=hub, code=1).err
    missing = say("partner", "add", tmp_path / "none", "--yes", "--json", hub=hub, code=2)
    assert missing.data["error"]["code"] == "app.unreadable-file"
    assert "partner.bad-id" in say("partner", "add", card, "--id", "../x", "--yes", hub=hub, code=2).err
    file = hub / "ecluse.toml"
    file.write_text(file.read_text().replace('name = "Cedar"', 'name = "Cedar Mills"'))
    assert "app.pending-changes" in say("partner", "add", card, "--yes", hub=hub, code=2).err
    assert not list((hub / "partners").glob("*.toml"))


def test_generate_request_install(hub: Path, tmp_path: Path) -> None:
    made = say(
        "cert",
        "generate",
        "next",
        "--kind",
        "ec-p256",
        "--subject",
        "CN=Cedar AS2,O=Cedar",
        "--json",
        hub=hub,
    )
    assert (made.data["key"], made.data["in_use"]) == ("EC P-256", False)
    assert "organisation.keys" in say("cert", "generate", "other", "--kind", "ec-p256", hub=hub).text
    assert "keyring.exists" in say("cert", "generate", "next", "--kind", "ec-p256", hub=hub, code=2).err
    assert "keyring.bad-request" in say("cert", "generate", "x", "--kind", "rsa-512", hub=hub, code=2).err
    sealed = say("cert", "generate", "kem", "--kind", "ml-kem-768", "--issuer", "main", "--json", hub=hub)
    assert sealed.data["key"].startswith("ML-KEM")
    text = say("cert", "request", "next", hub=hub).text
    assert x509.load_pem_x509_csr(text.encode()).is_signature_valid
    out = tmp_path / "next.csr"
    say("cert", "request", "next", "--out", out, hub=hub)
    assert out.exists()
    assert "keyring.no-key" in say("cert", "request", "nothing", hub=hub, code=1).err
    own = hub / "keys" / "next.pem"
    assert say("cert", "install", "next", own, "--json", hub=hub).data["ref"] == "next"
    assert "trust.bad-certificate" in say("cert", "install", "main", own, hub=hub, code=2).err


def test_a_key_that_can_not_sign_is_certified_by_another(hub: Path, tmp_path: Path) -> None:
    refused = say("cert", "generate", "kem", "--kind", "ml-kem-768", hub=hub, code=2).err
    assert "--issuer" in refused
    say("cert", "generate", "kem", "--kind", "ml-kem-768", "--issuer", "main", hub=hub)
    out = tmp_path / "kem.pem"
    say("cert", "export", "kem", "--out", out, hub=hub)
    leaf, issuer = x509.load_pem_x509_certificates(out.read_bytes())
    leaf.verify_directly_issued_by(issuer)
    assert say("cert", "export", "kem", hub=hub).text == out.read_text()
    assert "keyring.no-key" in say("cert", "export", "nothing", hub=hub, code=1).err


def test_a_key_shown_to_a_partners_server_has_a_use(hub: Path, pair: Pair) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    with (hub / "partners" / "birch.toml").open("a") as file:
        file.write('\n[as2.tls]\nclient_key = "main"\n')
    say("apply", "--yes", hub=hub)
    rows = say("cert", "list", "--json", hub=hub).data["certificates"]
    assert [row["use"] for row in rows if row["source"] == "main"] == [["sign", "decrypt"], ["tls-client"]]


def test_list_of_certificates(pair: Pair, hub: Path) -> None:
    rows = say("cert", "list", "--json", hub=pair.aster).data["certificates"]
    assert {row["owner"] for row in rows} == {"us", "birch"}
    assert all(row["usable"] for row in rows)
    assert say("cert", "list", "--expiring", "60d", "--json", hub=pair.aster).data == {"certificates": []}
    assert "none" in say("cert", "list", "--expiring", "1d", hub=pair.aster).text
    assert rows[0]["fingerprint"][:16] in say("cert", "list", hub=pair.aster).text
    say("cert", "generate", "short", "--kind", "ec-p256", "--days", "10", hub=hub)
    found = say("cert", "list", "--expiring", "60d", "--json", hub=hub).data["certificates"]
    assert [(row["source"], row["use"]) for row in found] == [("short", [])]


def test_import_a_partners_certificate(hub: Path, pair: Pair, tmp_path: Path) -> None:
    say("partner", "add", pair.cards / "birch.card", "--trust-on-first-use", "a test", hub=hub)
    file = hub / "partners" / "birch.toml"
    file.write_text(f"# spoken to on Monday\n{file.read_text()}")
    certificate = make_certificate(make_key("ec-p256"), "Birch 2", now=system_clock(), days=400)
    path = tmp_path / "birch-2.der"
    path.write_bytes(certificate.public_bytes(Encoding.DER))
    words = ["--partner", "birch", "--use", "verify", "--from", "2026-01-01", "--until", "2099-12-31"]
    assert "cli.not-confirmed" in say("cert", "import", path, *words, hub=hub, code=2).err
    data = say("cert", "import", path, *words, "--yes", "--json", hub=hub).data
    assert data["version"] == 3
    assert file.read_text().startswith("# spoken to on Monday")
    shown = say("partner", "show", "birch", "--json", hub=hub).data["roles"]["verify"]
    assert {entry["key"] for entry in shown} == {"RSA 2048", "EC P-256"}
    assert any(entry["until"] and entry["until"].startswith("2099-12-31") for entry in shown)
    for more, code in (
        ([], "cert.exists"),
        (["--use", "nonsense"], "cert.no-such-use"),
    ):
        line = ["cert", "import", path, "--partner", "birch", *more, "--yes", "--json"]
        assert say(*line, hub=hub, code=2).data["error"]["code"] == code
    assert (
        "trust.private-key"
        in say("cert", "import", _key_file(tmp_path), "--partner", "birch", "--yes", hub=hub, code=2).err
    )
    assert (
        "trust.unknown-partner" in say("cert", "import", path, "--partner", "x", "--yes", hub=hub, code=2).err
    )


def _key_file(folder: Path) -> Path:
    key = make_key("ec-p256")
    certificate = make_certificate(key, "Cedar old", now=system_clock(), days=100)
    path = folder / "old.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
        + certificate.public_bytes(Encoding.PEM)
    )
    return path


def test_import_a_key(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key("ec-p256")
    certificate = make_certificate(key, "Cedar old", now=system_clock(), days=100)
    p12 = tmp_path / "old.p12"
    p12.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"old", key, certificate, None, BestAvailableEncryption(b"open sesame")
        )
    )
    monkeypatch.setenv("P12", "open sesame")
    monkeypatch.setenv("WRONG", "open barley")
    asked = say("cert", "import", p12, "--ref", "old", hub=hub, code=2)
    assert "--password" in asked.err
    assert (
        "trust.wrong-password"
        in say("cert", "import", p12, "--ref", "old", "--password", "env:WRONG", hub=hub, code=2).err
    )
    assert (
        "secret.literal"
        in say("cert", "import", p12, "--ref", "old", "--password", "open sesame", hub=hub, code=2).err
    )
    data = say("cert", "import", p12, "--ref", "old", "--password", "env:P12", "--json", hub=hub).data
    assert (data["ref"], data["subject"]) == ("old", "CN=Cedar old")
    say("cert", "import", _key_file(tmp_path), "--ref", "pem", "--password", "env:P12", hub=hub)
    owners = {row["source"] for row in say("cert", "list", "--json", hub=hub).data["certificates"]}
    assert {"main", "old", "pem"} <= owners
    assert "cli.usage" in say("cert", "import", p12, hub=hub, code=2).err
    assert "cli.usage" in say("cert", "import", p12, "--ref", "a", "--partner", "b", hub=hub, code=2).err


def test_secrets(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIRCH_PASSWORD", "s3cret")
    assert say("secret", "put", "birch-http", "--from", "env:BIRCH_PASSWORD", "--json", hub=hub).data == {
        "name": "birch-http"
    }
    assert say("secret", "list", "--json", hub=hub).data == {"secrets": ["birch-http"]}
    assert "s3cret" not in say("secret", "list", hub=hub).text
    assert "--from" in say("secret", "put", "other", hub=hub, code=2).err
    assert (
        "keyring.bad-name"
        in say("secret", "put", "../x", "--from", "env:BIRCH_PASSWORD", hub=hub, code=2).err
    )
    say("secret", "remove", "birch-http", hub=hub)
    assert "secret.missing" in say("secret", "remove", "birch-http", hub=hub, code=2).err


def test_a_serving_hub_takes_up_keys(pair: Pair) -> None:
    """A key that is replaced while the hub serves is used from the next second on; here: it is read at all."""
    say("cert", "install", "main", pair.aster / "keys" / "main.pem", hub=pair.aster)
    sent = say("send", "birch", pair.order(2001), "--wait", "--timeout", "30s", "--json", hub=pair.aster).data
    assert sent["confirmed"] is True


def test_another_passphrase_opens_the_keyring(hub: Path) -> None:
    old, new = hub / "passphrase", hub / "new"
    new.write_text("five quite random words here\n")
    new.chmod(0o600)
    weak = hub / "weak"
    weak.write_text("short\n")
    weak.chmod(0o600)
    asked = ("keyring", "passphrase", "--new")
    assert "keyring.weak-passphrase" in say(*asked, f"file:{weak}", hub=hub, code=2).err
    assert say(*asked, f"file:{new}", "--json", hub=hub).data == {"reference": "file:passphrase"}
    assert "keyring.wrong-passphrase" in say("secret", "list", hub=hub, code=1).err
    new.replace(old)
    assert say("secret", "list", hub=hub)
    assert "file:passphrase" in say(*asked, f"file:{old}", hub=hub).text
