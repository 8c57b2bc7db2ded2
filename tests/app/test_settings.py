"""Versions of the configuration, and what the log says of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.support.certs import make_identity

from ecluse.app.folder import make_hub
from ecluse.app.settings import apply_files
from ecluse.trust.certificates import to_pem
from ecluse.trust.configuration import read_folder

PARTNERS = 400
"""Their changes have more octets than a record may have."""


def test_hundreds_of_partners_are_applied_at_once(tmp_path: Path) -> None:
    with make_hub(tmp_path / "aster", name="Aster", as2_id="ASTER", key_kind="ec-p256") as node:
        (node.folder / "certificates" / "mill.pem").write_text(to_pem([make_identity("Mill").certificate]))
        for number in range(PARTNERS):
            (node.folder / "partners" / f"mill{number}.toml").write_text(
                f'name = "Mill {number}"\n[as2]\nid = "MILL{number}"\nurl = "https://as2.mill{number}.example/as2"\n'
                '[[certificates]]\nfile = "certificates/mill.pem"\n'
            )
        version = apply_files(node, read_folder(node.folder), actor="operator:test", reason="the mills")
        assert version is not None
        assert len(node.directory.partners) == PARTNERS
        events = [json.loads(leaf) for _, leaf in node.store.read(lambda view: view.unsealed(5000))]
    facts = [event["data"] for event in events if event["kind"] == "config.applied"][-1]
    assert len({event["subject"] for event in events if event["kind"] == "partner.state-changed"}) == PARTNERS
    assert facts["version"] == version.number
    assert facts["changes"][0].startswith("partner:mill0: + ")
    assert facts["left_out"] > 0
    files = json.dumps(version.files, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert facts["files_sha256"] == hashlib.sha256(files.encode()).hexdigest()
