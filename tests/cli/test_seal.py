"""Seals on the command line."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import say
from tests.support.sealed import INVOICE, pdf


def test_sign_and_check_files(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf())
    (tmp_path / "a.xml").write_bytes(INVOICE)
    (tmp_path / "a.edi").write_bytes(b"UNB+")
    for name, made, form in (
        ("a.pdf", "a-sealed.pdf", "pades"),
        ("a.xml", "a-sealed.xml", "xades"),
        ("a.edi", "a.edi.p7m", "cades"),
    ):
        facts = say("seal", "sign", tmp_path / name, "--json", hub=hub).data
        assert (facts["file"], facts["format"]) == (str(tmp_path / made), form)
        found = say("seal", "check", tmp_path / made, "--json", hub=hub).data
        assert found["passed"]
        assert found["documents"][0]["seals"][0]["certificate"] == facts["certificate"]
        assert "disk.name-taken" in say("seal", "sign", tmp_path / name, hub=hub, code=1).err
        assert "no seal" in say("seal", "check", tmp_path / name, hub=hub, code=1).text
    (tmp_path / "a.edi.p7m").write_bytes((tmp_path / "a.edi.p7m").read_bytes().replace(b"UNB+", b"UNA+"))
    assert "total-failed" in say("seal", "check", tmp_path / "a.edi.p7m", hub=hub, code=1).text


def test_beside_and_container(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "a.edi").write_bytes(b"UNB+")
    say("seal", "sign", tmp_path / "a.edi", "--format", "cades-detached", hub=hub)
    say("seal", "check", tmp_path / "a.edi", "--seal", tmp_path / "a.edi.p7s", hub=hub)
    box = tmp_path / "box.asice"
    say("seal", "container", tmp_path / "a.edi", tmp_path / "a.edi.p7s", "--out", box, hub=hub)
    found = say("seal", "check", box, "--json", hub=hub).data
    assert [each["file"] for each in found["documents"][0]["seals"]] == ["a.edi", "a.edi.p7s"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.edi").write_bytes(b"")
    wrong = say(
        "seal",
        "container",
        tmp_path / "a.edi",
        other / "a.edi",
        "--out",
        tmp_path / "2.asice",
        hub=hub,
        code=2,
    )
    assert "one name" in wrong.err


def test_what_can_t_be(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "a.edi").write_bytes(b"UNB+")
    assert "seal.not-fit" in say("seal", "sign", tmp_path / "a.edi", "--format", "pades", hub=hub, code=1).err
    assert not list(tmp_path.glob("*sealed*"))
    nobody = say("seal", "sign", tmp_path / "a.edi", "--key", "nobody", hub=hub, code=1)
    assert "keyring.no-key" in nobody.err
    say("seal", "sign", tmp_path / "missing", hub=hub, code=2)
    say("seal", "check", "no-such-message", hub=hub, code=2)
    (hub / "flows").mkdir(exist_ok=True)
    (hub / "flows" / "out.toml").write_text(
        'name = "Out"\n[from]\nchannel = "as2:*"\n[[to]]\nchannel = "folder:box"\n[to.seal]\nkey = "nobody"\n'
    )
    text = (hub / "ecluse.toml").read_text()
    (hub / "ecluse.toml").write_text(
        text + '\n[folders.box]\npath = "box"\n\n[seals]\nroots = ["certificates/no.pem"]\n'
    )
    told = say("plan", hub=hub, code=2).err
    assert "seals.roots" in told
