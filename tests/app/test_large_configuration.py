"""A hub with hundreds of partners: what one process read, the next one knows, and one change costs one change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.certs import make_identity

from ecluse.app import node as node_module
from ecluse.app import opening
from ecluse.app.folder import make_hub
from ecluse.app.node import KNOWN_FILE
from ecluse.app.opening import open_node
from ecluse.app.settings import apply_files
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder
from ecluse.trust.files import reading

PARTNERS = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (node_module, opening):
        monkeypatch.setattr(module, "LEAST", PARTNERS)
    folder = tmp_path / "aster"
    with make_hub(folder, name="Aster", as2_id="ASTER", key_kind="ec-p256") as node:
        (folder / "certificates" / "mill.pem").write_text(to_pem([make_identity("Mill").certificate]))
        for number in range(PARTNERS):
            (folder / "partners" / f"mill{number}.toml").write_text(partner(number))
        apply_files(node, read_folder(folder), actor="operator:test", reason="the mills")
    return folder


def partner(number: int, subject: str = "Order") -> str:
    return (
        f'name = "Mill {number}"\n[as2]\nid = "MILL{number}"\nurl = "https://as2.mill{number}.example/as2"\n'
        f'subject = "{subject}"\n[[certificates]]\nfile = "certificates/mill.pem"\n'
    )


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many TOML files are parsed from here on."""
    count = [0]
    parse = reading._parse

    def counted(*given: object) -> object:
        count[0] += 1
        return parse(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "_parse", counted)
    return count


def test_the_next_process_knows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (folder / KNOWN_FILE).stat().st_mode & 0o777 == 0o600
    count = count_reads(monkeypatch)
    with open_node(folder) as node:
        assert len(node.directory.partners) == PARTNERS
    assert count[0] == 2, "ecluse.toml, of the folder and of the version"
    (folder / KNOWN_FILE).write_bytes(b"what somebody put there")
    with open_node(folder) as node:
        assert len(node.directory.partners) == PARTNERS
    assert count[0] == 2 + 2 + PARTNERS
    with open_node(folder):
        assert count[0] == 4 + PARTNERS + 2, "it was kept anew"


def test_one_change_costs_one_change(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_node(folder) as node, open_node(folder) as other:
        count = count_reads(monkeypatch)
        assert not node.reload()
        assert count[0] == 0
        (folder / "partners" / "mill7.toml").write_text(partner(7, "Invoice"))
        before = node.directory.partner("mill8").settings
        apply_files(other, read_folder(folder), actor="operator:test", reason="one")
        assert count[0] == 3, "it once; ecluse.toml when it is planned and when it is in force"
        assert node.reload()
        assert count[0] == 5
        assert node.directory.partner("mill7").as2.subject == "Invoice"
        assert node.directory.partner("mill8").settings is before
