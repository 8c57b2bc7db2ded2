"""The record of processing activities: what the configuration says, and what nobody wrote down."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ecluse.app.folder import make_hub
from ecluse.app.processing.page import LANGUAGES, as_html, as_markdown
from ecluse.app.processing.record import processing_record
from ecluse.app.settings import apply_files
from ecluse.trust.configuration import read_folder

PARTNER = """name = "Birch <Packaging>"
[sftp]
host = "sftp.birch.example"
user = "aster"
host_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAR7azn3b6ANXoLWqDDDm25YgPTNjLY9tUsaZ3vSD5RD"]
password = "env:BIRCH"
[identifiers]
vat = "FR83404833048"
"""
FLOW = """name = "Orders | out"
purpose = "To order what we pack with"
[[to]]
channel = "sftp:birch"
[retention]
payload = "90d"
"""
SAID = """
[processing]
officer = "Office of data protection, dpo@aster.example"
basis = "Article 6(1)(b)"
persons = ["staff of suppliers"]
data = ["names on orders"]
"""


def test_it_says_what_is_known_and_what_is_missing(tmp_path: Path) -> None:
    with make_hub(tmp_path / "aster", name="Aster Foods", as2_id="ASTER", key_kind="ec-p256") as node:
        empty = processing_record(node)
        assert "processing.officer" in empty["gaps"]
        (node.folder / "flows").mkdir(exist_ok=True)
        (node.folder / "partners" / "birch.toml").write_text(PARTNER)
        (node.folder / "flows" / "orders.toml").write_text(FLOW)
        file = node.folder / "ecluse.toml"
        file.write_text(file.read_text() + SAID)
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        record = processing_record(node)
    assert record["gaps"] == []
    (birch,) = record["recipients"]
    assert (birch["country"], birch["transfer"], birch["channels"]) == ("FR", "none", ["sftp"])
    orders = record["activities"][0]
    assert (orders["purpose"], orders["recipients"]) == ("To order what we pack with", ["birch"])
    assert orders["retention"]["payload"] == "90d"
    assert {each["measure"] for each in record["measures"]} >= {
        "sealed",
        "shredding",
        "four-eyes",
        "findings",
    }
    for language in LANGUAGES:
        page = as_html(record, language)
        ElementTree.fromstring(page.replace("<!doctype html>", "").replace('<meta charset="utf-8">', ""))
        assert "Birch &lt;Packaging&gt;" in page
        assert "<script" not in page
        text = as_markdown(record, language)
        assert "Birch \\<Packaging\\>" in text
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert all(len(re.findall(r"(?<!\\)\|", row)) >= 2 for row in rows)
    assert "Registre des activités" in as_html(record, "fr")


@pytest.mark.parametrize(
    ("vat", "transfer"),
    [("CHE123456788", "adequacy-decision"), ("CN12345678", "third-country"), ("", "unknown")],
)
def test_transfers(tmp_path: Path, vat: str, transfer: str) -> None:
    with make_hub(tmp_path / "aster", name="Aster Foods", as2_id="ASTER", key_kind="ec-p256") as node:
        text = PARTNER.replace("FR83404833048", vat) if vat else PARTNER.split("[identifiers]")[0]
        (node.folder / "partners" / "birch.toml").write_text(text)
        apply_files(node, read_folder(node.folder), actor="operator:test", reason="test")
        (birch,) = processing_record(node)["recipients"]
    assert birch["transfer"] == transfer
